"""URLs in one form."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from noroshi.model.canonical.names import IPV4, domain, ip, wrong
from noroshi.model.errors import UsageError

PORTS: Final = {
    "http": "80", "https": "443", "ftp": "21", "ftps": "990", "ws": "80", "wss": "443", "ssh": "22",
    "sftp": "22", "telnet": "23", "ldap": "389", "ldaps": "636", "tftp": "69", "rtsp": "554",
}  # fmt: skip
"""Default ports, which are dropped. Source: IANA service names; ws and wss: RFC 6455."""
LONGEST: Final = 8192
"""Characters of a URL at most; RFC 9110 asks for 8,000."""
_TODO: Final = "Write it as https://example.com/path."
# Canonical as it stands, or but for a port, a path and a fragment: found out in one step.
_PLAIN: Final = re.compile(
    rf"(https?+)://({IPV4}|(?:[a-z0-9_]++(?:-++[a-z0-9_]++)*+\.)++[a-z](?:-?[a-z0-9])++)(?::([1-9][0-9]{{1,4}}))?"
    r"(/[A-Za-z0-9_\-~!$&'()*+,;=:@/.]*+(?:\?[A-Za-z0-9_\-~!$&'()*+,;=:@/.?]++)?)"
)
_DEFANGED: Final = {"hxxp": "http", "hxxps": "https", "fxp": "ftp"}
"""What people write so that nobody follows a URL by accident."""
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,31}")
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_IN_PATH: Final = re.compile(r"%[0-9A-Fa-f]{2}|[^A-Za-z0-9\-._~!$&'()*+,;=:@/]")
_IN_QUERY: Final = re.compile(r"%[0-9A-Fa-f]{2}|[^A-Za-z0-9\-._~!$&'()*+,;=:@/?]")
_AUTHORITY_ENDS: Final = re.compile(r"[/?#]")
_NUMBER: Final = re.compile(r"0x[0-9a-f]*|[0-9]+")
_IMPLIED: Final = re.compile(r"[^:]+://(?:\[([^\]]*)\]|([^/:?#]*))")


def url(value: str) -> str:
    """RFC 3986 normal form (section 6.2): scheme and host in lower case, no default port, no dot segments,
    percent-encoding in upper case and only where it is needed; user part, fragment and an empty query dropped.

    As browsers do (WHATWG URL): a backslash before the query of a web address is a slash, tabs and newlines
    are passed over, and a host that ends in a number is an IPv4 address in any of inet_aton's spellings.
    """
    found = _PLAIN.fullmatch(value)
    if found and len(value) <= 2048 and "/." not in value:
        port = found[3]
        if len(found[2]) < 64 and (port is None or (PORTS[found[1]] != port and int(port) < 65536)):
            return value
    return _url(value)


@lru_cache(maxsize=20_000)
def _url(value: str) -> str:
    text = value.strip()
    if len(text) > LONGEST:
        raise wrong(value, "a URL", _TODO)
    text = text.replace("\t", "").replace("\r", "").replace("\n", "")
    scheme, found, rest = text.partition("://")
    if not found or not _SCHEME.fullmatch(scheme):
        raise wrong(value, "a URL", _TODO)
    scheme = scheme.lower()
    scheme = _DEFANGED.get(scheme, scheme)
    rest = rest.partition("#")[0]
    front, _, query = rest.partition("?")
    if scheme in ("http", "https", "ftp", "ws", "wss"):
        front = front.replace("\\", "/").lstrip("/")
    ends = _AUTHORITY_ENDS.search(front)
    at = ends.start() if ends else len(front)
    where = _authority(scheme, front[:at], value)
    path = _no_dots(_IN_PATH.sub(_encoded, front[at:])) or "/"
    query = _IN_QUERY.sub(_encoded, query)
    out = f"{scheme}://{where}{path}?{query}" if query else f"{scheme}://{where}{path}"
    if len(out) > LONGEST:
        raise wrong(value, "a URL", _TODO)
    return out


def _encoded(found: re.Match[str]) -> str:
    piece = found[0]
    if len(piece) == 3:
        char = chr(int(piece[1:], 16))
        return char if char in _UNRESERVED else piece.upper()
    return "".join(f"%{byte:02X}" for byte in piece.encode("utf-8", "surrogatepass"))


def _no_dots(path: str) -> str:
    """RFC 3986, section 5.2.4."""
    if "/." not in path:
        return path
    out: list[str] = []
    parts = path.split("/")
    for part in parts:
        if part == "..":
            if len(out) > 1:
                out.pop()
        elif part != ".":
            out.append(part)
    if parts[-1] in (".", ".."):
        out.append("")
    return "/".join(out)


def _authority(scheme: str, authority: str, value: str) -> str:
    where = authority.rpartition("@")[2]
    if where.startswith("["):
        inner, closed, port = where[1:].partition("]")
        if not closed or ":" not in inner or (port and not port.startswith(":")):
            raise wrong(value, "a URL", _TODO)
        host, port = _bracketed(inner, value), port[1:]
    else:
        name, _, port = where.partition(":")
        host = _host(name, value)
    if port and (not port.isascii() or not port.isdigit() or len(port) > 16 or int(port) > 65535):
        raise wrong(value, "a URL", _TODO)
    port = str(int(port)) if port else ""
    return host if not port or PORTS.get(scheme) == port else f"{host}:{port}"


def _bracketed(inner: str, value: str) -> str:
    try:
        text = ip(inner)
    except UsageError:
        raise wrong(value, "a URL", _TODO) from None
    return f"[{text}]" if ":" in text else text


def _host(name: str, value: str) -> str:
    if "%" in name:
        raw = re.sub(r"%([0-9A-Fa-f]{2})", lambda m: chr(int(m[1], 16)), name)
        try:
            name = raw.encode("latin-1").decode("utf-8")
        except UnicodeError:
            raise wrong(value, "a URL", _TODO) from None
    text = name.lower().rstrip(".")
    if _NUMBER.fullmatch(text.rpartition(".")[2]):
        return _numeric(text, value)
    try:
        return domain(name)
    except UsageError:
        if re.fullmatch(r"[a-z0-9_-]{1,63}", text):
            return text
        raise wrong(value, "a URL", _TODO) from None


def _numeric(text: str, value: str) -> str:
    """An IPv4 address as inet_aton reads it: parts in decimal, octal (0...) or hexadecimal (0x...)."""
    parts = text.split(".")
    numbers: list[int] = []
    for part in parts:
        if len(parts) > 4 or len(part) > 16 or not _NUMBER.fullmatch(part):
            raise wrong(value, "a URL", _TODO)
        try:
            if part.startswith("0x"):
                numbers.append(int(part[2:] or "0", 16))
            else:
                numbers.append(int(part, 8 if len(part) > 1 and part[0] == "0" else 10))
        except ValueError:
            raise wrong(value, "a URL", _TODO) from None
    if any(n > 255 for n in numbers[:-1]) or numbers[-1] >= 256 ** (5 - len(parts)):
        raise wrong(value, "a URL", _TODO)
    whole = numbers[-1] + sum(n << (24 - 8 * i) for i, n in enumerate(numbers[:-1]))
    return ".".join(str(whole >> shift & 255) for shift in (24, 16, 8, 0))


def implied(value: str) -> list[tuple[str, str]]:
    """The host of a canonical URL, as `ip` or `domain`; nothing for a bare name like localhost."""
    found = _IMPLIED.match(value)
    if not found:
        return []
    if found[1]:
        return [("ip", found[1])]
    host = found[2]
    if "." not in host:
        return []
    return [("ip" if host[-1].isdigit() and host.rpartition(".")[2].isdigit() else "domain", host)]
