"""What all requests share: the lake, its reader, its state, and how the server was started."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from noroshi.web.events import Hub
from noroshi.web.longwork import LongWork
from noroshi.web.options import Options
from noroshi.web.reader import Reader
from noroshi.web.security.doorkeeper import Doorkeeper
from noroshi.web.security.ratelimit import Buckets

if TYPE_CHECKING:
    from noroshi.config import Config
    from noroshi.lake.handle import Lake
    from noroshi.lake.state import State

EVENTS_S = 5.0
"""Seconds the look for events has to end; it takes a few at most, at a lake that has just grown much."""


@dataclass
class Tower:
    """One running server."""

    lake: Lake
    config: Config
    state: State
    options: Options
    reader: Reader
    doorkeeper: Doorkeeper
    hub: Hub
    key: bytes
    """For tokens of forms and cursors; derived from the lake's keys, so that a restart ends no page."""
    setup: str = ""
    """The one-time token that makes the first admin; empty when there is one."""
    longwork: LongWork = field(default_factory=LongWork)
    """Where long work is done."""
    ended: bool = True
    """False when something still read the lake after the server had ended."""
    by_address: Buckets = field(default_factory=lambda: Buckets(1 / 20, 10))
    """Tries to sign in from an address: 10, then 3 a minute."""
    by_name: Buckets = field(default_factory=lambda: Buckets(1 / 30, 8))
    """Tries to sign in as somebody, from anywhere: 8, then 2 a minute."""

    def end(self) -> None:
        """Ends what works beside requests, and waits for it for a while; not to be called in the loop."""
        self.hub.close()
        self.ended = self.longwork.close() & self.hub.wait(EVENTS_S)


def build(lake: Lake, config: Config, state: State, options: Options) -> Tower:
    """A tower on a lake."""
    import secrets

    reader = Reader(lake, config, state, options.seconds)
    tower = Tower(
        lake, config, state, options, reader, Doorkeeper(state, options), Hub(reader, options),
        lake.keys.derive("web"),
    )  # fmt: skip
    if not options.open and not state.users.all():
        tower.setup = secrets.token_urlsafe(24)
    return tower
