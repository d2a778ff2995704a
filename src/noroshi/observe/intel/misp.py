"""MISP events: exports, feeds, search results and bare events, alone or many in a file."""

from __future__ import annotations

from collections.abc import Iterator

from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.wire.jsonhead import outline

_EVENT = frozenset(
    ("info", "Attribute", "Object", "Orgc", "threat_level_id", "analysis", "orgc_id", "attribute_count")
)
_HOLDERS = ("Event.", "response[].Event.", "[].Event.", "response.Event.")


class MispSensor:
    """MISP events as statements, things, relations and files.

    Each attribute that is not deleted gives one row of `indicators`, a composite one (`ip-dst|port`) one for each
    value; its role is told in `misp_types.role`. Events, their objects, reports, galaxy clusters, proposals and
    deleted attributes (revoked) stand in `objects`, without base64 data; references and sightings in `relations`.
    An attribute's own TLP tag holds, else its event's, else the run's marking; what is distributed to the own
    organisation or a sharing group only is AMBER+STRICT at least. Rows wait for the end of their event, because
    MISP writes its tags last.
    """

    name = "misp"
    version = 3
    doc = "MISP events as exported, from a feed or a search, bare or in a list; base64 data is never kept."
    tables = ("indicators", "objects", "relations", "files")
    grows = False

    def sniff(self, head: bytes) -> bool:
        """True when it begins with a MISP event, or a list of them or of attributes."""
        found = outline(head)
        keys = found.keys()
        if any(p + k in keys for p in _HOLDERS for k in _EVENT):
            return True
        if any(
            f"{p}Attribute[].{k}" in keys for p in ("response.", "response[].") for k in ("category", "type")
        ):
            return True
        for p in ("", "[].", "response[]."):
            # A bare event: attributes or objects at once, or the words only an event has.
            if f"{p}Attribute[].category" in keys or f"{p}Object[].Attribute[].object_relation" in keys:
                return True
            if f"{p}Attribute[].value" in keys and f"{p}Attribute[].to_ids" in keys:
                return True
            if f"{p}info" in keys and (f"{p}threat_level_id" in keys or f"{p}analysis" in keys):
                return True
            if f"{p}Object[].template_uuid" in keys or f"{p}Object[].meta-category" in keys:
                return True
        return False

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """Rows of the events, and what could not be read."""
        from noroshi.observe.intel.misp_read import read

        return read(reading)
