"""STIX 2.0 and 2.1: bundles, TAXII answers and single objects, ATT&CK among them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.wire.jsonhead import outline

_ID = re.compile(r"[a-z][a-z0-9-]{1,250}--[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-")


class StixSensor:
    """STIX objects as statements, things, relations and files.

    Every object is kept whole in `objects` (relationships and sightings in `relations`). An indicator's pattern
    gives one row of `indicators` per value it compares with, unless the comparison is negated or the indicator
    is revoked; so do cyber observables. `role` is `c2` when the kill chain phase is command and control and the
    value is an address, a name or a URL, `download` for a URL in the phase of delivery, `observed` for a cyber
    observable, else `mentions`. `document` is the report or grouping that names the object, when it stands
    before it in the source, else the bundle. A marking definition that follows its objects holds them back (at
    most 16 MiB of them).
    """

    name = "stix"
    version = 1
    doc = "STIX 2.0 and 2.1 bundles, TAXII answers and lines of objects; unknown properties are kept."
    tables = ("indicators", "objects", "relations", "files")
    grows = False

    def sniff(self, head: bytes) -> bool:
        """True for a bundle, or for objects whose ids are STIX ids."""
        found = outline(head)
        if found.get("type") == "bundle":
            return True
        return any(_ID.match(found.get(f"{place}id", "")) for place in ("", "objects[].", "[]."))

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """Rows of the objects, and what could not be read."""
        from noroshi.observe.intel.stix_read import read

        return read(reading)
