"""Addresses, networks, AS numbers, names and mail addresses."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

from noroshi.model import address
from noroshi.model.errors import UsageError

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
IPV4 = rf"{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}"
_IPV4 = re.compile(IPV4)
# A name that is canonical as it stands, found out in one step. Its labels are checked for length apart.
_PLAIN = re.compile(r"(?:[a-z0-9_]++(?:-++[a-z0-9_]++)*+\.)++[a-z](?:-?[a-z0-9])++")
_DOTS = str.maketrans("。．｡", "...")
"""Full stops of other scripts, which stand for the dot (UTS 46, RFC 3490)."""
_LOCAL = re.compile(r"[^\s@<>\"(),:;\\\[\]\x00-\x20\x7f]{1,64}")
_DOMAIN = "Write it as www.example.com."
_EMAIL = "Write it as name@example.com."
LONGEST = 1_000
"""Characters of a name before it is looked at: IDNA takes time that grows with the square of the length."""


def wrong(value: str, what: str, todo: str) -> UsageError:
    """The error that says `value` is not `what`."""
    return UsageError(f"{value[:200]!r} is not {what}", todo=todo)


def ip(value: str) -> str:
    """192.0.2.1 or 2001:db8::1; IPv4-mapped addresses are IPv4; zones are refused."""
    if _IPV4.fullmatch(value):
        return value
    if len(value) > 64 or (value[-1:].isalpha() and ":" not in value):
        raise wrong(value, "an IP address", "Write it as 192.0.2.1 or 2001:db8::1.")
    return address.text(address.pack(value))


def prefix(value: str) -> str:
    """192.0.2.0/24 with host bits cleared; also from a mask; zones are refused, an IPv4-mapped network is IPv4."""
    base, slash, length = value.strip().partition("/")
    try:
        if slash and not (length.isascii() and length.isdigit()):
            address.pack(base)  # refuses zones
            return str(ipaddress.IPv4Network(value.strip(), strict=False))
        packed = address.pack(base)
        bits = int(length) if slash else (32 if packed[0] == 4 else 128)
        if packed[0] == 4 and ":" in base:
            bits -= 96 if slash else 0
        if bits < 0:
            raise ValueError
        return str(ipaddress.ip_network((packed[1:], bits), strict=False))
    except ValueError:
        raise wrong(value, "a network prefix", address.PREFIX) from None


def asn(value: str) -> str:
    """AS64500; also from 64500, from ASN64500 and from the dotted form AS1.10 (RFC 5396)."""
    digits = value.strip().upper().removeprefix("AS").removeprefix("N").strip()
    found = re.fullmatch(r"([0-9]{1,10})(?:\.([0-9]{1,5}))?", digits)
    number = -1
    if found:
        high, low = int(found[1]), found[2]
        number = high if low is None else high << 16 | int(low)
        if low is not None and (high >> 16 or int(low) >> 16):
            number = -1
    if number < 0 or number >> 32:
        raise wrong(value, "an AS number", "Write it as AS64500.")
    return f"AS{number}"


def domain(value: str) -> str:
    """Lower case A-labels without the final dot (IDNA 2008, UTS 46); at least two labels, the last no number.

    Symbols that UTS 46 knows and IDNA 2008 forbids (☃) are encoded all the same: registries sold such names.
    """
    if len(value) < 64 and _PLAIN.fullmatch(value):
        return value
    return _domain(value)


@lru_cache(maxsize=20_000)
def _domain(value: str) -> str:
    text = value.strip()
    if len(text) > LONGEST:
        raise wrong(value, "a domain name", _DOMAIN)
    if text.isascii():
        text = text.rstrip(".").lower()
    else:
        text = ".".join(_a_label(part, value) for part in text.translate(_DOTS).rstrip(".").split("."))
    labels = text.split(".")
    if len(text) > 253 or len(labels) < 2 or labels[-1].isdigit() or _HEX.fullmatch(labels[-1]):
        raise wrong(value, "a domain name", _DOMAIN)
    for label in labels:
        if not _LABEL.fullmatch(label):
            raise wrong(value, "a domain name", _DOMAIN)
    return text


_HEX = re.compile(r"0x[0-9a-f]*")


def _a_label(label: str, value: str) -> str:
    if label.isascii():
        return label.lower()
    import idna

    try:
        return idna.encode(label, uts46=True).decode().lower()
    except (idna.IDNAError, UnicodeError):
        pass
    try:
        text = idna.uts46_remap(label, False, False)
        return text if text.isascii() else "xn--" + text.encode("punycode").decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise wrong(value, "a domain name", _DOMAIN) from None


def email(value: str) -> str:
    """local@domain in lower case (RFC 5321 leaves the local part's case to its host; nobody uses it)."""
    if len(value) > LONGEST:
        raise wrong(value, "a mail address", _EMAIL)
    text = value.strip().lower().removeprefix("mailto:")
    local, _, host = text.rpartition("@")
    if not _LOCAL.fullmatch(local) or not local.isprintable():
        raise wrong(value, "a mail address", _EMAIL)
    return f"{local}@{domain(host)}"
