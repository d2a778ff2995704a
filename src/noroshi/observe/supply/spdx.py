"""SPDX documents in JSON: 2.2 and 2.3, and 3.0 as JSON-LD. Packages become components.

Source: SPDX specification 2.3 (ISO/IEC 5962) and 3.0.1.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, cast

from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.observe.rows import Rows
from noroshi.observe.supply import sbom
from noroshi.observe.supply.documents import (
    LARGE,
    Document,
    beginning,
    document,
    each,
    member,
    objects,
    stamp,
    text,
    texts,
    upto,
)
from noroshi.observe.supply.sbom import Bill

_NOTHING: Final = frozenset({"NOASSERTION", "NONE", ""})
_PACKAGES: Final = frozenset({"software_Package", "ai_AIPackage", "dataset_DatasetPackage"})
_AGENTS: Final = frozenset({"Organization", "Person", "SoftwareAgent", "Agent"})


class SpdxSensor:
    """An SPDX 2 document in JSON."""

    name = "spdx"
    version = 1
    doc = "SPDX 2.2 and 2.3 documents in JSON."
    tables = ("components",)
    grows = False

    def sniff(self, head: bytes) -> bool:
        """A version of SPDX, the id every document has, or packages and files with such ids."""
        found = beginning(head)
        if "spdxVersion" in found or found.get("SPDXID") == "SPDXRef-DOCUMENT":
            return True
        first = [e for k in ("packages", "files") for e in objects(found.get(k))[:1]]
        return any(str(e.get("SPDXID")).startswith("SPDXRef-") for e in first)

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """Rows of `components`. Reasons beside those of JSON: time, no-name, document-size (over 256 MiB)."""
        data = upto(reading.stream, LARGE + 1)
        whole = replace(reading, stream=cast("Any", io.BytesIO(data)))
        rows = Rows()
        for part in document(whole, ("packages", "relationships")):
            if isinstance(part, Reject):
                yield part
                continue
            heading = self._heading(part)
            bill = bill_of(reading, heading, data)
            if isinstance(bill, Reject):
                yield bill
                continue
            for item in each(part, "packages"):
                reject = item if isinstance(item, Reject) else add(rows, bill, *item)
                if reject:
                    yield reject
                yield from rows.ready()
        reading.problem = reading.problem or whole.problem
        yield from rows.rest()

    def _heading(self, part: Document) -> Heading:
        made = member(part.get("creationInfo"))
        found = Heading(
            text(part.get("name")), text(part.get("documentNamespace")), made.get("created"),
            texts(made.get("creators")), texts(part.get("documentDescribes")),
        )  # fmt: skip
        for _, raw in part.arrays.get("relationships", ()):
            if b"DESCRIBE" in raw:
                for one in _relation(raw):
                    found.relate(
                        one.get("spdxElementId"), one.get("relationshipType"), one.get("relatedSpdxElement")
                    )
        wanted = set(found.described)
        for _, raw in part.arrays.get("packages", ()) if wanted else ():
            for one in _relation(raw) if any(w.encode() in raw for w in wanted) else ():
                if text(one.get("SPDXID")) in wanted:
                    found.products.append((text(one.get("name")), text(one.get("versionInfo"))))
        return found


def _relation(raw: bytes) -> Iterator[dict[str, Any]]:
    import msgspec

    try:
        found = msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        return
    if isinstance(found, dict):
        yield found


@dataclass
class Heading:
    """What a document says of itself."""

    name: str | None = None
    namespace: str | None = None
    created: Any = None
    creators: list[str] = field(default_factory=list)
    described: list[str] = field(default_factory=list)
    """Ids of the elements it describes."""
    products: list[tuple[str | None, str | None]] = field(default_factory=list)
    """Their names and versions, of packages among them."""

    def relate(self, subject: Any, kind: Any, other: Any) -> None:
        """Takes a relationship when it says what the document describes."""
        if kind == "DESCRIBES" and subject == "SPDXRef-DOCUMENT" and isinstance(other, str):
            self.described.append(other)
        elif kind == "DESCRIBED_BY" and other == "SPDXRef-DOCUMENT" and isinstance(subject, str):
            self.described.append(subject)


def bill_of(reading: Reading, heading: Heading, data: bytes) -> Bill | Reject:
    """What all rows of the document share; a reject when its time cannot be."""
    ts = stamp(reading, heading.created)
    if ts is None:
        made = text(heading.created, 40)
        return Reject(0, "time", f"made {made}, which cannot be of this source's date")
    # The one package it describes is the product; a document that describes several goes by its own name.
    single = heading.products[0] if len(set(heading.products)) == 1 else (heading.name, None)
    makers = [agent(c) for c in heading.creators if not c.startswith("Tool:")]
    return Bill(
        document=heading.namespace or sbom.digest(data), ts=ts, product=single[0] or heading.name,
        product_version=single[1], origin=next((m for m in makers if m), None),
    )  # fmt: skip


def agent(value: str | None) -> str | None:
    """The name of `Organization: Name (mail)`."""
    if value is None or value in _NOTHING:
        return None
    name = value.partition(":")[2] if value.partition(":")[0] in ("Organization", "Person", "Tool") else value
    return (
        name.rpartition("(")[0].strip() or name.strip()
        if name.rstrip().endswith(")")
        else name.strip() or None
    )


def add(rows: Rows, bill: Bill, offset: int, package: dict[str, Any]) -> Reject | None:
    """Adds a package of SPDX 2; a reject when it has no name."""
    name = text(package.get("name"))
    if name is None:
        return Reject(
            offset, "no-name", "a package without name", str(package)[:64].encode("utf-8", "replace")
        )
    refs = [(text(r.get("referenceType")) or "", t) for r in objects(package.get("externalRefs"))
            if (t := text(r.get("referenceLocator")))]  # fmt: skip
    checksums = [
        (text(c.get("algorithm")), text(c.get("checksumValue"))) for c in objects(package.get("checksums"))
    ]
    supplier = agent(text(package.get("supplier"))) or agent(text(package.get("originator")))
    sbom.add(
        rows, bill, offset, [v for k, v in refs if k.rpartition("/")[2] in ("cpe23Type", "cpe22Type")],
        ref=text(package.get("SPDXID")), name=name, version=text(package.get("versionInfo")),
        type=(text(package.get("primaryPackagePurpose"), 60) or "").lower() or None, supplier=supplier,
        purl=next((v for k, v in refs if k.rpartition("/")[2] == "purl"), None), hashes=sbom.hashed(checksums),
        licences=licences([package.get("licenseDeclared"), package.get("licenseConcluded")]),
    )  # fmt: skip
    return None


def licences(given: Iterable[Any]) -> list[str] | None:
    """Licences as stated, without those that say nothing."""
    found = [t for value in given if (t := text(value)) and t not in _NOTHING]
    return list(dict.fromkeys(found)) or None


class Spdx3Sensor:
    """An SPDX 3 document as JSON-LD."""

    name = "spdx3"
    version = 1
    doc = "SPDX 3.0 documents as JSON-LD."
    tables = ("components",)
    grows = False

    def sniff(self, head: bytes) -> bool:
        """The context of SPDX 3."""
        found = beginning(head)
        return "@context" in found and "spdx.org/rdf/3" in str(found["@context"])[:500]

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """Rows of `components`, reasons as SPDX 2."""
        data = upto(reading.stream, LARGE + 1)
        whole = replace(reading, stream=cast("Any", io.BytesIO(data)))
        rows = Rows()
        for part in document(whole, ("@graph",)):
            if isinstance(part, Reject):
                yield part
                continue
            graph = Graph()
            rejects = []
            if "@graph" not in part.arrays:
                yield Reject(0, "shape", "no list @graph", data[:64])
            for item in each(part, "@graph"):
                if isinstance(item, Reject):
                    rejects.append(item)
                else:
                    graph.learn(item[1])
            yield from rejects
            bill = bill_of(reading, graph.heading(), data)
            if isinstance(bill, Reject):
                yield bill
                continue
            for item in each(part, "@graph"):
                if not isinstance(item, Reject) and text(item[1].get("type"), 100) in _PACKAGES:
                    reject = graph.add(rows, bill, *item)
                    if reject:
                        yield reject
                    yield from rows.ready()
        reading.problem = reading.problem or whole.problem
        yield from rows.rest()


class Graph:
    """What the elements of an SPDX 3 graph say of each other."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._packages: dict[str, tuple[str | None, str | None]] = {}
        self._licences: dict[str, str] = {}
        self._licensed: dict[str, list[str]] = {}
        self._roots: dict[str, list[str]] = {}
        self._document: dict[str, Any] = {}
        self._made: dict[str, dict[str, Any]] = {}

    def learn(self, element: dict[str, Any]) -> None:
        """Takes an element in; packages by name and version only."""
        if len(self._names) + len(self._packages) + len(self._licensed) + len(self._roots) > sbom.REFS:
            return
        kind = text(element.get("type"), 100) or ""
        if kind == "Relationship":
            self._relate(element)
            return
        name = text(element.get("spdxId")) or text(element.get("@id"))
        if name is None:
            return
        if kind in _AGENTS:
            self._names[name] = text(element.get("name")) or ""
        elif kind in _PACKAGES:
            self._packages[name] = (text(element.get("name")), text(element.get("software_packageVersion")))
        elif kind == "CreationInfo":
            self._made[name] = element
        elif kind in ("SpdxDocument", "software_Sbom", "Bom"):
            self._roots.setdefault(name, []).extend(texts(element.get("rootElement")))
            self._document = element if kind == "SpdxDocument" else self._document
        elif kind.endswith("LicenseExpression"):
            self._licences[name] = text(element.get("simplelicensing_licenseExpression")) or ""
        elif kind.endswith("License"):
            self._licences[name] = text(element.get("name")) or name

    def _relate(self, element: dict[str, Any]) -> None:
        subject, others = text(element.get("from")) or "", texts(element.get("to"))
        if element.get("relationshipType") == "describes":
            self._roots.setdefault(subject, []).extend(others)
        elif element.get("relationshipType") in ("hasDeclaredLicense", "hasConcludedLicense"):
            self._licensed.setdefault(subject, []).extend(others)

    def heading(self) -> Heading:
        """What the document says of itself."""
        made = self._document.get("creationInfo")
        info = member(made) or self._made.get(text(made) or "") or next(iter(self._made.values()), {})
        iri = text(self._document.get("spdxId"))
        roots = self._roots.get(iri or "", [])
        roots = [r for root in roots for r in self._roots.get(root, [root])]
        return Heading(
            text(self._document.get("name")), iri if iri and ":" in iri else None, info.get("created"),
            [n for a in texts(info.get("createdBy")) if (n := self._names.get(a))], roots,
            [self._packages[r] for r in roots if r in self._packages],
        )  # fmt: skip

    def add(self, rows: Rows, bill: Bill, offset: int, package: dict[str, Any]) -> Reject | None:
        """Adds a package; a reject when it has no name."""
        name, ref = text(package.get("name")), text(package.get("spdxId"))
        if name is None:
            return Reject(
                offset, "no-name", "a package without name", str(package)[:64].encode("utf-8", "replace")
            )
        # The plural stands in documents made before 3.0 was final, and in hand-written ones.
        given = objects(package.get("externalIdentifier")) + objects(package.get("externalIdentifiers"))
        ids = [
            (text(i.get("externalIdentifierType")) or "", t)
            for i in given
            if (t := text(i.get("identifier")))
        ]
        purl = text(package.get("software_packageUrl"))
        makers = [text(package.get("suppliedBy")), *texts(package.get("originatedBy"))]
        sbom.add(
            rows, bill, offset, [v for k, v in ids if k in ("cpe23", "cpe22")], ref=ref, name=name,
            version=text(package.get("software_packageVersion")),
            type=(text(package.get("software_primaryPurpose"), 60) or "").lower() or None,
            supplier=next((n for m in makers if (n := self._names.get(m or ""))), None),
            purl=purl or next((v for k, v in ids if k == "packageUrl"), None),
            hashes=sbom.hashed([(text(h.get("algorithm")), text(h.get("hashValue")))
                                for h in objects(package.get("verifiedUsing"))]),
            licences=licences(self._licences.get(one, one) for one in self._licensed.get(ref or "", ())),
        )  # fmt: skip
        return None
