"""Rows too old are taken out with their links and sums; whatever interrupts it, nothing is half there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from noroshi.lake.handle import Lake
from noroshi.model import address
from noroshi.model.errors import UsageError
from noroshi.model.sensor import Batch
from noroshi.model.tables import TABLES
from noroshi.model.tlp import Tlp
from tests.lake.support import count

ROOT = Path(__file__).parents[2]
FIRST = datetime(2026, 10, 1, 12, tzinfo=UTC)
CUT = date(2026, 10, 3)


def rows(table: str, n: int, **more: Any) -> pa.Table:
    """n rows of a table, one each day, from 192.0.2.N."""
    plain = {"string": "x", "strings": [], "int16": 6, "int32": 80, "int64": 1, "bool": False, "float64": 0.0}
    schema = TABLES[table].arrow()
    names = [
        c.name for c in TABLES[table].columns if (not c.nullable or c.name in more) and c.name != "run_id"
    ]
    out = []
    for i in range(n):
        at = {"ts": FIRST + timedelta(days=i), "address": address.pack(f"192.0.2.{i}")}
        row = {c.name: (plain | at)[c.type] for c in TABLES[table].columns if c.name in names}
        out.append(row | {k: v(i) for k, v in more.items()})
    return pa.Table.from_pylist(out, schema=pa.schema([schema.field(c) for c in names]))


def fill(lake: Lake) -> None:
    """Two runs with five days of connections each, the second with indicators and transfers of five days too."""
    for number in range(2):
        with lake.writer() as writer:
            run = writer.begin(path=f"r{number}", format="list", parser_version=1, tlp=Tlp.GREEN)
            run.write(Batch("connections", rows("connections", 5)))
            if number:
                given = {"kind": lambda i: "ip", "value": lambda i: f"192.0.2.{i}", "role": lambda i: "c2",
                         "tlp": lambda i: "clear"}  # fmt: skip
                run.write(Batch("indicators", rows("indicators", 5, **given)))
                run.write(Batch("transfers", rows("transfers", 5, url=lambda i: f"http://h{i}.example/")))
            run.finish(sha256=f"d{number}", size=1)


def state(lake: Lake) -> dict[str, int]:
    """Rows by table as SQL counts them, which must be what the runs say."""
    shot = lake.snapshot()
    out = {t: count(shot, t) for t in ("connections", "indicators", "transfers", "links", "hourly", "daily")}
    assert {t: shot.count(t) for t in out} == out
    held = shot.sql(
        "SELECT count(*) AS n FROM links WHERE \"table\" = 'connections' AND day < DATE '2026-10-03'"
    )
    seen = sum(shot.links("ip", f"192.0.2.{i}").num_rows for i in range(5))
    assert seen == count(shot, "links WHERE kind = 'ip'")
    assert (held["n"][0].as_py() == 0) == (out["connections"] == 6)
    return out


BEFORE = {"connections": 10, "indicators": 5, "transfers": 5, "links": 40, "hourly": 10, "daily": 15}


def before(lake: Lake) -> dict[str, int]:
    """What is there at first; `daily` has no day of rows with a marking of their own."""
    found = state(lake)
    assert {t: found[t] for t in ("connections", "indicators", "transfers", "hourly")} == {
        t: BEFORE[t] for t in ("connections", "indicators", "transfers", "hourly")
    }
    return found


@pytest.mark.parametrize("compacted", [False, True])
def test_daily_tables_lose_whole_days(lake: Lake, compacted: bool) -> None:
    fill(lake)
    if compacted:
        lake.compact()
    was = before(lake)
    plan = lake.retain({"connections": CUT}, dry_run=True)
    assert state(lake) == was
    assert plan.rows == {"connections": 4, "links": 8, "hourly": 4, "daily": 4}
    assert plan.runs == 2
    assert lake.retain({"connections": CUT}) == plan
    now = state(lake)
    assert now == {t: n - plan.rows.get(t, 0) for t, n in was.items()}
    assert lake.snapshot().days("connections") == [CUT + timedelta(days=i) for i in range(3)]
    assert lake.snapshot().count("indicators") == 5
    assert lake.verify() == []
    # The runs stay, and say what has gone.
    runs = lake.snapshot().runs()
    assert [r.counts["retention"]["connections"] for r in runs] == [{"rows": 2, "before": "2026-10-03"}] * 2
    assert lake.retain({"connections": CUT}).rows == {}
    # Reading the same bytes again adds nothing.
    fill(lake)
    assert state(lake) == now


@pytest.mark.parametrize("compacted", [False, True])
def test_other_tables_lose_rows(lake: Lake, compacted: bool) -> None:
    fill(lake)
    if compacted:
        lake.compact()
    was = before(lake)
    gone = lake.retain({"indicators": CUT, "transfers": date(2026, 10, 5)})
    assert (gone.rows["indicators"], gone.rows["transfers"], gone.runs) == (2, 4, 1)
    now = state(lake)
    assert now == {t: n - gone.rows.get(t, 0) for t, n in was.items()}
    assert lake.snapshot().links("domain", "h3.example").num_rows == 0
    assert lake.snapshot().links("domain", "h4.example").num_rows == 1
    green = lake.snapshot().restricted(tlp=Tlp.CLEAR)
    assert green.count("indicators") == 3 == count(green, "indicators")
    lake.compact()
    assert state(lake) == now
    assert lake.verify() == []


def test_tables_without_days_are_refused(lake: Lake) -> None:
    for table in ("runs", "findings", "rejects", "nonsense"):
        with pytest.raises(UsageError):
            lake.retain({table: CUT})


def test_a_snapshot_outlives_it(lake: Lake) -> None:
    fill(lake)
    shot = lake.snapshot()
    lake.retain({"connections": CUT})
    assert count(shot, "connections") == 10


def test_a_run_being_written_is_left_alone(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    from noroshi.lake import writer as writing

    fill(lake)
    monkeypatch.setattr(writing, "SMALL_RUN_BYTES", 0)
    with lake.writer() as writer:
        run = writer.begin(path="late", format="list", parser_version=1, tlp=Tlp.GREEN)
        run.write(Batch("connections", rows("connections", 5)))
        Lake.open(lake.path).retain({"connections": CUT})
        run.finish(sha256="late", size=1)
    assert lake.snapshot().count("connections") == 6 + 5
    lake.retain({"connections": CUT})
    assert lake.snapshot().count("connections") == 9
    assert lake.verify() == []


CHILD = """
import os, signal, sys
from datetime import date
from noroshi.lake.delta import Store
from noroshi.lake.handle import Lake

