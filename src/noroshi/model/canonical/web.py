"""URLs, hashes, fingerprints, keyed hashes of credentials."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote, urlsplit, urlunsplit

from noroshi.model.canonical.names import domain, ip, wrong
from noroshi.model.errors import UsageError

_PORTS = {"http": 80, "https": 443, "ftp": 21}
_SAFE = "%!$&'()*+,;=:@/?-._~"
MAX_URL = 8192


def url(value: str) -> str:
    """RFC 3986 normal form: scheme and host in lower case, default port, user part and fragment dropped."""
    text = value.strip()
    todo = "Write it as https://example.com/path."
    if len(text) > MAX_URL:
        raise wrong(value, "a URL", todo)
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise wrong(value, "a URL", todo) from None
    scheme = parts.scheme.lower()
    if not scheme or not host or "://" not in text or any(c.isspace() for c in host):
        raise wrong(value, "a URL", todo)
    host = _host(host, value)
    where = host if port is None or port == _PORTS.get(scheme) else f"{host}:{port}"
    path = quote(parts.path or "/", _SAFE)
    return urlunsplit((scheme, where, path, quote(parts.query, _SAFE), ""))


def _host(host: str, value: str) -> str:
    try:
        text = ip(host)
        return f"[{text}]" if ":" in text else text
    except UsageError:
        pass
    try:
        return domain(host)
    except UsageError:
        if re.fullmatch(r"[a-z0-9_-]{1,63}", host):
            return host
        raise wrong(value, "a URL", "Write it as https://example.com/path.") from None


def hex_of(length: int) -> Callable[[str], str]:
    """The canonical form of a hash of so many hexadecimal digits: lower case."""
    shape = re.compile(rf"[0-9a-f]{{{length}}}")

    def of(value: str) -> str:
        text = value.strip().lower()
        if not shape.fullmatch(text):
            raise wrong(value, f"a hash of {length} hexadecimal digits", "Write it in hexadecimal digits.")
        return text

    return of


def ssdeep(value: str) -> str:
    """block:hash:hash, as ssdeep prints it."""
    text = value.strip()
    if not re.fullmatch(r"\d{1,12}:[A-Za-z0-9+/]{1,128}:[A-Za-z0-9+/]{1,128}", text):
        raise wrong(value, "an ssdeep hash", "Write it as ssdeep prints it, without the file name.")
    return text


def tlsh(value: str) -> str:
    """T1 and 70 hexadecimal digits in upper case; the old form without T1 is the same hash."""
    text = value.strip().upper().removeprefix("T1")
    if not re.fullmatch(r"[0-9A-F]{70}", text):
        raise wrong(value, "a TLSH", "Write its 70 hexadecimal digits.")
    return f"T1{text}"


def ja4(value: str) -> str:
    """JA4: t13d1516h2_8daaf6152771_b186095e22b6. Source: FoxIO, JA4 technical details."""
    text = value.strip().lower()
    if not re.fullmatch(r"[tqd][0-9s]\w[di]\d{4}[0-9a-z]{2}_[0-9a-f]{12}_[0-9a-f]{12}", text):
        raise wrong(value, "a JA4 fingerprint", "Write it as t13d1516h2_8daaf6152771_b186095e22b6.")
    return text


def ja4s(value: str) -> str:
    """JA4S: t130200_1301_234ea6891581."""
    text = value.strip().lower()
    if not re.fullmatch(r"[tqd][0-9s]\w\d{2}[0-9a-z]{2}_[0-9a-f]{4}_[0-9a-f]{12}", text):
        raise wrong(value, "a JA4S fingerprint", "Write it as t130200_1301_234ea6891581.")
    return text


def certificate(value: str) -> str:
    """SHA-256 or SHA-1 of the certificate in lower case hexadecimal digits; colons are dropped."""
    text = value.strip().lower().replace(":", "")
    if not re.fullmatch(r"[0-9a-f]{64}|[0-9a-f]{40}", text):
        raise wrong(value, "a certificate fingerprint", "Write its SHA-256 in hexadecimal digits.")
    return text


def ssh_key(value: str) -> str:
    """SHA256:base64 without padding, or MD5 as 32 hexadecimal digits."""
    text = value.strip()
    if re.fullmatch(r"SHA256:[A-Za-z0-9+/]{43}=?", text):
        return text.rstrip("=")
    plain = text.lower().removeprefix("md5:").replace(":", "")
    if not re.fullmatch(r"[0-9a-f]{32}", plain):
        raise wrong(value, "the fingerprint of an SSH key", "Write it as ssh-keygen -l prints it.")
    return plain


def token(value: str) -> str:
    """A keyed hash as 64 hexadecimal digits behind `hmac:`; nothing else stands for a credential."""
    text = value.strip().lower()
    if not re.fullmatch(r"hmac:[0-9a-f]{64}", text):
        raise wrong(
            value, "the keyed hash of a credential", "Ask for it as user:password with --kind credential."
        )
    return text


def wallet(value: str) -> str:
    """A Bitcoin (Base58 or Bech32), Ethereum or Monero address."""
    text = value.strip()
    if re.fullmatch(r"[13][1-9A-HJ-NP-Za-km-z]{25,34}|4[0-9AB][1-9A-HJ-NP-Za-km-z]{93}", text):
        return text
    if re.fullmatch(r"(?i)bc1[02-9ac-hj-np-z]{11,71}|0x[0-9a-f]{40}", text):
        return text.lower()
    raise wrong(value, "a wallet", "Write a Bitcoin, Ethereum or Monero address.")


def implied(kind: str, value: str) -> list[tuple[str, str]]:
    """The host of a URL, the domain of a mail address."""
    if kind == "email":
        return [("domain", value.rpartition("@")[2])]
    if kind != "url":
        return []
    host = urlsplit(value).hostname or ""
    for one, form in (("ip", ip), ("domain", domain)):
        try:
            return [(one, form(host))]
        except UsageError:
            continue
    return []
