"""CycloneDX bills of materials in JSON, versions 1.2 to 1.7: components, and the vulnerabilities they carry.

Source: CycloneDX specification (Ecma-424).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final, cast

from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.observe.rows import TEXT, Rows
from noroshi.observe.supply import cvss, sbom
from noroshi.observe.supply.documents import (
    LARGE,
    beginning,
    document,
    each,
    member,
    objects,
    sound,
    stamp,
    text,
    texts,
    upto,
    when,
)
from noroshi.observe.supply.osv import bare
from noroshi.observe.supply.sbom import Bill

_STATES: Final = {
    "exploitable": "affected", "in_triage": "unknown", "not_affected": "unaffected", "resolved": "unaffected",
    "false_positive": "unaffected", "resolved_with_pedigree": "unaffected",
}  # fmt: skip
_METHODS: Final = ("CVSSv4", "CVSSv31", "CVSSv3", "CVSSv2")
Component = dict[str, Any]


class CycloneDxSensor:
    """A bill of materials in JSON."""

    name = "cyclonedx"
    version = 1
    doc = "CycloneDX bills of materials in JSON, 1.2 to 1.7, with the vulnerabilities they carry."
    tables = ("components", "vulnerabilities", "affected")
    grows = False

    def sniff(self, head: bytes) -> bool:
        """The format's name or schema; or its version beside its members."""
        found = beginning(head)
        if found.get("bomFormat") == "CycloneDX" or "cyclonedx.org" in str(found.get("$schema", ""))[:200]:
            return (
                "bomFormat" in found or "specVersion" in found or "components" in found or "version" in found
            )
        return "specVersion" in found and ("components" in found or "serialNumber" in found)

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """Rows of `components`, `vulnerabilities`, `affected`. Reasons beside those of JSON: time, no-name, no-id,
        component-depth, document-size (more than 256 MiB)."""
        data = upto(reading.stream, LARGE + 1)
        whole = replace(reading, stream=cast("Any", io.BytesIO(data)))
        rows = Rows()
        for part in document(whole, ("components", "vulnerabilities")):
            if isinstance(part, Reject):
                yield part
                continue
            heading = {k: part.get(k) for k in ("serialNumber", "metadata")}
            bill = bill_of(reading, heading, data)
            if isinstance(bill, Reject):
                yield bill
                continue
            taker = Taker(rows, bill)
            yield from taker.product(member(heading["metadata"]).get("component"))
            for item in each(part, "components"):
                yield from [item] if isinstance(item, Reject) else taker.component(*item)
                yield from rows.ready()
            for item in each(part, "vulnerabilities"):
                yield from [item] if isinstance(item, Reject) else taker.vulnerability(*item)
                yield from rows.ready()
        reading.problem = reading.problem or whole.problem
        yield from rows.rest()


def bill_of(reading: Reading, heading: dict[str, Any], data: bytes) -> Bill | Reject:
    """What all rows of the document share; a reject when its time cannot be."""
    metadata = member(heading.get("metadata"))
    ts = stamp(reading, metadata.get("timestamp"))
    if ts is None:
        made = text(metadata.get("timestamp"), 40)
        return Reject(0, "time", f"made {made}, which cannot be of this source's date")
    product = member(metadata.get("component"))
    makers = [metadata.get("supplier"), metadata.get("manufacturer"), metadata.get("manufacture")]
    makers += objects(metadata.get("authors"))
    return Bill(
        document=text(heading.get("serialNumber")) or sbom.digest(data), ts=ts, product=full_name(product),
        product_version=text(product.get("version")),
        origin=next((n for m in makers if (n := text(member(m).get("name")))), None),
    )  # fmt: skip


def full_name(component: Component) -> str | None:
    """The name with its group before it."""
    group, name = text(component.get("group")), text(component.get("name"))
    return f"{group}/{name}" if group and name else name


