"""Slow clients: uvicorn ends what is idle between requests, and this what dawdles before and within them."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 10.0
"""The longest the head of a request may take to arrive, from the connection or its first byte."""
WRITE_S = 60.0
"""The longest a client may take none of what it asked for."""


class Patient(H11Protocol):
    """HTTP with an end to patience."""

    _deadline: asyncio.TimerHandle | None = None
    _blocked: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client; its first request is awaited."""
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Bytes of a client; a head that is still incomplete is awaited for a while."""
        if self._deadline is None and self.conn.their_state is h11.IDLE:
            self._await_head()
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._head_came()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._head_came()
        self._taken()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not take what is sent."""
        super().pause_writing()
        self._blocked = self.loop.call_later(WRITE_S, self._end)

    def resume_writing(self) -> None:
        """It does again."""
        self._taken()
        super().resume_writing()

    def _await_head(self) -> None:
        self._head_came()
        self._deadline = self.loop.call_later(HEAD_S, self._end)

    def _head_came(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _taken(self) -> None:
        if self._blocked is not None:
            self._blocked.cancel()
            self._blocked = None

    def _end(self) -> None:
        transport: Any = self.transport
        if transport is not None:
            transport.abort()  # close() would wait for what nobody takes
