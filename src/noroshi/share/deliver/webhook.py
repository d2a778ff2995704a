"""Findings to a webhook: one JSON document by POST, signed when there is a secret."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from noroshi.model.finding import Finding
from noroshi.share.deliver.target import DeliveryError, as_json

TIMEOUT_S = 30.0
SIGNATURE = "X-Noroshi-Signature-256"
"""`sha256=` and the HMAC-SHA256 of the body in hex, as GitHub's webhooks have it."""


@dataclass(frozen=True)
class WebhookSender:
    """A URL; redirects are not followed, so that a finding goes where it was meant to go and nowhere else."""

    url: str
    secret: str = ""

    def send(self, findings: Sequence[Finding]) -> None:
        """POSTs `{"findings": [...]}`; any answer from 200 to 299 is a success."""
        body = as_json({"findings": [f.to_json() for f in findings]})
        headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "noroshi"}
        if self.secret:
            headers[SIGNATURE] = "sha256=" + hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
        try:
            parts = urlsplit(self.url)
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection = _connection(parts.scheme, parts.hostname or "", parts.port)
            try:
                connection.request("POST", target, body, headers)
                answer = connection.getresponse()
                answer.read(4096)
            finally:
                connection.close()
        except (
            OSError,
            http.client.HTTPException,
            ValueError,
        ) as e:  # ValueError: a port or name that is none
            raise DeliveryError(f"cannot be reached: {e or type(e).__name__}", where=_named(self.url),
                                todo="Check `url` in [[deliver]].") from e  # fmt: skip
        if not 200 <= answer.status < 300:
            raise DeliveryError(f"answered {answer.status} {answer.reason}", where=_named(self.url),
                                todo="Check `url` and the secret's variable in [[deliver]].")  # fmt: skip


def _connection(scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
    if scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)
    return http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)


def _named(url: str) -> str:
    """The URL without what may be a key."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}{parts.path}"
