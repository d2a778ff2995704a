"""Hashes, fingerprints, keyed hashes of credentials, wallets."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from typing import Final

from noroshi.model.canonical.names import wrong

LONGEST_KEY: Final = 20_000
"""Characters of an SSH public key at most: RSA with 65,536 bits has 11,000."""
_SSDEEP: Final = re.compile(r"([0-9]{1,12}):([A-Za-z0-9+/]{1,128}:[A-Za-z0-9+/]{1,128})(?:,.{0,300})?")
_TLSH: Final = re.compile(r"(?:T1)?[0-9A-F]{70}")
_JA4: Final = re.compile(r"[tqd](?:1[0-3]|00|[sd][1-3])[di][0-9]{4}[0-9a-z]{2}_[0-9a-f]{12}_[0-9a-f]{12}")
_JA4S: Final = re.compile(r"[tqd](?:1[0-3]|00|[sd][1-3])[0-9]{2}[0-9a-z]{2}_[0-9a-f]{4}_[0-9a-f]{12}")
_CERTIFICATE: Final = re.compile(r"[0-9a-f]{64}|[0-9a-f]{40}")
_SSH_SHA256: Final = re.compile(r"(?:[0-9]{2,5} )?(SHA256:[A-Za-z0-9+/]{43})=?(?: .{0,300})?")
_SSH_MD5: Final = re.compile(
    r"(?:[0-9]{2,5} )?(?i:MD5:)?((?:[0-9A-Fa-f]{2}:){15}[0-9A-Fa-f]{2}|[0-9A-Fa-f]{32})(?: .{0,300})?"
)
_SSH_PUBLIC: Final = re.compile(
    r"(ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-nistp(?:256|384|521)|sk-[a-z0-9@.-]{1,60}) ([A-Za-z0-9+/]{16,}={0,2})(?= |$)"
)


def hex_of(length: int) -> Callable[[str], str]:
    """The canonical form of a hash of so many hexadecimal digits: lower case."""
    shape = re.compile(rf"[0-9a-f]{{{length}}}").fullmatch

    def of(value: str) -> str:
        if shape(value):
            return value
        text = value.strip().lower()
        if not shape(text):
            raise wrong(value, f"a hash of {length} hexadecimal digits", "Write it in hexadecimal digits.")
        return text

    return of


def ssdeep(value: str) -> str:
    """block:hash:hash, as ssdeep prints it; the file name behind it is dropped."""
    found = _SSDEEP.fullmatch(value.strip())
    if not found:
        raise wrong(value, "an ssdeep hash", "Write it as ssdeep prints it.")
    return f"{int(found[1])}:{found[2]}"


def tlsh(value: str) -> str:
    """T1 and 70 hexadecimal digits in upper case; the old form without T1 is the same hash."""
    text = value.strip().upper()
    if not _TLSH.fullmatch(text):
        raise wrong(value, "a TLSH", "Write its 70 hexadecimal digits.")
    return f"T1{text[-70:]}"


def ja4(value: str) -> str:
    """JA4: t13d1516h2_8daaf6152771_b186095e22b6. Source: FoxIO, JA4 technical details."""
    text = value.strip().lower()
    if not _JA4.fullmatch(text):
        raise wrong(value, "a JA4 fingerprint", "Write it as t13d1516h2_8daaf6152771_b186095e22b6.")
    return text


def ja4s(value: str) -> str:
    """JA4S: t130200_1301_234ea6891581."""
    text = value.strip().lower()
    if not _JA4S.fullmatch(text):
        raise wrong(value, "a JA4S fingerprint", "Write it as t130200_1301_234ea6891581.")
    return text


def certificate(value: str) -> str:
    """SHA-256 or SHA-1 of the certificate in lower case hexadecimal digits; colons are dropped."""
    text = value.strip().lower().replace(":", "").replace(" ", "")
    if not _CERTIFICATE.fullmatch(text):
        raise wrong(value, "a certificate fingerprint", "Write its SHA-256 in hexadecimal digits.")
    return text


def ssh_key(value: str) -> str:
    """SHA256:base64 without padding, or MD5 as 32 hexadecimal digits; also from what `ssh-keygen -l` prints
    and from a public key itself (`ssh-ed25519 AAAA... comment`).
    """
    text = value.strip()
    if len(text) <= LONGEST_KEY:
        if found := _SSH_SHA256.fullmatch(text):
            return found[1]
        if found := _SSH_MD5.fullmatch(text):
            return found[1].lower().replace(":", "")
        if (found := _SSH_PUBLIC.match(text)) and (blob := _key_blob(found[2], found[1])):
            return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    raise wrong(value, "the fingerprint of an SSH key", "Write it as ssh-keygen -l prints it.")


def _key_blob(text: str, kind: str) -> bytes | None:
    """The key behind its Base64, if it names the kind that stands before it (RFC 4253, section 6.6)."""
    try:
        blob = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return blob if blob[4 : 4 + int.from_bytes(blob[:4])] == kind.encode() else None


def token(value: str) -> str:
    """A keyed hash as 64 hexadecimal digits behind `hmac:`; nothing else stands for a credential."""
    text = value.strip().lower()
    if not re.fullmatch(r"hmac:[0-9a-f]{64}", text):
        raise wrong(
            value, "the keyed hash of a credential", "Ask for it as user:password with --kind credential."
        )
    return text
