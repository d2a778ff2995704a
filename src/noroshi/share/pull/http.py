"""GET, bounded in every way: time of an answer and of all, bytes as sent and unpacked, redirects, hosts.

TLS is always verified. Nothing is taken from the environment but the certificates it names (SSL_CERT_FILE).
"""

from __future__ import annotations

import ipaddress
import re
import ssl
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final

import httpcore
import httpx

from noroshi.model.errors import SourceError, UsageError

URL: Final = 4096
"""Characters of an address on the web at most."""
_HOST: Final = re.compile(rb"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45}")
_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers that may be another another time."""


@dataclass(frozen=True)
class Limits:
    """What a server may cost."""

    connect_s: float = 10.0
    answer_s: float = 120.0
    """One answer, from asking to its last byte."""
    total_s: float = 3600.0
    """All answers of one time."""
    answer: int = 64 << 20
    """Bytes of one answer, as sent and unpacked."""
    total: int = 4 << 30
    """Bytes of all answers, unpacked."""
    redirects: int = 3
    """One after another."""


@dataclass(frozen=True)
class Access:
    """How to speak to a server."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Sent to the server's own host only: keys and passwords."""
    hosts: tuple[str, ...] = ()
    """Other hosts that redirects and links may lead to."""
    ca: str = ""
    """File of the authorities to trust, instead of the usual ones."""


class PullError(SourceError):
    """A server did not do what the standard says, or not within its limits; what came before is kept."""

    def __init__(
        self, what: str, *, where: str = "", todo: str = "", status: int = 0, wait_s: float = 0
    ) -> None:
        super().__init__(what, where=where, todo=todo)
        self.status, self.wait_s = status, wait_s
        """Status of the answer, 0 without one; seconds the server asks to wait."""


@dataclass(frozen=True)
class Answer:
    """What a server said."""

    url: str
    headers: Mapping[str, str]
    """By name in lower case."""
    body: bytes

    @property
    def media(self) -> str:
        """The media type without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class Client:
    """Asks one server; a context manager. Not for several threads."""

    def __init__(
        self, base: str, access: Access | None = None, limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.access, self.limits, self.clock = access or Access(), limits or Limits(), clock
        self.base = parsed(base)
        self.received = 0
        """Bytes unpacked so far."""
        self._ends = clock() + self.limits.total_s
        self._deadline = _Deadline(clock)
        self._pool = httpcore.ConnectionPool(
            ssl_context=_context(self.access.ca), max_connections=2, keepalive_expiry=30.0,
            network_backend=_Backend(self._deadline),
        )  # fmt: skip

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.close()

    def joined(self, path: str) -> str:
        """An address the server gave, made whole; raises PullError when it leads elsewhere."""
        try:
            url = self.base.join(path[:URL])
        except (httpx.InvalidURL, ValueError) as e:
            raise PullError(f"gives {path[:80]!r}, which is no address", where=shown(self.base)) from e
        return str(self._allowed(url))

    def get(self, url: str, accept: str, params: Iterable[tuple[str, str]] = (), most: int = 0) -> Answer:
        """The answer with status 200 to a GET. most: bytes, when less than the limits say.

        Raises PullError for anything else.
        """
        at = parsed(url)
        query: dict[str, str] = {k: v for k, v in params if v}
        if query:
            at = at.copy_merge_params(query)
        most = min(most or self.limits.answer, self.limits.answer)
        self._deadline.at = min(self.clock() + self.limits.answer_s, self._ends)
        for _ in range(self.limits.redirects + 1):
            found = self._one(self._allowed(at), accept, most)
            if isinstance(found, Answer):
                return found
            at = found
        raise PullError(f"redirects more than {self.limits.redirects} times", where=shown(at))

    def _allowed(self, url: httpx.URL) -> httpx.URL:
        """The address, when it is on the server's own host or one that was named."""
        if origin(url) != origin(self.base):
            if url.host not in self.access.hosts:
                raise PullError(
                    f"leads to {url.scheme}://{url.host[:100]}, which is not {self.base.scheme}://{self.base.host}",
                    where=shown(self.base), todo="If that is right, name the host in `hosts` of the job.",
                )  # fmt: skip
            if url.scheme != "https" and self.base.scheme == "https":
                raise PullError("leads from https to http", where=shown(self.base))
        return url

    def _one(self, url: httpx.URL, accept: str, most: int) -> Answer | httpx.URL:
        """An answer, or where it redirects to."""
        headers = {"Host": url.netloc.decode("ascii"), "Accept": accept, "Accept-Encoding": "gzip",
                   "User-Agent": "noroshi"}  # fmt: skip
        if origin(url) == origin(self.base):
            headers |= self.access.headers
        timeout = dict.fromkeys(("read", "write", "pool"), self.limits.answer_s) | {
            "connect": self.limits.connect_s
        }
        try:
            with self._pool.stream(
                "GET", _target(url), headers=list(headers.items()), extensions={"timeout": timeout}
            ) as answer:
                return self._read(url, answer, most)
        except PullError:  # which is an OSError too
            raise
        except _FAULTS as e:
            raise PullError(_said(e), where=shown(url), todo="It is tried again later.") from e

    def _read(self, url: httpx.URL, answer: Any, most: int) -> Answer | httpx.URL:
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in answer.headers}
        status = answer.status
        if status in (301, 302, 303, 307, 308) and headers.get("location"):
            try:
                return url.join(headers["location"][:URL])
            except (httpx.InvalidURL, ValueError) as e:
                raise PullError("redirects to what is no address", where=shown(url), status=status) from e
        if status != 200:
            raise _refusal(url, status, headers)
        body = self._body(url, headers, answer.iter_stream(), min(most, self.limits.total - self.received))
        self.received += len(body)
        return Answer(str(url), headers, body)

    def _body(self, url: httpx.URL, headers: Mapping[str, str], parts: Iterable[bytes], most: int) -> bytes:
        coding = headers.get("content-encoding", "").strip().lower()
        if coding not in ("", "identity", "gzip", "x-gzip"):
            raise PullError(f"answers packed as {coding[:40]!r}, which was not asked for", where=shown(url))
        length = headers.get("content-length", "")
        if length.isdigit() and int(length[:19]) > most:
            raise _too_much(url, most)
        unpack = zlib.decompressobj(31) if coding else None
        out, size, sent = [], 0, 0
        for part in parts:
            sent += len(part)
            if unpack is not None:
                try:
                    part = unpack.decompress(part, most - size + 1)
                except zlib.error as e:
                    raise PullError("answers with damaged gzip data", where=shown(url)) from e
            size += len(part)
            if size > most or sent > most or (unpack is not None and unpack.unconsumed_tail):
                raise _too_much(url, most)
            out.append(part)
        if unpack is not None and not unpack.eof:
            raise PullError("answers with gzip data that is cut short", where=shown(url))
        return b"".join(out)


