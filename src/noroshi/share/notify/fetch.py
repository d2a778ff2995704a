"""One question to an RDAP server: who answers for this address. Asked only by `noroshi notify operators fetch`."""

from __future__ import annotations

import http.client
import ssl
from typing import Any
from urllib.parse import urlsplit

import msgspec

from noroshi.model.errors import SourceError
from noroshi.share.notify.rdap import MAX_BYTES

TIMEOUT_S = 15.0


def ask(server: str, what: str) -> Any:
    """The answer to `SERVER/ip/ADDRESS` or `SERVER/autnum/NUMBER`, decoded; None when it knows nothing (404).

    A redirect is not followed: it would tell another server the address. Raises SourceError.
    """
    parts = urlsplit(server)
    kind, value = ("autnum", what.removeprefix("AS")) if what.startswith("AS") else ("ip", what)
    where = f"{parts.scheme}://{parts.hostname}{parts.path.rstrip('/')}/{kind}/{value}"
    try:
        connection = _connection(parts.scheme, parts.hostname or "", parts.port)
        try:
            headers = {"Accept": "application/rdap+json", "User-Agent": "noroshi"}
            connection.request("GET", f"{parts.path.rstrip('/')}/{kind}/{value}", headers=headers)
            answer = connection.getresponse()
            body = answer.read(MAX_BYTES + 1)
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as e:
        raise SourceError(f"cannot be reached: {e or type(e).__name__}", where=where,
                          todo="Check `rdap` in [notify].") from e  # fmt: skip
    if answer.status == 404:
        return None
    if 300 <= answer.status < 400:
        target = (answer.getheader("Location") or "")[:200]
        raise SourceError(
            f"sends on to {target!r}", where=where, todo="Name that server as `rdap` in [notify]."
        )
    if answer.status != 200:
        todo = "Wait and ask for less." if answer.status == 429 else "Check `rdap` in [notify]."
        raise SourceError(f"answered {answer.status}", where=where, todo=todo)
    if len(body) > MAX_BYTES:
        raise SourceError(
            f"answered more than {MAX_BYTES >> 20} MiB", where=where, todo="That is no RDAP answer."
        )
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as e:
        raise SourceError(f"answered no JSON: {e}", where=where, todo="Check `rdap` in [notify].") from e


def _connection(scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
    if scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)
    return http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
