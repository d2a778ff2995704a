"""What `noroshi ingest` tells: a row per source or per format, the trouble there was, one closing line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from noroshi.cli import out

if TYPE_CHECKING:
    from noroshi.work.ingest import IngestResult

SINGLE = 25
"""Sources told one by one; of more, what a person wants to know is how many of which kind."""
SAME_TROUBLE = 10
"""Sources named of those that have the same trouble."""
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

    def closing(self) -> str:
        """One line: what happened and what to do next."""
        stored = self.states["stored"] + self.states["in part"]
        in_part = f" ({self.states['in part']} in part)" if self.states["in part"] else ""
        parts = [f"Stored {out.count(stored, 'source')}{in_part}" if stored else "Nothing new was stored"]
        parts += [f"{out.number(self.states['known'])} known already"] if self.states["known"] else []
        for state in ("passed over", "not read"):
            parts += [f"{out.number(self.states[state])} {state}"] if self.states[state] else []
        where = " What could not be read stands in the table rejects." if self.exit_code else ""
        return ", ".join(parts) + "." + where + (" Next: noroshi analyse" if stored else "")


def show(results: Sequence[IngestResult]) -> None:
    """On standard output: a row per source, or per format when there are many."""
    if len(results) > SINGLE:
        _by_format(results)
    elif results:
        _by_source(results)


def _by_source(results: Sequence[IngestResult]) -> None:
    room = max(
        20, out.width() - 62
    )  # what the other columns leave; a path's end tells more than its beginning
    made = [
        (_tail(out.visible(r.path), room), r.format or "?", status(r), _tables(r.tables), r.rejects, f"{r.seconds:.1f}")
        for r in results
    ]  # fmt: skip
    out.table(("source", "format", "", "rows", "rejects", "s"), made, right=("rejects", "s"))


def _by_format(results: Sequence[IngestResult]) -> None:
    groups: dict[str, list[IngestResult]] = {}
    for result in results:
        groups.setdefault(result.format or "?", []).append(result)
    made = []
    for name, group in sorted(groups.items(), key=lambda g: (-sum(map(rows, g[1])), g[0])):
        states = Counter(map(status, group))
        tables: Counter[str] = Counter()
        for result in group:
            tables.update(result.tables)
        seconds = sum(r.seconds for r in group)
        counted = [states[s] or "" for s in _STATES]
        made.append((name, *counted, _tables(tables), sum(r.rejects for r in group), f"{seconds:.1f}"))
    out.table(("format", *_STATES, "rows", "rejects", "s"), made, right=(*_STATES, "rejects", "s"))


def _tables(tables: dict[str, int] | Counter[str]) -> str:
    """`logins 12, commands 3`: the tables that got most first."""
    shown = [(t, n) for t, n in tables.items() if n and t not in ("links", "rejects")]
    return ", ".join(f"{t} {out.number(n)}" for t, n in sorted(shown, key=lambda x: (-x[1], x[0])))


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
