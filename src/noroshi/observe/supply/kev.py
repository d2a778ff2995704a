"""CISA's catalogue of known exploited vulnerabilities, as JSON and as CSV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.observe import csvrows
from noroshi.observe.rows import TEXT, Rows
from noroshi.observe.supply.cve import day
from noroshi.observe.supply.documents import Document, beginning, document, each, stamp, text, texts


class KevSensor:
    """The catalogue as JSON."""

    name = "kev"
    version = 1
    doc = "CISA's catalogue of known exploited vulnerabilities (KEV) in JSON."
    tables = ("vulnerabilities", "affected")
    grows = False

    def sniff(self, head: bytes) -> bool:
        """A catalogue with its version and vulnerabilities, or the first entry of one."""
        found = beginning(head)
        if "catalogVersion" in found:
            return True
        return "cveID" in found and ("vendorProject" in found or "dateAdded" in found)

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """Rows of `vulnerabilities` and `affected`. Reasons beside those of JSON: no-id, time."""
        rows = Rows()
        for part in document(reading, ("vulnerabilities",)):
            if isinstance(part, Reject):
                yield part
                continue
            yield from self._entries(part, rows, reading)
        yield from rows.rest()

    def _entries(self, found: Document, rows: Rows, reading: Reading) -> Iterator[Batch | Reject]:
        released = found.get("dateReleased")
        ts = stamp(reading, released)
        if ts is None:
            yield Reject(0, "time", f"released {text(released, 40)}, which cannot be of this source's date")
            return
        for item in each(found, "vulnerabilities"):
            if isinstance(item, Reject):
                yield item
                continue
            offset, entry = item
            reject = add(rows, ts, offset, entry, texts(entry.get("cwes"), 20))
            if reject:
                yield reject
            yield from rows.ready()


class KevCsvSensor:
    """The catalogue as CSV."""

    name = "kev-csv"
    version = 1
    doc = "CISA's catalogue of known exploited vulnerabilities (KEV) in CSV."
    tables = ("vulnerabilities", "affected")
    grows = False

    def sniff(self, head: bytes) -> bool:
        """Its columns."""
        names = csvrows.header(head) or []
        return {"cveID", "vendorProject", "dateAdded"} <= set(names)

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """Rows of `vulnerabilities` and `affected`. Reasons beside those of CSV: no-id."""
        rows = Rows()
        ts = stamp(reading) or 0
        for item in csvrows.rows(reading):
            if isinstance(item, Reject):
                yield item
                continue
            offset, entry = item
            cwes = [c.strip()[:20] for c in (entry.get("cwes") or "").split(",") if c.strip()]
            reject = add(rows, ts, offset, entry, cwes)
            if reject:
                yield reject
            yield from rows.ready()
        yield from rows.rest()


def add(rows: Rows, ts: int, offset: int, entry: Mapping[str, Any], cwes: list[str]) -> Reject | None:
    """Adds the rows of an entry; a reject when it names no CVE."""
    name = text(entry.get("cveID"), 40)
    if name is None or not name.upper().startswith("CVE-"):
        return Reject(offset, "no-id", "no cveID", str(name or "").encode("utf-8", "replace"))
    campaigns = (text(entry.get("knownRansomwareCampaignUse")) or "").lower()
    rows.add(
        "vulnerabilities", offset=offset, ts=ts, id=name.upper(), origin="kev", kev=True,
        kev_date=day(entry.get("dateAdded")), title=text(entry.get("vulnerabilityName")),
        description=text(entry.get("shortDescription"), TEXT), cwes=cwes or None,
        ransomware=campaigns == "known" if campaigns else None,
    )  # fmt: skip
    vendor, product = text(entry.get("vendorProject")), text(entry.get("product"))
    if vendor or product:
        rows.add(
            "affected", offset=offset, ts=ts, id=name.upper(), origin="kev", vendor=vendor, product=product,
            status="affected",
        )  # fmt: skip
    return None
