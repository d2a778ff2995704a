"""Observables: the values that tie evidence together, in one canonical form each, and their 64-bit key.

Ports, protocols and file types are context, never observables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from noroshi.model import address
from noroshi.model.canonical import hashes, names, software, url, wallets
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
    "md5": hashes.hex_of(32),
    "sha1": hashes.hex_of(40),
    "sha256": hashes.hex_of(64),
    "sha512": hashes.hex_of(128),
    "imphash": hashes.hex_of(32),
    "ssdeep": hashes.ssdeep,
    "tlsh": hashes.tlsh,
    "hassh": hashes.hex_of(32),
    "ja3": hashes.hex_of(32),
    "ja3s": hashes.hex_of(32),
    "ja4": hashes.ja4,
    "ja4s": hashes.ja4s,
    "certificate": hashes.certificate,
    "ssh-key": hashes.ssh_key,
    "credential": hashes.token,
    "wallet": wallets.wallet,
    "url": url.url,
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


def resolve_one(kind: str, value: str) -> tuple[str, str] | None:
    """(kind, canonical value) of one text, None for what is no observable; `kind` as for `resolve`."""
    if kind == "typed":
        kind, _, value = value.partition(" ")
    for one in LOOSE.get(kind) or (kind,):
        form = CANONICAL.get(one)
        if form is not None:
            try:
                return one, form(value)
            except UsageError:
                continue
    return None


def resolve(kind: str, values: Iterable[str]) -> Iterator[tuple[str, str] | None]:
    """(kind, canonical value) of each of `values`, None for what is no observable.

    kind: one of CANONICAL or LOOSE, or `typed`: then each value says it, as `kind value`.
    """
    form = CANONICAL.get(kind)
    if form is None:
        for value in values:
            yield resolve_one(kind, value)
        return
    for value in values:
        try:
            yield kind, form(value)
        except UsageError:
            yield None


def typed(kind: str, value: str) -> str:
    """The text a `typed` column holds for an observable."""
    return f"{kind} {value}"


def guesses(value: str) -> list[tuple[str, str]]:
    """Every (kind, canonical value) a text can be, the likeliest first; empty when nothing fits.

    A text of 32 hexadecimal digits is an MD5, an import hash, a HASSH and a JA3 alike. Names of malware and
    actors are any text, so they stand last; before them ids that only look like those of an advisory.
    """
    out: list[tuple[str, str]] = []
    late: list[tuple[str, str]] = []
    for kind, form in CANONICAL.items():
        if kind == "asn" and not value.strip().upper().startswith("AS"):
            continue
        try:
            found = kind, form(value)
        except UsageError:
            continue
        if kind == "advisory" and not software.is_known_advisory(found[1]):
            late.append(found)
        else:
            if kind == "malware":
                out += late
            out.append(found)
    return out


def guess(value: str) -> tuple[str, str]:
    """The likeliest (kind, canonical value) of a text; raises UsageError when nothing fits."""
    for found in guesses(value):
        return found
    raise UsageError(f"{value!r} is no value Noroshi knows", todo=f"Give its kind: {', '.join(CANONICAL)}.")


def implied(kind: str, value: str) -> list[tuple[str, str]]:
    """Observables a canonical one contains, which are linked with it: a URL's host, a mail address's domain,
    a CPE and a purl without their version."""
    if kind == "url":
        return url.implied(value)
    if kind == "email":
        return [("domain", value.rpartition("@")[2])]
    return software.implied(kind, value)
