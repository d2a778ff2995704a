"""What is asked of a watchtower: pages with what they load, questions of the API, fifty people, a hundred listeners."""

from __future__ import annotations

import asyncio
import html
import http.client
import random
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

Ask = Callable[[random.Random], str]
LOADED = re.compile(r'data-src="([^"]+)"|hx-get="([^"]+)"[^>]*hx-trigger="(?:load|revealed)"')
"""What a page asks for by itself once it is there: pictures, and parts that htmx loads."""
SEEN = re.compile(r'data-src="([^"]+)"|hx-get="([^"]+)"[^>]*hx-trigger="load"')
"""The same without what lies further down, which is asked for when somebody scrolls there."""
SCROLL = 0.5
"""How many of all visitors look at the whole page."""


@dataclass(frozen=True)
class World:
    """What there is to ask for."""

    values: dict[str, list[str]]
    """Addresses by how often they stand: rare, middle, heavy."""
    hosts: list[str]
    findings: list[str]
    start: datetime
    end: datetime
    offered: float = 0.0
    """How often a time range is one of those the pages offer; people rarely choose another."""

    def span(self, rng: random.Random, days: Iterable[int] = (1, 7, 30)) -> str:
        """A time range for an address: one the pages offer in `offered` of all cases, else to the hour, anywhere."""
        if rng.random() < self.offered:
            return rng.choice(("", "range=24h", "range=7d", "range=30d", "range=all"))
        length = timedelta(days=rng.choice(list(days)))
        slack = max(0.0, (self.end - self.start - length).total_seconds())
        begin = self.start + timedelta(hours=int(rng.random() * slack / 3600))
        stamps = {"from": begin, "to": begin + length}
        return urlencode({k: f"{v:%Y-%m-%dT%H:00:00Z}" for k, v in stamps.items()})


def pages(w: World) -> dict[str, Ask]:
    """Every page, asked for in many ways."""
    kinds = ("scanner", "port-surge", "infected-host", "decoy-intrusion")
    entity = {
        f"/entity, {name}": (lambda rng, vs=vs: f"/entity/ip/{rng.choice(vs)}")
        for name, vs in w.values.items() if vs
    }  # fmt: skip
    return {
        "/now": lambda rng: "/now",
        "/darknet": lambda rng: (
            f"/darknet?{w.span(rng)}&by={rng.choice(('port', 'protocol', 'tool', 'class'))}"
        ),
        **entity,
        "/findings": lambda rng: f"/findings?kind={rng.choice(kinds)}&{w.span(rng)}",
        "/findings/...": lambda rng: f"/findings/{rng.choice(w.findings)}",
        "/cases": lambda rng: "/cases",
        "/exposure": lambda rng: f"/exposure?port={rng.choice((22, 80, 443, 8443))}&{w.span(rng)}",
        "/exposure/host/...": lambda rng: f"/exposure/host/{rng.choice(w.hosts)}",
        "/honeypots": lambda rng: f"/honeypots?{w.span(rng)}",
        "/search": lambda rng: f"/search?q={quote(rng.choice(w.values['middle']))}",
        "/sharing": lambda rng: "/sharing",
        "/lake": lambda rng: "/lake",
    }


def questions(w: World) -> dict[str, Ask]:
    """Questions of the API."""

    def pivot(name: str, path: str = "pivot") -> Ask:
        return lambda rng: f"/api/v1/{path}?value={rng.choice(w.values[name])}"

    made = {f"/api/v1/pivot, {name}": pivot(name) for name, vs in w.values.items() if vs}
    made |= {f"/api/v1/pivot/{p}": pivot("heavy", f"pivot/{p}") for p in ("timeline", "graph")}
    for name in ("series", "matrix", "changes", "space", "countries", "talkers"):
        more = "&by=port" if name == "series" else ""
        made[f"/api/v1/traffic/{name}"] = lambda rng, name=name, more=more: (  # type: ignore[misc]
            f"/api/v1/traffic/{name}?{w.span(rng)}{more}"
        )
    made["/api/v1/traffic/arrivals"] = lambda rng: "/api/v1/traffic/arrivals"
    made["/api/v1/findings"] = lambda rng: f"/api/v1/findings?limit=100&{w.span(rng)}"
    made["/api/v1/services/groups"] = lambda rng: f"/api/v1/services/groups?{w.span(rng)}"
    made["/api/v1/decoys/totals"] = lambda rng: f"/api/v1/decoys/totals?{w.span(rng)}"
    return made


