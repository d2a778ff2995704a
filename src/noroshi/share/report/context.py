"""Countries and networks of addresses, from a table the user gives: `.mmdb`, or TSV of start, end, code.

TSV columns: first address, last address, code (and, for networks, a name; it is put after the code). That is
the form of iptoasn.com's and DB-IP's free tables. Empty codes, `0`, `None` and `ZZ` mean unknown.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Protocol

from noroshi.model import address
from noroshi.model.errors import ConfigError, UsageError
from noroshi.share.report.data import Places, Ranked

UNKNOWN = frozenset({"", "0", "None", "none", "ZZ", "-"})


@dataclass(frozen=True)
class Found:
    """A code and the range of stored addresses it holds for."""

    code: str
    last: bytes


class Lookup(Protocol):
    """A table of ranges."""

    made: date

    def find(self, ip: bytes) -> Found:
        """The code of a stored address (empty when unknown) and the last address it holds for."""
        ...


class Ranges:
    """A TSV table in memory: sorted starts, searched by bisection."""

    def __init__(self, path: Path) -> None:
        self.made = datetime.fromtimestamp(path.stat().st_mtime, UTC).date()
        rows: list[tuple[bytes, bytes, str]] = []
        with path.open(encoding="utf-8", errors="replace") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip() and not line.startswith("#"):
                    rows.append(_row(path, number, line))
        rows.sort()
        self.starts = [a for a, _, _ in rows]
        self.rows = rows

    def find(self, ip: bytes) -> Found:
        """See Lookup."""
        i = bisect_right(self.starts, ip) - 1
        if i >= 0 and ip <= self.rows[i][1] and len(ip) == len(self.rows[i][0]):
            return Found(self.rows[i][2], self.rows[i][1])
        return Found("", ip)


def _row(path: Path, number: int, line: str) -> tuple[bytes, bytes, str]:
    parts = [p.strip() for p in line.rstrip("\r\n").split("\t")]
    try:
        if len(parts) < 3:
            raise UsageError("fewer than three columns")
        first, last = address.pack(parts[0]), address.pack(parts[1])
    except UsageError as e:
        raise ConfigError(
            f"line {number} is not `first address, last address, code`: {e.what}",
            where=str(path), todo="Columns are separated by tabs; lines with # are skipped.",
        ) from e  # fmt: skip
    return first, last, _code(parts[2:])


def _code(parts: list[str]) -> str:
    """A country code as it is; an AS number with its name: `AS2497 IIJ`."""
    if parts[0] in UNKNOWN:
        return ""
    if not parts[0].isdigit():
        return parts[0]
    name = next((p for p in reversed(parts[1:]) if len(p) > 2), "")
    return f"AS{parts[0]} {name}".strip()


class Mmdb:
    """A MaxMind DB: country by `country.iso_code`, network by `autonomous_system_number` and its name."""

    def __init__(self, path: Path) -> None:
        import maxminddb

        try:
            self.reader = maxminddb.open_database(str(path))
        except (maxminddb.InvalidDatabaseError, ValueError, OSError) as e:
            raise ConfigError(
                f"not a MaxMind DB: {e}", where=str(path), todo="Give a .mmdb or a .tsv file."
            ) from e
        self.made = datetime.fromtimestamp(self.reader.metadata().build_epoch, UTC).date()

    def find(self, ip: bytes) -> Found:
        """See Lookup; the answer holds for the whole prefix of the tree's leaf."""
        try:
            record, length = self.reader.get_with_prefix_len(address.text(ip))
        except ValueError:  # an IPv6 address in a table of IPv4
            return Found("", ip)
        if len(ip) == 5 and length > 32:
            length -= 96
        return Found(_named(record), address.prefix_range(f"{address.text(ip)}/{length}")[1])


def _named(record: Any) -> str:
    """The code in a record of any of the common schemas (MaxMind, DB-IP, IPinfo, IPLocate)."""
    if not isinstance(record, dict):
        return str(record) if isinstance(record, str) else ""
    for key in ("country", "registered_country"):
        inner = record.get(key)
        if isinstance(inner, dict) and inner.get("iso_code"):
            return str(inner["iso_code"])
        if isinstance(inner, str) and len(inner) == 2:
            return inner
    for key in ("country_code", "iso_code"):
        if record.get(key):
            return str(record[key])
    asn = record.get("autonomous_system_number") or record.get("asn")
    if asn:
        name = (
            record.get("autonomous_system_organization") or record.get("as_name") or record.get("name") or ""
        )
        return f"AS{str(asn).removeprefix('AS')} {name}".strip()
    return ""


def open_table(path: Path) -> Lookup:
    """The table at `path`; raises ConfigError when it is missing or of neither form."""
    if not path.is_file():
        raise ConfigError(
            "no such table", where=str(path), todo="Mend `[context]` in noroshi.toml, or leave it out."
        )
    return Mmdb(path) if path.suffix == ".mmdb" else Ranges(path)


def places(table: Lookup, name: str, sources: Iterable[tuple[bytes, int]], total: int, limit: int) -> Places:
    """Packets and sources by code. `sources`: (stored address, packets), sorted by address.

    One lookup answers for every following address up to the end of its range, so a million sources cost
    as many lookups as ranges they fall into.
    """
    packets: dict[str, int] = {}
    counts: dict[str, int] = {}
    held, code = b"", ""
    for ip, n in sources:
        if not held or ip > held or len(ip) != len(held):
            found = table.find(ip)
            held, code = max(found.last, ip), "" if found.code in UNKNOWN else found.code
        packets[code] = packets.get(code, 0) + n
        counts[code] = counts.get(code, 0) + 1
    rows = sorted(((c, n) for c, n in packets.items() if c), key=lambda kv: (-kv[1], kv[0]))
    return Places(
        name, table.made,
        tuple(Ranked(c, n, n / total if total else 0.0, counts[c]) for c, n in rows[:limit]),
        packets.get("", 0), counts.get("", 0),
    )  # fmt: skip
