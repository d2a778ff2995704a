"""CycloneDX in JSON: components within components, vulnerabilities, real documents against plain counts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noroshi.model.observable import resolve
from noroshi.observe.supply.cyclonedx import CycloneDxSensor
from tests.observe.supply.support import DATA, archived, rows

VEX = (DATA / "cyclonedx_vulnerability.json").read_bytes()

BOM = {
    "bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": "urn:uuid:1", "version": 1,
    "metadata": {
        "timestamp": "2024-05-06T07:08:09Z", "supplier": {"name": "Maker"},
        "component": {"type": "application", "bom-ref": "top", "group": "org", "name": "app", "version": "3"},
    },
    "components": [
        {"type": "library", "bom-ref": "a", "name": "liba", "version": "1.0", "purl": "pkg:npm/liba@1.0",
         "cpe": "cpe:2.3:a:x:liba:1.0:*:*:*:*:*:*:*", "supplier": {"name": "S"},
         "hashes": [{"alg": "SHA-1", "content": "E6B1000B94E835FFD37F4C6DCBDAD43F4B48A02A"},
                    {"alg": "SHA-384", "content": "ab"}, {"alg": "MD5", "content": "short"}],
         "licenses": [{"license": {"id": "MIT"}}, {"license": {"name": "Own"}}, {"expression": "MIT OR GPL-2.0"}],
         "components": [{"type": "file", "name": "inner", "components": [{"name": "innermost"}]}]},
        {"type": "library", "name": "libb"},
    ],
    "vulnerabilities": [
        {"id": "CVE-2024-1",
         "ratings": [{"method": "CVSSv31", "vector": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
         "cwes": [79], "analysis": {"state": "not_affected"}, "affects": [{"ref": "a"}, {"ref": "elsewhere"}]},
    ],
}  # fmt: skip


def bom(**more: Any) -> bytes:
    """A bill of materials."""
    return json.dumps(BOM | more).encode()


def test_sniff() -> None:
    sensor = CycloneDxSensor()
    assert sensor.sniff(VEX[:4096])
    assert sensor.sniff(
        b'{"$schema":"http://cyclonedx.org/schema/bom-1.4.schema.json","bomFormat":"CycloneDX",'
    )
    assert not sensor.sniff(b'{"$schema": "http://json-schema.org/draft-07/schema#", "$id": "cyclonedx.org"}')
    assert not sensor.sniff(b"<bom>")


def test_components() -> None:
    found, rejects = rows(CycloneDxSensor(), bom())
    assert rejects == []
    names = [r["name"] for r in found["components"]]
    assert names == ["org/app", "liba", "inner", "innermost", "libb"]
    one = found["components"][1]
    assert (one["document"], one["product"], one["product_version"]) == ("urn:uuid:1", "org/app", "3")
    assert (one["purl"], one["supplier"], one["origin"], one["ref"]) == (
        "pkg:npm/liba@1.0",
        "S",
        "Maker",
        "a",
    )
    assert one["hashes"] == ["sha1 e6b1000b94e835ffd37f4c6dcbdad43f4b48a02a"]
    assert list(resolve("typed", one["hashes"])) == [("sha1", "e6b1000b94e835ffd37f4c6dcbdad43f4b48a02a")]
    assert one["licences"] == ["MIT", "Own", "MIT OR GPL-2.0"]
    assert one["ts"].isoformat() == "2024-05-06T07:08:09+00:00"
    assert bom()[one["offset"] :].startswith(b'{"type": "library", "bom-ref": "a"')
    assert found["components"][3]["offset"] == one["offset"], "what is within stands where the outermost does"


def test_vulnerabilities() -> None:
    found, _ = rows(CycloneDxSensor(), bom())
    (one,), (two,) = found["vulnerabilities"], found["affected"]
    assert (one["id"], one["cvss_score"], one["cwes"], one["origin"]) == (
        "CVE-2024-1",
        9.8,
        ["CWE-79"],
        "cyclonedx",
    )
    assert (two["product"], two["purl"], two["versions"], two["status"]) == (
        "liba", "pkg:npm/liba", ["1.0"], "unaffected",
    )  # fmt: skip


def test_a_published_sample() -> None:
    found, rejects = rows(CycloneDxSensor(), VEX)
    assert rejects == []
    assert len(found["vulnerabilities"]) == len(json.loads(VEX)["vulnerabilities"])
    assert found["components"][0]["document"] == "urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79"


def test_a_document_without_serial_number_goes_by_its_digest() -> None:
    found, _ = rows(CycloneDxSensor(), bom(serialNumber=None))
    assert found["components"][0]["document"].startswith("sha256:")


def test_what_cannot_be_read_is_told() -> None:
    deep: dict[str, Any] = {"name": "c0"}
    for i in range(1, 100):
        deep = {"name": f"c{i}", "components": [deep]}
    found, rejects = rows(CycloneDxSensor(), bom(components=[{"version": "1"}, 5, deep, {"name": "z"}]))
    assert [r.reason for r in rejects] == ["no-name", "shape", "component-depth"]
    assert found["components"][-1]["name"] == "z"
    _, rejects = rows(CycloneDxSensor(), bom(metadata={"timestamp": "2924-01-01T00:00:00Z"}))
    assert [r.reason for r in rejects] == ["time"]


def test_a_cut_document_keeps_what_stands_before() -> None:
    data = bom()
    found, rejects = rows(CycloneDxSensor(), data[: data.index(b'{"type": "library", "name": "libb"') + 5])
    assert [r["name"] for r in found["components"]] == ["org/app", "liba", "inner", "innermost"]
    assert [r.reason for r in rejects] == ["cut-short"]


@given(st.binary(max_size=100), st.integers(0, 2_500), st.integers(0, 40))
def test_any_bytes_give_rows_or_rejects(junk: bytes, at: int, cut: int) -> None:
    data = bom()
    rows(CycloneDxSensor(), data[:at] + junk + data[at + cut :])


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "group", "version", "purl", "hashes", "alg", "content", "licenses", "license",
                             "components", "supplier", "authors", "ratings"]),
            inner, max_size=4),
        max_leaves=15,
    )
)  # fmt: skip
def test_members_of_any_type(value: Any) -> None:
    for name in ("components", "vulnerabilities", "metadata", "serialNumber"):
        rows(CycloneDxSensor(), bom(**{name: value}))
        rows(CycloneDxSensor(), bom(**{name: [value]}))


def nested(value: Any) -> int:
    """Named components of a list, with those within them, counted the plain way."""
    return sum(bool(c.get("name")) + nested(c.get("components")) for c in value or ())


@pytest.mark.parametrize("archive", ["cyclonedx-bom-examples", "sbomqs-testdata"])
def test_published_documents(archive: str) -> None:
    counts = 0
    for name, data in archived("supply", "sboms", f"{archive}.tar.zst"):
        if not name.endswith(".json") or not CycloneDxSensor().sniff(data[:4096]):
            continue
        plain = json.loads(data)
        found, _ = rows(CycloneDxSensor(), data)
        top = (plain.get("metadata") or {}).get("component")
        expected = nested(plain.get("components")) + nested([top] if top else [])
        assert len(found.get("components", [])) == expected, name
        assert len(found.get("vulnerabilities", [])) == len(plain.get("vulnerabilities", ())), name
        counts += 1
    assert counts > 50
