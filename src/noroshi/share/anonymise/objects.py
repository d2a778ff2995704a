"""Objects of intelligence masked: every text of the JSON, and ids that are made from a value that is hidden."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from noroshi.share.anonymise import findings

if TYPE_CHECKING:
    from noroshi.share.anonymise.masking import Masking

DEEPEST: Final = 64
_ID: Final = re.compile(
    r"([a-z][a-z0-9\-]{1,60})--([0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12})"
)
"""Ids of STIX made from values (version 5): who knows or guesses the value can make the same."""
_OBSERVABLE: Final = {
    "ipv4-addr": "value", "ipv6-addr": "value", "domain-name": "value", "url": "value", "email-addr": "value",
    "autonomous-system": "number",
}  # fmt: skip
"""Types whose one property is the value itself: without it nothing is left to say."""
_KIND: Final = {
    "ipv4-addr": "ip", "ipv6-addr": "ip", "domain-name": "domain", "url": "url", "email-addr": "email",
}  # fmt: skip
_PERSON_KEYS: Final = {
    "user_id": "user-name", "account_login": "user-name", "display_name": "person", "credential": "password",
    "event_creator_email": "e-mail", "contact_information": "person", "x_usernames": "user-name",
}  # fmt: skip
_MISP: Final = {
    "target-user": "person", "target-email": "e-mail", "first-name": "person", "last-name": "person",
    "full-name": "person", "person": "person", "phone-number": "person", "target-org": "organisation",
    "target-machine": "organisation", "target-external": "organisation", "passport-number": "person",
}  # fmt: skip
"""Types of MISP's attributes that name persons and those hit."""
_VICTIM_REFS: Final = ("ip-dst", "ip-src")
_DROPPED: Final = re.compile(r"\[(?:[a-z\-]+-address|own-domain|other-domain|e-mail|email|url|hidden)\]")


class Dropped(Exception):
    """What the object is about may not leave."""


class HiddenIds:
    """Ids made from values this recipient does not see as they are; remade wherever they stand."""

    def __init__(self, mask: Masking, known: Callable[[], Iterable[tuple[str, str, str]]] | None) -> None:
        self._mask, self._known = mask, known
        self._hidden: frozenset[str] | None = None if known else frozenset()
        self._lock = threading.Lock()

    def hidden(self) -> frozenset[str]:
        """The ids; read at first use."""
        if self._hidden is None:
            with self._lock:
                if self._hidden is None and self._known is not None:
                    mask = self._mask
                    self._hidden = frozenset(
                        id_
                        for id_, kind, value in self._known()
                        if _ID.fullmatch(id_) and mask.value(kind, value) != value
                    )
        return self._hidden or frozenset()

    def text(self, text: str) -> str:
        """The text with hidden ids in it remade."""
        if "--" not in text or not self.hidden():
            return text
        return _ID.sub(lambda m: self.remade(m[0]) if m[0] in self.hidden() else m[0], text)

    def remade(self, id_: str) -> str:
        """The id under the key of this recipient and epoch."""
        return f"{id_.partition('--')[0]}--{findings.keyed_id(self._mask.epoch_key, id_)}"


def masked(mask: Masking, thing: dict[str, Any]) -> dict[str, Any] | None:
    """The object as the recipient sees it: itself when nothing in it is hidden, None when what it is about is."""
    try:
        new = _Walk(mask).object(thing, 0)
    except Dropped:
        mask.suppressed[str(thing.get("type", "object"))[:64]] += 1
        return None
    return thing if new == thing else new


def masked_json(mask: Masking, text: str) -> str | None:
    """The same for an object as JSON; a text that is none (cut at its bound) is dropped where texts are, else
    scrubbed."""
    import msgspec

    try:
        thing = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return mask.text(text)
    if not isinstance(thing, dict):
        return mask.text(text)
    new = masked(mask, thing)
    return text if new is thing else None if new is None else msgspec.json.encode(new).decode()


class _Walk:
    def __init__(self, mask: Masking) -> None:
        self.mask = mask
        self.hides_text = mask.hides("free-text")

    def object(self, thing: dict[str, Any], depth: int) -> dict[str, Any]:
        type_ = thing.get("type")
        type_ = type_ if isinstance(type_, str) else ""
        out: dict[str, Any] = {}
        changed = False
        for key, value in thing.items():
            name = self.mask.scrubber.text(key) if isinstance(key, str) else key
            out[name] = self._property(type_, key, value, thing, depth)
            changed = changed or out[name] != value
        if changed and isinstance(out.get("id"), str) and type_ in _KIND:
            out["id"] = self.mask.ids.remade(thing["id"]) if _ID.fullmatch(thing["id"]) else out["id"]
        return out

    def _property(self, type_: str, key: str, value: Any, thing: dict[str, Any], depth: int) -> Any:
        if depth >= DEEPEST:
            return None
        if isinstance(value, dict):
            return self.object(value, depth + 1)
        if isinstance(value, list):
            new = [self._property(type_, key, x, thing, depth + 1) for x in value]
            return [n for n, x in zip(new, value, strict=True) if n is not None or x is None]
        if not isinstance(value, str):
            return value
        mask = self.mask
        if key == "value" and type_ in _KIND:
            return self._about(
                mask.scrubber.text(value) if _KIND[type_] == "url" else _one(mask, type_, value)
            )
        if key == "pattern" and type_ == "indicator":
            return self._about(mask.scrubber.text(value))
        field = self._field(type_, key, thing)
        if field is None:
            return mask.ids.text(mask.scrubber.text(value, dense=key in _DENSE))
        word = (
            mask.values.email(value) if field == "e-mail" and "@" in value else mask.values.word(field, value)
        )
        return mask.scrubber.text(value) if word == value else word or f"[{field}]"

    def _about(self, new: str | None) -> str:
        """What the object is about: gone, and the object goes too."""
        if new is None or _DROPPED.search(new):
            raise Dropped
        return new

    def _field(self, type_: str, key: str, thing: dict[str, Any]) -> str | None:
        if type_ == "identity" and key in ("name", "description"):
            return "person" if thing.get("identity_class") == "individual" else None
        if key == "value" and type_ in _MISP:
            return _MISP[type_]
        if type_ == "user-account" or key in ("event_creator_email", "contact_information"):
            return _PERSON_KEYS.get(key)
        return None


_DENSE: Final = ("payload_bin", "data", "content", "body", "contents", "hex")


def _one(mask: Masking, type_: str, value: str) -> str | None:
    from noroshi.share.anonymise.tables import one

    return one(mask, _KIND[type_], value)
