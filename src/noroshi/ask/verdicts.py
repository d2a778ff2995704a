"""What people said of findings: the newest verdict of each, and how often a rule was right."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from noroshi.model.analyser import Query
from noroshi.model.finding import iso


@dataclass(frozen=True)
class Verdict:
    """The newest word on a finding."""

    finding_id: str
    verdict: str
    """true, false or unsure."""
    who: str
    ts: datetime
    comment: str = ""

    def to_json(self) -> dict[str, Any]:
        """As the API tells it."""
        return {"finding_id": self.finding_id, "verdict": self.verdict, "who": self.who, "ts": iso(self.ts),
                "comment": self.comment}  # fmt: skip


def newest(query: Query, finding_id: str | None = None) -> dict[str, Verdict]:
    """The verdict that holds, by finding."""
    where, parameters = ("WHERE finding_id = $id", {"id": finding_id}) if finding_id else ("", None)
    found = query.sql(
        f"SELECT finding_id, verdict, who, ts, comment FROM verdicts {where}"  # noqa: S608
        " QUALIFY row_number() OVER (PARTITION BY finding_id ORDER BY ts DESC, run_id DESC) = 1",
        parameters,
    )
    return {
        r["finding_id"]: Verdict(r["finding_id"], r["verdict"], r["who"], r["ts"], r["comment"] or "")
        for r in found.to_pylist()
    }


@dataclass(frozen=True)
class Record:
    """How a rule was judged."""

    rule: str
    true: int
    false: int
    unsure: int

    @property
    def precision(self) -> tuple[float, float, float] | None:
        """(share of true among true and false, and its 95 % interval by Wilson's score); None when none was judged.

        Source: E. B. Wilson, JASA 22 (1927). What people look at is no random sample: this is of what was judged.
        """
        n = self.true + self.false
        if not n:
            return None
        z, p = 1.959964, self.true / n
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * float((p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5)
        return p, max(0.0, middle - half), min(1.0, middle + half)


def records(query: Query) -> tuple[Record, ...]:
    """How each rule was judged, by name."""
    found = query.sql(
        "WITH held AS (SELECT * FROM verdicts"
        " QUALIFY row_number() OVER (PARTITION BY finding_id ORDER BY ts DESC, run_id DESC) = 1)"
        " SELECT rule, count(*) FILTER (verdict = 'true') AS t, count(*) FILTER (verdict = 'false') AS f,"
        " count(*) FILTER (verdict = 'unsure') AS u FROM held GROUP BY rule ORDER BY rule"
    )
    return tuple(Record(r["rule"], r["t"], r["f"], r["u"]) for r in found.to_pylist())
