"""The table of operators: loaded, asked, and learnt from an RDAP server when somebody says so."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from noroshi.model import address
from noroshi.model.errors import ConfigError, SourceError, UsageError
from noroshi.share.notify import rdap as registry
from noroshi.share.notify.operators import Table, checked, read
from noroshi.work.notify_settings import settings

if TYPE_CHECKING:
    from noroshi.config import Config
    from noroshi.lake.handle import Lake
    from noroshi.lake.state import State
    from noroshi.lake.state.operators import OperatorRow

BY_HAND = "web"
"""The source of rows that were written one by one, not in a file."""
_CHANGING = threading.Lock()
"""A row is changed by writing all of its source: two at once would lose one."""


@dataclass
class Fetched:
    """What an RDAP server said."""

    asked: int = 0
    networks: int = 0
    problems: list[str] = field(default_factory=list)


def load(state: State, who: str, path: Path, *, rdap: bool) -> tuple[int, int]:
    """Puts the rows of a file in the place of those of the same file name; (rows now, rows before).

    All of it or nothing. Raises SourceError.
    """
    rows = _documents(path) if rdap else read(path)
    origin = "rdap" if rdap else "table"
    _apart(state, origin, path.name, rows)
    state.audit.tell(who, "operators-load", count=len(rows), source=path.name, origin=origin)
    return state.operators.load(origin, path.name, rows)


def put(state: State, who: str, row: OperatorRow, before: OperatorRow | None = None) -> OperatorRow:
    """Keeps one row a person wrote, in the place of `before` when that is given; else among those of the source `web`.

    Rows of one name are told alike, so those of the same source follow. Raises UsageError when it cannot stand beside
    the others, or when `before` is what a registry says.
    """
    if before is not None and before.origin != "table":
        raise UsageError(
            "what a registry says is not changed", todo="Add a row of your own: it goes before that."
        )
    source = before.source if before is not None else BY_HAND
    row = replace(row, origin="table", source=source)
    with _CHANGING:
        held = [r for r in state.operators.all() if (r.origin, r.source) == ("table", source)]
        rest = [r for r in held if before is None or key(r) != key(before)]
        alike = {"mails": row.mails, "lang": row.lang, "format": row.format, "recipient": row.recipient}
        rows = [*(replace(r, **alike) if r.name == row.name else r for r in rest), row]  # type: ignore[arg-type]
        try:
            checked(rows, source)
            _apart(state, "table", source, rows)
        except SourceError as e:
            raise UsageError(e.what, todo=e.todo) from e
        state.audit.tell(
            who, "operator-add" if before is None else "operator-set", count=1, network=row.network,
            operator=row.name, mails=list(row.mails), source=source,
        )  # fmt: skip
        state.operators.load("table", source, rows)
    return row


def take(state: State, who: str, row: OperatorRow) -> None:
    """Takes a row away. One of a file comes back when the file is loaded again."""
    with _CHANGING:
        held = [r for r in state.operators.all() if (r.origin, r.source) == (row.origin, row.source)]
        state.audit.tell(
            who, "operator-remove", count=1, network=row.network, operator=row.name, source=row.source
        )
        state.operators.load(row.origin, row.source, [r for r in held if key(r) != key(row)])


def key(row: OperatorRow) -> str:
    """What a row is called: the same as long as its network, its first day and where it comes from are."""
    parts = (row.origin, row.source, row.network, row.since.isoformat() if row.since else "")
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _documents(path: Path) -> list[OperatorRow]:
    with path.open("rb") as file:
        data = file.read(registry.MAX_FILE + 1)
    if len(data) > registry.MAX_FILE:
        raise SourceError(
            f"is larger than {registry.MAX_FILE >> 20} MB", where=str(path), todo="Cut it into parts."
        )
    out: dict[str, OperatorRow] = {}
    for number, document in enumerate(registry.documents(data, str(path)), 1):
        for row in registry.rows(document, f"{path}, document {number}"):
            out[row.network] = row  # of two answers about a network the later one
    return list(out.values())


def _apart(state: State, origin: str, source: str, rows: Iterable[OperatorRow]) -> None:
    """Rows of another file that name the same network, or the same name with another mail: not both can hold."""
    others = [r for r in state.operators.all() if r.origin == origin and r.source != source]
    networks = {r.network: r for r in others}
    names = {r.name: r for r in others}
    for row in rows:
        other, same = networks.get(row.network), names.get(row.name)
        todo = f"It was loaded from {(other or same or row).source!r}; load that file again without it, or rename."
        if origin == "table" and other and not (other.until and row.since and other.until < row.since):
            raise SourceError(f"{row.network} belongs to {other.name} already", where=source, todo=todo)
        if same and same.mails != row.mails and origin == "table":
            raise SourceError(f"{row.name!r} has other mail addresses elsewhere", where=source, todo=todo)


def who(lake: Lake, state: State, addresses: Sequence[str]) -> list[tuple[str, str, OperatorRow | None]]:
    """(address or prefix, its AS, the row that holds) of each."""
    from noroshi.ask.networks import lookup

    table = Table(state.operators.all(), datetime.now(UTC).date())
    out = []
    for text in addresses:
        low, high = address.prefix_range(text)
        single = low == high
        asn = ""
        if single:
            place = lookup(lake.snapshot(), [low])[0]
            asn = place.asn or "" if place else ""
        canonical = address.text(low) if single else text.strip()
        out.append((canonical, asn, table.find(canonical, asn or None)))
    return out


def fetch(
    lake: Lake,
    config: Config,
    state: State,
    actor: str,
    addresses: Sequence[str],
    *,
    unresolved: bool,
    limit: int,
) -> Fetched:
    """Asks the server of `[notify]` about addresses and keeps what it says. Raises ConfigError, UsageError."""
    from noroshi.share.notify.fetch import ask
    from noroshi.work.notify import gather

    entry = settings(config)
    if not entry.rdap:
        raise ConfigError("[notify] names no `rdap` server", where=str(config.path or ""),
                          todo="For example that of your registry: https://rdap.apnic.net.")  # fmt: skip
    wanted = list(dict.fromkeys(_canonical(a) for a in addresses))
    if unresolved:
        found = gather(lake, config, state, now=datetime.now(UTC)).unresolved
        wanted += [u.subject for u in found if u.subject not in wanted]
    if not wanted:
        raise UsageError("no address is given", todo="Name addresses, or --unresolved.")
    source = urlsplit(entry.rdap).hostname or entry.rdap
    kept = {r.network: r for r in state.operators.all() if r.origin == "rdap" and r.source == source}
    out = Fetched()
    for subject in wanted[:limit]:
        if not subject.startswith("AS") and Table(kept.values(), datetime.now(UTC).date()).find(subject):
            continue  # an answer of before covers it: one question per network
        state.audit.tell(actor, "rdap-query", count=1, server=source, subject=subject)
        out.asked += 1
        try:
            document = ask(entry.rdap, subject)
            rows = registry.rows(document, subject) if document is not None else []
        except SourceError as e:
            out.problems.append(str(e))
            if len(out.problems) >= 5:  # a server that is down or refuses is not asked a hundred times
                break
            continue
        if not rows:
            out.problems.append(f"{subject}: the server names no contact for abuse")
        kept |= {r.network: r for r in rows}
        out.networks += len(rows)
    state.operators.load("rdap", source, list(kept.values()))
    return out


def _canonical(text: str) -> str:
    if text.upper().startswith("AS"):
        from noroshi.share.notify.operators import canonical_network

        try:
            return canonical_network(text, "")
        except SourceError as e:
            raise UsageError(e.what, todo=e.todo) from e
    low, high = address.prefix_range(text)
    return address.text(low) if low == high else text.strip()
