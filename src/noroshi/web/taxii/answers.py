"""Answers in the standard's media type: resources, errors, tags and compression."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

MEDIA: Final = "application/taxii+json;version=2.1"
_TYPE: Final = "application/taxii+json"
SMALL: Final = 1_000
"""Bytes below which compressing costs more than it saves."""
VARY: Final = "Accept, Accept-Encoding, Authorization"
_TITLES: Final = {
    400: "Bad request", 401: "Unauthorized", 403: "Forbidden", 404: "Not found", 405: "Method not allowed",
    406: "Not acceptable", 413: "Too large", 415: "Unsupported media type", 422: "Unprocessable",
    500: "Internal error", 503: "Not available",
}  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """What is sent: a body of the standard's media type."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):
    """A request that is answered with an error of the standard."""

    def __init__(self, status: int, text: str, **headers: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text
        self.headers = {k.replace("_", "-"): v for k, v in headers.items()}

    def answer(self) -> Answer:
        """The error message resource (TAXII 2.1, section 3.6.1)."""
        return resource(
            {"title": _TITLES[self.status], "description": self.text[:1000], "http_status": str(self.status)},
            self.status, self.headers,
        )  # fmt: skip


def resource(thing: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """A resource as JSON."""
    return Answer(msgspec.json.encode(thing), status, headers or {})


def accepts(header: str | None) -> bool:
    """True when they take what we send. No header, and `*/*`, take anything, as HTTP says (RFC 9110, 12.5.1)."""
    if header is None or not header.strip():
        return True
    for part in header[:2000].split(","):
        media, params = _media(part)
        if params.get("q") in _NEVER:
            continue
        if media in ("*/*", "application/*") or (media == _TYPE and params.get("version", "2.1") == "2.1"):
            return True
    return False


def is_taxii(header: str | None) -> bool:
    """True for a body of this version of the standard."""
    media, params = _media(header or "")
    return media == _TYPE and params.get("version", "2.1") == "2.1"


_NEVER: Final = ("0", "0.0", "0.00", "0.000")


def _media(text: str) -> tuple[str, dict[str, str]]:
    media, *params = text.split(";")
    pairs = (p.partition("=") for p in params[:20])
    return media.strip().lower(), {k.strip().lower(): v.strip().strip('"') for k, _, v in pairs}


def tag(body: bytes) -> str:
    """The ETag of a body. Weak, because the same resource may be sent compressed."""
    return f'W/"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'


def known(tag_: str, header: str | None) -> bool:
    """True when If-None-Match names the tag."""
    if not header:
        return False
    named = [t.strip() for t in header[:4000].split(",")]
    return "*" in named or tag_.removeprefix("W/") in (t.removeprefix("W/") for t in named)


_GZIP: Final = re.compile(
    r"(?:^|,)\s*(?:x-)?gzip\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*)?(?:,|$)", re.IGNORECASE
)


def compressed(body: bytes, header: str | None) -> bytes | None:
    """The body with gzip, where they take that and it is worth it; the same bytes every time."""
    found = _GZIP.search((header or "")[:1000])
    if not found or len(body) < SMALL or (found[1] and float(found[1]) == 0):
        return None
    from isal import igzip

    return bytes(igzip.compress(body, 1, mtime=0))
