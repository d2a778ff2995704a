"""Publication: what is new is appended, what is seen no more goes, all at once, and no time is given twice."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.model.errors import LakeError
from noroshi.share.taxii import append, schema, store, times
from noroshi.share.taxii.append import Changes, Entry
from noroshi.share.taxii.filters import Filters
from tests.support.taxii import NOW, entry

EVERY = Filters(words=frozenset(("all",)), specs=("2.0", "2.1"), limit=1000)


def put(path: Path, entries: list[Entry], at: int = NOW) -> Changes:
    with schema.writing(path) as con:
        return append.publish(con, entries, at)


def held(path: Path, f: Filters = EVERY) -> list[tuple[int, bytes]]:
    with schema.reading(path) as con:
        assert con
        seqs = store.page(con, f, None).seqs
        return list(zip(seqs, store.bodies(con, seqs), strict=True))


def test_the_same_again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    first = put(path, [entry(n) for n in range(5)])
    before = held(path)
    again = put(path, [entry(n) for n in reversed(range(5))], NOW + 10**9)
    assert (first.added, again.any, again.kept) == (5, False, 5)
    assert held(path) == before
    assert [s for s, _ in before] == [NOW + n for n in range(5)]


def test_a_new_version_takes_the_place_of_the_old(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    put(path, [entry(0), entry(1)])
    done = put(path, [entry(0, version="2026-02-01T00:00:00.000Z"), entry(1)], NOW + 100)
    assert (done.changed, done.removed, done.kept) == (1, 1, 1)
    assert [s for s, _ in held(path)] == [NOW + 1, NOW + 100]


def test_other_content_of_a_version_is_told_anew(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    put(path, [entry(0), entry(1, "ipv4-addr", "")])
    put(path, [entry(0, name="other"), entry(1, "ipv4-addr", "", value="x")], NOW + 100)
    assert [s for s, _ in held(path)] == [NOW + 100, NOW + 101]


def test_two_versions_at_once_both_stay(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    both = [entry(0), entry(0, version="2026-02-01T00:00:00.000Z")]
    put(path, both)
    assert put(path, both, NOW + 9).kept == 2
    assert [s for s, _ in held(path, Filters())] == [NOW + 1]
    assert [s for s, _ in held(path, Filters(words=frozenset(("first",))))] == [NOW]


def test_what_may_not_be_seen_any_more_leaves_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    put(path, [entry(0), entry(1, name="secret")])
    put(path, [entry(0)], NOW + 100)
    assert [s for s, _ in held(path)] == [NOW]


def test_a_time_is_never_given_twice(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    put(path, [entry(0), entry(1)])
    put(path, [], NOW)
    put(path, [entry(2)], NOW - 10**12)  # the clock was set back, and nothing is left of what was there
    assert [s for s, _ in held(path)] == [NOW + 2]


def test_versions_of_an_object_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(append, "VERSIONS", 3)
    path = tmp_path / "c.db"
    put(path, [entry(0, version=f"2026-01-{d:02d}T00:00:00.000Z") for d in range(1, 9)])
    assert len(held(path)) == 3
    assert [s for s, _ in held(path, Filters())] == [NOW + 7]


publications = st.lists(
    st.tuples(st.dictionaries(st.integers(0, 6), st.tuples(st.integers(1, 3), st.integers(0, 1))), st.integers(0, 99)),
    min_size=1, max_size=6,
)  # fmt: skip


@settings(max_examples=30)
@given(publications)
def test_the_log_is_what_was_published_last_and_times_rise(
    tmp_path_factory: pytest.TempPathFactory, given_: list[tuple[dict[int, tuple[int, int]], int]]
) -> None:
    path = tmp_path_factory.mktemp("log") / "c.db"
    at, high = NOW, 0
    for objects, pause in given_:
        before = dict(held(path)) if path.exists() else {}
        entries = [entry(n, version=f"2026-01-0{v}T00:00:00Z", x=x) for n, (v, x) in objects.items()]
        put(path, entries, at)
        after = dict(held(path))
        assert sorted(after.values()) == sorted(e.json for e in entries)
        new = after.keys() - before.keys()
        assert all(after[s] == before[s] for s in after.keys() & before.keys())
        assert not new or min(new) > high
        assert {before[s] for s in before.keys() & after.keys()} == set(before.values()) & set(after.values())
        high = max([high, *after])
        at += pause


def test_a_damaged_log_is_told(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(LakeError, match="taxii publish"), schema.reading(path):
        pass
    put(tmp_path / "d.db", [entry(0)])
    with sqlite3.connect(tmp_path / "d.db") as con:
        con.execute("PRAGMA user_version=9")
    with pytest.raises(LakeError, match="newer version"):
        put(tmp_path / "d.db", [entry(0)])


KILLED = """
    import sys, time
    from pathlib import Path
    from noroshi.share.taxii import append, schema
    from tests.support.taxii import NOW, entry

    def entries():
        for n in range(5000):
            if n == 4000:
                print("now", flush=True)
            yield entry(n, name="y")

    path = Path(sys.argv[1])
    while True:
        with schema.writing(path) as con:
            append.publish(con, entries(), NOW + 10**6)
            print("before", flush=True)
"""


@pytest.mark.parametrize("word", ["now", "before"])
def test_a_killed_publication_is_as_if_it_had_not_begun(tmp_path: Path, word: str) -> None:
    path = tmp_path / "c.db"
    put(path, [entry(n) for n in range(50)])
    before = held(path)
    root = str(Path(__file__).parents[3])
    program = [sys.executable, "-c", textwrap.dedent(KILLED), str(path)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout
        for line in process.stdout:
            if line.strip() == word:
                break
        if word == "now":
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
    found = held(path)
    # Killed a moment after the last word it may have ended: then all of it is there.
    assert found == before or len(found) == 1000
    assert put(path, [entry(n) for n in range(50)], NOW + 10**9).any is (found != before)


def test_times_of_a_page_are_those_given(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    put(path, [entry(0), entry(1, "ipv4-addr", "")])
    with schema.reading(path) as con:
        assert con
        one, two = store.manifest(store.rows(con, store.page(con, Filters(), None).seqs))
    assert one == {
        "id": entry(0).id, "date_added": times.text(NOW), "version": "2026-01-01T00:00:00.000Z",
        "media_type": "application/stix+json;version=2.1",
    }  # fmt: skip
    assert two["version"] == two["date_added"] == times.text(NOW + 1)
