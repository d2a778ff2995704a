"""A lake with rows written by hand, and analysers small enough to foretell."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from noroshi import registry
from noroshi.lake.handle import Lake
from noroshi.model import address
from noroshi.model.analyser import Option, Query, Scope
from noroshi.model.finding import Finding, Rule, Subject
from noroshi.model.sensor import Batch
from noroshi.model.tables import TABLES
from noroshi.model.tlp import Tlp


def store(lake: Lake, rows: list[dict[str, Any]], *, name: str = "a.pcap", tlp: Tlp = Tlp.CLEAR) -> str:
    """Stores rows of `flows` as one closed run; its id."""
    schema = TABLES["flows"].arrow()
    table = pa.Table.from_pylist(rows, schema=schema)
    digest = hashlib.sha256(repr((name, rows)).encode()).hexdigest()
    with lake.writer() as writer:
        run = writer.begin(path=name, source=name, format="pcap", parser_version=1, tlp=tlp)
        run.write(Batch("flows", table.drop_columns(["run_id"])))
        return run.finish(sha256=digest, size=1, counts={}).run_id


class Heavy:
    """A finding for each source with at least `least` packets on the day."""

    name = "heavy"
    version = 1
    kinds = ("scanner",)
    needs_telescope = True
    tables = ("flows",)
    context = ()
    doc = "Sources with many packets."
    options = (Option("least", 10, "packets a day"),)

    def reduce(self, query: Query, scope: Scope) -> Any:
        text = (
            "SELECT src_ip, sum(packet_count)::BIGINT AS n, min(first_seen) AS a, max(last_seen) AS b "
            f"FROM flows WHERE day = $day AND {scope.where()} GROUP BY 1 ORDER BY 1"
        )
        return query.sql(text, {"day": scope.day}).to_pylist()

    def judge(self, reduced: Any, scope: Scope) -> list[Finding]:
        from datetime import UTC

        assert scope.telescope
        return [
            Finding(
                "scanner", Subject("ip", address.text(r["src_ip"])), Rule(self.name, self.version),
                r["a"].astimezone(UTC), r["b"].astimezone(UTC), 80, {"en": f"sent {r['n']}"},
                {"packets": r["n"], "size": scope.size}, scope=scope.telescope.name,
            )
            for r in reduced
            if r["n"] >= scope.options.get("least", 10)
        ]  # fmt: skip


class Free(Heavy):
    """The same without a telescope's size: one finding for the day's first source."""

    name = "free"
    needs_telescope = False
    tables = ("flows",)
    context = ()

    def judge(self, reduced: Any, scope: Scope) -> list[Finding]:
        return []


@pytest.fixture
def analysers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the analysers above are registered."""
    here = "tests.work.lakes"
    monkeypatch.setattr(registry, "ANALYSERS", {"heavy": f"{here}:Heavy", "free": f"{here}:Free"})


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An empty lake."""
    return Lake.open(tmp_path / "lake")
