"""Who answers for an address: the table of operators, read from CSV or TOML, by the longest match.

CSV with a header: `network,name,mail` and, when wanted, `lang,format,recipient,since,until`; several mail addresses
are separated by `;`. TOML: `[[operator]]` with `name`, `networks`, `mail`, and the same. A network is a prefix or an AS
number. What a person wrote goes before what a registry says (RDAP); prefixes go before AS numbers. An address that no
row names has no operator: nobody is guessed.
"""

from __future__ import annotations

import csv
import io
import ipaddress
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from noroshi.lake.state.operators import OperatorRow
from noroshi.model.canonical.names import asn as canonical_asn
from noroshi.model.errors import SourceError

MAX_BYTES = 64 << 20
"""Of a table: 500,000 rows of a hundred bytes; an abuse contact for every network of the Internet fits."""
MAX_ROWS = 500_000
MAX_MAILS = 10
_MAIL = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?"
)
_COLUMNS = ("network", "name", "mail", "lang", "format", "recipient", "since", "until")
_LANGS, _FORMATS = ("en", "ja"), ("csv", "xarf")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Operator:
    """Whoever is written to: all rows of one name."""

    name: str
    mails: tuple[str, ...]
    lang: str
    format: str
    recipient: str
    networks: tuple[str, ...]
    """Prefixes and AS numbers it answers for today."""


class Table:
    """The rows that hold on one day, for looking up."""

    def __init__(self, rows: Iterable[OperatorRow], day: date) -> None:
        held = [r for r in rows if (r.since or date.min) <= day <= (r.until or date.max)]
        self._prefixes: dict[str, dict[int, dict[tuple[int, int], OperatorRow]]] = {"table": {}, "rdap": {}}
        self._asns: dict[str, OperatorRow] = {}
        by_name: dict[str, list[OperatorRow]] = {}
        for row in held:
            by_name.setdefault(row.name, []).append(row)
            if row.network.startswith("AS"):
                self._asns.setdefault(row.network, row)
                continue
            net = ipaddress.ip_network(row.network)
            lengths = self._prefixes[row.origin].setdefault(net.prefixlen, {})
            lengths.setdefault((net.version, int(net.network_address)), row)
        self._operators = {name: _operator(name, some) for name, some in by_name.items()}

    def __len__(self) -> int:
        return len(self._operators)

    @property
    def operators(self) -> list[Operator]:
        """All of them, by name."""
        return [self._operators[n] for n in sorted(self._operators)]

    @property
    def wants_asn(self) -> bool:
        """True when some row names an AS."""
        return bool(self._asns)

    def get(self, name: str) -> Operator | None:
        """The operator of that name."""
        return self._operators.get(name)

    def find(self, subject: str, asn: str | None = None) -> OperatorRow | None:
        """The row that holds for an address or a whole prefix of `asn`; None when nobody is named.

        The order: prefixes of the table, its AS numbers, prefixes by RDAP; the longest first. A prefix as the
        subject belongs to whoever has all of it.
        """
        net = ipaddress.ip_network(subject)
        return (
            self._longest("table", net)
            or (self._asns.get(asn) if asn else None)
            or self._longest("rdap", net)
        )

    def _longest(self, origin: str, net: Network) -> OperatorRow | None:
        lengths, bits, value = self._prefixes[origin], net.max_prefixlen, int(net.network_address)
        for length in sorted((n for n in lengths if n <= net.prefixlen), reverse=True):
            row = lengths[length].get((net.version, value >> (bits - length) << (bits - length)))
            if row is not None:
                return row
        return None


def _operator(name: str, rows: Sequence[OperatorRow]) -> Operator:
    first = rows[0]
    networks = tuple(dict.fromkeys(r.network for r in rows))
    return Operator(name, first.mails, first.lang, first.format, first.recipient, networks)


