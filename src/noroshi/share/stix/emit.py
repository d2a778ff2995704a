"""What a view holds, as STIX 2.1 objects already written: the one list that bundles and TAXII take from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from noroshi.share.gate import View


class Emitted(msgspec.Struct, frozen=True, gc=False):
    """One object."""

    id: str
    type: str
    version: str
    """Its `modified`, else its `created`, as written in it; empty for observables, which have neither."""
    json: bytes
    """The object, UTF-8, without a newline."""


@dataclass(frozen=True)
class Options:
    """What goes out, beside what the view's recipient is given anyway."""

    producer: str = ""
    """Name of the producing organisation; else Noroshi made them."""
    kinds: tuple[str, ...] = ()
    """Kinds of finding; empty for all the recipient wants."""
    since: datetime | None = None
    """Only findings and facts that lasted until then."""
    tlp1: bool = False
    """Markings of TLP 1 (AMBER+STRICT becomes RED)."""
    facts: bool = False
    """What was observed as well: darknet sources, visits to decoys, services."""
    imported: bool = True
    """What others made, as they made it, and our sightings of it."""


@dataclass
class Tally:
    """What was written, and what could not be; for the person at the keyboard."""

    findings: int = 0
    objects: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    """Imported objects that are no STIX 2.1 and cannot be made it, and the like, by reason."""


def emit(view: View, options: Options | None = None, tally: Tally | None = None) -> Iterator[Emitted]:
    """The objects of a view, each (id, version) once, what is referred to before what refers to it.

    A function of the view alone: the same view gives the same objects in the same order, byte for byte.
    `tally` counts along. Raises LakeError when the store fails.
    """
    from noroshi.share.stix.finding import objects

    options, tally = options or Options(), tally if tally is not None else Tally()
    found = view.findings(kinds=options.kinds, since=options.since)
    tally.findings = len(found)
    for thing in objects(found, producer=options.producer, name_telescopes=not view.telescopes):
        tally.objects += 1
        version = thing.get("modified") or thing.get("created") or ""
        yield Emitted(thing["id"], thing["type"], version, msgspec.json.encode(thing, order="sorted"))
