"""What became of what was told: states per channel, and how soon things were mended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from noroshi.lake.state.notices import FIXED, FOUND, NOTIFIED, STATES, ItemRow, NoticeRow, Step
from noroshi.model.finding import iso
from noroshi.share.notify.curve import DAYS, Point, at, curve, half

if TYPE_CHECKING:
    from noroshi.lake.state import State


@dataclass(frozen=True)
class Channel:
    """One way of telling."""

    channel: str
    counts: dict[str, int]
    """Items by state."""
    cases: int
    """Episodes that were told: those of the curve."""
    fixed: int
    watched: float
    """Days the longest case was watched."""
    curve: tuple[Point, ...]
    back: int
    """Episodes that came back after they were fixed."""


@dataclass(frozen=True)
class Status:
    """All of it."""

    channels: list[Channel]
    items: list[ItemRow]
    notices: list[NoticeRow]


def status(state: State, *, channel: str = "", operator: str = "", now: datetime | None = None) -> Status:
    """What became of what was told, of all or of one operator or channel."""
    items = state.notices.items(channel, operator)
    notices = [n for n in state.notices.all(channel) if not operator or n.operator == operator]
    names = {i.channel for i in items} | {n.channel for n in notices}
    return Status(channels(state, items, now or datetime.now(UTC), names), items, notices)


def channels(
    state: State, items: Sequence[ItemRow], now: datetime, names: Iterable[str] = ()
) -> list[Channel]:
    """What became of these items, by channel: those they went by, and those of `names`."""
    steps = state.notices.steps()
    every = sorted({i.channel for i in items} | set(names))
    return [_channel(n, [i for i in items if i.channel == n], steps, now) for n in every]


def _channel(name: str, items: list[ItemRow], steps: Iterable[Step], now: datetime) -> Channel:
    mine = {i.id: i for i in items}
    episodes: dict[tuple[int, int], list[Step]] = {}
    for step in steps:
        if step.item in mine:
            episodes.setdefault((step.item, step.episode), []).append(step)
    cases = [c for (item, episode), some in episodes.items() if (c := _case(mine[item], episode, some, now))]
    counts = Counter(i.state for i in items)
    back = sum(1 for (_, episode), some in episodes.items() if episode > 1 and some[0].state == FOUND)
    return Channel(
        name, {s: counts[s] for s in STATES if counts[s]}, len(cases), sum(f for _, f in cases),
        max((d for d, _ in cases), default=0.0), tuple(curve(cases)), back,
    )  # fmt: skip


def _case(item: ItemRow, episode: int, steps: list[Step], now: datetime) -> tuple[float, bool] | None:
    """(days from the first notice on, fixed or still open then); None when it was never told.

    Still open counts until it was last seen or looked at, not until today: what nobody looked at since is not open.
    """
    told = next((s.at for s in steps if s.state == NOTIFIED), None)
    if told is None:
        return None
    day = timedelta(days=1)
    fixed = next((s.at for s in steps if s.state == FIXED), None)
    if fixed is not None:
        return max(0.0, (fixed - told) / day), True
    last = max([told, *(s.at for s in steps)])
    if episode == item.episode:
        last = max(last, min(item.last_seen, now))
    return (last - told) / day, False


def document(found: Status) -> dict[str, Any]:
    """As JSON."""
    return {
        "channels": [
            {
                "channel": c.channel, "states": {s: c.counts.get(s, 0) for s in STATES}, "cases": c.cases,
                "fixed": c.fixed, "came_back": c.back, "half_fixed_days": half(c.curve),
                "by_day": {str(d): _point(at(c.curve, d)) for d in DAYS},
                "curve": [_point(p) for p in c.curve],
            }
            for c in found.channels
        ],
        "items": [
            {
                "kind": i.kind, "subject": i.subject, "operator": i.operator, "network": i.network,
                "channel": i.channel, "state": i.state, "episode": i.episode, "notices": i.round,
                "first_seen": iso(i.first_seen),
                "last_seen": iso(i.last_seen), "found": iso(i.found), "changed": iso(i.changed),
                "first_notified": iso(i.first_notified) if i.first_notified else None,
                "notified": iso(i.notified) if i.notified else None,
            }
            for i in found.items
        ],
        "notices": [
            {
                "id": n.id, "operator": n.operator, "channel": n.channel, "state": n.state, "mails": list(n.mails),
                "items": n.items, "made": iso(n.made), "settled": iso(n.settled) if n.settled else None,
                "acknowledged": iso(n.acknowledged) if n.acknowledged else None,
                "returned": iso(n.returned) if n.returned else None, "tries": n.tries, "problem": n.problem or None,
            }
            for n in found.notices
        ],
    }  # fmt: skip


def _point(p: Point | None) -> dict[str, Any] | None:
    if p is None:
        return None
    return {"day": round(p.day, 3), "fixed": round(p.fixed, 4), "low": round(p.low, 4), "high": round(p.high, 4),
            "at_risk": p.at_risk}  # fmt: skip
