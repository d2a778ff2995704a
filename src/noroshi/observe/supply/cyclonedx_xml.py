"""CycloneDX bills of materials in XML, versions 1.0 to 1.7, read element by element.

Documents with a document type or entities are refused (defusedxml); each component becomes the object it is in
JSON, and goes the same way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.observe.rows import TEXT, Rows
from noroshi.observe.supply import sbom
from noroshi.observe.supply.cyclonedx import Taker, bill_of
from noroshi.observe.supply.documents import LARGE, NAME, upto

_PIECE: Final = 1 << 20
_NODES: Final = 200_000
"""Elements of one component with all within it."""
_NAMESPACE: Final = re.compile(rb"https?://cyclonedx\.org/schema/bom/1\.\d")
_WANTED: Final = ("metadata", "component", "vulnerability")


class CycloneDxXmlSensor:
    """A bill of materials in XML."""

    name = "cyclonedx-xml"
    version = 1
    doc = "CycloneDX bills of materials in XML, 1.0 to 1.7."
    tables = ("components", "vulnerabilities", "affected")
    grows = False

    def sniff(self, head: bytes) -> bool:
        """XML whose root is in CycloneDX's name space."""
        text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
        return text.startswith(b"<") and b"bom" in text and _NAMESPACE.search(text) is not None

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """As CycloneDX in JSON; further reasons: xml, xml-entities, component-size."""
        from defusedxml.common import DefusedXmlException
        from defusedxml.ElementTree import DefusedXMLParser

        data = upto(reading.stream, LARGE + 1)
        if len(data) > LARGE:
            reading.problem = f"a document of more than {LARGE >> 20} MiB; split it"
            yield Reject(0, "document-size", reading.problem, data[:64])
            return
        rows = Rows()
        target = _Target()
        parser = DefusedXMLParser(target=target, forbid_dtd=True)
        target.position = lambda: int(parser.parser.CurrentByteIndex)
        way = _Way(rows, reading, data)
        try:
            for start in range(0, len(data), _PIECE):
                parser.feed(data[start : start + _PIECE])
                yield from way.take(target)
                reading.advance(min(_PIECE, len(data) - start))
            parser.close()
        except DefusedXmlException as e:
            yield Reject(target.position(), "xml-entities", f"refused: {type(e).__name__}", data[:64])
        except (SyntaxError, ValueError, LookupError) as e:
            yield Reject(target.last, "xml", str(e)[:200], data[target.last : target.last + 64])
        yield from way.take(target)
        yield from rows.rest()


class _Way:
    """The finished parts of a document, in turn: its heading, components, vulnerabilities."""

    def __init__(self, rows: Rows, reading: Reading, data: bytes) -> None:
        self._rows, self._reading, self._data = rows, reading, data
        self._taker: Taker | None = None
        self._refused = False

    def take(self, target: _Target) -> Iterator[Batch | Reject]:
        """Rows and rejects of what the target holds."""
        done, target.done = target.done, []
        for what, offset, node in done:
            if isinstance(node, Reject):
                yield node
                continue
            if self._taker is None and not self._refused:
                yield from self._begin(target, node if what == "metadata" else None)
            if self._taker is None or what == "metadata":
                continue
            if what == "component":
                yield from self._taker.component(offset, _component(node))
            else:
                yield from self._taker.vulnerability(offset, _vulnerability(node))
            yield from self._rows.ready()

    def _begin(self, target: _Target, metadata: _Node | None) -> Iterator[Reject]:
        heading: dict[str, Any] = {"serialNumber": target.serial, "metadata": {}}
        product = None
        if metadata is not None:
            product = metadata.child("component")
            heading["metadata"] = {
                "timestamp": metadata.words("timestamp"),
                "component": _component(product) if product else {},
                **{n: _named(metadata.child(n)) for n in ("supplier", "manufacturer", "manufacture")},
                "authors": [_named(a) for a in metadata.all("authors", "author")],
            }
        bill = bill_of(self._reading, heading, self._data)
        if isinstance(bill, Reject):
            self._refused = True
            yield bill
            return
        self._taker = Taker(self._rows, bill)
        if product is not None:
            yield from self._taker.product(heading["metadata"]["component"])


