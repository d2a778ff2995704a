"""What surveys have in common: ports, protocols, fingerprints and texts as they write them, made into columns."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from noroshi.model.errors import UsageError
from noroshi.model.observable import canonical, typed
from noroshi.observe.rows import TEXT

LINE: Final = 1_000
"""Characters of a name, version or tag that are kept."""
MANY: Final = 1_000
"""Texts in a list that are kept: no host has more names, no report more tags."""
KEY: Final = 64 << 10
"""Characters of base64 that are taken for a key or certificate; RSA-16384 certificates have 8 KiB."""
SEVERITY: Final = {"critical": 1, "high": 2, "medium": 3, "low": 4, "info": 5}
"""Shadowserver's levels in the order of its own table of severities."""
_SERVER: Final = re.compile(r"([^\s/()]{1,200})(?:/([^\s()]{1,200}))?")
_PROTOCOLS: Final = {
    "icmp": 1, "igmp": 2, "tcp": 6, "tcp6": 6, "udp": 17, "udp6": 17, "ipv6-icmp": 58, "icmp6": 58, "icmpv6": 58,
    "sctp": 132, "gre": 47, "esp": 50, "ah": 51,
}  # fmt: skip
"""IANA protocol numbers of what surveys name."""
_CVE: Final = re.compile(r"(?i)\bCVE[-_ :](\d{4})[-_](\d{4,19})\b")
_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")


def dig(value: Any, *path: str) -> Any:
    """What stands under `path` in objects within objects; None where there is nothing."""
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def text(value: Any, limit: int = LINE) -> str | None:
    """A text or number as text without blanks around it, at most `limit` characters; None for all else."""
    if isinstance(value, str):
        out = value.strip()
    elif isinstance(value, int | float) and not isinstance(value, bool):
        out = _number(value)
    else:
        return None
    if not out:
        return None
    out = out[:limit]
    if out.isascii():
        return out
    try:
        out.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which no Arrow string can hold
        out = out.encode("utf-8", "replace").decode()
    return out


def _number(value: float) -> str:
    try:
        return str(value)
    except ValueError:  # an integer of more than 4,300 digits
        return ""


def long_text(value: Any) -> str | None:
    """A banner or page, at most 64 KiB of it."""
    return text(value, TEXT)


def texts(values: Any) -> list[str] | None:
    """The distinct texts among `values` (a text or a list), in their order; None when there are none."""
    if isinstance(values, str):
        values = [values]
    if not isinstance(values, list | tuple | set | dict):
        return None
    out: dict[str, None] = {}
    for value in values:
        found = text(value)
        if found:
            out[found] = None
        if len(out) >= MANY:
            break
    return list(out) or None