def parsed(url: str) -> httpx.URL:
    """An address on the web; raises UsageError for what is none, or holds a name and password."""
    todo = "Write https://host/path; keys and passwords stand in environment variables."
    try:
        at = httpx.URL(url) if len(url) <= URL and url.isprintable() else httpx.URL()
    except (httpx.InvalidURL, ValueError, TypeError):
        at = httpx.URL()
    if at.scheme not in ("https", "http") or not _HOST.fullmatch(at.raw_host):
        raise UsageError(f"{url[:80]!r} is no address on the web", todo=todo)
    if at.userinfo:
        raise UsageError("the address holds a name or password", where=at.host, todo=todo)
    return at


def origin(url: httpx.URL) -> tuple[str, str, int]:
    """Scheme, host and port."""
    return url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80)


def shown(url: httpx.URL) -> str:
    """The address without its query, which may hold what is not for logs."""
    return str(url.copy_with(query=None, fragment=None))[:300]


def is_loopback(url: str) -> bool:
    """True when the address names this machine."""
    host = parsed(url).host
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _target(url: httpx.URL) -> httpcore.URL:
    return httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)


def _context(ca: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca) if ca else httpx.create_ssl_context()
    except (OSError, ssl.SSLError) as e:
        raise UsageError(
            f"cannot be read as certificates: {e}",
            where=ca,
            todo="Name a PEM file of the authorities to trust.",
        ) from e


def _refusal(url: httpx.URL, status: int, headers: Mapping[str, str]) -> PullError:
    wait = headers.get("retry-after", "")
    todo = {401: "Check the key or password the job names.", 403: "Ask the server's operator for the right to read.",
            404: "Check the address.", 406: "It does not speak TAXII 2.1."}.get(status, "")  # fmt: skip
    if status in _AGAIN:
        todo = "It is tried again later."
    wait_s = float(wait) if wait.isdigit() and len(wait) < 7 else 0.0
    return PullError(
        f"answers with status {status}", where=shown(url), todo=todo, status=status, wait_s=wait_s
    )


def _too_much(url: httpx.URL, most: int) -> PullError:
    return PullError(
        f"answers with more than {most:,} bytes", where=shown(url),
        todo="If the server is to be trusted with more, raise `max_mb` of the job.",
    )  # fmt: skip


_FAULTS = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, httpcore.UnsupportedProtocol,
           ssl.SSLError, OSError, UnicodeError)  # fmt: skip


def _said(e: BaseException) -> str:
    """Why a server cannot be read, in words."""
    if isinstance(e, httpcore.TimeoutException):
        return "does not answer in time"
    text = str(e) or type(e).__name__
    if "CERTIFICATE_VERIFY_FAILED" in text or "certificate" in text.lower():
        return f"shows a certificate that is not to be trusted ({text[:200]})"
    if isinstance(e, httpcore.ProtocolError):
        return f"does not speak HTTP ({text[:200]})"
    return f"cannot be reached ({text[:200]})"


class _Deadline:
    """A moment by which everything must be done, however slowly the bytes come."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock, self.at = clock, float("inf")

    def left(self, timeout: float | None) -> float:
        """Seconds for the next step; raises ReadTimeout when there are none."""
        rest = self.at - self.clock()
        if rest <= 0:
            raise httpcore.ReadTimeout
        return rest if timeout is None else min(rest, timeout)


class _Backend(httpcore.NetworkBackend):
    """Sockets whose every step ends at the deadline: a server that drips bytes would otherwise never time out."""

    def __init__(self, deadline: _Deadline) -> None:
        self._inner, self._deadline = httpcore.SyncBackend(), deadline

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:  # fmt: skip
        left = self._deadline.left(timeout)
        return _Stream(
            self._inner.connect_tcp(host, port, left, local_address, socket_options), self._deadline
        )


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._inner, self._deadline = inner, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._deadline.left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._deadline.left(timeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