def read(path: Path) -> list[OperatorRow]:
    """The rows of a table in a file, CSV or (`.toml`) TOML. Raises SourceError naming the line."""
    where = str(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as e:
        raise SourceError(
            f"cannot be read: {e.strerror}", where=where, todo="Name a file of this user."
        ) from e
    if len(data) > MAX_BYTES:
        raise SourceError(f"is larger than {MAX_BYTES >> 20} MB", where=where, todo="Cut it into parts.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        raise SourceError(f"is no UTF-8 (byte {e.start})", where=where, todo="Save it as UTF-8.") from e
    rows = list(_toml(text, where) if path.suffix == ".toml" else _csv(text, where))
    return checked(rows, where)


def _csv(text: str, where: str) -> Iterable[OperatorRow]:
    reader = csv.reader(io.StringIO(text, newline=""))
    todo = f"The first line names the columns: {','.join(_COLUMNS[:3])} and, when wanted, {','.join(_COLUMNS[3:])}."
    head: list[str] = []
    try:
        for fields in reader:
            if not fields or fields[0].lstrip().startswith("#"):
                continue
            if not head:
                head = [f.strip().lower() for f in fields]
                if set(_COLUMNS[:3]) - set(head) or set(head) - set(_COLUMNS):
                    raise SourceError(
                        "the header is not that of a table of operators", where=where, todo=todo
                    )
                continue
            place = f"{where}, line {reader.line_num}"
            if len(fields) != len(head):
                raise SourceError(f"{len(fields)} fields, the header has {len(head)}", where=place, todo=todo)
            if reader.line_num > MAX_ROWS:
                raise SourceError(f"more than {MAX_ROWS:,} rows", where=place, todo="Cut it into parts.")
            row = {k: v.strip() for k, v in zip(head, fields, strict=True)}
            mails = tuple(m for m in re.split(r"[;\s]+", row["mail"]) if m)
            yield made(row["network"], row["name"], mails, place, row)
    except csv.Error as e:
        raise SourceError(f"is no CSV: {e}", where=f"{where}, line {reader.line_num}", todo=todo) from e


def _toml(text: str, where: str) -> Iterable[OperatorRow]:
    todo = "Write [[operator]] with name, networks and mail (docs/notify.md)."
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as e:
        raise SourceError(f"not valid TOML: {e}", where=where, todo=todo) from e
    entries = document.get("operator", [])
    if not isinstance(entries, list) or set(document) - {"operator"}:
        raise SourceError("holds something else than [[operator]]", where=where, todo=todo)
    for number, entry in enumerate(entries, 1):
        place = f"{where}, operator {number}"
        if not isinstance(entry, dict) or set(entry) - {*_COLUMNS[1:], "networks"}:
            raise SourceError("has an entry nobody knows", where=place, todo=todo)
        networks, mails = _texts(entry.get("networks")), _texts(entry.get("mail"))
        if not networks or not isinstance(entry.get("name"), str) or mails is None:
            raise SourceError("lacks name, networks or mail", where=place, todo=todo)
        for network in networks:
            yield made(network, entry["name"].strip(), tuple(mails), place, entry)


def _texts(value: Any) -> list[str] | None:
    found = [value] if isinstance(value, str) else value
    return found if isinstance(found, list) and all(isinstance(v, str) for v in found) else None


def made(
    network: str, name: str, mails: Sequence[str], where: str, more: dict[str, Any], origin: str = "table"
) -> OperatorRow:
    """A row of checked values. Raises SourceError."""
    if not name or len(name) > 200 or not name.isprintable():
        raise SourceError(
            f"{name[:80]!r} is no name", where=where, todo="At most 200 characters on one line."
        )
    if len(mails) > MAX_MAILS:
        raise SourceError(f"more than {MAX_MAILS} mail addresses", where=where, todo="Name those who act.")
    for mail in mails:
        check_mail(mail, where)
    lang, kind = str(more.get("lang") or "en"), str(more.get("format") or "csv")
    if lang not in _LANGS or kind not in _FORMATS:
        wrong = repr(lang) if lang not in _LANGS else repr(kind)
        todo = f"lang is {' or '.join(_LANGS)}, format {' or '.join(_FORMATS)}."
        raise SourceError(f"{wrong[:80]} is not known", where=where, todo=todo)
    recipient = str(more.get("recipient") or "")[:64]
    since, until = _date(more.get("since"), where), _date(more.get("until"), where)
    return OperatorRow(canonical_network(network, where), name, tuple(mails), lang, kind, origin, "", recipient,
                       since, until)  # fmt: skip


def check_mail(mail: str, where: str) -> str:
    """The address when it is a plain one (RFC 5321 without comments, quotes and line breaks). Raises SourceError."""
    if not _MAIL.fullmatch(mail):
        raise SourceError(f"{mail[:80]!r} is no mail address", where=where, todo="Write abuse@example.net.")
    return mail


def canonical_network(text: str, where: str) -> str:
    """The prefix or AS number in canonical text. Raises SourceError, also for a prefix with host bits set."""
    todo = "Write 192.0.2.0/24, 2001:db8::/32 or AS64500."
    try:
        if re.match(r"(?i)as\s*\d", text.strip()):
            return canonical_asn(text)
        return str(ipaddress.ip_network(text.strip()))
    except ValueError:  # UsageError is one
        raise SourceError(f"{text[:80]!r} is no network", where=where, todo=todo) from None


def _date(value: Any, where: str) -> date | None:
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise SourceError(f"{str(value)[:40]!r} is no date", where=where, todo="Write 2026-11-20.") from None


def checked(rows: list[OperatorRow], where: str) -> list[OperatorRow]:
    """The rows, when no network has two owners at once and every name means one who is written to alike.

    Raises SourceError.
    """
    by_network: dict[str, list[OperatorRow]] = {}
    by_name: dict[str, OperatorRow] = {}
    for row in rows:
        same = by_name.setdefault(row.name, row)
        if (same.mails, same.lang, same.format, same.recipient) != (
            row.mails,
            row.lang,
            row.format,
            row.recipient,
        ):
            todo = "Give rows of one name the same mail, lang, format and recipient, or different names."
            raise SourceError(f"{row.name!r} stands with two ways of being told", where=where, todo=todo)
        for other in by_network.setdefault(row.network, []):
            apart = (other.until or date.max) < (row.since or date.min) or (row.until or date.max) < (
                other.since or date.min
            )
            if not apart:
                todo = "Give a network one operator at a time (since, until)."
                raise SourceError(
                    f"{row.network} stands twice: {other.name}, {row.name}", where=where, todo=todo
                )
        by_network[row.network].append(row)
    return rows