@dataclass
class Client:
    """One connection that is kept; every answer but 200 is an error."""

    port: int
    errors: list[str] = field(default_factory=list)
    _connection: http.client.HTTPConnection | None = None

    def get(self, path: str, *, again: bool = True) -> tuple[float, bytes]:
        """(milliseconds until the last byte, body); follows one redirection, as a search for an address gives."""
        accept = "application/json" if path.startswith("/api/") else "text/html"
        began = time.perf_counter()
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            self._connection.request("GET", path, headers={"Accept": accept, "Accept-Language": "en"})
            answer = self._connection.getresponse()
            body = answer.read()
            if answer.status == 303 and again:
                body = self.get(answer.headers["Location"], again=False)[1]
            elif answer.status != 200:
                self.errors.append(f"{answer.status} {path}: {body[:200]!r}")
        except (OSError, http.client.HTTPException) as e:
            self.errors.append(f"{type(e).__name__} {path}: {e}")
            self._connection, body = None, b""
        return 1000 * (time.perf_counter() - began), body

    def visit(self, path: str, whole: bool = True) -> tuple[float, list[float]]:
        """A page and all it loads, one after the other: (the page, each of the others)."""
        took, body = self.get(path)
        return took, [self.get(one)[0] for one in loaded(body, LOADED if whole else SEEN)]


def loaded(body: bytes, what: re.Pattern[str] = LOADED) -> list[str]:
    """What a page loads by itself."""
    found = (html.unescape(a or b) for a, b in what.findall(body.decode("utf-8", "replace")))
    return list(dict.fromkeys(p for p in found if p.startswith("/") and not p.startswith("/static")))


MIX = {
    "/now": 20, "/darknet": 14, "/entity, rare": 9, "/entity, middle": 9, "/entity, heavy": 9, "/findings": 12,
    "/findings/...": 4, "/exposure": 4, "/exposure/host/...": 3, "/honeypots": 4, "/cases": 3, "/search": 3,
    "/sharing": 2, "/lake": 4,
}  # fmt: skip
"""Visits of a hundred; a tenth as many are questions of programs to the pivot API."""


@dataclass
class Load:
    """What many people met."""

    requests: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    visits: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def people(port: int, w: World, *, users: int, seconds: float, think: float = 1.0) -> Load:
    """Users that each look at a page and all it loads, think (half to one and a half of `think`), and go on."""
    load, until = Load(), time.monotonic() + seconds
    w = replace(w, offered=0.7)
    made = pages(w) | questions(w)
    names = [n for n in MIX if n in made] + [n for n in made if n.startswith("/api/v1/pivot,")]
    weights = [MIX.get(n, 3) for n in names]

    def one(number: int) -> None:
        rng, client = random.Random(number), Client(port)
        time.sleep(think * rng.random())
        while time.monotonic() < until:
            name = rng.choices(names, weights)[0]
            took, others = client.visit(made[name](rng), rng.random() < SCROLL)
            with load.lock:
                load.requests[name].append(took)
                load.requests["what pages load"] += others
                load.visits.append(took + sum(others))
            time.sleep(think * (0.5 + rng.random()))
        with load.lock:
            load.errors += client.errors

    threads = [threading.Thread(target=one, args=(i,), daemon=True) for i in range(users)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(seconds + 120)
    if any(t.is_alive() for t in threads):
        load.errors.append("a user was not answered within two minutes")
    return load


def listeners(port: int, count: int, write: Callable[[], str], *, wait_s: float = 30.0) -> dict[str, Any]:
    """Opens so many event streams, writes a run, and counts who heard of it and when."""
    return asyncio.run(_listen(port, count, write, wait_s))


async def _listen(port: int, count: int, write: Callable[[], str], wait_s: float) -> dict[str, Any]:
    ready: list[float] = []
    heard: list[float] = []
    asked = asyncio.Event()
    run: list[str] = []

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
        writer.write(f"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        while line := await reader.readline():
            if line.startswith(b"event: hello"):
                ready.append(time.perf_counter())
                if len(ready) == count:
                    asked.set()
            if run and run[0].encode() in line:
                heard.append(time.perf_counter())
                break
        writer.close()

    tasks = [asyncio.create_task(one()) for _ in range(count)]
    try:
        await asyncio.wait_for(asked.wait(), wait_s)
        await asyncio.sleep(2.5)  # the server has to have looked once, to know what is new
        # The id is known to those who listen before anybody can tell it to them.
        written = await asyncio.to_thread(write)
        run.append(written)
        began = time.perf_counter()
        await asyncio.wait(tasks, timeout=wait_s)
    finally:
        for t in tasks:
            t.cancel()
    late = sorted(h - began for h in heard)
    return {"opened": len(ready), "heard": len(heard),
            "seconds_until_last": round(late[-1], 2) if late else None}  # fmt: skip