def integer(value: Any) -> int | None:
    """An integer from a number or its text; None for what is none or has more than 18 digits."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if abs(value) < 10**18 else None
    if isinstance(value, float):
        return int(value) if abs(value) < 1e15 and value == int(value) else None
    if isinstance(value, str) and len(value) <= 20 and value.isascii():
        digits = value.strip()
        if digits.isdigit() or (digits[:1] == "-" and digits[1:].isdigit()):
            return int(digits) if len(digits) <= 18 else None
    return None


def port(value: Any) -> int | None:
    """A port, 0 to 65535."""
    number = integer(value)
    return number if number is not None and 0 <= number <= 65_535 else None


def protocol(value: Any) -> int | None:
    """The number of an IP protocol by name or number."""
    number = integer(value)
    if number is not None:
        return number if 0 <= number <= 255 else None
    return _PROTOCOLS.get(value.strip().lower()) if isinstance(value, str) else None


def server_header(value: str) -> tuple[str | None, str | None]:
    """(product, version) of an HTTP Server header: `Apache/2.4.6 (CentOS)` is Apache and 2.4.6."""
    found = _SERVER.match(value.strip())
    if not found:
        return text(value), None
    return (found[1], found[2]) if found[2] else (text(value), None)


def asn(value: Any) -> str | None:
    """AS64500 from 64500 or AS64500; 0 stands for none."""
    if isinstance(value, str) and value[:2].upper() == "AS":
        value = value[2:]
    number = integer(value)
    return f"AS{number}" if number is not None and 0 < number < 1 << 32 else None


def country(value: Any) -> str | None:
    """A country code of two letters in upper case."""
    if isinstance(value, str):
        code = value.strip()
        if len(code) == 2 and code.isascii() and code.isalpha():
            return code.upper()
    return None


def severity(value: Any) -> int | None:
    """1 for critical to 5 for info."""
    return SEVERITY.get(value.strip().lower()) if isinstance(value, str) else None


@lru_cache(maxsize=20_000)
def cpe(value: str) -> str:
    """A CPE name in its 2.3 form; 2.3 names that are cut short (Shodan's) are filled up; else as it stands."""
    plain = value.strip()
    if plain.startswith("cpe:2.3:"):
        parts = re.split(r"(?<!\\):", plain)
        plain += ":*" * (13 - len(parts))
    try:
        return canonical("cpe", plain)
    except UsageError:
        return plain[:LINE]


def cpes(values: Any) -> list[str] | None:
    """Distinct CPE 2.3 names."""
    found = texts(values)
    return list(dict.fromkeys(cpe(v) for v in found)) if found else None


def cves(*values: str | None) -> list[str] | None:
    """The CVEs texts name, in their order."""
    out: dict[str, None] = {}
    for value in values:
        if not value or not ("CVE" in value or "cve" in value or "Cve" in value):
            continue
        for year, number in _CVE.findall(value):
            out[f"CVE-{year}-{int(number):04d}"] = None
            if len(out) >= MANY:
                break
    return list(out) or None


def decoded(value: Any) -> bytes | None:
    """The bytes of a text in base64; None when it is none."""
    if not isinstance(value, str) or not 0 < len(value) <= KEY:
        return None
    try:
        return base64.b64decode("".join(value.split()), validate=True) or None
    except (binascii.Error, ValueError):
        return None


def certificate_digests(der: bytes | None) -> list[str]:
    """SHA-256 and SHA-1 of a certificate in DER; empty for what does not begin as one (a SEQUENCE)."""
    if not der or der[0] != 0x30:
        return []
    return [hashlib.sha256(der).hexdigest(), hashlib.sha1(der).hexdigest()]  # noqa: S324  (a name, no protection)


def pem(value: str | None) -> bytes | None:
    """The first certificate in PEM within a text, as DER."""
    found = _PEM.search(value) if value and len(value) <= 16 * KEY else None
    return decoded(found[1]) if found else None


def ssh_digests(blob: bytes | None) -> list[str]:
    """Fingerprints of an SSH public key (RFC 4253 section 6.6): SHA256:base64 and MD5; empty for no key."""
    if not blob or len(blob) < 8 or int.from_bytes(blob[:4]) > 64:
        return []
    sha = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return [f"SHA256:{sha}", hashlib.md5(blob).hexdigest()]  # noqa: S324  (a name, no protection)


def ssh_sha256(value: Any) -> str | None:
    """SHA256:base64 from a SHA-256 in 64 hexadecimal digits, or from what is in that form already."""
    if not isinstance(value, str):
        return None
    plain = value.strip()
    if re.fullmatch(r"[0-9a-fA-F]{64}", plain):
        return "SHA256:" + base64.b64encode(bytes.fromhex(plain)).decode().rstrip("=")
    plain = plain if plain.upper().startswith("SHA256:") else f"SHA256:{plain}"
    return _canonical("ssh-key", plain.replace("sha256:", "SHA256:", 1))


def _canonical(kind: str, value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    try:
        return canonical(kind, value)
    except UsageError:
        return None


def hassh(kex: Any, ciphers: Any, macs: Any, compression: Any) -> str | None:
    """HASSH of a server from its lists of algorithms, server to client.

    Source: salesforce/hassh, `hasshServer` = MD5 of the four lists, commas within and semicolons between.
    """
    lists = (kex, ciphers, macs, compression)
    parts = [",".join(p) if _plain_list(p) else p if isinstance(p, str) else None for p in lists]
    if any(p is None for p in parts) or not parts[0]:
        return None
    joined = ";".join(p for p in parts if p is not None)
    return hashlib.md5(joined.encode("utf-8", "replace")).hexdigest()  # noqa: S324  (as defined)


def _plain_list(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= 200 and all(isinstance(v, str) for v in value)


def prints(kind: str, values: Iterable[Any]) -> tuple[str | None, list[str]]:
    """The first valid fingerprint of `kind` and the others as typed texts, for the columns of `services`."""
    found = [v for v in dict.fromkeys(_canonical(kind, v) for v in values) if v]
    return (found[0], [typed(kind, v) for v in found[1:]]) if found else (None, [])
