"""What is new, told as it comes: server-sent events over a few hundred open connections, from one thread.

Each listener has a short queue; who reads too slowly is told that something was missed, and asks again. What a
listener is told is what its recipient sees, found by comparing two of its own views.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from noroshi.model.errors import NoroshiError
from noroshi.web.errors import TooMany

if TYPE_CHECKING:
    from noroshi.share.marking import Recipient
    from noroshi.web.options import Options
    from noroshi.web.reader import Reader

QUEUE = 64
"""Events that wait for one listener."""
PER_ROUND = 200
"""New findings told one by one; of more it is said how many there are, and the page asks for them."""


@dataclass(eq=False)
class Listener:
    """One open stream."""

    to: Recipient
    loop: asyncio.AbstractEventLoop
    queue: asyncio.Queue[bytes | None] = field(default_factory=lambda: asyncio.Queue(QUEUE))
    missed: bool = False

    def put(self, event: bytes) -> None:
        """Called in the loop."""
        if self.missed:
            return
        if self.queue.qsize() >= QUEUE - 1:
            # From here on it would be told things out of order: it asks anew.
            self.missed = True
            event = MISSED
        self.queue.put_nowait(event)

    def end(self) -> None:
        """Called in the loop: nothing more comes."""
        while True:
            try:
                self.queue.put_nowait(None)
                return
            except asyncio.QueueFull:
                self.queue.get_nowait()


@dataclass(frozen=True)
class _Sight:
    """What a recipient saw at a moment, as far as it is told."""

    generation: int
    runs: frozenset[str]
    findings: frozenset[tuple[str, str]]


class Hub:
    """Listeners, and the thread that looks for them."""

    def __init__(self, reader: Reader, options: Options) -> None:
        self._reader, self._options = reader, options
        self._listeners: set[Listener] = set()
        self._sights: dict[Recipient, _Sight] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def listening(self) -> int:
        """Streams open now."""
        return len(self._listeners)

    def start(self) -> None:
        """Begins to look; called once by the server."""
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends every stream and the thread; called in the loop when the server stops."""
        self._stop.set()
        with self._lock:
            listeners, self._listeners = self._listeners, set()
        for one in listeners:
            one.loop.call_soon_threadsafe(one.end)

    def wait(self, seconds: float) -> bool:
        """Waits for the thread to end, after `close`; false when it still looks at the lake then."""
        if self._thread is not None:
            self._thread.join(seconds)
        return self._thread is None or not self._thread.is_alive()

    async def listen(self, to: Recipient) -> AsyncIterator[bytes]:
        """The events of a recipient, with a sign of life between. Raises TooMany at once."""
        listener = Listener(to, asyncio.get_running_loop())
        with self._lock:
            if self._stop.is_set() or len(self._listeners) >= self._options.listeners:
                raise TooMany("no more event streams are opened", todo="Close one, or ask again later.")
            self._listeners.add(listener)
        return self._stream(listener)

    async def _stream(self, listener: Listener) -> AsyncIterator[bytes]:
        try:
            yield b"retry: 3000\n" + encode("hello", {})
            while True:
                try:
                    event = await asyncio.wait_for(listener.queue.get(), self._options.heartbeat)
                except TimeoutError:
                    event = b": alive\n\n"
                if event is None:
                    return
                if event == MISSED:
                    listener.missed = (
                        False  # it asks anew when it reads this; what comes from here on is told
                    )
                yield event
        finally:
            with self._lock:
                self._listeners.discard(listener)

    def publish(self, name: str, data: Any, to: Recipient | None = None) -> None:
        """Tells all listeners (of a recipient) something; from any thread."""
        event = encode(name, data)
        with self._lock:
            chosen = [one for one in self._listeners if to is None or one.to == to]
        for one in chosen:
            one.loop.call_soon_threadsafe(one.put, event)

    def _run(self) -> None:
        while not self._stop.wait(1.0):
            try:
                self.look()
            except NoroshiError:
                continue  # a disk that is busy, a lake that is being moved: the next second may be better

    def look(self) -> None:
        """Compares what each recipient who listens sees now with what it saw, and tells what is new."""
        with self._lock:
            recipients = {one.to for one in self._listeners}
        self._reader.shot()
        self._sights = {to: s for to, s in self._sights.items() if to in recipients}
        for to in recipients:
            before = self._sights.get(to)
            if before and before.generation == self._reader.generation:
                continue
            self._sights[to] = self._tell(to, before)

    def _tell(self, to: Recipient, before: _Sight | None) -> _Sight:
        generation, seen = self._reader.generation, self._reader.seen(to)
        runs = {r.run_id: r for r in seen.view.shot.runs()}
        findings = {(f.id, str(f.modified)): f for f in seen.view.findings()}
        if before is not None:
            fresh = [r for i, r in runs.items() if i not in before.runs]
            new = [f for key, f in findings.items() if key not in before.findings]
            gone = {i for i, _ in before.findings} - {i for i, _ in findings}
            if fresh:
                told = [{"run_id": r.run_id, "source": r.source, "format": r.format, "rows": sum(
                    r.counts.get("tables", {}).values())} for r in fresh[:PER_ROUND]]  # fmt: skip
                self.publish("runs", {"n": len(fresh), "runs": told}, to)
            if new or gone:
                self.publish("findings", {"n": len(new), "gone": len(gone),
                                          "findings": [f.to_json() for f in new[:PER_ROUND]]}, to)  # fmt: skip
            if fresh or new or gone:
                self.publish("changed", {"generation": generation}, to)
        return _Sight(generation, frozenset(runs), frozenset(findings))


def encode(name: str, data: Any) -> bytes:
    """One event; JSON has no line break, so that nothing in the data can begin another."""
    return b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(data) + b"\n\n"


MISSED = encode("missed", {})
