"""What `noroshi ingest` tells: a row per source or per format, the trouble there was, one closing line."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from noroshi.cli import out

if TYPE_CHECKING:
    from noroshi.work.ingest import IngestResult

SINGLE = 25
"""Sources told one by one; of more, what a person wants to know is how many of which kind."""
SAME_TROUBLE = 10
"""Sources named of those that have the same trouble."""
MOST_TABLES = 3
"""Tables named in a row; the rest is counted."""
_STATES = ("stored", "known", "passed over", "in part", "not read")


def rows(result: IngestResult) -> int:
    """Rows stored of a source, links aside."""
    return sum(n for table, n in result.tables.items() if table not in ("links", "rejects"))


def status(result: IngestResult) -> str:
    """stored, known, passed over (of a known kind that holds no evidence), in part or not read."""
    if result.problem:
        return "in part" if rows(result) else "not read"
    if result.known:
        return "known"
    return "passed over" if result.rejects and not rows(result) else "stored"


@dataclass
class Counts:
    """What became of the sources, summed."""

    states: Counter[str] = field(default_factory=Counter)

    def add(self, result: IngestResult) -> None:
        """Count one more."""
        self.states[status(result)] += 1

    @property
    def exit_code(self) -> int:
        """3 when a source could not be read, or not to its end."""
        return 3 if self.states["in part"] or self.states["not read"] else 0

    def closing(self, then: str = "noroshi analyse") -> str:
        """One line: what happened and what to do next."""
        stored = self.states["stored"] + self.states["in part"]
        in_part = f" ({self.states['in part']} in part)" if self.states["in part"] else ""
        parts = [f"Stored {out.count(stored, 'source')}{in_part}" if stored else "Nothing new was stored"]
        parts += [f"{out.number(self.states['known'])} known already"] if self.states["known"] else []
        for state in ("passed over", "not read"):
            parts += [f"{out.number(self.states[state])} {state}"] if self.states[state] else []
        where = " What could not be read stands in the table rejects." if self.exit_code else ""
        return ", ".join(parts) + "." + where + (f" Next: {then}" if stored else "")


def show(results: Sequence[IngestResult]) -> None:
    """On standard output: a row per source, or per format when there are many."""
    if len(results) > SINGLE:
        _by_format(results)
    elif results:
        _by_source(results)


def _by_source(results: Sequence[IngestResult]) -> None:
    shown = [out.visible(p) for p in _short([r.path for r in results])]
    formats = max(len(r.format or "?") for r in results)
    # What the other columns leave, at least 24 of them to `rows`; a path's end tells more than its beginning.
    room = max(20, out.width() - formats - 24 - 34)
    told = Counter(map(status, results))
    made = []
    for path, r in zip(shown, results, strict=True):
        state = [status(r).replace("stored", "")] if told.keys() != {"stored"} else []
        made.append(
            (
                _tail(path, room),
                r.format or "?",
                *state,
                tables(r.tables),
                r.rejects or "",
                f"{r.seconds:.1f}",
            )
        )
    head = ("source", "format", *([""] if made and len(made[0]) == 6 else []), "rows", "rejects", "s")
    out.table(head, made, right=("rejects", "s"), keep=("source", "format"))


def _short(paths: Sequence[str]) -> list[str]:
    """The paths without the folders that all of them share."""
    if len(paths) < 2 or not all("/" in p for p in paths):
        return list(paths)
    try:
        shared = os.path.commonpath([os.path.dirname(p) for p in paths])
    except ValueError:  # some from the root, some from here
        return list(paths)
    return [os.path.relpath(p, shared) if shared else p for p in paths]


def _by_format(results: Sequence[IngestResult]) -> None:
    groups: dict[str, list[IngestResult]] = {}
    for result in results:
        groups.setdefault(result.format or "?", []).append(result)
    made = []
    for name, group in sorted(groups.items(), key=lambda g: (-sum(map(rows, g[1])), g[0])):
        summed: Counter[str] = Counter()
        for result in group:
            summed.update(result.tables)
        rejects, seconds = sum(r.rejects for r in group), sum(r.seconds for r in group)
        made.append((name, _files(group), tables(summed), rejects or "", f"{seconds:.1f}"))
    narrow = out.width() < 90
    head = ("format", "files", "rows", "rejects", "s")
    out.table(
        head[: 4 if narrow else 5], [row[: 4 if narrow else 5] for row in made],
        right=("rejects", "s"), keep=("format", "files"),
    )  # fmt: skip


def _files(group: Sequence[IngestResult]) -> str:
    """`12`, or `12, 1 in part`: how many, and of how many there is more to tell than that they were stored."""
    told = Counter(map(status, group))
    if len(told) == 1 and "stored" not in told:
        return f"{out.number(len(group))} {next(iter(told))}"
    rest = "".join(f", {out.number(told[s])} {s}" for s in _STATES[1:] if told[s])
    return out.number(len(group)) + rest


def tables(counts: Mapping[str, int]) -> str:
    """`logins 12, commands 3`: the tables that got most first, three at most, two where there is little room."""
    shown = [(t, n) for t, n in counts.items() if n and t not in ("links", "rejects")]
    shown.sort(key=lambda x: (-x[1], x[0]))
    most = MOST_TABLES if out.width() >= 90 else MOST_TABLES - 1
    more = f" +{len(shown) - most}" if len(shown) > most else ""
    return ", ".join(f"{t} {out.number(n)}" for t, n in shown[:most]) + more


def _tail(text: str, room: int) -> str:
    return text if len(text) <= room else "…" + text[1 - room :]


def problems(results: Sequence[IngestResult]) -> Iterator[str]:
    """One line per source that could not be read to its end; those with the same trouble together."""
    paths: dict[str, list[str]] = {}
    for result in results:
        if result.problem:
            paths.setdefault(result.problem, []).append(result.path)
    for problem, sharing in paths.items():
        if len(sharing) == 1:
            yield f"{sharing[0]}: {problem}"
            continue
        yield f"{out.number(len(sharing))} sources, each {problem}:"
        yield from (f"  {path}" for path in sharing[:SAME_TROUBLE])
        if len(sharing) > SAME_TROUBLE:
            more = out.number(len(sharing) - SAME_TROUBLE)
            yield f"  and {more} more; the table `runs` has their paths and problems"
