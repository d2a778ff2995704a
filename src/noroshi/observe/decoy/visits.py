"""Sessions put together from events, in bounded memory: what is known of a visit until its row is written."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

OPEN: Final = 20_000
"""Visits held at once; Cowrie ends a silent one after 5 minutes, and no decoy of ours had a hundredth of this."""
LINGER: Final = 2_000
"""Events a closed visit still waits for late ones (a download that ends after the visitor has left)."""
RELAYS: Final = 32
"""Relays of a visit that wait for what is sent through them."""


class Visit:
    """One session so far. Times in µs since 1970, addresses stored bytes."""

    # Defaults stand at the class: most visits are short, and setting them in each cost a third of its making.
    service: str | None = None
    protocol = 6
    dst_ip: bytes | None = None
    dst_port = 0
    client: str | None = None
    hassh: str | None = None
    ja4: str | None = None
    ssh_key: str | None = None
    login_count = 0
    login_success = False
    command_count = 0
    connected = closed = False
    """Its first and its last event were seen."""
    command: list[Any] | None = None
    """The row of the newest command: what the decoy said of it may follow."""
    relays: list[list[Any]] | None = None
    """Rows of relays nothing has been sent through yet."""
    offered: tuple[Any, ...] | None = None
    """The row of a key that was offered, until a login event tells what became of it."""

    def __init__(
        self, key: tuple[str | None, str], ts: int, offset: int, at: int, src_ip: bytes, src_port: int = 0
    ) -> None:
        self.key = key
        self.decoy, self.session_id = key
        self.first = self.last = ts
        self.offset, self.at = offset, at
        """Where its first event stands; number of its newest event."""
        self.src_ip, self.src_port = src_ip, src_port


class Visits:
    """The visits at hand by (decoy, session id); hands out those that are over.

    What is handed out depends on the events alone, not on how the source was cut into blocks.
    """

    def __init__(self, most: int = OPEN, linger: int = LINGER) -> None:
        self._most, self._linger = most, linger
        self._held: dict[tuple[str | None, str], Visit] = {}
        self._closed: deque[Visit] = deque()

    @property
    def held(self) -> dict[tuple[str | None, str], Visit]:
        """The visits at hand, to be looked at only."""
        return self._held

    def add(self, visit: Visit) -> list[Visit]:
        """Takes a new visit; hands out one of the same key and, when there are too many, the quietest."""
        held = self._held
        old = held.pop(visit.key, None)
        held[visit.key] = visit
        over = [] if old is None else [old]
        return over if len(held) <= self._most else over + self._quietest(visit)

    def close(self, visit: Visit) -> list[Visit]:
        """Marks a visit as over; hands out those that have been over for long."""
        closed, held, out = self._closed, self._held, []
        if not visit.closed:
            visit.closed = True
            closed.append(visit)
        early = visit.at - self._linger
        while closed and closed[0].at < early:
            over = closed.popleft()
            if held.get(over.key) is over:
                del held[over.key]
                out.append(over)
        return out

    def rest(self) -> list[Visit]:
        """All that are left."""
        out = list(self._held.values())
        self._held.clear()
        self._closed.clear()
        return out

    def _quietest(self, newest: Visit) -> list[Visit]:
        """The half of the visits whose last event is longest ago, so that sorting is rare."""
        quiet = sorted(self._held.values(), key=lambda v: v.at)[: self._most // 2 + 1]
        out = [visit for visit in quiet if visit is not newest]
        for visit in out:
            del self._held[visit.key]
        self._closed = deque(v for v in self._closed if self._held.get(v.key) is v)
        return out
