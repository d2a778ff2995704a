"""One trial: a random lake, for every ceiling its copy with what is above it deleted, and the same questions to both.

What is slow is made once for many questions: the lakes once for all recipients of a ceiling, and of each one open
snapshot for all of them.
"""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from noroshi.config import Config, load
from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.model.tlp import Tlp, parse
from noroshi.share.marking import RECIPIENTS, Recipient
from noroshi.work import cases
from noroshi.work.gate import open_view
from noroshi.work.pivot import opened
from tests.share.interference.deleting import without_hidden
from tests.share.interference.lakes import NOW, TELESCOPE, Made, make, shape
from tests.share.interference.server import Known, Server
from tests.share.interference.ways import ALL, OF_SHOT, WAYS, Question, Side, Way

CEILINGS = (Tlp.CLEAR, Tlp.GREEN, Tlp.AMBER, Tlp.AMBER_STRICT)


def recipients(draw: random.Random, ceiling: Tlp) -> list[Recipient]:
    """Two of a ceiling, of all kinds: one to whom all is shown as it is, and one whose view is masked or narrow."""
    kinds = tuple(draw.sample(("scanner", "watch-hit", "dos-victim", "campaign", "infected-host"), 3))
    ranges = (draw.choice(("192.0.2.0/24", "203.0.113.0/24", "198.51.100.0/24")),)
    if ceiling is Tlp.CLEAR:
        kind = draw.choice(("public", "community", "sector", "organisation"))
        return [Recipient("reader", ceiling, "a reader", kind, "plain", ranges=ranges), RECIPIENTS["public"]]
    if ceiling is Tlp.GREEN:
        other = Recipient("isac", ceiling, "an ISAC", "sector", draw.choice(("sector", "public")), kinds)
        plain = Recipient("sector", ceiling, "a sector", "sector", "plain", ranges=ranges)
        return [plain, draw.choice((RECIPIENTS["community"], other))]
    if ceiling is Tlp.AMBER:
        partner = Recipient("partner", ceiling, "a partner", "organisation", "", kinds, ranges)
        masked = Recipient("person", ceiling, "somebody", "person", draw.choice(("community", "sector")))
        return [partner, masked]
    # RED never goes out by a machine: whoever may have it is given AMBER+STRICT.
    auditor = Recipient("auditor", draw.choice((Tlp.RED, ceiling)), "an auditor", "person", "public", kinds)
    return [RECIPIENTS["own"], auditor]


def configuration(folder: Path) -> Config:
    """Own networks and a telescope: known to the own organisation only."""
    folder.mkdir(exist_ok=True)
    path = folder / "noroshi.toml"
    path.write_text(
        f'own = ["192.0.2.0/24"]\n[[telescope]]\nname = "campus"\nprefixes = ["{TELESCOPE}"]\n', "utf-8"
    )
    return load(path)


def compared(
    seed: int, count: int, folder: Path, ways: Mapping[str, Way] = WAYS, ceilings: Sequence[Tlp] = CEILINGS
) -> int:
    """Compares about so many cases of the lake of that number, over ceilings, recipients and ways; how many.

    A case is a recipient, a way, and those parameters that the way read: no two are the same.
    """
    draw, config = random.Random(seed), configuration(folder)
    made: Made = make(folder / "whole", shape(seed))
    state = _cases(made, draw)
    everything = made.lake.snapshot()
    ids = everything.sql("SELECT DISTINCT id FROM findings_history ORDER BY id")["id"].to_pylist()
    known = Known(tuple(map(str, ids)), tuple(made.runs))
    special, done, loop = draw.randrange(2 * len(ceilings)), 0, asyncio.new_event_loop()
    try:
        for n, ceiling in enumerate(ceilings):
            rest = without_hidden(made.lake.path, folder / f"rest{n}", ceiling)
            people = recipients(draw, ceiling)
            whole = sides(made.lake, config, state, people, known, loop)
            less = sides(rest, config, _allowed(state, rest, ceiling), people, known, loop)
            seen: set[Any] = set()
            for here, (a, b) in enumerate(zip(whole, less, strict=True), 2 * n):
                share = (here + 1) * count // (2 * len(ceilings)) - here * count // (2 * len(ceilings))
                done += _asked(seed, draw, a, b, share, ways, seen, every=here == special)
            shutil.rmtree(rest.path)
    finally:
        loop.close()
    return done