class Taker:
    """Turns the parts of one document into rows; remembers components by their ids."""

    def __init__(self, rows: Rows, bill: Bill) -> None:
        self._rows, self._bill = rows, bill
        self._known: dict[str, Component] = {}

    def product(self, given: Any) -> Iterator[Reject]:
        """The component the document describes."""
        if isinstance(given, dict):
            yield from self.component(0, given)

    def component(self, offset: int, given: Component) -> Iterator[Reject]:
        """A component and those within it, all at the offset of the outermost."""
        stack = [(given, 0)]
        while stack:
            one, depth = stack.pop()
            name = full_name(one)
            if name is None:
                yield Reject(
                    offset, "no-name", "a component without name", str(one)[:64].encode("utf-8", "replace")
                )
            else:
                self._add(offset, name, one)
            inner = objects(one.get("components"))
            if inner and depth >= sbom.DEPTH:
                yield Reject(
                    offset, "component-depth", f"components within each other, {sbom.DEPTH} levels deep"
                )
            else:
                stack.extend((c, depth + 1) for c in reversed(inner))

    def _add(self, offset: int, name: str, one: Component) -> None:
        ref, purl, cpe = text(one.get("bom-ref")), text(one.get("purl")), text(one.get("cpe"))
        version = text(one.get("version"))
        if ref and len(self._known) < sbom.REFS:
            self._known[ref] = {"name": name, "version": version, "purl": purl, "cpe": cpe}
        makers = [one.get("supplier"), one.get("manufacturer")]
        supplier = next((n for m in makers if (n := text(member(m).get("name")))), None)
        authors = [n for a in objects(one.get("authors")) if (n := text(a.get("name")))]
        sbom.add(
            self._rows, self._bill, offset, [cpe] if cpe else [], ref=ref, type=text(one.get("type"), 60),
            name=name, version=version, purl=purl,
            supplier=supplier or text(one.get("publisher")) or text(one.get("author")) or next(iter(authors), None),
            hashes=sbom.hashed([(text(h.get("alg")), text(h.get("content"))) for h in objects(one.get("hashes"))]),
            licences=_licences(one.get("licenses")),
        )  # fmt: skip

    def vulnerability(self, offset: int, given: dict[str, Any]) -> Iterator[Reject]:
        """A vulnerability and what it affects, as the document says."""
        name = text(given.get("id"), 150)
        if name is None:
            yield Reject(
                offset, "no-id", "a vulnerability without id", str(given)[:64].encode("utf-8", "replace")
            )
            return
        ts = self._bill.ts
        self._rows.add(
            "vulnerabilities", offset=offset, ts=ts, id=name, origin="cyclonedx",
            published=sound(when(given.get("published"))), withdrawn_at=sound(when(given.get("rejected"))),
            description=text(given.get("description"), TEXT), cwes=_cwes(given.get("cwes")),
            **_score(objects(given.get("ratings"))),
        )  # fmt: skip
        state = (text(member(given.get("analysis")).get("state")) or "").lower()
        for one in objects(given.get("affects")):
            known = self._known.get(text(one.get("ref")) or "")
            if known is None:
                continue  # a link into another document: the vulnerability stands, what it affects is not here
            stated = objects(one.get("versions"))
            versions = [v for s in stated if (v := text(s.get("version")))]
            if not stated and known["version"]:
                versions = [known["version"]]
            self._rows.add(
                "affected", offset=offset, ts=ts, id=name, origin="cyclonedx", product=known["name"],
                purl=bare(known["purl"], None, None), cpe=known["cpe"], versions=versions or None,
                status=_STATES.get(state, "affected"),
            )  # fmt: skip


def _licences(value: Any) -> list[str] | None:
    out = []
    for one in objects(value):
        inner = member(one.get("license"))
        out.append(text(inner.get("id")) or text(inner.get("name")) or text(one.get("expression")))
    return list(dict.fromkeys(licence for licence in out if licence)) or None


def _cwes(value: Any) -> list[str] | None:
    found = texts(value, 20)
    return [c if c.upper().startswith("CWE-") else f"CWE-{c}" for c in found] or None


def _score(ratings: list[dict[str, Any]]) -> dict[str, Any]:
    for method in _METHODS:
        for rating in ratings:
            if text(rating.get("method")) == method:
                vector = text(rating.get("vector"), 200)
                score = cvss.bounded(rating.get("score"))
                score = score if score is not None else cvss.score(vector)
                if score is not None:
                    return {"cvss_score": score, "cvss_vector": vector}
    return {}
