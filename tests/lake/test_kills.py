"""A lake that processes die over, many times: no row is lost, doubled or half visible, and `verify` mends the rest."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from noroshi.lake import raw
from noroshi.lake.handle import Lake
from tests.lake.killing import POINTS, day_of, raw_of, rows_of

ROOT = Path(__file__).parents[2]
EVERYWHERE = [
    "store",
    "store",
    "store",
    "compact",
    "compact",
    "forget",
    "vacuum",
    "retain",
    "rebuild",
    "upgrade",
]
PASSES = {
    "rename": ["judge", "retain"],
    "remove": ["forget", "store"],
    "sync": ["store", "compact", "judge", "rebuild"],
}
"""What passes the rarer points."""
Kept = tuple[int, bool]
"""A run's number, and whether retention has taken its first day out."""
MOST_RUNS = 16
"""More runs would only make each look slower."""


class Forker:
    """The forking process, asked line by line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, **command: object) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()


@contextmanager
def forker(lake: Path) -> Iterator[Forker]:
    env = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.lake.killing", str(lake)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env, cwd=ROOT,
    ) as process:  # fmt: skip
        yield Forker(process)
        assert process.stdin is not None
        process.stdin.close()


def visible(path: Path) -> set[Kept]:
    """The runs a fresh reader sees; asserts that each is there whole, once, in every table, or after retention."""
    lake = Lake.open(path)
    shot = lake.snapshot()
    runs = {r.run_id: int((r.sha256 or "r-1")[1:]) for r in shot.runs()}
    assert len(set(runs.values())) == len(runs), "a run stands twice"
    states: dict[str, set[bool]] = {i: set() for i in runs}
    for table in ("connections", "logins"):
        got = {
            r["run_id"]: (r["n"], r["s"])
            for r in shot.sql(
                f'SELECT run_id, count(*) AS n, sum("offset")::BIGINT AS s FROM {table} GROUP BY run_id'
            ).to_pylist()
        }
        assert got.keys() == runs.keys(), table
        for run_id, number in runs.items():
            states[run_id] |= {cut for cut in (False, True) if got[run_id] == held(table, number, cut)}
    assert all(len(s) == 1 for s in states.values()), "a run is half there"
    kept = {(runs[i], s.pop()) for i, s in states.items()}
    want = {i: sum(held(t, n, (n, True) in kept)[0] for t in rows_of(n)) for i, n in runs.items()}
    for table, which in (("links", "role = 'src'"), ("hourly", "true"), ("daily", "true")):
        rows = shot.sql(f"SELECT run_id, sum(count)::BIGINT AS n FROM {table} WHERE {which} GROUP BY run_id")
        assert {r["run_id"]: r["n"] for r in rows.to_pylist()} == want, table
    for run_id, number in runs.items():
        assert raw.read(path, run_id, 0, 10_000) == raw_of(number)
    return kept


def held(table: str, number: int, cut: bool) -> tuple[int, int]:
    """(rows, sum of their offsets) of a run, without its first day when `cut`."""
    places = [i for i in range(rows_of(number)[table]) if not cut or day_of(number, i)]
    return len(places), sum(number * 1000 + i for i in places)


def campaign(path: Path, kills: int, seed: int) -> Counter[str]:
    """Lets children die until `kills` have; how often at each point."""
    dice = random.Random(seed)
    Lake.open(path)
    died: Counter[str] = Counter()
    present: set[Kept] = set()
    number = 0
    with forker(path) as children:
        while died.total() < kills:
            number += 1
            point = min([*POINTS, "random"], key=lambda p: (died[p], dice.random()))
            op = dice.choice(PASSES.get(point, EVERYWHERE))
            if len(present) > MOST_RUNS:
                op = "forget"
            target = dice.choice(sorted(present))[0] if op == "forget" and present else number
            how: dict[str, object] = {"point": point, "at": 1 if point in PASSES else dice.randint(1, 5)}
            if point == "random":
                how = {"delay_s": dice.uniform(0, 0.15)}
            answer = children.ask(op=op, number=target, flag=dice.random() < 0.5, **how)
            assert answer in ("killed", "done"), f"{op} failed at {point}"
            died[point] += answer == "killed"
            if op == "rebuild" and answer == "killed":
                Lake.open(path).rebuild()
            after = visible(path)
            allowed = [present]
            if op == "store":
                allowed.append(present | {(target, False)})
            elif op == "forget":
                allowed.append({(n, cut) for n, cut in present if n != target})
            elif op == "retain":
                allowed.append({(n, True) for n, _ in present})
            assert after in allowed, f"{op} killed at {point}"
            if answer == "done" and op in ("store", "forget", "retain"):
                assert after == allowed[1]
            present = after
            if number % 10 == 0:
                Lake.open(path).verify()
                assert Lake.open(path).verify() == []
                assert visible(path) == present
    return died


def test_fifty_kills(tmp_path: Path) -> None:
    died = campaign(tmp_path / "lake", 50, seed=1)
    assert all(died[p] >= 5 for p in POINTS)


@pytest.mark.heavy
@pytest.mark.parametrize("seed", range(2, 6))
def test_a_thousand_kills(seed: int, tmp_path: Path) -> None:
    """Four lakes, 250 each: several cores share them."""
    died = campaign(tmp_path / "lake", 250, seed)
    assert all(died[p] >= 20 for p in (*POINTS, "random")), died
