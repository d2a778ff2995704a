"""What a recipient may not see changes nothing in any answer."""

from __future__ import annotations

import dataclasses
import itertools
import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.lake.handle import Lake
from noroshi.lake.snapshot import Snapshot
from noroshi.model import address
from noroshi.model.sensor import Batch
from noroshi.model.tables import TABLES
from noroshi.model.tlp import Tlp

NOON = datetime(2026, 10, 4, 12, tzinfo=UTC)


@dataclasses.dataclass(frozen=True)
class Record:
    """One row to be: in which run, table and day, what it says, and how it is marked (None: as the run)."""

    run: int
    table: str
    day: int
    value: int
    tlp: Tlp | None


def row(record: Record, at: int) -> dict[str, Any]:
    """As a row of its table."""
    packed = address.pack(f"192.0.2.{record.value}")
    plain = {"string": "x", "strings": [], "int16": 1, "int32": 1, "int64": 1, "bool": False,
             "address": packed, "float64": 0.0, "ts": NOON + timedelta(days=record.day)}  # fmt: skip
    out = {
        c.name: plain[c.type] for c in TABLES[record.table].columns if not c.nullable and c.name != "run_id"
    }
    if record.table == "indicators":
        out |= {"kind": "ip", "value": f"192.0.2.{record.value}", "role": "c2"}
    if record.table == "events":
        out |= {"ip": packed}
    out |= {"offset": at}
    return out | ({"tlp": record.tlp.value if record.tlp else None} if "tlp" in out else {})


def filled(path: Path, records: list[Record], runs: list[Tlp], *, streamed: bool) -> Lake:
    """A lake with these records; runs are there whether or not they hold any."""
    from noroshi.lake import writer as writing

    lake = Lake.open(path)
    small, writing.SMALL_RUN_BYTES = writing.SMALL_RUN_BYTES, 0 if streamed else writing.SMALL_RUN_BYTES
    try:
        with lake.writer() as writer:
            for number, tlp in enumerate(runs):
                run = writer.begin(path=f"run{number}", format="list", parser_version=1, tlp=tlp)
                object.__setattr__(run, "run_id", run.run_id)
                for table in ("connections", "events", "indicators"):
                    rows = [row(r, i) for i, r in enumerate(records) if (r.run, r.table) == (number, table)]
                    if rows:
                        schema = TABLES[table].arrow()
                        names = [n for n in schema.names if n in rows[0]]
                        typed = pa.schema([schema.field(n).with_nullable(True) for n in names])
                        run.write(Batch(table, pa.Table.from_pylist(rows, schema=typed)))
                run.finish(sha256=f"{number}", size=len(records))
    finally:
        writing.SMALL_RUN_BYTES = small
    return lake


QUESTIONS = (
    "SELECT count(*) AS n FROM connections", "SELECT count(*) AS n FROM events", "SELECT count(*) FROM indicators",
    'SELECT * EXCLUDE (run_id, "offset") FROM events ORDER BY ALL', "SELECT value, tlp FROM indicators ORDER BY ALL",
    "SELECT * EXCLUDE (run_id) FROM links ORDER BY ALL", "SELECT DISTINCT day FROM events ORDER BY day",
    'SELECT * EXCLUDE (run_id, "at") FROM runs ORDER BY ALL', "SELECT count(*) FROM rejects",
    "SELECT r.path, count(*) FROM links l JOIN runs r USING (run_id) GROUP BY ALL ORDER BY ALL",
    "SELECT * EXCLUDE (run_id) FROM hourly ORDER BY ALL", "SELECT * EXCLUDE (run_id) FROM daily ORDER BY ALL",
)  # fmt: skip


def answers(seen: Snapshot) -> str:
    """Every kind of answer, as one text; names drawn at random aside."""
    out: list[Any] = [seen.sql(q).to_pylist() for q in QUESTIONS]
    for table in ("connections", "events", "indicators", "links", "runs", "hourly", "daily"):
        out.append([table, seen.count(table), seen.days(table)])
    for value in range(4):
        text = f"192.0.2.{value}"
        found = seen.links("ip", text)
        out.append(sorted(map(str, found.drop_columns(["run_id"]).to_pylist())))
        for table, column in (("events", "ip"), ("connections", "src_ip")):
            rows = seen.rows(table, column, address.pack(text)).drop_columns(["run_id", "offset"])
            out.append(sorted(map(str, rows.to_pylist())))
    out.append(
        sorted(json.dumps(dataclasses.asdict(r) | {"at": 0, "run_id": 0}, default=str) for r in seen.runs())
    )
    return "\n".join(map(str, out))


