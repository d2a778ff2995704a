"""Observables in what visitors type or send: also where loaders hide them in hex or base64, and SSH keys."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from functools import lru_cache
from typing import Final

from noroshi.model.observable import typed

LONGEST: Final = 64 << 10
"""Characters of a text that are looked at."""
MOST: Final = 200
"""Observables kept of one text: a list pasted into a shell is no evidence of each of them."""
BLOBS: Final = 20
"""Pieces of base64 in a text that are decoded."""
_CACHED: Final = 2_048
"""Texts up to this length are remembered: bots type the same lines again and again."""
_MAYBE: Final = re.compile(
    r"\w[.\])]*\w?://|\w\[?\.|@|[0-9A-Fa-f]{32}|[A-Za-z0-9+/]{24}|\\x|:\w*:|(?i:cve|pkg:|cpe:|\bAS\d)"
)
"""A text without a match holds no observable: spares most lines the whole search, which costs 60 µs."""
_ESCAPE: Final = re.compile(r"\\x([0-9a-fA-F]{2})|\\([rnt0'\"\\])")
_PLAIN: Final = {"r": "\r", "n": "\n", "t": "\t", "0": "\0"}
_HEX: Final = re.compile(r"(?:\\{1,2}x[0-9a-fA-F]{2}){4,}")
_BASE64: Final = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{24,}+={0,2}(?![A-Za-z0-9+/=])")
_LONG: Final = 1_024
"""Texts beyond this are mostly programs written out: their runs of digits are taken out before the search."""
_BLOB: Final = re.compile(r"[A-Za-z0-9+/=]{256,}+|(?:\\{1,2}x[0-9a-fA-F]{2}){64,}+")
"""What no observable is that long without a dot, a dash or a colon."""
_KEY: Final = re.compile(
    r"(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-nistp\d{3}|sk-[a-z0-9-]{1,40}@openssh\.com)\s{1,20}(AAAA[A-Za-z0-9+/]{20,}+={0,2})"
)
_DEVICE: Final = re.compile(r"/dev/(?:tcp|udp)/([^\s/;&|'\"<>]{3,253})")


def mentions(text: str | None) -> list[str]:
    """The observables in a text, each as `kind value`, in order of appearance, without doubles.

    URLs, addresses (also of `address:port`), names, hashes, mail addresses, CVEs, and the SHA-256
    fingerprints of SSH public keys, as `ssh-keygen -l` prints them.
    """
    if not text or not _MAYBE.search(text, 0, LONGEST):
        return []
    if len(text) <= _CACHED:
        return list(_remembered(text))
    return _mentions(text[:LONGEST])


def mentions_sent(data: str | None) -> list[str]:
    """The observables in data logged in the form Python gives bytes: those of `unescaped`."""
    if data and len(data) <= _CACHED:
        return list(_remembered_data(data))
    return mentions(unescaped(data))


def unescaped(text: str | None) -> str | None:
    """What stands in the Python form of bytes or text (`b'GET / HTTP/1.0\\\\r\\\\n'`), as text; others unchanged."""
    if not text or text[-1:] not in "'\"" or text.removeprefix("b")[:1] != text[-1:]:
        return text
    return _ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else _PLAIN.get(m[2], m[2]), text[:LONGEST])


@lru_cache(maxsize=8_192)
def _remembered_data(data: str) -> tuple[str, ...]:
    return tuple(mentions(unescaped(data)))


@lru_cache(maxsize=8_192)
def _remembered(text: str) -> tuple[str, ...]:
    return tuple(_mentions(text))


def _mentions(text: str) -> list[str]:
    from noroshi.wire.indicators import find

    keys = dict.fromkeys(key for m in _KEY.finditer(text) if (key := ssh_fingerprint(m[1])) is not None)
    out = dict.fromkeys(typed("ssh-key", key) for key in keys)
    bare = _KEY.sub(" ", text) if keys else text  # a key's base64 holds no other observable
    bare = _DEVICE.sub(r" \1 ", bare)  # bash's own way to connect
    for layer in (bare, *_hidden(bare)):
        for kind, value in find(_BLOB.sub(" ", layer) if len(layer) > _LONG else layer):
            out[typed(kind, value)] = None
    return list(out)[:MOST]


def ssh_fingerprint(key: str | None) -> str | None:
    """`SHA256:...` of a public key: its base64, or a whole `ssh-rsa AAAA... comment` line; None if it is none."""
    if not key:
        return None
    words = key.split(None, 2)
    data = words[1] if len(words) > 1 and not key.startswith("AAAA") else words[0] if words else ""
    try:
        raw = base64.b64decode(data + "=" * (-len(data) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    size = int.from_bytes(raw[:4])
    if len(raw) < 12 or not 4 <= size <= 64 or not raw[4 : 4 + size].isascii():
        return None
    return "SHA256:" + base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")


def _hidden(text: str) -> list[str]:
    """Texts inside: `\\x68\\x74...` written out (with what stands around it), base64 that decodes to text."""
    out = []
    if "\\x" in text:
        plain = _HEX.sub(lambda m: bytes.fromhex(re.sub(r"[\\x]", "", m[0])).decode("latin-1"), text)
        if plain != text:
            out.append(plain)
    for blob in _BASE64.findall(text)[:BLOBS]:
        try:
            inner = base64.b64decode(blob + "=" * (-len(blob) % 4), validate=True).decode("ascii")
        except (binascii.Error, ValueError):
            continue
        if all(c.isprintable() or c in "\r\n\t" for c in inner):
            out.append(inner)
    return out
