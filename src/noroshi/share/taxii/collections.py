"""The collections of a recipient: what there is to read, and where it is kept."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from noroshi.keys import Keys
    from noroshi.share.marking import Recipient

FOLDER: Final = "taxii"
STIX20 = "application/stix+json;version=2.0"
STIX21 = "application/stix+json;version=2.1"
_SORTS: Final = {
    "findings": ("Findings", "What Noroshi found, with the observations and sightings under it."),
    "intelligence": ("Intelligence", "What others reported, as they wrote it."),
    "inbox": (
        "Inbox",
        "What you have sent in. Only you see it here; what it tells goes where its markings allow.",
    ),
}


@dataclass(frozen=True)
class Collection:
    """One collection of one recipient."""

    id: str
    sort: str
    """findings, intelligence or inbox; also its alias."""
    recipient: str

    @property
    def writes(self) -> bool:
        """True where the recipient may add and delete objects."""
        return self.sort == "inbox"

    def describe(self) -> dict[str, Any]:
        """The collection resource of the standard (TAXII 2.1, section 5.2.1)."""
        title, words = _SORTS[self.sort]
        return {
            "id": self.id, "title": title, "description": words, "alias": self.sort, "can_read": True,
            "can_write": self.writes, "media_types": [STIX21, STIX20],
        }  # fmt: skip

    def path(self, lake: Path) -> Path:
        """Where its log is kept."""
        return lake / FOLDER / f"{self.id}.db"


def of(recipient: Recipient, keys: Keys) -> list[Collection]:
    """The collections of a recipient: findings, intelligence and, where they may write, the inbox."""
    sorts = ["findings", "intelligence"] + (["inbox"] if recipient.writes else [])
    return [Collection(_id(keys, recipient.name, sort), sort, recipient.name) for sort in sorts]


def find(collections: list[Collection], named: str) -> Collection | None:
    """The one of that id or alias."""
    return next((c for c in collections if named in (c.id, c.sort)), None)


def rights(recipient: Recipient) -> str:
    """A digest of what a recipient is allowed and wants: a log made under another is not for them."""
    about = [
        recipient.name, recipient.ceiling.value, recipient.kind, recipient.profile, sorted(recipient.kinds),
        sorted(recipient.ranges), recipient.tlp1,
    ]  # fmt: skip
    return hashlib.sha256(msgspec.json.encode(about)).hexdigest()


def _id(keys: Keys, recipient: str, sort: str) -> str:
    """A UUIDv4 that nobody else can tell; of the oldest key, so that it outlives a rotation."""
    name = f"{recipient}\0{sort}".encode()
    digest = hmac.new(keys.keys[-1].derive("taxii collections"), name, hashlib.sha256).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))
