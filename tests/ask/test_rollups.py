"""Views over weeks equal what counting the rows gives, within what they promise."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from noroshi.ask.rollups import STANDARD_ERROR, top_ports, unique_sources
from noroshi.lake.handle import Lake
from noroshi.model.errors import UsageError
from noroshi.model.tlp import Tlp
from tests.ask.support import batch
from tests.cli.support import noroshi

START = datetime(2024, 4, 1, tzinfo=UTC)
DAYS = 5


def rows(run: int, n: int = 1500) -> list[dict[str, Any]]:
    random = np.random.default_rng(run)
    ports = np.where(random.random(n) < 0.6, random.choice([23, 80, 443], n), random.integers(1, 60_000, n))
    who = random.zipf(1.3, n) % 1200
    return [
        {"first_seen": START + timedelta(seconds=float(s)), "src_ip": f"203.0.{w // 250}.{w % 250}",
         "dst_ip": "192.0.2.1", "dst_port": int(p), "protocol": 17 if p == 53 else 6}
        for s, p, w in zip(random.random(n) * DAYS * 86_400, ports, who, strict=True)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, dict[Tlp, list[dict[str, Any]]]]:
    lake = Lake.open(tmp_path_factory.mktemp("rollups") / "lake", create=True)
    told: dict[Tlp, list[dict[str, Any]]] = {Tlp.GREEN: [], Tlp.AMBER: []}
    with lake.writer() as writer:
        for number in range(8):
            tlp = Tlp.AMBER if number % 3 == 0 else Tlp.GREEN
            made = rows(number)
            told[tlp] += made
            run = writer.begin(path=f"{number}", source="s", format="zeek", parser_version=1, tlp=tlp)
            run.write(batch("connections", *made))
            run.finish(sha256=f"{number}", size=1)
    return lake, told


@pytest.mark.parametrize("ceiling", [None, Tlp.GREEN])
def test_ports_are_those_of_the_rows(world: Any, ceiling: Tlp | None) -> None:
    lake, told = world
    shot = lake.snapshot() if ceiling is None else lake.snapshot().restricted(tlp=ceiling)
    truth: Counter[tuple[int, int]] = Counter()
    for tlp, made in told.items():
        if ceiling is None or tlp.rank <= ceiling.rank:
            truth.update((r["dst_port"], r["protocol"]) for r in made)
    found = top_ports(shot, "connections", limit=5000)
    assert found.total == truth.total()
    got = {(p.port, p.protocol): p.count for p in found.ports}
    assert all(0 <= n - got.get(k, 0) <= found.missing for k, n in truth.items())
    assert [p.port for p in found.ports[:3]] == [k[0] for k, _ in truth.most_common(3)]


def test_a_span_takes_whole_hours(world: Any) -> None:
    lake, told = world
    since, until = START + timedelta(hours=30), START + timedelta(hours=40)
    inside = [r for made in told.values() for r in made if since <= r["first_seen"] < until]
    found = top_ports(lake.snapshot(), "connections", since, until)
    assert found.total == len(inside)
    assert found.first is not None
    assert found.first >= since


@pytest.mark.parametrize("ceiling", [None, Tlp.GREEN])
@pytest.mark.parametrize("exact", [False, True])
def test_sources_are_those_of_the_rows(world: Any, ceiling: Tlp | None, exact: bool) -> None:
    lake, told = world
    shot = lake.snapshot() if ceiling is None else lake.snapshot().restricted(tlp=ceiling)
    seen = [r for t, made in told.items() if ceiling is None or t.rank <= ceiling.rank for r in made]
    found = unique_sources(shot, "connections", exact=exact)
    assert found.exact is exact
    # Five standard errors: a sketch of fixed keys does not change from run to run.
    allowed = 0.0 if exact else 5 * STANDARD_ERROR
    whole = len({r["src_ip"] for r in seen})
    assert abs(found.whole - whole) <= allowed * whole
    assert [d for d, _, _ in found.days] == sorted({r["first_seen"].date() for r in seen})
    for day, n, observations in found.days:
        there = [r for r in seen if r["first_seen"].date() == day]
        truth = len({r["src_ip"] for r in there})
        assert abs(n - truth) <= max(1, allowed * truth)
        assert observations == len(there)


def test_days_are_whole_days(world: Any) -> None:
    lake, _ = world
    since = START + timedelta(days=2, hours=13)
    found = unique_sources(lake.snapshot(), "connections", since, exact=True)
    assert found.days[0][0] == since.date()
    assert found == unique_sources(lake.snapshot(), "connections", since.replace(hour=0), exact=True)


def test_tables_with_markings_of_their_own_are_counted(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake", create=True)
    with lake.writer() as writer:
        run = writer.begin(path="a", source="s", format="intelmq", parser_version=1, tlp=Tlp.GREEN)
        run.write(batch("events", {"ts": START, "ip": "203.0.113.1", "tlp": "red"}))
        run.write(batch("events", {"ts": START, "ip": "203.0.113.2", "tlp": "green"}))
        run.finish(sha256="a", size=1)
    shot = lake.snapshot()
    everything = unique_sources(shot, "events")
    assert (everything.whole, everything.exact) == (2, True)
    assert unique_sources(shot.restricted(tlp=Tlp.GREEN), "events").whole == 1


def test_what_has_no_sums_is_told(world: Any) -> None:
    lake, _ = world
    with pytest.raises(UsageError, match="no sums by port"):
        top_ports(lake.snapshot(), "services")
    with pytest.raises(UsageError, match="no table"):
        unique_sources(lake.snapshot(), "x'; DROP")
    assert top_ports(lake.snapshot(), "logins").ports == ()
    assert unique_sources(lake.snapshot(), "logins").whole == 0


def test_the_verb_for_people_and_programs(world: Any) -> None:
    lake, _ = world
    ran = noroshi("--lake", lake.path, "top", "ports", "--table", "connections", "--limit", "3")
    assert ran.code == 0
    assert "tcp/23" in ran.out
    assert "12,000 rows from 2024-04-01 00:00" in ran.err
    told = noroshi("--lake", lake.path, "top", "ports", "--table", "connections", "--json").json
    assert told["total"] == 12_000
    days = noroshi("--lake", lake.path, "top", "sources", "--table", "connections")
    assert "over 5 days together" in days.err
    counted = noroshi(
        "--lake", lake.path, "top", "sources", "--table", "connections", "--exact", "--json"
    ).json
    assert counted["exact"] is True
    assert len(counted["days"]) == DAYS
    assert noroshi("--lake", lake.path, "top", "sources", "--since", "2030-01-01").code == 0
