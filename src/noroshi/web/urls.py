"""Addresses of this server, taken apart and put together; nothing here opens one."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode, urlsplit


def segment(text: str) -> str:
    """A text as one segment of a path."""
    return quote(text, safe="")


def path(text: str) -> str:
    """A text as a path: its slashes stay."""
    return quote(text, safe="/")


def query(words: Mapping[str, object]) -> str:
    """Words as a query, without the question mark; empty for none."""
    return urlencode({k: str(v) for k, v in words.items()})


def with_query(path: str, words: Mapping[str, object]) -> str:
    """A path with its query."""
    return f"{path}?{query(words)}" if words else path


def origin(text: str) -> tuple[str, str]:
    """(scheme, host and port in small letters) of an `Origin`; empty for what is none."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return "", ""
    return parts.scheme, parts.netloc.lower()


def is_local(text: str) -> bool:
    """True for a path of this server: nothing a browser would take for another host."""
    if not text.startswith("/") or text.startswith(("//", "/\\")) or "\\" in text or not text.isprintable():
        return False
    try:
        return not urlsplit(text).netloc
    except ValueError:
        return False
