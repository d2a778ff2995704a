"""Sessions put together from events, in bounded memory: what is known of a visit until its row is written."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, Final

OPEN: Final = 20_000
"""Visits held at once; Cowrie ends a silent one after 5 minutes, and no decoy of ours had a hundredth of this."""
LINGER: Final = 2_000
"""Events a closed visit still waits for late ones (a download that ends after the visitor has left)."""
RELAYS: Final = 32
"""Relays of a visit that wait for what is sent through them."""


class Visit:
    """One session so far. Times in µs since 1970, addresses stored bytes."""

    __slots__ = (
        "at", "client", "closed", "command", "command_count", "connected", "decoy", "dst_ip", "dst_port",
        "first", "hassh", "ja4", "key", "last", "login_count", "login_success", "offered", "offset",
        "protocol", "relays", "service", "session_id", "src_ip", "src_port", "ssh_key",
    )  # fmt: skip

    def __init__(self, key: tuple[str | None, str], ts: int, offset: int, at: int) -> None:
        self.key = key
        self.decoy, self.session_id = key
        self.first = self.last = ts
        self.offset, self.at = offset, at
        """Where its first event stands; number of its newest event."""
        self.src_ip: bytes | None = None
        self.src_port = 0
        self.dst_ip: bytes | None = None
        self.dst_port = 0
        self.protocol = 6
        self.service: str | None = None
        self.client: str | None = None
        self.hassh: str | None = None
        self.ja4: str | None = None
        self.ssh_key: str | None = None
        self.login_count = 0
        self.login_success = False
        self.command_count = 0
        self.connected = self.closed = False
        """Its first and its last event were seen."""
        self.command: list[Any] | None = None
        """The row of the newest command: what the decoy said of it may follow."""
        self.relays: list[list[Any]] = []
        """Rows of relays nothing has been sent through yet."""
        self.offered: tuple[Any, ...] | None = None
        """The row of a key that was offered, until a login event tells what became of it."""


class Visits:
    """The visits at hand by (decoy, session id); hands out those that are over.

    What is handed out depends on the events alone, not on how the source was cut into blocks.
    """

    def __init__(self, most: int = OPEN, linger: int = LINGER) -> None:
        self._most, self._linger = most, linger
        self._held: dict[tuple[str | None, str], Visit] = {}
        self._closed: deque[Visit] = deque()

    def get(self, key: tuple[str | None, str]) -> Visit | None:
        """The visit of that key."""
        return self._held.get(key)

    def add(self, visit: Visit) -> Iterator[Visit]:
        """Takes a new visit; hands out one of the same key and, when there are too many, the quietest."""
        old = self._held.pop(visit.key, None)
        if old is not None:
            yield old
        self._held[visit.key] = visit
        if len(self._held) > self._most:
            yield from self._quietest(visit)

    def close(self, visit: Visit) -> Iterator[Visit]:
        """Marks a visit as over; hands out those that have been over for long."""
        if not visit.closed:
            visit.closed = True
            self._closed.append(visit)
        while self._closed and self._closed[0].at < visit.at - self._linger:
            over = self._closed.popleft()
            if self._held.get(over.key) is over:
                del self._held[over.key]
                yield over

    def rest(self) -> Iterator[Visit]:
        """All that are left."""
        held, self._held = self._held, {}
        self._closed.clear()
        yield from held.values()

    def _quietest(self, newest: Visit) -> Iterator[Visit]:
        """The half of the visits whose last event is longest ago, so that sorting is rare."""
        for visit in sorted(self._held.values(), key=lambda v: v.at)[: self._most // 2 + 1]:
            if visit is not newest:
                del self._held[visit.key]
                yield visit
        self._closed = deque(v for v in self._closed if self._held.get(v.key) is v)
