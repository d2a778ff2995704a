"""Non-interference over lakes as stored: with everything a recipient may not see deleted, every way out is the same.

Nothing is judged again for the comparison: rows, links, sums, findings and runs are deleted from the tables. What
differs then would tell a recipient that there is something hidden.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from noroshi.config import Config, load
from noroshi.lake import heads
from noroshi.lake.handle import Lake
from noroshi.model.tlp import Tlp
from noroshi.share.marking import RECIPIENTS, Recipient
from noroshi.work.gate import open_view
from noroshi.work.pivot import opened
from tests.share.interference.deleting import without_hidden
from tests.share.interference.lakes import NOW, TELESCOPE, Made, make, shape
from tests.share.interference.ways import SELDOM, WAYS, Question, Side, Way


def recipients(draw: random.Random) -> Iterator[Recipient]:
    """One of each ceiling: those that come with the package, and others with wants and ranges."""
    yield RECIPIENTS["public"]
    yield Recipient("sector", Tlp.GREEN, "a sector", "sector", "plain", ranges=("192.0.2.0/24",))
    kinds = tuple(draw.sample(("scanner", "watch-hit", "dos-victim", "campaign", "infected-host"), 3))
    yield Recipient("partner", Tlp.AMBER, "a partner", "organisation", "", kinds, ("203.0.113.0/24",))
    yield RECIPIENTS["own"]


def configuration(folder: Path) -> Config:
    """Own networks and a telescope: known to the own organisation only."""
    folder.mkdir(exist_ok=True)
    path = folder / "noroshi.toml"
    path.write_text(
        f'own = ["192.0.2.0/24"]\n[[telescope]]\nname = "campus"\nprefixes = ["{TELESCOPE}"]\n', "utf-8"
    )
    return load(path)


def side(lake: Lake, config: Config, to: Recipient) -> Side:
    """A lake as a recipient sees it, the clock held."""
    view = open_view(lake, config, to, now=NOW)
    pivots = opened(view, config)
    return Side(lake, config, view, pivots)


def compared(seed: int, cases: int, folder: Path, ways: Mapping[str, Way] = WAYS) -> int:
    """Compares so many cases of the lake of that number, spread over recipients and ways; how many."""
    draw, config = random.Random(seed), configuration(folder)
    made: Made = make(folder / "whole", shape(seed))
    everyone, done = list(recipients(draw)), 0
    for n, to in enumerate(everyone):
        rest = without_hidden(made.lake.path, folder / f"rest{n}", to.ceiling)
        a, b = side(made.lake, config, to), side(rest, config, to)
        for name, asked in questions(draw, cases // len(everyone), ways):
            first, second = ways[name](a, asked), ways[name](b, asked)
            assert first == second, f"lake {seed}, {to.name}, {name}, {asked}:\n{difference(first, second)}"
            done += 1
    return done


def questions(draw: random.Random, count: int, ways: Mapping[str, Way]) -> Iterator[tuple[str, Question]]:
    """So many, each once: every way in turn, and then those that take many parameters."""
    yield from ((name, Question.drawn(draw)) for name in list(ways)[:count])
    often = [name for name in ways if name not in SELDOM] or list(ways)
    for i in range(count - len(ways)):
        yield often[i % len(often)], Question.drawn(draw)


def difference(first: bytes, second: bytes) -> str:
    """Where two answers part."""
    at = next(
        (i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b),
        min(len(first), len(second)),
    )
    return f"at byte {at}\n{first[max(0, at - 300) : at + 300]!r}\n{second[max(0, at - 300) : at + 300]!r}"


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Bounds that else only large lakes meet."""
    monkeypatch.setattr(heads, "LEAST_ROWS", 10)
    monkeypatch.setenv("NOROSHI_KEYS", str(tmp_path / "site.keys"))  # both lakes are of one site


@pytest.mark.parametrize("seed", range(4))
def test_what_is_hidden_changes_no_byte(seed: int, tmp_path: Path) -> None:
    assert compared(seed, 4 * (len(WAYS) + 4), tmp_path) >= 90


LEAKS: dict[str, Way] = {
    "counts": lambda side, ask: str(side.lake.snapshot().count("links")).encode(),
    "runs": lambda side, ask: str(
        [f.runs for f in side.lake.findings() if side.view.recipient.may_see(f.tlp)]
    ).encode(),
}
"""Ways that do not go through the gate, and tell something."""


@pytest.mark.parametrize("name", LEAKS)
def test_the_comparison_notices_a_leak(name: str, tmp_path: Path) -> None:
    """A proof that could not fail would prove nothing."""
    with pytest.raises(AssertionError, match=f"{name}, Question"):
        compared(0, 4, tmp_path, {name: LEAKS[name]})


@pytest.mark.heavy
@pytest.mark.parametrize("part", range(20))
def test_a_hundred_thousand_cases(part: int, tmp_path: Path) -> None:
    done, seed = 0, 1000 * (part + 1)
    while done < 5_000:
        (folder := tmp_path / str(seed)).mkdir()
        done += compared(seed, 2_500, folder)
        shutil.rmtree(folder)
        seed += 1
