"""Observables in what visitors type or send: also where loaders hide them in hex or base64, and SSH keys."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from functools import lru_cache
from typing import Final

from noroshi.model.errors import UsageError
from noroshi.model.observable import canonical, typed

LONGEST: Final = 64 << 10
"""Characters of a text that are looked at."""
MOST: Final = 200
"""Observables kept of one text: a list pasted into a shell is no evidence of each of them."""
_CACHED: Final = 2_048
"""Texts up to this length are remembered: bots type the same lines again and again."""
_HEX: Final = re.compile(r"(?:\\{1,2}x[0-9a-fA-F]{2}){4,}")
_BASE64: Final = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{24,}={0,2}(?![A-Za-z0-9+/=])")
_KEY: Final = re.compile(
    r"(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-nistp\d{3}|sk-[a-z0-9-]+@openssh\.com)\s+(AAAA[A-Za-z0-9+/]{20,}={0,2})"
)
_FETCH: Final = re.compile(
    r"(?:tftp|ftpget)\b[^;&|\n]{0,200}|/dev/(?:tcp|udp)/[^\s;&|]{1,200}|\b(?:nc|ncat|telnet)\b[^;&|\n]{0,200}"
)
_KINDS: Final = (
    ("url", re.compile(r"\b(?:https?|ftps?|tftp)://[^\s'\"`;|&<>()\\]{3,2000}", re.IGNORECASE)),
    ("ip", re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.]*\d)")),
    ("sha256", re.compile(r"(?<![0-9a-fA-F])[0-9a-fA-F]{64}(?![0-9a-fA-F])")),
    ("email", re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,190}\.[A-Za-z]{2,24}")),
)
_WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{2,252}")


def mentions(text: str | None) -> list[str]:
    """The observables in a text, each as `kind value`, in order of appearance, without doubles.

    URLs, addresses (also of `address:port`), names, hashes, mail addresses, CVEs, and the SHA-256
    fingerprints of SSH public keys, as `ssh-keygen -l` prints them.
    """
    if not text or len(text) < 4:
        return []
    if len(text) <= _CACHED:
        return list(_remembered(text))
    return _mentions(text[:LONGEST])


@lru_cache(maxsize=8_192)
def _remembered(text: str) -> tuple[str, ...]:
    return tuple(_mentions(text))


def _mentions(text: str) -> list[str]:
    found = dict.fromkeys(key for m in _KEY.finditer(text) if (key := ssh_fingerprint(m[1])) is not None)
    out = dict.fromkeys(typed("ssh-key", key) for key in found)
    bare = _KEY.sub(" ", text) if found else text  # a key's base64 holds no other observable
    for layer in (bare, *_hidden(bare)):
        for kind, value in _find(layer):
            out[typed(kind, value)] = None
    for command in _FETCH.findall(bare):
        for word in _WORD.findall(command):
            host = _host(word)
            if host is not None:
                out[typed(*host)] = None
    return list(out)[:MOST]


def _find(text: str) -> list[tuple[str, str]]:
    out = []
    for kind, pattern in _KINDS:
        for m in pattern.finditer(text):
            try:
                out.append((kind, canonical(kind, m[0])))
            except UsageError:
                continue
    return out


def _host(word: str) -> tuple[str, str] | None:
    """An address among the words of a fetching command; names are left to the extractor."""
    if not word[0].isdigit() or word.count(".") != 3:
        return None
    try:
        return "ip", canonical("ip", word)
    except UsageError:
        return None


def ssh_fingerprint(blob: str | None) -> str | None:
    """`SHA256:...` of a public key: its base64, or a whole `ssh-rsa AAAA... comment` line; None if it is none."""
    if not blob:
        return None
    words = blob.split(None, 2)
    data = words[1] if len(words) > 1 and not blob.startswith("AAAA") else words[0] if words else ""
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
    for blob in _BASE64.findall(text)[:20]:
        try:
            raw = base64.b64decode(blob + "=" * (-len(blob) % 4), validate=True)
            inner = raw.decode("ascii")
        except (binascii.Error, ValueError):
            continue
        if inner.isprintable() or all(c.isprintable() or c in "\r\n\t" for c in inner):
            out.append(inner)
    return out
