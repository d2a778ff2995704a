"""What is looked at before anybody is asked who they are: the name of the server, how often, how much, how long."""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import dataclass

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from noroshi.web import urls
from noroshi.web.errors import problem
from noroshi.web.options import Options
from noroshi.web.security.ratelimit import Buckets

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
BODY_S = 30.0
"""The longest the body of a request may take to arrive, for every megabyte that may be sent."""
LONGEST_TARGET = 8192


class Stop(Exception):
    """A request that is not passed on."""

    def __init__(self, status: int, what: str, todo: str = "", retry: int = 0) -> None:
        self.status, self.what, self.todo, self.retry = status, what, todo, retry


@dataclass
class _Stopped:
    """Whether a request was stopped on its way in: whoever reads it may take that for an error of its own."""

    by: Stop | None = None


class Doors:
    """The outermost check of every request."""

    def __init__(self, app: ASGIApp, options: Options) -> None:
        self.app, self.options = app, options
        self._rate = Buckets(options.rate, options.burst) if options.rate else None
        names = options.hosts
        if options.open:
            names = tuple({*LOOPBACK, options.host, *options.hosts})
        self._names = frozenset(n.lower() for n in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        begun, stopped = False, _Stopped()

        async def sending(message: Message) -> None:
            nonlocal begun
            if stopped.by is not None and not begun:
                return  # what is made of half a request is not told; why it is half is
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            self._look(scope)
            await self.app(scope, self._limited(scope, receive, stopped), sending)
        except Stop as stop:
            stopped.by = stop
        if stopped.by is not None and not begun:
            await _say(stopped.by, send)

    def _look(self, scope: Scope) -> None:
        headers = scope["headers"]
        hosts = [v for k, v in headers if k == b"host"]
        if len(hosts) != 1:
            raise Stop(400, "a request names one host")
        host = hosts[0].decode("latin-1").lower()
        if self._names and _name(host) not in self._names:
            # A name that an attacker lets point here (DNS rebinding) is not among ours.
            raise Stop(
                421, "this server does not go by that name", "Use the address `noroshi serve` printed."
            )
        if self.options.open and not self._own_origin(headers, host):
            raise Stop(403, "another site asked", "Open the page itself.")
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > LONGEST_TARGET:
            raise Stop(414, "the address is too long")
        if self._rate:
            client = scope["client"][0] if scope.get("client") else ""
            if wait := self._rate.take(network(client)):
                raise Stop(429, "too many requests", f"Wait {wait:.0f} s.", retry=int(wait) + 1)

    def _own_origin(self, headers: list[tuple[bytes, bytes]], host: str) -> bool:
        """False when a page of another site asks: with `--open` that would be asked as admin."""
        told = [v.decode("latin-1") for k, v in headers if k == b"origin"]
        return all(urls.origin(one)[1] == host for one in told)

    def _limited(self, scope: Scope, receive: Receive, stopped: _Stopped) -> Receive:
        kind = next((v for k, v in scope["headers"] if k == b"content-type"), b"")
        # What is sent in by TAXII has a bound of its own (`share.taxii.inbox.BYTES`), within that of uploads.
        large = kind.startswith((b"multipart/form-data", b"application/taxii+json"))
        most = self.options.upload if large else self.options.body
        told = next((v for k, v in scope["headers"] if k == b"content-length"), b"0")
        too_long = Stop(
            413, f"more than {most:,} bytes are not read", "Send less, or `noroshi ingest` the file."
        )
        if told.isdigit() and int(told[:18]) > most:
            raise too_long
        read, done = 0, False
        end = asyncio.get_running_loop().time() + BODY_S * max(1.0, most / (1 << 20) / 8)

        async def limited() -> Message:
            nonlocal read, done
            if done:
                return await receive()  # waits for the client to go, which may be never
            try:
                async with asyncio.timeout_at(end):
                    message = await receive()
            except TimeoutError:
                stopped.by = Stop(408, "the request took too long to arrive", "Send it again.")
                raise stopped.by from None
            if message["type"] == "http.request":
                read += len(message.get("body", b""))
                done = not message.get("more_body", False)
                if read > most:
                    stopped.by = too_long
                    raise too_long
            return message

        return limited


def network(client: str) -> str:
    """Whom a limit counts as one: an IPv4 address, or the /64 an IPv6 user has to choose from."""
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return client[:64]
    return str(address) if address.version == 4 else str(ipaddress.ip_network((address, 64), strict=False))


def _name(host: str) -> str:
    """The name in `name:port`."""
    return host.rpartition(":")[0] if ":" in host and not host.endswith("]") else host


async def _say(stop: Stop, send: Send) -> None:
    body = msgspec.json.encode(problem(stop.what, todo=stop.todo))
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode()),
               (b"connection", b"close")]  # fmt: skip
    if stop.retry:
        headers.append((b"retry-after", str(stop.retry).encode()))
    await send({"type": "http.response.start", "status": stop.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
