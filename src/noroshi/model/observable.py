"""Observables: the values that tie evidence together, in one canonical form each, and their 64-bit key.

Ports, protocols and file types are context, never observables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

from noroshi.model import address
from noroshi.model.canonical import names, software, web
from noroshi.model.errors import UsageError

_FNV_OFFSET, _FNV_PRIME, _MASK = 0xCBF29CE484222325, 0x100000001B3, (1 << 64) - 1


def key64(kind: str, value: str) -> int:
    """The signed 64-bit key of an observable, the same on every machine and release.

    Addresses have keys in the order of the addresses, so that a network is one range of keys: bits 60-62 are
    1 for IPv4 (address in bits 28-59) and 2 for IPv6 (its first 60 bits). Every other kind has a negative key:
    FNV-1a over kind, NUL and value, then the murmur3 finaliser, then the sign bit. A key only narrows a
    search: whoever matches one compares the value too. Source: FNV (draft-eastlake-fnv), murmur3 fmix64.
    """
    if kind == "ip":
        return address_key(address.pack(value))
    h = _FNV_OFFSET
    for byte in f"{kind}\0{value}".encode():
        h = ((h ^ byte) * _FNV_PRIME) & _MASK
    h ^= h >> 33
    h = (h * 0xFF51AFD7ED558CCD) & _MASK
    h ^= h >> 33
    h = (h * 0xC4CEB9FE1A85EC53) & _MASK
    h ^= h >> 33
    return (h | 1 << 63) - (1 << 64)


def address_key(packed: bytes) -> int:
    """The key of an address in its stored form (`model.address`)."""
    if packed[0] == 4:
        return 1 << 60 | int.from_bytes(packed[1:5]) << 28
    return 2 << 60 | int.from_bytes(packed[1:9]) >> 4


def prefix_keys(prefix: str) -> tuple[int, int]:
    """Smallest and largest key an address of the network can have, both inclusive."""
    low, high = address.prefix_range(prefix)
    return address_key(low), address_key(high)


# One row per kind; an issue that brings a new kind adds its row and a test vector. In the order of guessing.
CANONICAL: dict[str, Callable[[str], str]] = {
    "ip": names.ip,
    "prefix": names.prefix,
    "asn": names.asn,
    "cve": software.cve,
    "technique": software.technique,
    "purl": software.purl,
    "cpe": software.cpe,
    "advisory": software.advisory,
    "md5": web.hex_of(32),
    "sha1": web.hex_of(40),
    "sha256": web.hex_of(64),
    "sha512": web.hex_of(128),
    "imphash": web.hex_of(32),
    "ssdeep": web.ssdeep,
    "tlsh": web.tlsh,
    "hassh": web.hex_of(32),
    "ja3": web.hex_of(32),
    "ja3s": web.hex_of(32),
    "ja4": web.ja4,
    "ja4s": web.ja4s,
    "certificate": web.certificate,
    "ssh-key": web.ssh_key,
    "credential": web.token,
    "wallet": web.wallet,
    "url": web.url,
    "email": names.email,
    "domain": names.domain,
    "malware": software.label,
    "actor": software.label,
}

# Kinds that a value decides: what a column holds when it is one of several.
LOOSE: dict[str, tuple[str, ...]] = {"host": ("ip", "domain"), "vulnerability": ("cve", "advisory")}


def canonical(kind: str, value: str) -> str:
    """The canonical text of an observable of `kind`; raises UsageError when it is not one."""
    if kind not in CANONICAL:
        raise UsageError(f"unknown kind of observable {kind!r}", todo=f"Known: {', '.join(CANONICAL)}.")
    return CANONICAL[kind](value)


@lru_cache(maxsize=200_000)
def _resolved(kind: str, value: str) -> tuple[str, str] | None:
    if kind == "typed":
        kind, _, value = value.partition(" ")
    for one in LOOSE.get(kind, (kind,)):
        try:
            return one, canonical(one, value)
        except UsageError:
            continue
    return None


def resolve(kind: str, values: Iterable[str]) -> Iterator[tuple[str, str] | None]:
    """(kind, canonical value) of each of `values`, None for what is no observable.

    kind: one of CANONICAL or LOOSE, or `typed`: then each value says it, as `kind value`.
    """
    for value in values:
        yield _resolved(kind, value)


def typed(kind: str, value: str) -> str:
    """The text a `typed` column holds for an observable."""
    return f"{kind} {value}"


def guesses(value: str) -> list[tuple[str, str]]:
    """Every (kind, canonical value) a text can be, the likeliest first; empty when nothing fits.

    A text of 32 hexadecimal digits is an MD5, an import hash, a HASSH and a JA3 alike. Names of malware and
    actors are any text, so they stand last.
    """
    out = []
    for kind in CANONICAL:
        if kind == "asn" and not value.strip().upper().startswith("AS"):
            continue
        try:
            out.append((kind, canonical(kind, value)))
        except UsageError:
            continue
    return out


def guess(value: str) -> tuple[str, str]:
    """The likeliest (kind, canonical value) of a text; raises UsageError when nothing fits."""
    for found in guesses(value):
        return found
    raise UsageError(f"{value!r} is no value Noroshi knows", todo=f"Give its kind: {', '.join(CANONICAL)}.")


def implied(kind: str, value: str) -> list[tuple[str, str]]:
    """Observables a canonical one contains, which are linked with it: a URL's host, a mail address's domain,
    a CPE and a purl without their version."""
    return web.implied(kind, value) or software.implied(kind, value)
