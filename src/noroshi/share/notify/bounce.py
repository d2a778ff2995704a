"""What comes back: delivery reports (RFC 3464), answers of people, answers of machines.

A message is one of ours when it names the Message-ID of a notice: in the returned message or its headers, or in
In-Reply-To or References. All of it is hostile: anybody may write to a mail address.
"""

from __future__ import annotations

import email
import email.policy
import email.utils
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

from noroshi.model.errors import SourceError

MAX_MESSAGE = 10 << 20
MAX_MESSAGES = 50_000
MAX_FILE = 2 << 30
_PARTS = 50
_TEXT = 20_000
_OURS = re.compile(r"<(n-[0-9a-f]{20})\.notice@[A-Za-z0-9.-]{1,253}>")
_STOP = re.compile(r"(?im)^\s*(?:stop|opt[- ]?out|unsubscribe|停止)\s*(?:$|[.。!！:：])")
_AUTO = re.compile(r"(?i)^\s*auto-(?:generated|replied|notified)")


@dataclass(frozen=True)
class Reply:
    """What a message says."""

    notices: tuple[str, ...]
    """Message-IDs of ours that it names."""
    sender: str
    """From, the address alone; empty when there is none."""
    failed: tuple[str, ...] = ()
    """Recipients a delivery report gives up."""
    delayed: tuple[str, ...] = ()
    status: str = ""
    """Of the first failure: 5.1.1, and what the server said."""
    automatic: bool = False
    """Written by a machine."""
    stop: bool = False
    """Asks to stop, in its own words (not in what it quotes)."""


def messages(path: Path) -> Iterator[bytes]:
    """The messages of an mbox, a maildir or a folder of `.eml`. Raises SourceError."""
    if path.is_dir():
        found = sorted(
            p for p in (*path.glob("*.eml"), *path.glob("new/*"), *path.glob("cur/*")) if p.is_file()
        )
        for file in found[:MAX_MESSAGES]:
            with file.open("rb") as opened:
                yield opened.read(MAX_MESSAGE)
        return
    if path.stat().st_size > MAX_FILE:
        raise SourceError(f"is larger than {MAX_FILE >> 30} GiB", where=str(path), todo="Cut it into parts.")
    with path.open("rb") as opened:
        head = opened.read(5)
        opened.seek(0)
        if head != b"From ":
            yield opened.read(MAX_MESSAGE)
            return
        parts: list[bytes] = []
        size = count = 0
        blank = True
        for line in opened:
            if line.startswith(b"From ") and blank:  # mboxrd: such lines of a message have a > before them
                if parts and count < MAX_MESSAGES:
                    count += 1
                    yield b"".join(parts)
                parts, size = [], 0
            elif size < MAX_MESSAGE:
                parts.append(line)
                size += len(line)
            blank = line in (b"\n", b"\r\n")
        if parts and count < MAX_MESSAGES:
            yield b"".join(parts)


def parse(data: bytes) -> Reply | None:
    """What a message says; None when it names no notice of ours. Never raises: what cannot be read says nothing."""
    try:
        # compat32: the newer policy parses every header and fails on hostile ones.
        message = email.message_from_bytes(data[:MAX_MESSAGE], policy=email.policy.compat32)
        return _parse(message)
    except (ValueError, LookupError, RecursionError, AttributeError, TypeError, IndexError):
        return None


def _parse(message: Message) -> Reply | None:
    named = [str(message.get(h, "")) for h in ("In-Reply-To", "References")]
    failed: list[str] = []
    delayed: list[str] = []
    status = text = ""
    report = message.get_content_type() == "multipart/report"
    for number, part in enumerate(message.walk()):
        if number >= _PARTS:
            break
        kind = part.get_content_type()
        if kind == "message/delivery-status" and report:
            for fields in part.get_payload() if isinstance(part.get_payload(), list) else ():
                if not isinstance(fields, Message):
                    continue
                action = str(fields.get("Action", "")).strip().lower()
                to = str(fields.get("Final-Recipient") or fields.get("Original-Recipient") or "")
                address = to.partition(";")[2].strip()[:254]
                if action == "failed":
                    failed.append(address)
                    said = f"{fields.get('Status', '')} {fields.get('Diagnostic-Code', '')}"
                    status = status or _plain(said)
                elif action == "delayed":
                    delayed.append(address)
        elif number and kind in ("message/rfc822", "text/rfc822-headers") and report:
            named += _returned(part)
        elif kind == "text/plain" and not text and not report:
            payload = part.get_payload(decode=True)
            if isinstance(payload, bytes):
                text = payload[:_TEXT].decode(part.get_content_charset() or "utf-8", "replace")
    notices = tuple(dict.fromkeys(m[0] for one in named for m in _OURS.finditer(one[:4000])))
    if not notices:
        return None
    sender = email.utils.parseaddr(str(message.get("From", "")))[1][:254]
    automatic = (
        report
        or bool(_AUTO.match(str(message.get("Auto-Submitted", ""))))
        or bool(message.get("X-Autoreply") or message.get("X-Auto-Response-Suppress"))
    )
    own = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith(">"))
    return Reply(notices, sender, tuple(failed), tuple(delayed), status, automatic, bool(_STOP.search(own)))


def _returned(part: Message) -> list[str]:
    """Message-IDs in a returned message or its headers."""
    inner = part.get_payload()
    if isinstance(inner, list):
        return [str(m.get("Message-ID", "")) for m in inner if isinstance(m, Message)]
    text = part.get_payload(decode=True)
    if not isinstance(text, bytes):
        return []
    return [
        line.decode("ascii", "replace")
        for line in text[:_TEXT].splitlines()
        if line[:11].lower() == b"message-id:"
    ]


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text).strip()[:300]
