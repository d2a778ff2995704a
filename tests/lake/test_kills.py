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

from noroshi.lake.handle import Lake
from tests.lake.killing import POINTS, rows_of

ROOT = Path(__file__).parents[2]
EVERYWHERE = ["store", "store", "store", "compact", "forget", "vacuum"]
PASSES = {"rename": ["judge"], "remove": ["forget", "store"], "sync": ["store", "compact", "judge"]}
"""What passes the rarer points."""
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


def visible(path: Path) -> set[int]:
    """Numbers of the runs a fresh reader sees; asserts that each is there whole, once, in every table."""
    shot = Lake.open(path).snapshot()
    runs = {r.run_id: int((r.sha256 or "r-1")[1:]) for r in shot.runs()}
    assert len(set(runs.values())) == len(runs), "a run stands twice"
    for table in ("connections", "logins"):
        got = {
            r["run_id"]: (r["n"], r["s"])
            for r in shot.sql(
                f'SELECT run_id, count(*) AS n, sum("offset")::BIGINT AS s FROM {table} GROUP BY run_id'
            ).to_pylist()
        }
        want = {}
        for run_id, number in runs.items():
            n = rows_of(number)[table]
            want[run_id] = (n, sum(number * 1000 + i for i in range(n)))
        assert got == want, table
    linked = {
        r["run_id"]: r["n"]
        for r in shot.sql(
            "SELECT run_id, sum(count)::BIGINT AS n FROM links WHERE role = 'src' GROUP BY run_id"
        ).to_pylist()
    }
    assert linked == {i: sum(rows_of(n).values()) for i, n in runs.items()}
    hourly = shot.sql("SELECT run_id, sum(count)::BIGINT AS n FROM hourly GROUP BY run_id").to_pylist()
    assert {r["run_id"]: r["n"] for r in hourly} == linked
    return set(runs.values())


def campaign(path: Path, kills: int, seed: int) -> Counter[str]:
    """Lets children die until `kills` have; how often at each point."""
    dice = random.Random(seed)
    Lake.open(path)
    died: Counter[str] = Counter()
    present: set[int] = set()
    number = 0
    with forker(path) as children:
        while died.total() < kills:
            number += 1
            point = min([*POINTS, "random"], key=lambda p: (died[p], dice.random()))
            op = dice.choice(PASSES.get(point, EVERYWHERE))
            if len(present) > MOST_RUNS:
                op = "forget"
            target = dice.choice(sorted(present)) if op == "forget" and present else number
            how: dict[str, object] = {"point": point, "at": 1 if point in PASSES else dice.randint(1, 5)}
            if point == "random":
                how = {"delay_s": dice.uniform(0, 0.15)}
            answer = children.ask(op=op, number=target, flag=dice.random() < 0.5, **how)
            assert answer in ("killed", "done"), f"{op} failed at {point}"
            died[point] += answer == "killed"
            after = visible(path)
            allowed = [present]
            if op == "store":
                allowed.append(present | {target})
            elif op == "forget":
                allowed.append(present - {target})
            assert after in allowed, f"{op} killed at {point}"
            if answer == "done" and op in ("store", "forget"):
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
def test_a_thousand_kills(tmp_path: Path) -> None:
    died = campaign(tmp_path / "lake", 1000, seed=2)
    assert all(died[p] >= 20 for p in (*POINTS, "random"))
