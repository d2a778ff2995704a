"""What counts as a probe, in SQL, and the small sums every analyser of scans shares.

A probe is unsolicited traffic that asks for an answer: a TCP SYN without ACK, RST or FIN (the ECN bits may be
set: stacks that negotiate ECN scan too), a UDP datagram or an ICMP echo request, unless the rules that tagged
the row called it backscatter, reflection or misconfiguration.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from noroshi.model import address
from noroshi.model.analyser import Query, Scope
from noroshi.model.errors import ConfigError

TCP, UDP, ICMP, ICMP6 = 6, 17, 1, 58
PROTOCOLS = {TCP: "tcp", UDP: "udp", ICMP: "icmp", ICMP6: "icmp6"}

SYN = f"(protocol = {TCP} AND (tcp_flags & 63) = 2)"
# one CASE instead of ORs: the engine evaluates each OR over all rows, which took four times as long (20 M rows)
ASKS = (
    "(class NOT IN ('backscatter', 'reflection', 'misconfiguration') AND CASE protocol"
    f" WHEN {TCP} THEN (tcp_flags & 63) = 2 WHEN {UDP} THEN true WHEN {ICMP} THEN src_port = 8"
    f" WHEN {ICMP6} THEN src_port = 128 ELSE false END)"
)
"""Asks for an answer, whoever it says it comes from."""
PROBE = f"({ASKS} AND class <> 'spoofed')"
"""Asks for an answer, and its source is not known to be forged."""
PORT = f"(CASE WHEN protocol IN ({TCP}, {UDP}) THEN dst_port ELSE 0 END)"
"""Destination port, 0 for ICMP, whose code stands in that column."""

# IPv6 scanners change their address within a /64 with every packet, so the /64 is what is counted
# (Richter et al., IMC 2022, aggregate alike); nine bytes are the version and the upper 64 bits.
SOURCE = "(CASE WHEN octet_length(src_ip) = 17 THEN src_ip[1:9] ELSE src_ip END)"

ROWS_PER_PART = 24_000_000
"""Rows reduced at a time. What does not fit the engine's memory is put on disk meanwhile, some 1 GB of so many
distinct (source, destination, port); and 12 M sources of two packets are 0.3 GB outside the engine."""

# RFC 6890 less the documentation prefixes, which examples and demonstrations use as if they were routed
UNROUTED = tuple(
    address.prefix_range(p)
    for p in ("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
              "192.168.0.0/16", "224.0.0.0/3", "::/127", "fc00::/7", "fe80::/10")
)  # fmt: skip
"""(lowest, highest) stored addresses that nobody routes in the Internet."""


def is_unrouted(src: bytes) -> bool:
    """A source that can have come from an inner network only, or is forged."""
    return any(low <= src <= high for low, high in UNROUTED)


ONE_DAY, SPAN = "day = $day", "day BETWEEN $since AND $until"


def probes(scope: Scope, where: str = PROBE, days: str = ONE_DAY) -> str:
    """SQL after FROM: the day's rows that are probes of the telescope's dark addresses, from outside it.

    Uses the parameters of `params()`, or of `params()` with `since` and `until` when `days` is SPAN.
    """
    outside = f" AND NOT {scope.where('src_ip')}" if scope.telescope is not None else ""
    inside = " AND dst_ip NOT IN (SELECT unnest($inside::BLOB[]))" if scope.inside else ""
    return f"flows WHERE {days} AND {where} AND {scope.where()}{outside}{inside}"


def params(scope: Scope, **more: Any) -> dict[str, Any]:
    """The parameters `probes()` uses, and more."""
    day = {} if "since" in more else {"day": scope.day}
    return {**day, **({"inside": list(scope.inside)} if scope.inside else {}), **more}


def parts(query: Query, scope: Scope, where: str = PROBE) -> Iterator[str]:
    """SQL conditions that cut the day's probes by source, so that each part fits in memory."""
    # all rows of the day: an upper bound that the files' footers answer, where the probes would be a scan
    text = f"SELECT count(*) AS n FROM flows WHERE {ONE_DAY}"  # noqa: S608
    rows = int(query.sql(text, {"day": scope.day}).column("n")[0].as_py())
    n = max(1, math.ceil(rows / ROWS_PER_PART))
    return (f"hash({SOURCE}) % {n} = {i}" if n > 1 else "true" for i in range(n))


def option(scope: Scope, name: str, default: float) -> float:
    """The threshold `name` of `[analyse.NAME]`, or its default; ConfigError when it is no number above 0."""
    value = scope.options.get(name, default)
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not math.isfinite(value)
        or value <= 0
    ):
        raise ConfigError(
            f"{name} is {value!r}",
            where="noroshi.toml [analyse]",
            todo=f"A number above 0; {default:g} is usual.",
        )
    return float(value)


def timeout_s(size: float) -> float:
    """Silence after which a source's scan has ended, seconds, between 60 and 86,400.

    T = -ln(p) 2^32 / (r N): a scan of the whole IPv4 space at r = 100 packets/s stays silent for longer on N
    addresses with probability p = 0.1 %. With 475,136 addresses it is the 624 s of Merit's ORION telescope.
    """
    if size <= 0:
        return 86_400.0
    return min(86_400.0, max(60.0, -math.log(0.001) * 4_294_967_296.0 / (100.0 * size)))


def subject_text(low: bytes, high: bytes) -> tuple[str, str]:
    """(kind, value): the address when both are the same, else the /64 that holds them."""
    return ("ip", address.text(low)) if low == high else ("prefix", address.prefix_text(low, 64))


def port_text(protocol: int, port: int) -> str:
    """`tcp/23`, `icmp`."""
    name = PROTOCOLS.get(protocol, str(protocol))
    return f"{name}/{port}" if protocol in (TCP, UDP) else name


def port_ja(protocol: int, port: int) -> str:
    """`23/TCP`, as reports in Japanese write it."""
    name = PROTOCOLS.get(protocol, str(protocol)).upper()
    return f"{port}/{name}" if protocol in (TCP, UDP) else f"{name} Echo"


def round3(value: float) -> float:
    """Three significant digits: an estimate should not look more exact than it is."""
    return float(f"{value:.3g}")
