"""The watchtower under load: python -m bench.web [--lake FOLDER] [-n 10000000] [--minutes N].

`noroshi serve --open` as a process on a copy of a lake (bench.pivot's, unless told otherwise; with synthetic findings
and visits), asked over loopback: every page, what it loads, and the questions of the API, each at least 30 times: (a)
first in a new process, (b) first at a new moment (a run has just been written), (c) a question nobody has asked at this
moment, (d) the same again; then 50 people with a second to think while a run comes every ten seconds; then 100
listeners who must all hear of a run. Wall time by what the asking side sees, processor time of the server beside it,
because a shared machine makes wall time a matter of who else is there. With --minutes only the memory: people, runs,
and a number every half minute.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import harness
from bench.web_load import Client, World, listeners, loaded, pages, people, questions
from bench.web_site import Arriving, Site, copied, dress, serving, settle

EACH = 30
AIMS = {"page": 500.0, "pivot": 100.0, "people": 1000.0}
"""Milliseconds: p95 of a page's first data, p95 of the pivot API, p99 of what fifty people ask."""


def spread(ms: list[float]) -> dict[str, float]:
    """n, p50, p95, p99 and the largest; nearest rank, so that none is better than what was seen."""
    ordered = sorted(ms)
    found = {f"p{p}": ordered[max(0, -(-len(ordered) * p // 100) - 1)] for p in (50, 95, 99, 100)}
    return {"n": len(ordered), **{k: round(v, 1) for k, v in found.items()}}


def known(lake: Any) -> tuple[World, dict[str, int]]:
    """What there is to ask for in a lake, and what was laid into it for that."""
    from bench.pivot import choose, engine, union
    from noroshi.model import address

    shot = lake.snapshot()
    con = engine()
    chosen = choose(con, union(shot))
    con.close()
    values = {name: [address.text(v) for v in vs] for name, vs in chosen.items()}
    ips = [ip for vs in values.values() for ip in vs]
    added = dress(lake, ips)
    shot = lake.snapshot()
    hosts = shot.sql("SELECT DISTINCT ip FROM services ORDER BY hash(ip) LIMIT 200").column("ip").to_pylist()
    held = shot.sql("SELECT min(day) AS a, max(day) AS b FROM links").to_pylist()[0]
    found = shot.sql("SELECT id FROM findings ORDER BY hash(id) LIMIT 200").column("id").to_pylist()
    from datetime import UTC, datetime, timedelta

    start, end = (datetime(d.year, d.month, d.day, tzinfo=UTC) for d in (held["a"], held["b"]))
    return World(values, [_text(h) for h in hosts], found, start, end + timedelta(days=1)), added


def _text(value: Any) -> str:
    from noroshi.model import address

    return value if isinstance(value, str) else address.text(bytes(value))


def first(site: Site, w: World) -> dict[str, float]:
    """Each page once, in a process that has answered nothing else."""
    client, rng = Client(site.port), random.Random(1)
    took = {name: round(client.get(ask(rng))[0], 1) for name, ask in pages(w).items()}
    _none(client)
    return took


def moments(site: Site, w: World, arriving: Arriving, rounds: int) -> dict[str, Any]:
    """Each page and question once at each new moment, in turns, so that none is always the one that comes first."""
    asks = pages(w) | questions(w)
    client, rng = Client(site.port), random.Random(2)
    took: dict[str, list[float]] = {name: [] for name in asks}
    for _ in range(rounds):
        arriving.write()
        settle()
        for name in rng.sample(list(asks), len(asks)):
            took[name].append(client.get(asks[name](rng))[0])
    _none(client)
    return {name: spread(ms) for name, ms in took.items()}


def apart(site: Site, w: World, each: int) -> dict[str, dict[str, Any]]:
    """At one moment: questions that differ, and the same again; a page's with what it loads, one after the other."""
    out: dict[str, dict[str, Any]] = {}
    client, rng = Client(site.port), random.Random(3)
    for name, ask in (pages(w) | questions(w)).items():
        asked = [ask(rng) for _ in range(each)]
        other, whole, again = [], [], []
        before = site.cpu_s()
        for path in asked:
            ms, body = client.get(path)
            other.append(ms)
            if not path.startswith("/api/"):
                whole.append(ms + sum(client.get(one)[0] for one in loaded(body)))
        middle = site.cpu_s()
        again = [client.get(path)[0] for path in asked]
        after = site.cpu_s()
        out[name] = {
            "other": spread(other), "again": spread(again), "cpu_ms": round(1000 * (middle - before) / each, 1),
            "cpu_again_ms": round(1000 * (after - middle) / each, 1),
        } | ({"whole": spread(whole)} if whole else {})  # fmt: skip
        print(f"  {name}: {out[name]}", file=sys.stderr)
    _none(client)
    return out


def _none(client: Client) -> None:
    if client.errors:
        raise SystemExit("errors:\n" + "\n".join(client.errors[:10]))


@contextmanager
def runs_every(seconds: float, arriving: Arriving) -> Iterator[None]:
    """A new run every so often, until the end of the block."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(seconds):
            arriving.write()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def fifty(site: Site, w: World, arriving: Arriving, users: int, seconds: float) -> dict[str, Any]:
    """Many at once."""
    before, began = site.cpu_s(), time.monotonic()
    with runs_every(10.0, arriving):
        load = people(site.port, w, users=users, seconds=seconds)
    took = time.monotonic() - began
    every = [ms for found in load.requests.values() for ms in found]
    return {
        "users": users, "seconds": round(took, 1), "requests": len(every), "per_s": round(len(every) / took, 1),
        "errors": load.errors[:20], "n_errors": len(load.errors), "all": spread(every), "visits": spread(load.visits),
        "by": {name: spread(ms) for name, ms in sorted(load.requests.items()) if ms},
        "server_cores": round((site.cpu_s() - before) / took, 2),
    }  # fmt: skip


def soak(
    site: Site, w: World, arriving: Arriving, minutes: float, every_s: float = 30.0
) -> list[dict[str, float]]:
    """People, new runs, and memory now and then."""
    curve = [{"minute": 0.0, "rss_mib": round(site.rss_mib(), 1)}]
    began = time.monotonic()
    with runs_every(10.0, arriving):
        while (gone := time.monotonic() - began) < 60 * minutes:
            load = people(site.port, w, users=10, seconds=min(every_s, 60 * minutes - gone))
            if load.errors:
                raise SystemExit("errors:\n" + "\n".join(load.errors[:10]))
            now = {"minute": round((time.monotonic() - began) / 60, 1), "rss_mib": round(site.rss_mib(), 1)}
            print(f"  minute {now['minute']}: {now['rss_mib']} MiB", file=sys.stderr, flush=True)
            curve.append(now)
    return curve


def measure(where: Path, a: argparse.Namespace) -> dict[str, Any]:
    """All figures of one lake."""
    from noroshi.lake.handle import Lake

    lake = Lake.open(where, create=False)
    w, added = known(lake)
    arriving = Arriving(where)
    out: dict[str, Any] = {"added": added, "values": {k: len(v) for k, v in w.values.items()},
                           "load_at_start": os.getloadavg()[0]}  # fmt: skip
    with serving(where) as site:
        memory: dict[str, float] = {"start": site.rss_mib()}
        if a.minutes:
            apart(site, w, 3)
            out["soak"] = soak(site, w, arriving, a.minutes)
            return out
        out["first"] = first(site, w)
        out["apart"] = apart(site, w, a.each)
        memory["warm"] = site.rss_mib()
        out["moments"] = moments(site, w, arriving, a.rounds)
        memory["after new moments"] = site.rss_mib()
        out["people"] = fifty(site, w, arriving, a.users, a.seconds)
        memory["after load"] = site.rss_mib()
        out["listeners"] = listeners(site.port, a.listeners, arriving.write)
        memory["after listeners"] = site.rss_mib()
        out["memory_mib"] = {k: round(v, 1) for k, v in memory.items()} | {"peak": round(site.peak_mib(), 1)}
    return out


def over(r: dict[str, Any]) -> list[str]:
    """What is over its aim."""
    found = []
    for how, times in (
        ("other", {n: t["other"] for n, t in r["apart"].items()}),
        ("new moment", r["moments"]),
    ):
        for name, t in times.items():
            aim = AIMS["pivot"] if name.startswith("/api/v1/pivot") else AIMS["page"]
            if t["p95"] > aim:
                found.append(f"{name} ({how}): p95 {t['p95']:.0f} ms, aim {aim:.0f}")
    if r["people"]["all"]["p99"] > AIMS["people"]:
        found.append(
            f"{r['people']['users']} people: p99 {r['people']['all']['p99']:.0f} ms, aim {AIMS['people']:.0f}"
        )
    if r["people"]["n_errors"]:
        found.append(f"{r['people']['users']} people: {r['people']['n_errors']} errors, aim 0")
    if r["listeners"]["heard"] != r["listeners"]["opened"]:
        found.append(f"{r['listeners']['heard']} of {r['listeners']['opened']} listeners heard")
    return found


def table(r: dict[str, Any]) -> str:
    """The figures as Markdown."""
    if "soak" in r:
        return harness.table(
            ("minute", "RSS MiB"), [(str(c["minute"]), str(c["rss_mib"])) for c in r["soak"]]
        )
    rows = []
    for name, t in r["apart"].items():
        o, w, m, g = t["other"], t.get("whole"), r["moments"][name], t["again"]
        rows.append((name, str(o["n"]), *(f"{o[p]:.0f}" for p in ("p50", "p95", "p99")),
                     f"{w['p95']:.0f}" if w else "", *(f"{m[p]:.0f}" for p in ("p50", "p95", "p99")), f"{g['p95']:.0f}",
                     f"{t['cpu_ms']:.0f}", f"{r['first'].get(name, 0):.0f}" if name in r["first"] else ""))  # fmt: skip
    head = ("ms", "n", "p50", "p95", "p99", "with all it loads p95", "new moment p50", "p95", "p99", "again p95",
            "CPU of the server", "first in a new process")  # fmt: skip
    p, heard = r["people"], r["listeners"]
    load = [(name, str(t["n"]), *(f"{t[x]:.0f}" for x in ("p50", "p95", "p99", "p100"))) for name, t in
            [("all requests", p["all"]), ("a visit with all it loads", p["visits"]), *p["by"].items()]]  # fmt: skip
    missed = over(r)
    return "\n\n".join((
        f"{r['observations']:,} observations; laid in beside: {r['added'] or 'nothing'}.",
        harness.table(head, rows),
        f"{p['users']} people for {p['seconds']} s, a new run every 10 s: {p['requests']:,} requests,"
        f" {p['per_s']} a second, {p['n_errors']} errors; the server used {p['server_cores']} cores.",
        harness.table(("ms", "n", "p50", "p95", "p99", "max"), load),
        f"Event stream: {heard['heard']} of {heard['opened']} listeners heard of a new run, the last"
        f" {heard['seconds_until_last']} s after it was written.",
        "Memory of the server, MiB: " + ", ".join(f"{k} {v}" for k, v in r["memory_mib"].items()) + ".",
        "Over the aims: " + ("; ".join(missed) if missed else "nothing") + ".",
        f"Load of the machine when it began: {r['load_at_start']:.1f}.",
    ))  # fmt: skip


def main() -> None:
    """Makes or copies the lake, asks, keeps the result."""
    p = argparse.ArgumentParser(prog="python -m bench.web", description=__doc__.split("\n")[0])
    p.add_argument("-n", "--observations", type=int, default=10_000_000, help="of the lake that is made")
    p.add_argument("--lake", type=Path, help="a lake of bench.pivot; it is copied and not written to")
    p.add_argument("--each", type=int, default=EACH, help="times each is asked")
    p.add_argument("--rounds", type=int, default=EACH, help="new moments at which each is asked once")
    p.add_argument("--users", type=int, default=50)
    p.add_argument("--seconds", type=float, default=60.0)
    p.add_argument("--listeners", type=int, default=100)
    p.add_argument("--minutes", type=float, default=0.0, help="only memory, for so long")
    p.add_argument("--name", default="web")
    p.add_argument("--print", dest="shown", action="store_true", help="print and keep nothing")
    a = p.parse_args()
    with tempfile.TemporaryDirectory(dir=a.lake.parent if a.lake else None) as room:
        if a.lake:
            where, n = copied(a.lake, Path(room)), int((a.lake / "done").read_text())
        else:
            from bench.pivot_lake import made

            where, n = Path(room) / f"pivot-{a.observations}", a.observations
            made(where, n)
        result = {"observations": n, **measure(where, a)}
    if a.shown:
        print(table(result))
        return
    harness.write(f"{a.name}-soak" if a.minutes else a.name, result, table(result))


if __name__ == "__main__":
    main()
