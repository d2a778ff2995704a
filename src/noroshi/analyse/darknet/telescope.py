"""The telescope itself: how many addresses it really watched, and where one might be.

The effective size is the denominator of every rate and every figure per address. It counts IPv4 only: IPv6
prefixes are monitored, and what reaches them is judged, but 2^80 addresses divide nothing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from noroshi.analyse.darknet.guess import Guess, Proposal, guess
from noroshi.model.analyser import Query, Scope, Telescope

__all__ = [
    "Guess", "Proposal", "Size", "Span", "build_scopes", "effective_size", "guess", "hours_sql", "inside_sql",
    "live_spans", "observed_spans", "packets_per_address", "seconds", "uncovered",
]  # fmt: skip

Span = tuple[datetime, datetime]

GAP_PACKETS = 30.0
"""A silence in which this many packets were due is a gap in the recording: by Poisson it has chance 1e-13,
and bursts, which Poisson does not know, are kept out by taking the median hour as the rate."""
MAX_INSIDE = 1_000_000
"""More inside talkers than this are no telescope."""


class Size(NamedTuple):
    """What a telescope amounted to on one day."""

    size: float
    """Live dark IPv4 addresses while it was observed: nominal less inside talkers; 0.0 when never live."""
    nominal: int
    """IPv4 addresses in its prefixes, each counted once."""
    observed_s: float
    """Seconds observed and live; at least 1.0 when anything was seen, so that a lone packet divides."""


def effective_size(
    telescope: Telescope, day: date, observed: Sequence[Span], inside: Iterable[bytes] = ()
) -> Size:
    """The telescope's size on `day`, averaged over the time it was observed and live.

    observed: spans of time that packets prove recorded. inside: stored addresses in the prefixes that sent
    packets; IPv6 ones and those outside the prefixes count for nothing.
    """
    nets = _v4(telescope)
    nominal = sum(n.num_addresses for n in nets)
    ranges = [(int(n.network_address), int(n.broadcast_address)) for n in nets]
    talkers = {int.from_bytes(a[1:], "big") for a in inside if len(a) == 5}
    dark = nominal - sum(any(low <= t <= high for low, high in ranges) for t in talkers)
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    spans = live_spans(telescope, start, start + timedelta(days=1), observed)
    if not spans:
        return Size(0.0, nominal, 0.0)
    return Size(float(dark), nominal, max(1.0, seconds(spans)))


def live_spans(telescope: Telescope, start: datetime, end: datetime, observed: Sequence[Span]) -> list[Span]:
    """The parts of [start, end) that were observed, in a live period and in no outage, in order."""
    spans = _within(_merge(observed), [(start, end)])
    if telescope.live:
        spans = _within(spans, [(since, until or end) for since, until in telescope.live])
    up = start
    open_spans = []
    for down, again in _merge(telescope.outages):
        open_spans.append((up, down))
        up = max(up, again)
    return _within(spans, [*open_spans, (up, end)])


def seconds(spans: Iterable[Span]) -> float:
    """Total length of spans that do not overlap."""
    return sum((b - a).total_seconds() for a, b in spans)


def packets_per_address(packets: float, days: Iterable[Size], period_s: float) -> float:
    """Packets per address over a period: packets / time-averaged live addresses.

    The average runs over the whole period, so that days not observed count as no addresses. NICTER's figures
    are made like this: 150.4e9 packets in 2017 were 559,125 per address, which is 269 k addresses on average
    of 300 k at the end of the year. 0.0 when nothing was observed.
    """
    average = sum(d.size * d.observed_s for d in days) / period_s
    return packets / average if average > 0 else 0.0


def _v4(telescope: Telescope) -> list[ipaddress.IPv4Network]:
    nets = (ipaddress.ip_network(p, strict=False) for p in telescope.prefixes)
    return list(ipaddress.collapse_addresses(n for n in nets if isinstance(n, ipaddress.IPv4Network)))


def _within(spans: Iterable[Span], windows: Iterable[Span]) -> list[Span]:
    """The spans cut to the half-open windows; a span of no length (a lone packet) stays if it lies in one."""
    out = []
    for a, b in spans:
        for low, high in _merge(windows):
            if max(a, low) < min(b, high) or low <= a == b < high:
                out.append((max(a, low), min(b, high)))
    return _merge(out)


def _merge(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for a, b in sorted(s for s in spans if s[0] <= s[1]):
        if merged and a <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(b, merged[-1][1]))
        else:
            merged.append((a, b))
    return merged


# -- from the lake ----------------------------------------------------------------------------------------


def hours_sql(scope: Scope) -> str:
    """SQL: one row per clock hour of `$day` with packets to or from the prefixes: first, last, packets."""
    near = f"({scope.where('dst_ip')} OR {scope.where('src_ip')})"
    return (
        "SELECT min(first_seen) AS first, max(last_seen) AS last, sum(packet_count)::BIGINT AS packets"  # noqa: S608
        f" FROM flows WHERE day = $day AND {near} GROUP BY epoch_us(first_seen) // 3600000000 ORDER BY 1"
    )


def inside_sql(scope: Scope) -> str:
    """SQL: the addresses inside the prefixes that sent packets on `$day`, in order.

    A packet from an address to itself is forged (the "land" attack), no sign of life.
    """
    return (
        f"SELECT DISTINCT src_ip FROM flows WHERE day = $day AND {scope.where('src_ip')}"  # noqa: S608
        f" AND src_ip <> dst_ip ORDER BY 1 LIMIT {MAX_INSIDE}"
    )


def observed_spans(hours: Sequence[tuple[datetime, datetime, int]]) -> list[Span]:
    """Spans that were recorded, from hourly (first, last, packets) in order.

    A silence longer than an hour in which GAP_PACKETS were due at the median hour's rate is a gap.
    """
    if not hours:
        return []
    counts = sorted(h[2] for h in hours)
    per_s = counts[len(counts) // 2] / 3600.0
    spans = [(hours[0][0], hours[0][1])]
    for first, last, _ in hours[1:]:
        silence = (first - spans[-1][1]).total_seconds()
        if silence > 3600.0 and silence * per_s >= GAP_PACKETS:
            spans.append((first, last))
        else:
            spans[-1] = (spans[-1][0], max(spans[-1][1], last))
    return spans


def build_scopes(
    query: Query,
    day: date,
    telescopes: Sequence[Telescope],
    own: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
) -> list[Scope]:
    """One scope per telescope that saw something on `day`; one without a telescope when none did.

    Two small SQL reductions per telescope. Rows that lie in no telescope while another one has rows are not
    judged: `uncovered()` counts them. Empty when the day has no rows at all.
    """
    scopes = [s for t in telescopes if (s := _scope(query, day, t, tuple(own), options)) is not None]
    if scopes:
        return scopes
    bare = Scope(day, None, 0.0, own=tuple(own), options=dict(options or {}))
    hours = _hours(query, bare)
    return [_sized(bare, Size(0.0, 0, max(1.0, seconds(observed_spans(hours)))), ())] if hours else []


def uncovered(query: Query, day: date, telescopes: Sequence[Telescope]) -> int:
    """Packets of `day` that neither come from nor go to any of the telescopes."""
    near = [Scope(day, t, 0.0).where(c) for t in telescopes for c in ("dst_ip", "src_ip")]
    text = "SELECT coalesce(sum(packet_count), 0)::BIGINT AS n FROM flows WHERE day = $day"
    text += "".join(f" AND NOT {w}" for w in near)
    return int(query.sql(text, {"day": day}).column("n")[0].as_py())


def _hours(query: Query, scope: Scope) -> list[tuple[datetime, datetime, int]]:
    rows = query.sql(hours_sql(scope), {"day": scope.day}).to_pylist()
    return [(r["first"].astimezone(UTC), r["last"].astimezone(UTC), int(r["packets"])) for r in rows]


def _scope(
    query: Query, day: date, telescope: Telescope, own: tuple[str, ...], options: Mapping[str, Any] | None
) -> Scope | None:
    bare = Scope(day, telescope, 0.0, own=own, options=dict(options or {}))
    hours = _hours(query, bare)
    if not hours:
        return None
    found: list[Any] = query.sql(inside_sql(bare), {"day": day}).column("src_ip").to_pylist()
    inside: tuple[bytes, ...] = tuple(found)
    size = effective_size(telescope, day, observed_spans(hours), inside)
    return _sized(bare, size, inside) if size.observed_s > 0 else None


def _sized(bare: Scope, size: Size, inside: tuple[bytes, ...]) -> Scope:
    return Scope(
        bare.day, bare.telescope, size.size, size.nominal, size.observed_s, inside, bare.own, bare.options
    )