@dataclass
class _Node:
    """An element: its name without name space, attributes, bounded text, children."""

    tag: str
    attributes: dict[str, str]
    text: str = ""
    children: list[_Node] = field(default_factory=list)

    def child(self, tag: str) -> _Node | None:
        """The first child of that name."""
        return next((c for c in self.children if c.tag == tag), None)

    def words(self, tag: str) -> str | None:
        """The text of the first child of that name."""
        found = self.child(tag)
        return found.text.strip() if found is not None else None

    def all(self, outer: str, inner: str) -> list[_Node]:
        """The `inner` children of the `outer` child."""
        found = self.child(outer)
        return [c for c in found.children if c.tag == inner] if found is not None else []


class _Target:
    """What the parser calls: builds metadata, components and vulnerabilities, and drops all else."""

    def __init__(self) -> None:
        self.done: list[tuple[str, int, _Node | Reject]] = []
        self.serial: str | None = None
        self.position: Callable[[], int] = int
        self.last = 0
        self._path: list[str] = []
        self._open: list[_Node] = []
        self._begun, self._count = 0, 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        name = tag.rpartition("}")[2]
        self.last = self.position()
        if not self._path:
            self.serial = attributes.get("serialNumber")
        if self._open:
            self._count += 1
            if self._count <= _NODES:
                node = _Node(name, attributes)
                self._open[-1].children.append(node)
                self._open.append(node)
            else:
                self._open.append(_Node(name, {}))
        elif name in _WANTED and len(self._path) == (1 if name == "metadata" else 2):
            self._begun, self._count = self.last, 0
            self._open = [_Node(name, attributes)]
        self._path.append(name)

    def data(self, text: str) -> None:
        """Text within an element."""
        if self._open and len(self._open[-1].text) < TEXT:
            self._open[-1].text += text[:TEXT]

    def end(self, tag: str) -> None:
        """An element ends."""
        self._path.pop()
        if not self._open:
            return
        node = self._open.pop()
        if self._open:
            return
        self.done.append((node.tag, self._begun, node))
        if self._count > _NODES:
            what = f"{self._count:,} elements, {_NODES:,} are read"
            self.done.append((node.tag, self._begun, Reject(self._begun, "component-size", what)))

    def close(self) -> None:
        """The document ends."""


def _named(node: _Node | None) -> dict[str, Any]:
    return {"name": node.words("name") or node.text.strip()} if node is not None else {}


def _component(top: _Node) -> dict[str, Any]:
    """The component as JSON has it, with those within it."""
    out = _one(top)
    stack = [(top, out, 0)]
    while stack:
        node, made, depth = stack.pop()
        inner = node.all("components", "component")
        if inner:
            made["components"] = parts = [_one(c) for c in inner]
            if depth <= sbom.DEPTH:
                stack.extend((c, p, depth + 1) for c, p in zip(inner, parts, strict=True))
    return out


def _one(node: _Node) -> dict[str, Any]:
    plain = ("group", "name", "version", "purl", "cpe", "publisher", "author")
    licences: list[dict[str, Any]] = []
    held = node.child("licenses")
    for one in held.children if held is not None else ():
        if one.tag == "expression":
            licences.append({"expression": one.text})
        else:
            licences.append({"license": {"id": one.words("id"), "name": one.words("name")}})
    return {
        "bom-ref": node.attributes.get("bom-ref"), "type": node.attributes.get("type"),
        **{name: node.words(name) for name in plain},
        "supplier": _named(node.child("supplier")), "manufacturer": _named(node.child("manufacturer")),
        "authors": [_named(a) for a in node.all("authors", "author")],
        "hashes": [{"alg": h.attributes.get("alg"), "content": h.text} for h in node.all("hashes", "hash")],
        "licenses": licences,
    }  # fmt: skip


def _vulnerability(node: _Node) -> dict[str, Any]:
    ratings = [
        {"method": r.words("method"), "vector": r.words("vector"), "score": _score(r.words("score"))}
        for r in node.all("ratings", "rating")
    ]
    affects = [
        {
            "ref": a.words("ref"),
            "versions": [{"version": v.words("version")} for v in a.all("versions", "version")],
        }
        for a in node.all("affects", "target")
    ]
    analysis = node.child("analysis")
    return {
        "id": node.words("id"), "description": node.words("description"), "published": node.words("published"),
        "rejected": node.words("rejected"), "ratings": ratings, "affects": affects,
        "cwes": [c.text.strip() for c in node.all("cwes", "cwe")],
        "analysis": {"state": analysis.words("state") if analysis is not None else None},
    }  # fmt: skip


def _score(value: str | None) -> float | None:
    try:
        return float((value or "")[:NAME])
    except ValueError:
        return None
