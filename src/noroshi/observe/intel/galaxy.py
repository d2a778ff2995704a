"""MISP galaxies: clusters of actors, malware and techniques with all their names."""

from __future__ import annotations

from collections.abc import Iterator

from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.wire.jsonhead import outline


class GalaxySensor:
    """The clusters file of a MISP galaxy: names and synonyms link actors and malware, relations their kin."""

    name = "misp-galaxy"
    version = 1
    doc = "MISP galaxies: clusters with their synonyms, techniques and relations."
    tables = ("objects", "relations")
    grows = False

    def sniff(self, head: bytes) -> bool:
        """True for a galaxy's clusters: `values` of uuid and value, beside authors, source or category."""
        found = outline(head).keys()
        if {"GalaxyCluster[].value", "type", "namespace"} <= found:  # as an instance exports it
            return True
        if "predicates" in found or "namespace" in found:
            return False
        beside = found & {"authors", "source", "category", "type", "uuid", "name", "description", "version"}
        if "values[]" in found:
            cluster = found & {"values[].uuid", "values[].value", "values[].meta"}
            return "values[].meta" in cluster or (bool(cluster) and len(beside) >= 2)
        return {"authors", "category", "source", "type"} <= found

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """Rows of the clusters, and what could not be read."""
        from noroshi.observe.intel.galaxy_read import read

        return read(reading)
