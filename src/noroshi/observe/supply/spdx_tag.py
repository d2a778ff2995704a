"""SPDX 2.2 and 2.3 documents as tag-value text.

SPDXVersion: SPDX-2.3
PackageName: glibc
PackageVersion: 2.11.1
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.observe.rows import TEXT, Rows
from noroshi.observe.supply.documents import LARGE, upto
from noroshi.observe.supply.spdx import Heading, add, bill_of

_TAG: Final = re.compile(rb"([A-Za-z][A-Za-z0-9]{2,40}):[ \t]*([^\r\n]*)")
_ENDS: Final = frozenset({"FileName", "SnippetSPDXID", "LicenseID"})
"""Tags that begin something that is no package."""
REFS: Final = 1_000
"""References of one package that are kept: generators that guess CPE names write some dozens."""
_PLAIN: Final = {
    "SPDXID": "SPDXID", "PackageVersion": "versionInfo", "PackageSupplier": "supplier",
    "PackageOriginator": "originator", "PackageLicenseDeclared": "licenseDeclared",
    "PackageLicenseConcluded": "licenseConcluded", "PrimaryPackagePurpose": "primaryPackagePurpose",
}  # fmt: skip


class SpdxTagSensor:
    """An SPDX 2 document as tags and values."""

    name = "spdx-tag"
    version = 1
    doc = "SPDX 2.2 and 2.3 documents as tag-value text."
    tables = ("components",)
    grows = False

    def sniff(self, head: bytes) -> bool:
        """The tag every document has, at the beginning of a line."""
        return re.search(rb"(?:^|\n)SPDXVersion:[ \t]*SPDX-2\.", head) is not None and b"\0" not in head

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """Rows of `components`. Reasons: time, no-name, text (a text that does not end), document-size."""
        data = upto(reading.stream, LARGE + 1)
        if len(data) > LARGE:
            reading.problem = f"a document of more than {LARGE >> 20} MiB; split it"
            yield Reject(0, "document-size", reading.problem, data[:64])
            return
        bill = bill_of(reading, _heading(data), data)
        if isinstance(bill, Reject):
            yield bill
            return
        rows = Rows()
        for item in _packages(data):
            reject = item if isinstance(item, Reject) else add(rows, bill, *item)
            if reject:
                yield reject
            yield from rows.ready()
        yield from rows.rest()
        reading.advance(len(data))


def _tags(data: bytes) -> Iterator[tuple[int, str, str] | Reject]:
    """(offset, tag, value) of every tag; a value may be `<text>...</text>` over several lines."""
    at = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    while at < len(data):
        end = data.find(b"\n", at)
        end = len(data) if end < 0 else end
        found = _TAG.match(data, at, end)
        if found is None:
            at = end + 1
            continue
        value = found[2]
        if value.startswith(b"<text>"):
            close = data.find(b"</text>", found.start(2))
            if close < 0:
                yield Reject(at, "text", "a text that does not end", data[at : at + 64])
                at = end + 1
                continue
            value = data[found.start(2) + 6 : min(close, found.start(2) + 6 + TEXT)]
            after = data.find(b"\n", close)
            end = len(data) if after < 0 else after
        yield at, found[1].decode(), value.decode("utf-8", "replace").strip()
        at = end + 1


def _heading(data: bytes) -> Heading:
    """What the document says of itself; relationships may stand anywhere."""
    found = Heading()
    versions: dict[str, tuple[str | None, str | None]] = {}
    for item in _tags(data):
        if isinstance(item, Reject):
            continue
        _, tag, value = item
        if tag == "DocumentName":
            found.name = value or None
        elif tag == "DocumentNamespace":
            found.namespace = value or None
        elif tag == "Created":
            found.created = value
        elif tag == "Creator":
            found.creators.append(value[:1000])
        elif tag == "Relationship":
            parts = value.split()
            if len(parts) >= 3:
                found.relate(parts[0], parts[1], parts[2])
    wanted = set(found.described)
    for package in _packages(data) if wanted else ():
        if not isinstance(package, Reject) and package[1].get("SPDXID") in wanted:
            versions[package[1]["SPDXID"]] = (package[1].get("name"), package[1].get("versionInfo"))
    found.products = list(versions.values())
    return found


def _packages(data: bytes) -> Iterator[tuple[int, dict[str, Any]] | Reject]:
    """(offset, package in the form of SPDX's JSON) of each package."""
    held: dict[str, Any] | None = None
    begun = 0
    for item in _tags(data):
        if isinstance(item, Reject):
            yield item
            continue
        offset, tag, value = item
        if tag == "PackageName" or tag in _ENDS:
            if held is not None:
                yield begun, held
            held = {"name": value, "externalRefs": [], "checksums": []} if tag == "PackageName" else None
            begun = offset
        elif held is None:
            continue
        elif tag in _PLAIN:
            held[_PLAIN[tag]] = value
        elif tag == "ExternalRef" and len(held["externalRefs"]) < REFS:
            parts = value.split()
            if len(parts) >= 3:
                held["externalRefs"].append({"referenceType": parts[1], "referenceLocator": parts[2]})
        elif tag == "PackageChecksum" and len(held["checksums"]) < 20:
            algorithm, _, digits = value.partition(":")
            held["checksums"].append({"algorithm": algorithm, "checksumValue": digits.strip()})
    if held is not None:
        yield begun, held
