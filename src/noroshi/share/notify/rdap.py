"""What RDAP documents say of networks: their range, and the mail address of the contact for abuse.

Source: RFC 9083 (objects `ip network` and `autnum`, entities with roles), RFC 7095 (jCard). Of nested entities the
nearest one with the role `abuse` counts; without any, the network has no contact: nobody else is guessed.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from noroshi.lake.state.operators import OperatorRow
from noroshi.model.errors import SourceError
from noroshi.share.notify.operators import check_mail, made

MAX_BYTES = 1 << 20
"""Of one document; RIPE's largest answers have some 50 KB."""
MAX_FILE = 256 << 20
DEPTH, ENTITIES = 4, 200
MAX_PREFIXES = 64
"""Of a range that is no prefix."""
_TODO = "An RDAP answer for an address (RFC 9083, `ip network`) or an AS (`autnum`) is expected."


def documents(data: bytes, where: str) -> Iterator[Any]:
    """The documents of a file: one, a list, or one a line. Raises SourceError."""
    try:
        found = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        for number, line in enumerate(data.splitlines(), 1):
            if line.strip():
                try:
                    yield msgspec.json.decode(line)
                except (msgspec.DecodeError, RecursionError) as e:
                    raise SourceError(f"is no JSON: {e}", where=f"{where}, line {number}", todo=_TODO) from e
        return
    yield from found if isinstance(found, list) else [found]


def rows(document: Any, where: str) -> list[OperatorRow]:
    """The networks of one document with the contact for abuse; none when it names no contact. Raises SourceError."""
    if not isinstance(document, dict):
        raise SourceError("is no object", where=where, todo=_TODO)
    what = document.get("objectClassName")
    if what == "ip network":
        networks = _range(document, where)
    elif what == "autnum":
        networks = [f"AS{_number(document, where)}"]
    else:
        raise SourceError(f"is a {str(what)[:40]!r}, no network", where=where, todo=_TODO)
    found = _abuse(document.get("entities"), 0, [ENTITIES])
    if found is None:
        return []
    mails, org = found
    handle = _text(document.get("handle")) or networks[0]
    name = f"{org or _text(document.get('name')) or handle} [{handle}]"[:200]
    lang = "ja" if document.get("country") == "JP" else "en"
    return [made(n, name, mails, where, {"lang": lang}, "rdap") for n in networks]


def _range(document: dict[str, Any], where: str) -> list[str]:
    try:
        low = ipaddress.ip_address(str(document.get("startAddress")).strip())
        high = ipaddress.ip_address(str(document.get("endAddress")).strip())
        found = []
        for net in ipaddress.summarize_address_range(low, high):
            found.append(str(net))
            if len(found) > MAX_PREFIXES:
                raise SourceError(f"its range is more than {MAX_PREFIXES} prefixes", where=where, todo=_TODO)
        return found
    except (ValueError, TypeError) as e:
        raise SourceError(f"its range is none: {str(e)[:100]}", where=where, todo=_TODO) from e


def _number(document: dict[str, Any], where: str) -> int:
    start, end = document.get("startAutnum"), document.get("endAutnum")
    if not isinstance(start, int) or start != end or not 0 < start < 2**32:
        raise SourceError("names no single AS", where=where, todo=_TODO)
    return start


def _abuse(entities: Any, depth: int, left: list[int]) -> tuple[tuple[str, ...], str] | None:
    """(mail addresses, organisation) of the nearest entity with the role abuse; breadth first."""
    if not isinstance(entities, list) or depth > DEPTH:
        return None
    below = []
    for entity in entities:
        left[0] -= 1
        if left[0] < 0 or not isinstance(entity, dict):
            continue
        roles = entity.get("roles")
        if isinstance(roles, list) and "abuse" in roles:
            mails = tuple(m for m in _card(entity.get("vcardArray"), "email") if _right(m))[:10]
            if mails:
                return mails, next(iter(_card(entity.get("vcardArray"), "fn")), "")
        below.append(entity.get("entities"))
    for deeper in below:
        if found := _abuse(deeper, depth + 1, left):
            return found
    return None


def _card(card: Any, name: str) -> list[str]:
    """Texts of a property of a jCard."""
    properties: Sequence[Any] = (
        card[1] if isinstance(card, list) and len(card) > 1 and isinstance(card[1], list) else ()
    )
    return [
        _text(p[3]) for p in properties[:100]
        if isinstance(p, list) and len(p) > 3 and p[0] == name and isinstance(p[3], str) and _text(p[3])
    ]  # fmt: skip


def _text(value: Any) -> str:
    """A registry's text on one line."""
    return "".join(c for c in value if c.isprintable()).strip()[:120] if isinstance(value, str) else ""


def _right(mail: str) -> bool:
    try:
        check_mail(mail, "")
    except SourceError:
        return False
    return True