_TLP = st.sampled_from(list(Tlp))
_RECORD = st.builds(
    Record, run=st.integers(0, 2), table=st.sampled_from(["connections", "events", "indicators"]),
    day=st.integers(0, 2), value=st.integers(0, 3), tlp=st.none() | _TLP,
)  # fmt: skip


def marking(record: Record, runs: list[Tlp]) -> Tlp:
    """What decides about a record."""
    return record.tlp or runs[record.run] if TABLES[record.table].marked else runs[record.run]


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_hidden_records_change_no_answer(data: st.DataObject) -> None:
    runs = data.draw(st.lists(_TLP, min_size=3, max_size=3))
    records = data.draw(st.lists(_RECORD, max_size=10))
    limit = data.draw(st.sampled_from([Tlp.CLEAR, Tlp.GREEN, Tlp.AMBER, Tlp.AMBER_STRICT]))
    shown = [r for r in records if marking(r, runs).rank <= limit.rank]
    changed = data.draw(st.lists(_RECORD, max_size=6))
    other = shown + [r for r in changed if marking(r, runs).rank > limit.rank]
    streamed, compacted = data.draw(st.booleans()), data.draw(st.booleans())
    with tempfile.TemporaryDirectory() as folder:
        told = []
        for name, content in (("a", records), ("b", other), ("c", shown)):
            lake = filled(Path(folder) / name, content, runs, streamed=streamed)
            if compacted:
                lake.compact()
            told.append(answers(lake.snapshot().restricted(tlp=limit)))
            whole = lake.snapshot()
            assert whole.count("events") == sum(r.table == "events" for r in content)
            assert lake.verify() == []
        assert told[0] == told[1] == told[2]


@pytest.mark.parametrize("compacted", [False, True])
def test_the_rows_own_marking_decides_alone(lake: Lake, compacted: bool) -> None:
    rows = [Record(0, "indicators", 0, 1, Tlp.GREEN), Record(0, "indicators", 0, 2, None),
            Record(1, "indicators", 0, 3, Tlp.RED), Record(1, "connections", 0, 1, None)]  # fmt: skip
    lake = filled(lake.path, rows, [Tlp.RED, Tlp.CLEAR, Tlp.CLEAR], streamed=False)
    if compacted:
        lake.compact()
    for tlp, values in ((Tlp.CLEAR, []), (Tlp.GREEN, [1]), (Tlp.AMBER_STRICT, [1]), (Tlp.RED, [1, 2, 3])):
        seen = lake.snapshot().restricted(tlp=tlp)
        assert seen.count("indicators") == len(values)
        got = seen.sql("SELECT value FROM indicators ORDER BY value")["value"].to_pylist()
        assert got == [f"192.0.2.{v}" for v in values]
        for v in range(1, 4):
            found = seen.links("ip", f"192.0.2.{v}").filter(pa.compute.field("table") == "indicators")
            assert found.num_rows == (v in values)
        assert seen.count("connections") == 1
    # Nested restrictions only narrow.
    narrow = lake.snapshot().restricted(tlp=Tlp.GREEN).restricted(tlp=Tlp.RED)
    assert narrow.count("indicators") == 1
    green = lake.snapshot().restricted(tlp=Tlp.GREEN)
    stricter = [r for r in green.runs() if r.tlp is Tlp.RED]
    assert [(r.path, r.source, r.sha256, r.counts["tables"]) for r in stricter] == [
        ("", "", None, {"indicators": 1, "links": 1})
    ]
    # A run of which nothing may be seen is not told at all; nor one that holds nothing.
    assert len(green.runs()) == 2
    assert len(lake.snapshot().runs()) == 3


def test_a_marking_given_by_hand_lowers_none(lake: Lake) -> None:
    records = [Record(0, "events", 0, v, t) for v, t in itertools.zip_longest(range(4), [Tlp.RED, Tlp.AMBER])]
    lake = filled(lake.path, records, [Tlp.CLEAR] * 3, streamed=True)
    held = lake.snapshot().sql("SELECT tlp FROM events ORDER BY tlp")["tlp"].to_pylist()
    assert held == ["amber", "clear", "clear", "red"]


def test_what_is_no_marking_counts_as_the_strictest() -> None:
    from noroshi.lake.shape import marked

    rows = pa.table({"tlp": ["TLP:WHITE", "secret", None, "amber+strict"]})
    for form in (rows, rows.set_column(0, "tlp", rows["tlp"].dictionary_encode())):
        assert marked(form, Tlp.GREEN)["tlp"].to_pylist() == ["clear", "red", "green", "amber+strict"]
    assert marked(pa.table({"a": [1]}), Tlp.GREEN)["tlp"].to_pylist() == ["green"]
