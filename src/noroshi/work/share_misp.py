"""Sharing as a MISP feed directory: what a view holds, brought up to date in place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from noroshi.lake.state import State
from noroshi.share.gate import View
from noroshi.share.misp import feed, imported, make
from noroshi.work.gate import exported, open_view, withheld
from noroshi.work.gate import recipient as named

if TYPE_CHECKING:
    from noroshi.config import Config
    from noroshi.lake.handle import Lake


@dataclass(frozen=True)
class Fed:
    """What the directory holds now, and what was withheld."""

    feed: feed.Written
    withheld: dict[str, int] = field(default_factory=dict)
    """Findings the recipient is not given, by reason: for the person at the keyboard, never exported."""


def share_misp(
    lake: Lake, *, config: Config, recipient: str, folder: Path, since: datetime | None = None, producer: str = "",
    state: State | None = None, who: str = "job",
) -> Fed:  # fmt: skip
    """Brings the MISP feed in `folder` up to date with what `recipient` may see.

    A feed is read by machines: RED is never in it. since: only findings that lasted until then or later, and no
    imported intelligence stated before. Raises UsageError for an unknown recipient or a folder of something else.
    """
    state = state or State(lake.path)
    shot = lake.snapshot()
    view = open_view(lake, config, named(recipient, state), shot=shot)
    rest = withheld(view, shot, since=since)

    def ready(done: feed.Written) -> None:
        exported(state, who, view, "misp", done.attributes, path=str(folder), events=done.events,
                 changed=done.written, removed=done.removed, withheld=rest)  # fmt: skip

    return Fed(feed.write(folder, events(view, since=since, producer=producer), ready), rest)


def events(view: View, *, since: datetime | None = None, producer: str = "") -> Iterator[make.Thing]:
    """The events of a view: those of findings, then those of imported intelligence."""
    maker = make.Maker.of(producer, view.recipient.name)
    yield from make.events(view.findings(since=since), maker)
    yield from imported.events(view, maker, since)
