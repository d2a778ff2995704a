"""Which STIX object paths hold observables, and the values of cyber observables, of 2.0 and 2.1 alike."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

KINDS: Final = {
    "ipv4-addr:value": "ip",
    "ipv6-addr:value": "ip",
    "domain-name:value": "domain",
    "domain-name:resolves_to_refs.value": "host",
    "url:value": "url",
    "artifact:url": "url",
    "email-addr:value": "email",
    "email-message:from_ref.value": "email",
    "email-message:sender_ref.value": "email",
    "email-message:to_refs.value": "email",
    "email-message:cc_refs.value": "email",
    "email-message:bcc_refs.value": "email",
    "network-traffic:src_ref.value": "host",
    "network-traffic:dst_ref.value": "host",
    "autonomous-system:number": "asn",
    "software:cpe": "cpe",
    "vulnerability:name": "cve",
    "mutex:name": "mutex",
    "mac-addr:value": "mac-address",
    "windows-registry-key:key": "regkey",
    "file:name": "filename",
    "file:parent_directory_ref.path": "path",
    "directory:path": "path",
    "process:command_line": "command-line",
    "network-traffic:src_port": "port",
    "network-traffic:dst_port": "port",
    "user-account:user_id": "user-account",
    "user-account:account_login": "user-account",
}
"""Plain path (`pattern.plain_path`) to kind; other paths are their own kind, which is never linked."""
HASHES: Final = {"md5", "sha1", "sha256", "sha512", "ssdeep", "tlsh", "imphash"}
SCO: Final = frozenset((
    "artifact", "autonomous-system", "directory", "domain-name", "email-addr", "email-message", "file",
    "ipv4-addr", "ipv6-addr", "mac-addr", "mutex", "network-traffic", "process", "software", "url",
    "user-account", "windows-registry-key", "x509-certificate",
))  # fmt: skip
"""Types of cyber observables (STIX 2.1, section 6)."""
_CERTIFICATE: Final = {"sha1": "certificate", "sha256": "certificate"}
_ONE: Final = {
    "ipv4-addr": "value", "ipv6-addr": "value", "domain-name": "value", "url": "value", "email-addr": "value",
    "mac-addr": "value", "mutex": "name", "autonomous-system": "number", "windows-registry-key": "key",
    "directory": "path", "software": "cpe", "process": "command_line",
}  # fmt: skip
"""Observables that are one value: the property that holds it."""


def hash_name(name: str) -> str:
    """`SHA-256`, `sha256`, `sha_256`: sha256; other algorithms in lower case as they are."""
    word = name.lower()
    plain = re.sub(r"[-_]", "", word)
    return plain if plain in HASHES else word


@lru_cache(maxsize=4096)
def kind_of(path: str) -> str:
    """The kind of observable a plain path holds: one of ours, or the path itself."""
    known = KINDS.get(path)
    if known:
        return known
    head, _, last = path.partition(":hashes.")
    if last:
        name = hash_name(last)
        if head == "x509-certificate":
            return _CERTIFICATE.get(name, f"x509-{name}")
        return name
    if path.endswith("-ext.imphash"):
        return "imphash"
    if path.endswith("request_header.user-agent"):
        return "user-agent"
    return path[:128]


def values(thing: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(plain path, value) of everything comparable in a cyber observable."""
    kind = str(thing.get("type", ""))
    one = thing.get(_ONE.get(kind, ""))
    if isinstance(one, str | int):
        yield f"{kind}:{_ONE[kind]}", str(one)
    hashes = thing.get("hashes")
    if isinstance(hashes, dict):
        for name, value in list(hashes.items())[:20]:
            if isinstance(value, str):
                yield f"{kind}:hashes.{name[:40].lower()}", value
    if kind in ("file", "artifact", "user-account"):
        for key in ("name", "url", "user_id", "account_login"):
            text = thing.get(key)
            if isinstance(text, str) and f"{kind}:{key}" in KINDS:
                yield f"{kind}:{key}", text
    if kind == "file":
        yield from _imphash(thing)


def _imphash(thing: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    extensions = thing.get("extensions")
    binary = extensions.get("windows-pebinary-ext") if isinstance(extensions, dict) else None
    if isinstance(binary, dict) and isinstance(binary.get("imphash"), str):
        yield "file:extensions.windows-pebinary-ext.imphash", binary["imphash"]
