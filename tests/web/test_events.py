"""The event stream: what is new, told to a hundred at once, each by its own view, with bounded queues."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.share.marking import RECIPIENTS
from noroshi.web import events
from noroshi.web.errors import TooMany
from noroshi.web.events import Hub
from noroshi.web.options import Options
from noroshi.web.reader import Reader
from tests.web import site

T = TypeVar("T")
COWRIE = site.SAMPLES / "mixed" / "cowrie.json"


def _read(lake: Lake, path: Path) -> None:
    from noroshi.work.ingest import ingest

    ingest(lake, [path], config=site.config_of())


async def _events(answer: httpx.Response) -> AsyncIterator[tuple[str, Any]]:
    name = ""
    async for line in answer.aiter_lines():
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            yield name, json.loads(line[6:])
        elif line.startswith(":"):
            yield "alive", None


async def _until(stream: AsyncIterator[tuple[str, Any]], wanted: str) -> Any:
    async for name, data in stream:
        if name == wanted:
            return data
    raise AssertionError(f"the stream ended without {wanted}")


def apart(asked: Coroutine[Any, Any, T]) -> T:
    """Runs it in a thread of its own: where browser tests ran before, the main thread has a loop that runs."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, asked).result()


def test_a_hundred_listeners_are_told(tmp_path: Path, state: State) -> None:
    own = Lake.open(tmp_path / "lake")

    async def listen(address: str) -> list[Any]:
        limits = httpx.Limits(max_connections=130, max_keepalive_connections=0)
        async with httpx.AsyncClient(limits=limits, timeout=60) as client, AsyncExitStack() as stack:
            answers = [
                await stack.enter_async_context(client.stream("GET", f"{address}/api/v1/events"))
                for _ in range(100)
            ]
            assert all(a.status_code == 200 for a in answers)
            assert answers[0].headers["content-type"].startswith("text/event-stream")
            streams = [_events(a) for a in answers]
            await asyncio.gather(*(_until(s, "hello") for s in streams))
            assert (await client.get(f"{address}/api/v1/health")).status_code == 200, (
                "the pool is not taken by them"
            )
            await asyncio.sleep(1.5)  # the first look, which others are compared with
            await asyncio.to_thread(_read, own, COWRIE)
            return list(await asyncio.gather(*(_until(s, "runs") for s in streams)))

    with site.served(own, state) as address:
        told = apart(listen(address))
    assert len(told) == 100
    assert all(t["n"] == 1 and t["runs"][0]["format"] == "cowrie" for t in told)


def test_signs_of_life_and_an_end(tmp_path: Path, state: State) -> None:
    """The stream says that it lives, and ends when the server does: `served` fails when it does not stop."""
    own = Lake.open(tmp_path / "lake")

    async def listen(address: str) -> None:
        path = f"{address}/api/v1/events"
        async with httpx.AsyncClient(timeout=20) as client, client.stream("GET", path) as answer:
            await _until(_events(answer), "alive")

    with site.served(own, state, heartbeat=0.1) as address:
        apart(listen(address))


class _Clock:
    at = 0.0

    def __call__(self) -> float:
        self.at += 10
        return self.at


def _hub(lake: Lake, state: State, **options: Any) -> Hub:
    return Hub(Reader(lake, site.config_of(), state, clock=_Clock()), Options(**options))


def test_each_by_its_own_view(tmp_path: Path, state: State) -> None:
    """What is marked for the own organisation is no event for the public."""
    from noroshi.model.tlp import Tlp
    from noroshi.work.ingest import ingest

    own = Lake.open(tmp_path / "lake")
    hub = _hub(own, state)

    async def both() -> tuple[list[bytes], list[bytes]]:
        streams = [await hub.listen(RECIPIENTS[name]) for name in ("own", "public")]
        for s in streams:
            await anext(s)
        hub.look()
        ingest(own, [COWRIE], config=site.config_of(), tlp=Tlp.AMBER)
        hub.look()
        await asyncio.sleep(0.05)
        hub.close()
        return [e async for e in streams[0]], [e async for e in streams[1]]

    told, public = apart(both())
    assert [e.split(b"\n")[0] for e in told] == [b"event: runs", b"event: changed"]
    assert public == []


def test_who_reads_too_slowly_is_told_that_it_missed_something(tmp_path: Path, state: State) -> None:
    hub = _hub(Lake.open(tmp_path / "lake"), state)

    async def slow() -> list[bytes]:
        stream = await hub.listen(RECIPIENTS["own"])
        await anext(stream)
        for i in range(events.QUEUE * 10):
            hub.publish("progress", {"i": i})
        await asyncio.sleep(0.05)
        first = [await anext(stream) for _ in range(events.QUEUE)]
        hub.publish("progress", {"i": "again"})
        await asyncio.sleep(0.05)
        first.append(await anext(stream))
        hub.close()
        return first

    told = apart(slow())
    assert told[-2].startswith(b"event: missed"), "the last of what was kept says so"
    assert b'"again"' in told[-1], "from there on it is told again"


def test_no_more_than_may_listen(tmp_path: Path, state: State) -> None:
    hub = _hub(Lake.open(tmp_path / "lake"), state, listeners=2)

    async def three() -> None:
        streams = [await hub.listen(RECIPIENTS["own"]) for _ in range(2)]
        with pytest.raises(TooMany):
            await hub.listen(RECIPIENTS["own"])
        await anext(streams[0])
        await streams[0].aclose()  # type: ignore[attr-defined]
        await hub.listen(RECIPIENTS["own"])

    apart(three())


def test_data_cannot_make_an_event() -> None:
    made = events.encode("runs", {"source": "x\n\nevent: forged\ndata: {}"})
    assert made.count(b"\n") == 3
