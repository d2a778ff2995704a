"""Which countries sources are in, by the table of networks in the lake or the user's own; nothing without one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from noroshi.ask import networks
from noroshi.ask.context import from_mmdb
from noroshi.lake.look import has
from noroshi.model import address

if TYPE_CHECKING:
    from noroshi.ask.context import Own
    from noroshi.lake.snapshot import Snapshot

MOST: Final = 500_000
"""Sources looked up for one map, those with most packets."""
MOST_ONE_BY_ONE: Final = 30_000
"""The same for a table in a file of its own, which is asked for each /24."""


@dataclass(frozen=True)
class Land:
    """A country and what came from it."""

    code: str
    """Two letters (ISO 3166-1), as the table writes them; empty for sources it does not name."""
    sources: int
    packets: int


def lands(shot: Snapshot, own: Own, since: datetime, until: datetime) -> tuple[Land, ...] | None:
    """Countries by packets of the flows of that time, most first; None when there is no table of countries."""
    stored = has(shot, "networks")
    if not stored and not own.country.endswith(".mmdb"):
        return None
    found = shot.sql(
        "SELECT src_ip, sum(packet_count)::BIGINT AS packets FROM flows WHERE day BETWEEN $since::DATE AND $until::DATE"
        " AND first_seen >= $since AND first_seen < $until GROUP BY 1 ORDER BY packets DESC, src_ip LIMIT $most",
        {"since": since, "until": until, "most": MOST if stored else MOST_ONE_BY_ONE},
    )
    codes = (
        _stored(shot, found["src_ip"])
        if stored
        else _from_file(own.country, [bytes(ip) for ip in found["src_ip"].to_pylist() if ip])
    )
    sources, packets = Counter[str](), Counter[str]()
    counts = [int(n or 0) for n in found["packets"].to_pylist()]
    for code, n in zip(codes, counts, strict=True):
        sources[code or ""] += 1
        packets[code or ""] += n
    return tuple(Land(c, sources[c], n) for c, n in sorted(packets.items(), key=lambda p: (-p[1], p[0])))


def _stored(shot: Snapshot, addresses: Any) -> list[str | None]:
    codes: list[str | None] = networks.columns(shot, addresses)["country"].to_pylist()
    return codes


def _from_file(path: str, addresses: list[bytes]) -> list[str | None]:
    known: dict[bytes, str | None] = {}
    out = []
    for ip in addresses:
        near = ip[:4] if len(ip) == 5 else ip[:7]
        if near not in known:
            known[near] = from_mmdb(path, address.text(ip)).get("country")
        out.append(known[near])
    return out


def codes_of(shot: Snapshot, own: Own, texts: list[str]) -> list[str | None] | None:
    """The country of each address in text; None when there is no table of countries."""
    import pyarrow as pa

    stored = has(shot, "networks")
    if not stored and not own.country.endswith(".mmdb"):
        return None
    once = list(dict.fromkeys(texts))
    packed = [address.pack(t) for t in once]
    found = _stored(shot, pa.array(packed, pa.binary())) if stored else _from_file(own.country, packed)
    codes = dict(zip(once, found, strict=True))
    return [codes[t] for t in texts]
