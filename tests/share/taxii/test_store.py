"""Every question to a log has the answer that reading the whole log, slowly and in order, would give."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.share.taxii import append, schema, store, times
from noroshi.share.taxii.append import Appender, Entry, digest_of
from noroshi.share.taxii.filters import Filters
from tests.support.taxii import NOW, entry

STAMPS = [f"2026-01-0{d}T00:00:00.000Z" for d in range(1, 5)]


@dataclass(frozen=True)
class Held:
    """What a row is, for the slow reader."""

    seq: int
    id: str
    type: str
    spec: str
    version: int


def wanted(rows: Sequence[Held], f: Filters, after: int | None) -> list[int]:
    """The times of what is asked for, in the words of the standard (TAXII 2.1, section 3.4)."""
    found = [r for r in rows if (not f.types or r.type in f.types) and (not f.ids or r.id in f.ids)]
    if f.specs:
        found = [r for r in found if r.spec in f.specs]
    else:
        found = [r for r in found if r.spec == max(o.spec for o in rows if o.id == r.id)]
    if "all" not in f.words:
        same = {r.id: sorted((o.version, o.seq) for o in found if o.id == r.id) for r in found}
        found = [
            r for r in found
            if ("last" in f.words and (r.version, r.seq) == same[r.id][-1])
            or ("first" in f.words and (r.version, r.seq) == same[r.id][0]) or r.version in f.moments
        ]  # fmt: skip
    start = max((at for at in (after, f.after) if at is not None), default=-1)
    return sorted(r.seq for r in found if r.seq > start)


things = st.tuples(
    st.integers(0, 4), st.sampled_from(["indicator", "malware", "ipv4-addr"]), st.sampled_from(["2.0", "2.1"]),
    st.sampled_from(STAMPS),
)  # fmt: skip
questions = st.builds(
    Filters,
    after=st.none() | st.integers(NOW - 2, NOW + 20),
    limit=st.integers(1, 6),
    ids=st.lists(st.sampled_from([entry(n, t).id for n in range(5) for t in ("indicator", "malware")]), max_size=3,
                 unique=True).map(tuple),
    types=st.lists(st.sampled_from(["indicator", "malware", "ipv4-addr", "tool"]), max_size=2, unique=True).map(tuple),
    specs=st.lists(st.sampled_from(["2.0", "2.1", "3"]), max_size=2, unique=True).map(tuple),
    words=st.frozensets(st.sampled_from(["first", "last", "all"]), max_size=2),
    moments=st.lists(st.sampled_from([times.parse(s)[0] for s in STAMPS]), max_size=2, unique=True).map(tuple),  # type: ignore[index]
)  # fmt: skip


def rows_of(path: Path) -> list[Held]:
    with schema.reading(path) as con:
        assert con
        text = "SELECT seq, id, type, spec, version FROM log JOIN kinds USING (kind) ORDER BY seq"
        return [Held(*row) for row in con.execute(text)]


def pages(path: Path, f: Filters) -> Iterator[list[int]]:
    after = None
    while True:
        with schema.reading(path) as con:
            assert con
            found = store.page(con, f, after)
        yield list(found.seqs)
        if not found.more:
            return
        assert len(found.seqs) == f.limit
        after = found.seqs[-1]


@settings(max_examples=60)
@given(
    st.lists(things, max_size=25), st.lists(questions, min_size=1, max_size=6), st.sets(st.integers(0, 24))
)
def test_every_question_in_pages(
    tmp_path_factory: pytest.TempPathFactory,
    given_: list[tuple[int, str, str, str]],
    asked: list[Filters],
    dropped: set[int],
) -> None:
    path = tmp_path_factory.mktemp("log") / "c.db"
    with schema.writing(path) as con:
        appender, seen = Appender(con, NOW), set()
        for n, type_, spec, version in given_:
            one = replace_spec(entry(n, type_, version), spec)
            if (one.id, one.version, spec) not in seen:
                seen.add((one.id, one.version, spec))
                appender.add(one, digest_of(one.json), alone=False)
        appender.close()
        held = [row[0] for row in con.execute("SELECT seq FROM log ORDER BY seq")]
        for n in sorted(dropped):
            if n < len(held):
                (name,) = con.execute("SELECT id FROM log WHERE seq = ?", (held[n],)).fetchone()
                appender.delete(held[n])
                appender.settle(name)
    rows = rows_of(path)
    for f in asked:
        found = list(pages(path, f))
        assert [s for p in found for s in p] == wanted(rows, f, None), f
        assert len(found) == max(1, -(-len(wanted(rows, f, None)) // f.limit))  # none after a full last page


def replace_spec(one: Entry, spec: str) -> Entry:
    thing = msgspec.json.decode(one.json) | {"spec_version": spec}
    return Entry(one.id, one.type, one.version, msgspec.json.encode(thing))


def test_a_page_is_bounded_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "BYTES", 1_000)
    path = tmp_path / "c.db"
    with schema.writing(path) as con:
        append.publish(con, [entry(n, name="x" * 400 * n) for n in range(6)], NOW)
    with schema.reading(path) as con:
        assert con
        seqs = store.page(con, Filters(), None).seqs
        sizes = [len(store.bodies(con, seqs[n:])) for n in range(6)]
    assert sizes == [1, 1, 1, 1, 1, 1] or sizes[0] == 2
    assert min(sizes) == 1  # a large one comes alone rather than never


def test_reading_a_log_that_is_not_there(tmp_path: Path) -> None:
    with schema.reading(tmp_path / "none.db") as con:
        assert con is None
    (tmp_path / "empty.db").touch()  # a writer that was killed before its first commit
    with schema.reading(tmp_path / "empty.db") as con:
        assert con is None


def test_every_filter_reads_ranges_of_an_index(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    with schema.writing(path) as con:
        append.publish(con, [entry(n) for n in range(3)], NOW)
    asked: list[str] = []
    with schema.reading(path) as con:
        assert con
        con.set_trace_callback(asked.append)
        for f in (
            Filters(), Filters(words=frozenset(("all",))), Filters(types=("indicator",)), Filters(ids=("x",)),
            replace(Filters(), words=frozenset(), moments=(5,)), Filters(specs=("2.0",)),
        ):  # fmt: skip
            store.rows(con, store.page(con, f, None).seqs)
        con.set_trace_callback(None)
        for text in {t for t in asked if "FROM log" in t}:
            with closing(con.execute(f"EXPLAIN QUERY PLAN {text}")) as plan:
                steps = [row[3] for row in plan]
            assert all(s.startswith("SEARCH") for s in steps if "kinds" not in s), (text, steps)
