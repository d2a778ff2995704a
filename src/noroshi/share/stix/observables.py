"""Observables as STIX cyber observables with the standard's ids, and the patterns that match them."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from noroshi.share.stix.ids import sco_id

Object = dict[str, Any]

_HASHES = {
    "md5": "MD5", "sha1": "SHA-1", "sha256": "SHA-256", "sha512": "SHA-512", "ssdeep": "SSDEEP", "tlsh": "TLSH",
}  # fmt: skip
_VALUES = {"domain": "domain-name", "url": "url", "email": "email-addr"}
# What readers accept: the value may be a mask's token, and then the finding is told in words instead.
_FORMS = {
    "domain": re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_-]{1,63})*"),
    "url": re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]{0,30}://[^\s\x00-\x20\x7f-\x9f\ud800-\udfff<>\"{}|\\^`]{1,8000}"),
    "email": re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,253}"),
    "ssdeep": re.compile(r"\d{1,12}:[A-Za-z0-9/+]{1,128}:[A-Za-z0-9/+]{1,128}"),
    "tlsh": re.compile(r"(T1)?[0-9A-Fa-f]{70}"),
}  # fmt: skip
_IPV4 = re.compile(
    r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}", re.ASCII
)
_LENGTHS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}
_HEX = re.compile(r"[0-9a-f]+")
_ATOM = r"(?:\?*|\*?)(?:[A-Za-z0-9._-]|\\[!-/:-@\[-`{-~])+(?:\?*|\*?)|[*-]"
_CPE = re.compile(rf"cpe:2\.3:[aho*-](?::(?:{_ATOM})){{5}}:(?:[a-zA-Z]{{2,3}}(?:-(?:[a-zA-Z]{{2}}|\d{{3}}))?|[*-])"
                  rf"(?::(?:{_ATOM})){{4}}")  # fmt: skip
_PURL = re.compile(r"pkg:[a-z0-9.+-]{1,64}/[!-~]{1,1000}")


def observable(kind: str, value: str) -> Object | None:
    """The observable as STIX has it: an address or prefix (in CIDR notation), an autonomous system, a name, URL,
    mail address, file by its hash, certificate, software; None for what STIX has no object for."""
    if kind in ("ip", "prefix"):
        return _address(kind, value)
    if kind == "asn":
        digits = value.removeprefix("AS")
        if not digits.isascii() or not digits.isdigit() or len(digits) > 10:
            return None
        return _made("autonomous-system", {"number": int(digits)})
    if kind in _VALUES:
        return _made(_VALUES[kind], {"value": value}) if _FORMS[kind].fullmatch(value) else None
    if kind in _HASHES:
        return _made("file", {"hashes": {_HASHES[kind]: value}}) if _is_hash(kind, value) else None
    if kind == "certificate":
        algorithm = {64: "SHA-256", 40: "SHA-1"}.get(len(value))
        known = algorithm and _HEX.fullmatch(value)
        return _made("x509-certificate", {"hashes": {algorithm: value}}) if known else None
    if kind in ("cpe", "purl"):
        return software(value, kind)
    return None


def software(value: str, kind: str = "cpe", version: str = "") -> Object | None:
    """The software a CPE 2.3 name or a package URL stands for; the purl itself is no property of STIX."""
    if kind == "purl":
        if not _PURL.fullmatch(value):
            return None
        name, _, at = value.partition("?")[0].partition("@")
        return _made("software", _without_empty({"name": name, "version": (at or version)[:200]}))
    if not _CPE.fullmatch(value):
        return None
    parts = [p.replace("\\", "") for p in re.split(r"(?<!\\):", value)]
    known = {"name": parts[4], "cpe": value, "vendor": parts[3], "version": parts[5]}
    return _made(
        "software", {k: v for k, v in known.items() if k in ("name", "cpe") or v not in ("*", "-", "")}
    )


def pattern(kind: str, value: str) -> str | None:
    """The STIX pattern that matches an observable; None where there is none."""
    if kind in ("ip", "prefix"):
        path = "ipv6-addr" if ":" in value else "ipv4-addr"
        return f"[{path}:value {'ISSUBSET' if kind == 'prefix' else '='} '{quoted(value)}']"
    if kind in _VALUES:
        return f"[{_VALUES[kind]}:value = '{quoted(value)}']"
    if kind in _HASHES:
        return f"[file:hashes.'{_HASHES[kind]}' = '{quoted(value)}']"
    if kind == "certificate":
        return f"[x509-certificate:hashes.'{'SHA-256' if len(value) == 64 else 'SHA-1'}' = '{quoted(value)}']"
    return None


def quoted(value: str) -> str:
    """A value as it stands between the quotes of a pattern."""
    return value.replace("\\", "\\\\").replace("'", "\\'")


def _address(kind: str, value: str) -> Object | None:
    family = "ipv6-addr" if ":" in value else "ipv4-addr"
    net, slash, length = value.partition("/")
    if not _IPV4.fullmatch(net):
        if "%" in net:  # a zone means nothing on another machine
            return None
        try:
            ipaddress.IPv6Address(net)
        except ValueError:
            return None
    if slash and not (length.isascii() and length.isdigit() and int(length[:4]) <= 128):
        return None
    return _made(family, {"value": value})


def _is_hash(kind: str, value: str) -> bool:
    if kind in _LENGTHS:
        return len(value) == _LENGTHS[kind] and _HEX.fullmatch(value) is not None
    return _FORMS[kind].fullmatch(value) is not None


def _made(kind: str, properties: Object) -> Object:
    return {"type": kind, "spec_version": "2.1", "id": sco_id(kind, properties), **properties}


def _without_empty(properties: Object) -> Object:
    return {k: v for k, v in properties.items() if v}
