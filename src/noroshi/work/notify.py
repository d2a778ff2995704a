"""Notices to those who answer for a network: what would be sent, and sending it, once.

`plan` reads and nothing else: no connection, nothing written. `send` writes each notice down before it hands it over
(lake.state.notices), so that neither a second sender nor a crash makes it go out twice. What is told comes through the
gate: an operator is a recipient, by default up to AMBER.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from noroshi.model.address import prefix_range
from noroshi.model.finding import Finding
from noroshi.model.tlp import parse
from noroshi.share.anonymise.mask import Plain
from noroshi.share.marking import Recipient
from noroshi.share.notify.compose import MAX_ITEMS, Notice, Sender, notice
from noroshi.share.notify.customers import Customers
from noroshi.share.notify.items import KINDS, Item, evidence, gathered, told
from noroshi.share.notify.operators import Operator, Table
from noroshi.work import masks as profiles
from noroshi.work.gate import PLAIN, open_view, recipient
from noroshi.work.notify_settings import settings

if TYPE_CHECKING:
    from noroshi.config import Config, NotifyEntry
    from noroshi.lake.handle import Lake
    from noroshi.lake.snapshot import Snapshot
    from noroshi.lake.state import State
    from noroshi.lake.state.notices import ItemRow
    from noroshi.lake.state.optouts import OptOut
    from noroshi.share.gate import View


_OURS = ("own-address", "telescope-address", "own-domain")
"""Dropped from texts of notices whatever the profile says, but for the hosts the notice is about."""


@dataclass(frozen=True)
class Unresolved:
    """Somebody nobody is named for."""

    kind: str
    subject: str
    asn: str
    """As the tables of networks have it; empty when they do not."""


@dataclass(frozen=True)
class Held:
    """An operator who is not written to now, and why."""

    operator: str
    why: str
    items: int


@dataclass
class Gathered:
    """Everything there is to tell, by operator, whether or not it was told before."""

    items: dict[str, list[Item]] = field(default_factory=dict)
    operators: dict[str, Operator] = field(default_factory=dict)
    unresolved: list[Unresolved] = field(default_factory=list)
    opted_out: list[tuple[str, str, int]] = field(default_factory=list)
    """Kind, subject, number of the opt-out."""


@dataclass
class Plan:
    """What would be sent now."""

    channel: str
    now: datetime
    notices: list[Notice] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    told: int = 0
    """Items that were told before and are not due again."""
    unresolved: list[Unresolved] = field(default_factory=list)
    opted_out: list[tuple[str, str, int]] = field(default_factory=list)
    gathered: Gathered = field(default_factory=Gathered)


def plan(
    lake: Lake, config: Config, state: State, *, now: datetime | None = None, channel: str = "",
    shot: Snapshot | None = None,
) -> Plan:  # fmt: skip
    """What `send` would send now. Reads; writes and connects nowhere."""
    entry, at = settings(config), now or datetime.now(UTC)
    way = channel or entry.to
    whole = shot or lake.snapshot()
    found = gather(lake, config, state, now=at, shot=whole)
    return planned(found, entry, state, way, at, looked(lake, config, state, found, way, at, whole))


def looked(
    lake: Lake, config: Config, state: State, found: Gathered, channel: str, now: datetime, shot: Snapshot
) -> list[ItemRow]:
    """The items as `send` will have them: with what is seen now, and looked at again. Nothing is written."""
    from noroshi.work.notify_check import verdicts

    seen = {(i.operator, i.kind, i.subject): i for items in found.items.values() for i in items}
    rows = {}
    for row in state.notices.items(channel):
        item = seen.get((row.operator, row.kind, row.subject))
        if item and item.last_seen > row.last_seen:
            row = replace(row, last_seen=item.last_seen, detail={**item.detail, "asn": item.asn})
        rows[row.id] = row
    for v in verdicts(lake, config, rows.values(), now=now, shot=shot):
        rows[v.item.id] = replace(v.item, state=v.state, changed=now)
    return list(rows.values())


def planned(
    found: Gathered, entry: NotifyEntry, state: State, channel: str, now: datetime, rows: Sequence[ItemRow]
) -> Plan:
    """The notices of what was gathered. rows: what is known of items that were told before."""
    out = Plan(channel, now, unresolved=found.unresolved, opted_out=found.opted_out, gathered=found)
    known = {(i.operator, i.kind, i.subject): i for i in rows}
    claims, sender = state.notices.open_claims(), sender_of(entry)
    stops = {o.value: o.id for o in state.optouts.all() if o.kind == "mail"}
    notices = state.notices.all(channel)
    for name, items in sorted(found.items.items()):
        operator = found.operators[name]
        due = [d for i in items if (d := _due(i, known.get((name, i.kind, i.subject)), entry, claims, now))]
        out.told += len(items) - len(due)
        if not due:
            continue
        mails = () if channel == "folder" else tuple(m for m in operator.mails if m.lower() not in stops)
        mine = [r for r in notices if r.operator == name]
        if why := _holds(operator, channel, mails, mine, now):
            out.held.append(Held(name, why, len(due)))
            continue
        out.notices.append(notice(operator, channel, mails, due[:MAX_ITEMS], sender))
    return out


def sender_of(entry: NotifyEntry) -> Sender:
    """Who writes, as configured."""
    return Sender(entry.sender, entry.name, entry.reply_to, entry.contact)


def _due(
    item: Item, row: ItemRow | None, entry: NotifyEntry, claims: set[tuple[int, int, int]], now: datetime
) -> Item | None:
    """The item as it is to be told now; None when it was told and is not due again."""
    if row is None:
        return item
    from noroshi.lake.state.notices import FIXED, RETURNED

    if row.state == FIXED:
        # Seen after it was judged fixed: it is back. Late rows of before are not.
        return replace(item, episode=row.episode + 1, again=True) if item.last_seen > row.changed else None
    if (row.id, row.episode, row.round + 1) in claims or row.round >= entry.max_notices:
        return None  # on its way, or told often enough
    # What came back was told to nobody: it is due at once, and held until the address is another (`_holds`).
    days: tuple[str, ...] = ()
    if row.round and row.state != RETURNED and row.notified is not None:
        rested = now - row.notified >= timedelta(days=entry.repeat_days)
        if not rested or item.last_seen <= row.notified:
            return None
        days = tuple(t.date().isoformat() for t in (row.first_notified, row.notified) if t)
    return replace(item, episode=row.episode, round=row.round + 1, told=days, again=row.episode > 1)


def _holds(
    operator: Operator, channel: str, mails: Sequence[str], rows: Sequence[object], now: datetime
) -> str:
    """Why an operator is not written to now; empty when it is."""
    from noroshi.lake.state.notices import HANDING, PLANNED, UNCLEAR, NoticeRow

    mine = [r for r in rows if isinstance(r, NoticeRow)]
    if channel == "mail" and not operator.mails:
        return "no mail address is known"
    if channel == "mail" and not mails:
        return "every mail address has opted out"
    if any(r.state in (PLANNED, HANDING) for r in mine):
        return "a notice is still on its way"
    if any(r.state == UNCLEAR for r in mine):
        return "it is unclear whether a notice arrived (noroshi notify status; send --retry-unclear)"
    if any(r.day == now.date() for r in mine):
        return "it had its notice of today"
    last = mine[-1] if mine else None
    if last and last.returned and not last.acknowledged and set(last.mails) == set(mails):
        return f"the last notice came back on {last.returned.date()}; mend the mail address"
    return ""


def gather(
    lake: Lake, config: Config, state: State, *, now: datetime, shot: Snapshot | None = None
) -> Gathered:
    """All items of the last days, by who answers for them."""
    entry = settings(config)
    table = Table(state.operators.all(), now.date())
    whole = shot or lake.snapshot()
    out = Gathered()
    default = Recipient(
        "operators", parse(entry.tlp), "those who answer for a network", profile=entry.profile
    )
    special = {o.name: recipient(o.recipient, state) for o in table.operators if o.recipient}
    stops = Stops(state.optouts.all())
    ceilings = {r.ceiling: r for r in (*special.values(), default)}
    for ceiling, to in ceilings.items():
        base = open_view(lake, config, replace(to, profile="plain", kinds=()), now=now, shot=whole)
        base = replace(base, mask=Plain(), telescopes=config.telescope_prefixes)
        found = _findings(base, entry)
        places = _places(base, [f.subject.value for f in found])
        mine: dict[str, list[tuple[Finding, str]]] = {}
        for f in found:
            asn = places.get(f.subject.value, ("", ""))[0]
            row = table.find(f.subject.value, asn or None)
            if row is None:
                if ceiling == default.ceiling:
                    out.unresolved.append(Unresolved(f.kind, f.subject.value, asn))
                continue
            who = special.get(row.name, default)
            if who.ceiling != ceiling or (who.kinds and f.kind not in who.kinds):
                continue
            if stopped := stops.of(f.subject.value, asn):
                out.opted_out.append((f.kind, f.subject.value, stopped))
                continue
            mine.setdefault(row.name, []).append((f, row.network))
        masks: dict[str, Customers] = {}
        for name, some in mine.items():
            operator = table.get(name)
            assert operator is not None
            prefixes = tuple(n for n in operator.networks if not n.startswith("AS"))
            # A name of its own, so that its mask has a key of its own: two operators cannot join what they get.
            key = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]
            one = special.get(name) or replace(default, name=f"operator-{key}")
            who = replace(one, ranges=prefixes)
            # Decoys stand among own addresses: not even a text in base64 tells one.
            inner = Plain() if who.profile == PLAIN else profiles.mask(lake, config, who, now, hide=_OURS)
            masks[name] = Customers(inner, {f.subject.value for f, _ in some})
            out.items[name] = gathered(name, some, masks[name], places)
            out.operators[name] = operator
        # One question for all operators: what is none's is scrubbed here, the rest by each one's mask.
        theirs = [i for name in mine for i in out.items[name]]
        seen = replace(base, mask=Customers(Plain(), {i.subject for i in theirs}))
        rows = evidence(seen, theirs)
        for name, mask in masks.items():
            some_items = out.items[name]
            out.items[name] = [
                replace(i, rows=told(rows.get((i.kind, i.subject), ()), mask)) for i in some_items
            ]
    out.unresolved = sorted(set(out.unresolved), key=lambda u: (u.kind, u.subject))
    out.opted_out = sorted(set(out.opted_out))
    return out


def _findings(view: View, entry: NotifyEntry) -> list[Finding]:
    since = view.now - timedelta(days=entry.window_days)
    wanted = [k for k in KINDS if not entry.kinds or k in entry.kinds]
    found = view.findings(kinds=wanted, since=since, wanted=False)
    return [
        f for f in found
        if f.confidence >= entry.min_confidence and f.subject.kind in ("ip", "prefix") and f.last_seen <= view.now
    ]  # fmt: skip


def _places(view: View, subjects: Iterable[str]) -> dict[str, tuple[str, str]]:
    """AS number and country by address or prefix, as tables of networks the recipient may see have it.

    A prefix belongs to an AS when the network that names its first address holds all of it: else nobody is guessed.
    """
    from noroshi.ask.networks import lookup

    asked = sorted(set(subjects))
    if not asked:
        return {}
    spans = [prefix_range(s) for s in asked]
    # By the index always: where networks overlap in part, it and a single question may name two owners.
    found = lookup(view.shot, [low for low, _ in spans], load=True)
    return {
        s: (p.asn or "", p.country or "")
        for s, (low, high), p in zip(asked, spans, found, strict=True)
        if p is not None and (low == high or _last(p.network) >= high)
    }


def _last(network: str) -> bytes:
    """The last address of a network as `lookup` tells it: a prefix, or `first - last`."""
    return prefix_range(network.partition(" - ")[2] or network)[1]


class Stops:
    """The opt-outs of networks."""

    def __init__(self, optouts: Iterable[OptOut]) -> None:
        given = list(optouts)
        self._nets = [(ipaddress.ip_network(o.value), o.id) for o in given if o.kind == "prefix"]
        self._asns = {o.value: o.id for o in given if o.kind == "asn"}

    def of(self, subject: str, asn: str) -> int:
        """The number of the opt-out that holds; 0 for none. A prefix that holds an opted-out one is left out too."""
        net = ipaddress.ip_network(subject)
        return self._asns.get(asn) or next(
            (number for other, number in self._nets if other.version == net.version and other.overlaps(net)),
            0,
        )


def withheld(lake: Lake, config: Config, *, now: datetime) -> dict[str, int]:
    """Findings of these kinds and days that operators are not given, by reason: for the person at the keyboard."""
    from noroshi.lake.findings import standing
    from noroshi.share.marking import reason

    entry = settings(config)
    to, since = (
        Recipient("operators", parse(entry.tlp), "those who answer for a network"),
        now - timedelta(days=entry.window_days),
    )
    kinds = [k for k in KINDS if not entry.kinds or k in entry.kinds]
    counts: Counter[str] = Counter()
    for f in standing(lake.snapshot()):
        if f.kind in kinds and f.last_seen >= since and (why := reason(f, to, config.telescope_prefixes)):
            counts[why] += 1
        elif f.kind in kinds and f.last_seen >= since and f.confidence < entry.min_confidence:
            counts[f"its confidence is below {entry.min_confidence}"] += 1
    return {why: counts[why] for why in sorted(counts)}