def sides(
    lake: Lake, config: Config, state: State, people: list[Recipient], known: Known,
    loop: asyncio.AbstractEventLoop,
) -> list[Side]:  # fmt: skip
    """A lake as each of the recipients sees it, the clock held; their snapshots share a connection."""
    shot, views = lake.snapshot(), {}
    first: Any = None
    for to in people:
        view = open_view(lake, config, to, now=NOW, shot=shot)
        first = first or view.shot
        first.sql("SELECT 1")
        assert view.shot._limits == first._limits, "recipients of two ceilings share nothing"
        view.shot._con = first._con
        views[to.name] = replace(view, recipient=replace(view.recipient))
    server = Server(lake, config, state, views)
    return [Side(lake, config, v, opened(v, config), known, server, loop) for v in views.values()]


@dataclass
class Asked:
    """A question that knows what of it was read."""

    of: Question
    read: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        value = self.read[name] = getattr(self.of, name)
        return value


def _asked(
    seed: int, draw: random.Random, a: Side, b: Side, count: int, ways: Mapping[str, Way], seen: set[Any], *,
    every: bool,
) -> int:  # fmt: skip
    done, to = 0, a.view.recipient.name
    reads: dict[str, list[str]] = {}
    for name in _turns(draw, ways, every, 20 * count):
        if done >= count:
            break
        # What a snapshot says is the same for all recipients of a ceiling: it is asked for one of them.
        who, question = "" if name in OF_SHOT else to, Question.drawn(draw)
        if (who, name, *((n, getattr(question, n)) for n in reads.get(name, ()))) in seen:
            continue  # asked before
        ask: Any = Asked(question)
        first = ways[name](a, ask)
        reads[name] = sorted(ask.read)
        case = (who, name, *((n, ask.read[n]) for n in reads[name]))
        if case in seen or not first:
            continue  # asked before after all, or no question to this table
        seen.add(case)
        second = ways[name](b, ask)
        assert first == second, f"lake {seed}, {to}, {name}, {ask.of}:\n{difference(first, second)}"
        done += 1
    return done


def _turns(draw: random.Random, ways: Mapping[str, Way], every: bool, most: int) -> Iterator[str]:
    """Every way once, or where not `every` is asked for one in eight; then those that cost little, again and again."""
    once = [name for name in ways if every or draw.random() < 1 / 8]
    draw.shuffle(once)
    yield from once
    often = [name for name in ALL if name in ways] or list(ways)
    yield from (often[i % len(often)] for i in range(most))


def difference(first: bytes, second: bytes) -> str:
    """Where two answers part."""
    at = next(
        (i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b),
        min(len(first), len(second)),
    )
    return f"at byte {at}\n{first[max(0, at - 300) : at + 300]!r}\n{second[max(0, at - 300) : at + 300]!r}"


def _cases(made: Made, draw: random.Random) -> State:
    """A state with cases about findings of every marking."""
    from noroshi.lake.findings import standing
    from noroshi.lake.state.operators import OperatorRow

    state = State(made.lake.path)
    networks = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.128/25", "2001:db8::/32")
    rows = [OperatorRow(n, f"operator {i}", (f"noc{i}@example.net",), "ja" if i % 2 else "en")
            for i, n in enumerate(networks)]  # fmt: skip
    state.operators.load("table", "operators.csv", rows)
    found = sorted(standing(made.lake.snapshot()), key=lambda f: (f.id, f.tlp.rank))
    for n in range(6):
        about = draw.sample(found, min(len(found), draw.randint(0, 2)))
        tlp = draw.choice((Tlp.GREEN, Tlp.AMBER, Tlp.AMBER_STRICT, Tlp.CLEAR))
        cases.open_case(
            state, f"case {n}", about, ["192.0.2.9"] if n % 2 else (), who="user:somebody", tlp=tlp
        )
    return state


def _allowed(state: State, rest: Lake, ceiling: Tlp) -> State:
    """A copy of the state beside a copy of the lake, without the cases above the ceiling."""
    import sqlite3

    hidden = [c.id for c in state.cases.all(limit=200) if parse(c.tlp).rank > ceiling.rank]
    with sqlite3.connect(state.db.where) as source, sqlite3.connect(rest.path / "state.db") as target:
        source.backup(target)
        for number in hidden:
            target.execute("DELETE FROM case_items WHERE case_id = ?", (number,))
            target.execute("DELETE FROM case_comments WHERE case_id = ?", (number,))
            target.execute("DELETE FROM cases WHERE id = ?", (number,))
    source.close()
    target.close()
    return State(rest.path)
