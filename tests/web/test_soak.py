"""A server that is asked for long: its memory stays where it was once it is warm."""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from bench.web_load import Client, World, loaded, pages, questions
from bench.web_site import Arriving, serving, settle

from noroshi.lake.handle import Lake
from tests.web import site

pytestmark = pytest.mark.heavy
MINUTES = float(os.environ.get("NOROSHI_SOAK_MINUTES", "10"))
"""NOROSHI_SOAK_MINUTES=60 for an hour."""
EVERY_S = 10.0
"""Between new runs."""
GROWTH_MIB = 96.0
"""What may be added after warming up: one moment's kept answers are up to 64 MiB and come and go with each run, and an
allocator gives back late; a leak of 1 MiB with each new run would be 60 MiB in ten minutes and 360 in an hour."""


def test_memory_is_flat(tmp_path: Path) -> None:
    """Pages, their parts and the API in turns, by one after the other, while runs arrive."""
    lake = site.build(tmp_path / "lake")
    where, arriving = lake.path, Arriving(lake.path, rows=50)
    with serving(where) as served:
        world = _world(lake)
        asks = list((pages(world) | questions(world)).values())
        client, rng = Client(served.port), random.Random(4)
        curve: list[tuple[float, float]] = []
        began, next_run, asked = time.monotonic(), 0.0, 0
        while (gone := time.monotonic() - began) < 60 * MINUTES:
            if gone >= next_run:
                arriving.write()
                settle()
                next_run, asked = gone + EVERY_S, asked + 1
                curve.append((gone, served.rss_mib()))
            _, body = client.get(rng.choice(asks)(rng))
            for path in loaded(body):
                client.get(path)
        curve.append((time.monotonic() - began, served.rss_mib()))
    assert not client.errors, client.errors[:5]
    assert asked > 3 * MINUTES, "a run every ten seconds should have come"
    # Warm after a fifth: every page was asked for many times, and several moments have gone.
    warm = [rss for at, rss in curve if at >= 12 * MINUTES]
    half = len(warm) // 2
    first, last = max(warm[:half]), max(warm[half:])
    print("\n".join(f"{at / 60:5.1f} min {rss:7.1f} MiB" for at, rss in curve), file=sys.stderr)
    assert last - first < GROWTH_MIB, f"from {first:.0f} to {last:.0f} MiB"


def _world(lake: Lake) -> World:
    """What the samples hold: an address of many rows, and findings."""
    from datetime import UTC, datetime, timedelta

    from noroshi.model import address

    shot = lake.snapshot()
    ips: list[Any] = shot.sql("SELECT src_ip FROM flows GROUP BY src_ip ORDER BY count(*) DESC LIMIT 60")[
        "src_ip"
    ].to_pylist()
    texts = [address.text(ip) for ip in ips]
    hosts: list[Any] = shot.sql("SELECT DISTINCT ip FROM services ORDER BY ip LIMIT 50")["ip"].to_pylist()
    found: list[Any] = shot.sql("SELECT id FROM findings ORDER BY id LIMIT 100")["id"].to_pylist()
    held = shot.sql("SELECT min(day) AS a, max(day) AS b FROM links").to_pylist()[0]
    start, end = (datetime(d.year, d.month, d.day, tzinfo=UTC) for d in held.values())
    return World(
        {"rare": texts[40:], "middle": texts[20:40], "heavy": texts[:20]}, [address.text(h) for h in hosts],
        found, start, end + timedelta(days=1),
        offered=0.5,
    )  # fmt: skip
