"""Addresses, networks, AS numbers, names and mail addresses."""

from __future__ import annotations

import ipaddress
import re

from noroshi.model import address
from noroshi.model.errors import UsageError

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")


def wrong(value: str, what: str, todo: str) -> UsageError:
    """The error that says `value` is not `what`."""
    return UsageError(f"{value[:200]!r} is not {what}", todo=todo)


def ip(value: str) -> str:
    """192.0.2.1 or 2001:db8::1; IPv4-mapped addresses are IPv4; zones are refused."""
    return address.text(address.pack(value))


def prefix(value: str) -> str:
    """192.0.2.0/24 with host bits cleared."""
    try:
        return str(ipaddress.ip_network(value.strip(), strict=False))
    except ValueError:
        raise wrong(value, "a network prefix", address.PREFIX) from None


def asn(value: str) -> str:
    """AS64500; also from 64500."""
    digits = value.strip().upper().removeprefix("AS")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 10 or int(digits) >> 32:
        raise wrong(value, "an AS number", "Write it as AS64500.")
    return f"AS{int(digits)}"


def domain(value: str) -> str:
    """Lower case A-labels without the final dot (IDNA 2008, UTS 46); at least two labels, the last no number."""
    text = value.strip().rstrip(".").lower()
    if not text.isascii():
        text = _a_labels(text)
    labels = text.split(".")
    if len(text) > 253 or len(labels) < 2 or labels[-1].isdigit():
        raise wrong(value, "a domain name", "Write it as www.example.com.")
    for label in labels:
        if not _LABEL.fullmatch(label):
            raise wrong(value, "a domain name", "Write it as www.example.com.")
    return text


def _a_labels(text: str) -> str:
    import idna

    try:
        return idna.encode(text, uts46=True).decode().lower()
    except (idna.IDNAError, UnicodeError):
        raise wrong(text, "a domain name", "Write it as www.example.com.") from None


def email(value: str) -> str:
    """local@domain in lower case (RFC 5321 leaves the local part's case to its host; nobody uses it)."""
    text = value.strip().lower().removeprefix("mailto:")
    local, at, host = text.rpartition("@")
    if not at or not local or len(local) > 64 or any(c.isspace() or c in '<>"(),:;' for c in local):
        raise wrong(value, "a mail address", "Write it as name@example.com.")
    return f"{local}@{domain(host)}"
