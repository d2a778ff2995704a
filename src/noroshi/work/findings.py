"""Findings asked for: which hold, for whom, and what they rest on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from noroshi.model import observable
from noroshi.model.errors import UsageError
from noroshi.model.finding import Finding, iso
from noroshi.model.tlp import Tlp
from noroshi.share.marking import reason
from noroshi.share.marking import recipient as named

if TYPE_CHECKING:
    from noroshi.lake.handle import Lake
    from noroshi.lake.runs import RunInfo

SHORTEST = 6
"""Characters of an id that must be given: six hex digits are one in 16 million."""


def find(
    lake: Lake, *, kind: str | None = None, since: datetime | None = None, subject: str | None = None,
    recipient: str | None = None, telescopes: Iterable[str] = (),
) -> list[Finding]:  # fmt: skip
    """The findings that hold, by time and subject; of one id the view that may tell the most.

    subject: in any spelling of the value (`2001:DB8::1`). recipient: only what they may see, else all.
    telescopes: prefixes whose addresses are for the own organisation only.
    """
    to = named(recipient) if recipient else None
    ceiling = to.ceiling if to else Tlp.RED
    found = fullest(lake.findings(kind=kind, since=since, subject=_canonical(subject), tlp=ceiling))
    prefixes = tuple(telescopes)
    return [f for f in found if to is None or not reason(f, to, prefixes)]


def fullest(findings: list[Finding]) -> list[Finding]:
    """Of several views of one finding the one at the strictest marking, which was judged from the most."""
    best: dict[str, Finding] = {}
    for f in findings:
        if f.id not in best or f.tlp.rank > best[f.id].tlp.rank:
            best[f.id] = f
    return sorted(best.values(), key=lambda f: (f.first_seen, f.kind, f.subject.value, f.id))


def _canonical(subject: str | None) -> str | None:
    if subject is None:
        return None
    try:
        return observable.guess(subject)[1]
    except UsageError:
        return subject.strip()


@dataclass(frozen=True)
class Why:
    """Where something came from."""

    finding: Finding | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    sql: str = ""
    """A SELECT that shows the rows behind it."""

    def to_json(self) -> dict[str, Any]:
        """The answer as JSON types."""
        finding = self.finding.to_json() if self.finding else None
        return {"finding": finding, "rows": self.rows, "runs": self.runs, "sql": self.sql}


def why(lake: Lake, text: str) -> Why:
    """Where a finding (by id), a run (by id) or a row (`RUN:OFFSET`) came from. Raises UsageError."""
    text = text.strip()
    if len(text) < SHORTEST:
        raise UsageError(
            f"{text!r} is too short for an id", todo=f"Give at least {SHORTEST} characters of it."
        )
    run, _, offset = text.partition(":")
    if offset:
        return _row(lake, run, offset)
    hits = [f for f in fullest(lake.findings(tlp=Tlp.RED)) if f.id.startswith(text.lower())]
    if len(hits) > 1:
        raise UsageError(f"{len(hits)} findings have ids that begin with {text}", todo="Give more of the id.")
    if hits:
        infos = {r.run_id: r for r in lake.snapshot().runs()}
        runs = [as_json(infos[i]) for i in hits[0].runs if i in infos]
        return Why(hits[0], runs=runs, sql=_select(hits[0]))
    run_id = full_run_id(lake, text)
    runs = [as_json(r) for r in lake.snapshot().runs() if r.run_id == run_id]
    return Why(runs=runs, sql=f"SELECT * FROM flows WHERE run_id = '{run_id}' LIMIT 20")  # noqa: S608


def _row(lake: Lake, run: str, offset: str) -> Why:
    from noroshi.work.sql import rows

    if not offset.isascii() or not offset.isdigit() or len(offset) > 18:
        raise UsageError(
            f"{offset!r} is no offset", todo="Write RUN:OFFSET, as the columns run_id and offset say."
        )
    run_id = full_run_id(lake, run)
    text = 'SELECT * FROM flows WHERE run_id = $run AND "offset" = $offset'
    found = lake.snapshot().sql(text, {"run": run_id, "offset": int(offset)})
    runs = [as_json(r) for r in lake.snapshot().runs() if r.run_id == run_id]
    return Why(rows=rows(found), runs=runs)


def _select(finding: Finding) -> str:
    """A SELECT over the rows a finding speaks of."""
    day = finding.first_seen.date().isoformat()
    kind, value = finding.subject.kind, finding.subject.value
    where = {
        "ip": f"src_ip = ip('{value}')",
        "prefix": f"in_net(src_ip, '{value}')",
        "port": f"dst_port = {value.rpartition('/')[2]}",
    }.get(kind)
    if where is None or any(c in value for c in "'\"\\ "):
        return ""
    return f"SELECT * FROM flows WHERE day = '{day}' AND {where} ORDER BY first_seen LIMIT 20"  # noqa: S608


def full_run_id(lake: Lake, text: str) -> str:
    """The id of the one visible run whose id begins with `text`. Raises UsageError."""
    ids = [r.run_id for r in lake.snapshot().runs() if r.run_id.startswith(text.strip().lower())]
    if len(ids) != 1 or len(text.strip()) < SHORTEST:
        what = f"{len(ids)} runs have" if ids else "no finding and no run has"
        todo = (
            "Give more of the id." if ids else 'Look for it with: noroshi sql "SELECT run_id, path FROM runs"'
        )
        raise UsageError(f"{what} an id that begins with {text!r}", todo=todo)
    return ids[0]


def as_json(run: RunInfo) -> dict[str, Any]:
    """A run as JSON types."""
    return {
        "run_id": run.run_id, "path": run.path, "source": run.source, "format": run.format,
        "parser_version": run.parser_version, "sha256": run.sha256, "tlp": run.tlp.value,
        "first_seen": iso(run.first_seen) if run.first_seen else None,
        "last_seen": iso(run.last_seen) if run.last_seen else None,
    }  # fmt: skip
