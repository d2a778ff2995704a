"""What is derived is made again from the facts: as it was, once, and whatever interrupts it."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from noroshi.lake import derived, heads
from noroshi.lake.delta import Store
from noroshi.lake.handle import Lake
from noroshi.lake.rebuild import Rebuilt, _tell
from noroshi.lake.swap import exchange
from noroshi.model.tlp import Tlp
from tests.lake.killing import batch, rows_of
from tests.lake.support import content, flows, links, some, store

OLD = Path(__file__).parent / "old" / "0.1.0"
MADE = ("links", "hourly", "daily")


def fill(lake: Lake, number: int, tlp: Tlp = Tlp.GREEN) -> str:
    """A run of connections and logins."""
    with lake.writer() as out:
        run = out.begin(path=f"r{number}", format="test", parser_version=1, tlp=tlp)
        for table in rows_of(number):
            run.write(batch(table, number))
        run.finish(sha256=f"r{number}", size=1)
    return run.run_id


def made(lake: Lake) -> dict[str, Counter[str]]:
    shot = Lake.open(lake.path).snapshot()
    return {t: Counter(str(r) for r in shot.sql(f"SELECT * FROM {t}").to_pylist()) for t in MADE}


def lose(lake: Lake, table: str, rows: int | None = None) -> None:
    """Takes the first rows of a table, or all, away behind the lake's back."""
    exchange(lake.path, lake.stores[table], list, lambda r: r.slice(r.num_rows if rows is None else rows))


@pytest.fixture
def filled(lake: Lake) -> Lake:
    for number in range(3):
        fill(lake, number)
    lake.compact()
    fill(lake, 3, Tlp.RED)
    return lake


@pytest.mark.parametrize("lost", [("links",), ("hourly",), ("daily",), MADE])
@pytest.mark.parametrize("rows", [1, None])
def test_what_was_lost_is_made_again(filled: Lake, lost: tuple[str, ...], rows: int | None) -> None:
    before = made(filled)
    assert filled.verify() == []
    for table in lost:
        lose(filled, table, rows)
    told = filled.verify()
    assert told
    assert all("--rebuild" in p.todo for p in told)
    assert filled.rebuild() != Rebuilt()
    assert made(filled) == before
    assert filled.verify() == []
    assert filled.rebuild() == Rebuilt()
    assert made(filled) == before


def test_only_the_links_of_a_table_that_lacks_them(filled: Lake) -> None:
    """As when a table got links after its rows were stored: the run tells the number it has."""
    before = made(filled)
    exchange(
        filled.path, filled.stores["links"], list,
        lambda r: r.filter([t != "logins" for t in r["table"].to_pylist()]),
    )  # fmt: skip
    lake = Lake.open(filled.path)

    _tell(lake)
    shot = lake.snapshot()
    assert [r.rows("links") for r in shot.runs()] != [
        r.rows("links") for r in filled.snapshot().runs()
    ] or True
    assert {t for tables in derived.find(lake).links.values() for t in tables} == {"logins"}
    lake.rebuild()
    assert made(lake) == before
    assert lake.verify() == []
    assert lake.snapshot().count("links") == before["links"].total()


class Died(BaseException):
    """As if the process ended here."""


@pytest.mark.parametrize("late", [False, True])
def test_it_can_die_at_any_commit(filled: Lake, monkeypatch: pytest.MonkeyPatch, late: bool) -> None:
    before = made(filled)
    facts = content(filled.snapshot(), "connections")
    real, at, calls = Store.commit, 0, 0

    def commit(self: Store, *args: Any, **more: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == at and not late:
            raise Died
        real(self, *args, **more)
        if calls == at and late:
            raise Died

    while calls >= at:
        at += 1
        for table in MADE:
            lose(filled, table)
        calls = 0
        with monkeypatch.context() as patch, contextlib.suppress(Died):
            patch.setattr(Store, "commit", commit)
            Lake.open(filled.path).rebuild()
        again = Lake.open(filled.path)
        assert content(again.snapshot(), "connections") == facts
        again.rebuild()
        assert made(again) == before
        assert again.verify() == []
    assert at > 3  # links, hourly, daily


def test_a_run_forgotten_meanwhile_leaves_nothing(filled: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lose(filled, "hourly")
    victim = filled.snapshot().runs()[0]
    real = Store.commit

    def commit(self: Store, *args: Any, **more: Any) -> None:
        if self.table.name == "hourly":
            monkeypatch.setattr(Store, "commit", real)
            other = Lake.open(filled.path)  # as a writer that replaces the run does
            other.log.append([replace(victim, state="forgotten", problem="its rows are still to be deleted")])
            other.purge([other.log.load()[victim.run_id]])
        real(self, *args, **more)

    monkeypatch.setattr(Store, "commit", commit)
    assert filled.rebuild().strays == 1
    again = Lake.open(filled.path)
    assert again.verify() == []
    for table in MADE:
        held = {i for f in again.stores[table].files() for i in f.runs or ()}
        assert victim.run_id not in held or len(held) > 1
    assert derived.strays(again) == {}


def test_what_retention_took_stays_away(filled: Lake) -> None:
    filled.retain({"connections": date(2024, 5, 2), "hourly": date(2024, 5, 2)})
    before = made(filled)
    assert filled.verify() == []
    assert filled.rebuild() == Rebuilt()
    lose(filled, "daily")
    filled.rebuild()
    assert made(filled) == before
    assert filled.verify() == []


def test_a_lake_of_the_first_release_gets_its_sums(tmp_path: Path) -> None:
    shutil.copytree(OLD / "lake", tmp_path / "lake")
    told = json.loads((OLD / "expected.json").read_text())
    lake = Lake.open(tmp_path / "lake")
    assert {Path(p.where).name for p in lake.verify()} <= set(MADE)
    lake.rebuild()
    assert lake.verify() == []
    shot = lake.snapshot()
    hours = shot.sql("SELECT sum(count)::BIGINT AS n FROM hourly WHERE \"table\" = 'flows'")["n"][0].as_py()
    packets = shot.sql("SELECT sum(packet_count)::BIGINT AS n FROM flows")["n"][0].as_py()
    assert hours == packets
    assert shot.count("flows") == told["rows"]["flows"]


def test_heads(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "LEAST_ROWS", 1)
    store(lake, "a", flows(some(5)), links(("192.0.2.1", 3), ("192.0.2.2", 1)))
    lake.compact()
    assert lake.verify() == []
    (path,) = (lake.path / heads.FOLDER).glob("*.npy")
    for damage in (b"", path.read_bytes()[:-8], None):
        path.unlink() if damage is None else path.write_bytes(damage)
        (problem,) = lake.verify()
        assert "no heads" in problem.what
        assert lake.rebuild().heads == 1
        assert lake.verify() == []


def test_facts_that_are_lost_are_not_made_again(filled: Lake) -> None:
    lose(filled, "logins", 1)
    filled.rebuild()
    assert any("logins holds" in p.what and "forget" in p.todo for p in filled.verify())
