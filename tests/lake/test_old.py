"""Lakes of earlier releases open, answer, take writes, are compacted and verified."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from noroshi.lake import delta, handle
from noroshi.lake.delta import Store
from noroshi.lake.encoding import version_of
from noroshi.lake.handle import Lake
from noroshi.model.errors import LakeError
from noroshi.model.schema import Column, Table
from noroshi.model.tables import TABLES
from tests.lake.support import count, flows, links, some, store

OLD = Path(__file__).parent / "old"
RELEASES = sorted(p.name for p in OLD.iterdir() if p.is_dir())


@pytest.fixture(params=RELEASES)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """A copy of the lake of a release, and what that release answered."""
    shutil.copytree(OLD / request.param / "lake", tmp_path / "lake")
    told = json.loads((OLD / request.param / "expected.json").read_text())
    return tmp_path / "lake", told


def check(lake: Lake, told: dict[str, Any]) -> None:
    """Everything the old program answered is answered the same."""
    shot = lake.snapshot()
    for table, rows in told["rows"].items():
        if table != "runs":  # sums for older runs may have come since
            assert shot.count(table) == rows, table
            assert table in ("findings", "findings_history") or count(shot, table) == rows
    assert [[r.run_id, r.path, r.tlp.value] for r in shot.runs()] == told["runs"]
    for link in told["links"]:
        found = shot.links(link["kind"], link["value"])
        assert (sum(found["count"].to_pylist()), found.num_rows) == (link["n"], link["rows"])
        assert found["tlp"].to_pylist() == [None] * found.num_rows
    got = shot.sql(
        "SELECT * EXCLUDE (run_id, src_ip, dst_ip), ip_text(src_ip) AS src FROM flows ORDER BY ALL"
    )
    rows = [{k: str(v) for k, v in r.items()} for r in got.to_pylist()]
    assert [{k: r[k] for k in want} for r, want in zip(rows, told["flows"], strict=False)] == told["flows"]
    assert sorted(f.id for f in lake.findings()) == told["findings"]


def test_it_answers_as_before(old: tuple[Path, dict[str, Any]]) -> None:
    path, told = old
    lake = Lake.open(path)
    check(lake, told)
    # It had no sums then.
    assert {Path(p.where).name for p in lake.verify()} <= {"hourly", "daily"}
    lake.rebuild()
    assert lake.verify() == []
    assert count(lake.snapshot()) == told["rows"]["flows"]
    assert json.loads((path / "lake.json").read_text())["format"] == handle.FORMAT


def test_it_takes_writes_and_is_compacted(old: tuple[Path, dict[str, Any]]) -> None:
    path, told = old
    lake = Lake.open(path)
    store(lake, "new", flows(some(30, src="203.0.113.")), links(("203.0.113.1", 3)))
    assert len(lake.snapshot().links("ip", "203.0.113.1")) == 1
    for _ in range(2):
        shot = lake.snapshot()
        assert count(shot) == told["rows"]["flows"] + 30
        assert count(shot, "links") == told["rows"]["links"] + 1
        assert count(shot, "links WHERE tlp IS NULL") == told["rows"]["links"] + 1
        lake.compact()
        assert {version_of(f.path) for f in lake.stores["links"].files()} == {TABLES["links"].version}
    lake.forget(lake.snapshot().runs()[-1].run_id)
    check(lake, told)
    lake.forget(lake.snapshot().runs()[0].run_id)
    lake.rebuild()
    assert lake.verify() == []


def test_its_schema_reaches_the_log(old: tuple[Path, dict[str, Any]]) -> None:
    from deltalake import DeltaTable

    path, _ = old
    lake = Lake.open(path)
    store(lake, "new", flows(some(3)), links(("203.0.113.1", 3)))
    fields = {f.name for f in DeltaTable(path / "links").schema().fields}
    assert fields == {c.name for c in TABLES["links"].columns}


def test_columns_that_came_later_say_since_when(old: tuple[Path, dict[str, Any]]) -> None:
    _, told = old
    for name, known in told["tables"].items():
        table = TABLES[name]
        assert set(known) <= {c.name for c in table.columns}, "a column may not vanish"
        for column in table.columns:
            if column.name not in known:
                assert column.nullable, (name, column.name)
                assert 1 < column.since <= table.version, (name, column.name)


def test_killed_while_it_is_brought_up_to_date(
    old: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, told = old
    lake = Lake.open(path)

    def dies(*args: Any, **more: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Store, "commit", dies)
        with pytest.raises(KeyboardInterrupt):
            lake.snapshot()
    check(Lake.open(path), told)


def test_a_newer_lake_says_so(lake: Lake) -> None:
    (lake.path / "lake.json").write_text('{"format": 99}')
    with pytest.raises(LakeError, match="newer version"):
        Lake.open(lake.path)


def _grown(table: Table) -> Table:
    more = Column("colour", "string", "A column of a later version.", "", True, table.version + 1)
    return Table(table.name, table.doc, (*table.columns, more), table.version + 1, table.time, table.sort,
                 table.daily, table.links)  # fmt: skip


def test_two_writers_bring_a_column_at_once(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    store(lake, "before", flows(some(5)))
    grown = _grown(TABLES["flows"])
    monkeypatch.setitem(TABLES, "flows", grown)
    errors: list[BaseException] = []
    start = threading.Barrier(4)

    def write(number: int) -> None:
        try:
            start.wait()
            rows = flows(some(5, src=f"203.0.{number}.")).drop_columns(["colour"])
            if number % 2:
                rows = rows.append_column("colour", pa.array(["red"] * 5))
            store(Lake.open(lake.path), f"w{number}", rows)
        except BaseException as e:  # noqa: BLE001 - shown below
            errors.append(e)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert errors == []
    again = Lake.open(lake.path)
    for _ in range(2):
        shot = again.snapshot()
        assert count(shot) == 25
        assert count(shot, "flows WHERE colour = 'red'") == 10
        assert shot.rows("flows", "colour", "red").num_rows == 10
        again.compact()
    assert again.verify() == []
    # The old program, still running, goes on writing and reading what it knows.
    monkeypatch.setitem(TABLES, "flows", lake.stores["flows"].table)
    store(lake, "late", flows(some(5, src="198.51.100.")))
    assert count(lake.snapshot()) == 30


def test_a_commit_that_meets_a_change_of_columns_is_tried_again(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(lake, "a", flows(some(5)))
    late = Lake.open(lake.path)
    late.stores["flows"].files()
    grown = Store(lake.path, _grown(TABLES["flows"]))
    real = delta.Store._evolve

    def evolve(self: Store) -> None:
        real(self)
        if self is late.stores["flows"]:
            grown.files()
            real(grown)

    monkeypatch.setattr(delta.Store, "_evolve", evolve)
    store(late, "b", flows(some(5, src="203.0.113.")))
    assert count(late.snapshot()) == 10
