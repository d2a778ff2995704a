"""MISP files that state nothing of their own: recognised, told, and passed over."""

from __future__ import annotations

import re
from collections.abc import Iterator

from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.wire.jsonhead import outline

_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_MANIFEST = re.compile(rf"{_UUID}\.(?:info|Orgc|timestamp|date|threat_level_id|analysis|Tag)")


def what(head: bytes) -> str:
    """What such a file is, in words; empty when it is something else."""
    found = outline(head).keys()
    if (
        {"namespace", "predicates"} <= found
        or {"predicates[].value", "predicates[].expanded"} <= found
        or {"values[].entry[]", "values[].entry[].value"} <= found
    ):
        return "a MISP taxonomy: the words of tags, which Noroshi knows or takes as they are"
    if any(_MANIFEST.fullmatch(place) for place in found):
        return "the manifest of a MISP feed: it names the events that stand in the files beside it"
    if "result.sane_defaults" in found or {"attributes", "meta-category", "requiredOneOf"} <= found:
        return "a description of MISP's types: no evidence"
    return ""


class MispOtherSensor:
    """Taxonomies, feed manifests and descriptions of types: a reject says what it is, and no row is made."""

    name = "misp-other"
    version = 1
    doc = "MISP taxonomies, feed manifests and type descriptions: recognised and told, no evidence in them."
    tables: tuple[str, ...] = ()
    grows = False

    def sniff(self, head: bytes) -> bool:
        """True for one of them."""
        return bool(what(head))

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """One reject that says what it is."""
        head = reading.stream.read(4096)
        yield Reject(0, "no-evidence", f"is {what(head) or 'no evidence'}", head)