path, at, when = sys.argv[1:]
real, calls = Store.commit, 0

def commit(self, *args, **more):
    global calls
    calls += 1
    if calls == int(at) and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    real(self, *args, **more)
    if calls == int(at) and when == "after":
        os.kill(os.getpid(), signal.SIGKILL)

Store.commit = commit
Lake.open(path).retain({"connections": date(2026, 10, 3), "indicators": date(2026, 10, 3)})
print("alive")
"""


@pytest.mark.parametrize(
    ("at", "when"), [(1, "before"), (1, "after"), (3, "before"), (4, "after"), (6, "after")]
)
def test_killed_in_between(lake: Lake, at: int, when: str) -> None:
    fill(lake)
    was = before(lake)
    want = {"connections": 4, "indicators": 2, "hourly": 4, "daily": 4}
    env = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(lake.path), str(at), when],
        env=env, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    # From the moment the horizon stands nobody sees the rows, whatever has been deleted so far.
    now = state(Lake.open(lake.path))
    assert {t: was[t] - now[t] for t in want} == want
    again = Lake.open(lake.path)
    with again.writer():
        pass  # whoever writes next goes on with it
    assert state(again) == now
    assert again.verify() == []
    assert not again.snapshot()._horizon.tables
    again.compact()
    assert state(again) == now
