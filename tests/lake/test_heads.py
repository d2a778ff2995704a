"""Heads tell how common values are exactly as the links do, and are left aside when they cannot know."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.lake import heads
from noroshi.lake.handle import Lake
from noroshi.lake.heads import FOLDER, Links
from noroshi.model.observable import key64, prefix_keys
from noroshi.model.tlp import Tlp
from tests.lake.support import flows, links, some, store


@pytest.fixture
def filled(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> Lake:
    monkeypatch.setattr(heads, "LEAST_ROWS", 1)
    store(lake, "a", flows(some(5)), links(("192.0.2.1", 3), ("192.0.2.2", 1)))
    store(lake, "b", flows(some(5)), links(("192.0.2.1", 4), ("198.51.100.1", 1)), tlp=Tlp.RED)
    return lake


KEYS = {t: key64("ip", t) for t in ("192.0.2.1", "192.0.2.2", "198.51.100.1", "203.0.113.1")}


def test_as_the_links(filled: Lake) -> None:
    read = Links(filled.snapshot()).common(list(KEYS.values()))
    assert {t: read[k].rows for t, k in KEYS.items() if k in read} == {
        "192.0.2.1": 2, "192.0.2.2": 1, "198.51.100.1": 1,
    }  # fmt: skip
    filled.compact()
    assert len(list((filled.path / FOLDER).glob("*.npy"))) == 1
    asked = Links(filled.snapshot())
    assert asked._heads
    assert asked.common(list(KEYS.values())) == read
    assert asked.spread(*prefix_keys("192.0.2.0/24")) == (2, 3)
    assert read[KEYS["192.0.2.1"]].stands_in("flows")
    assert not read[KEYS["192.0.2.1"]].stands_in("warnings")


@pytest.mark.parametrize("step", [1, 2, 3])
def test_read_in_parts_of_any_size(filled: Lake, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Rows of one key that stand on both sides of a cut count as one."""
    read = Links(filled.snapshot()).common(list(KEYS.values()))
    monkeypatch.setattr(heads, "STEP_ROWS", step)
    filled.compact()
    asked = Links(filled.snapshot())
    assert asked._heads
    assert all((head["key"][1:] > head["key"][:-1]).all() for head in asked._heads)
    assert asked.common(list(KEYS.values())) == read


def test_not_for_who_may_not_see_all(filled: Lake) -> None:
    filled.compact()
    asked = Links(filled.snapshot().restricted(tlp=Tlp.GREEN))
    assert not asked._heads
    got = asked.common(list(KEYS.values()))
    assert {t: got[k].rows for t, k in KEYS.items() if k in got} == {"192.0.2.1": 1, "192.0.2.2": 1}
    red = next(r for r in filled.snapshot().runs() if r.tlp is Tlp.RED)
    filled.forget(red.run_id)
    got = Links(filled.snapshot()).common(list(KEYS.values()))
    assert {t: got[k].rows for t, k in KEYS.items() if k in got} == {"192.0.2.1": 1, "192.0.2.2": 1}


def test_damaged_and_gone(filled: Lake) -> None:
    filled.compact()
    want = Links(filled.snapshot()).common(list(KEYS.values()))
    (path,) = (filled.path / FOLDER).glob("*.npy")
    for damage in (b"", b"\x93NUMPY", path.read_bytes()[:-8]):
        path.write_bytes(damage)
        heads._CACHE.forget(path)
        asked = Links(filled.snapshot())
        assert not asked._heads
        assert asked.common(list(KEYS.values())) == want
    assert heads.build(filled, again=True) == 1
    assert Links(filled.snapshot())._heads
    store(filled, "c", flows(some(5)), links(("192.0.2.1", 3)))
    assert Links(filled.snapshot()).common([KEYS["192.0.2.1"]])[KEYS["192.0.2.1"]].rows == 3
    filled.compact()
    assert len(list((filled.path / FOLDER).glob("*.npy"))) == 1
    assert not path.exists()


@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.sets(st.integers(0, 5), min_size=1)),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from((0, 3, 8, 50_000)),
)
@settings(max_examples=20)
def test_small_files_in_memory_change_no_answer(runs: list[tuple[int, set[int]]], most: int) -> None:
    """However many of the small files are held, the rows are those of reading each, and so are the counts."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        lake = Lake.open(Path(folder) / "lake")
        for i, (n, hosts) in enumerate(runs):
            store(lake, f"r{i}", links(*((f"192.0.2.{h}", n) for h in hosts)))
        patch.setattr(heads, "FRESH_ROWS", 0)
        plain = heads.Links(lake.snapshot())
        patch.setattr(heads, "FRESH_ROWS", most)
        held = heads.Links(lake.snapshot())
        keys = [key64("ip", f"192.0.2.{h}") for h in range(7)]
        for h in range(7):
            want, got = (x.of("ip", f"192.0.2.{h}").to_pylist() for x in (plain, held))
            assert sorted(map(repr, got)) == sorted(map(repr, want))
        low, high = min(keys), max(keys)
        assert held.between(low, high, ["key", "count"]).num_rows == sum(len(hosts) for _, hosts in runs)
        assert held.common(keys) == plain.common(keys)
