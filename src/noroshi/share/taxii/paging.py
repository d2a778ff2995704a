"""`next`: where a page ended, signed, so that it holds for this recipient, collection and question alone."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from noroshi.model.errors import UsageError

if TYPE_CHECKING:
    from noroshi.keys import Keys
    from noroshi.share.taxii.filters import Filters

PURPOSE: Final = "taxii next"
_MAC: Final = 16
"""Bytes of the signature: 128 bits, guessed by nobody."""
_FORM: Final = re.compile(r"[A-Za-z0-9_-]{34}", re.ASCII)
_VERSION: Final = b"\1"


@dataclass(frozen=True)
class Signer:
    """Makes and reads `next`. The same page has the same `next`, always: it holds no time and no chance."""

    secrets: Sequence[bytes]
    """The one in use first; what the others signed is still read."""

    @classmethod
    def of(cls, keys: Keys) -> Signer:
        """With the keys of a site."""
        return cls([key.derive(PURPOSE) for key in keys.keys])

    def sign(self, seq: int, recipient: str, collection: str, place: str, filters: Filters) -> str:
        """The text for a page that ended at `seq`. place: what was read, such as objects or manifest."""
        about = _about(seq, recipient, collection, place, filters)
        return _text(seq, _mac(self.secrets[0], about))

    def read(self, recipient: str, collection: str, place: str, filters: Filters) -> int | None:
        """Where the page before ended, None when `next` is not given. Raises UsageError for any but ours."""
        if not filters.next:
            return None
        if _FORM.fullmatch(filters.next):
            try:
                raw = base64.b64decode(filters.next + "==", altchars=b"-_", validate=True)
            except (binascii.Error, ValueError):
                raw = b""
            if len(raw) == 9 + _MAC and raw[:1] == _VERSION and _text_of(raw) == filters.next:
                seq = int.from_bytes(raw[1:9], "big", signed=True)
                about = _about(seq, recipient, collection, place, filters)
                if any(hmac.compare_digest(_mac(s, about), raw[9:]) for s in self.secrets):
                    return seq
        raise UsageError(
            "next is none that was given for this question",
            todo="Send the same filters with it, unchanged, or begin again without it.",
        )


def _about(seq: int, recipient: str, collection: str, place: str, filters: Filters) -> bytes:
    return msgspec.json.encode([seq, recipient, collection, place, filters.matches()])


def _mac(secret: bytes, about: bytes) -> bytes:
    return hmac.new(secret, about, hashlib.sha256).digest()[:_MAC]


def _text(seq: int, mac: bytes) -> str:
    return _text_of(_VERSION + seq.to_bytes(8, "big", signed=True) + mac)


def _text_of(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
