"""SPDX 2 and 3 in JSON: packages, what a document describes, real documents against plain counts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noroshi.observe.supply.spdx import Spdx3Sensor, SpdxSensor, agent
from tests.observe.supply.support import DATA, archived, rows

TWO = (DATA / "spdx.json").read_bytes()
THREE = (DATA / "spdx3.json").read_bytes()

DOCUMENT: dict[str, Any] = {
    "spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "doc", "documentNamespace": "https://example.com/1",
    "creationInfo": {"created": "2024-05-06T07:08:09Z", "creators": ["Tool: t", "Organization: Maker (m@example.com)"]},
    "packages": [
        {"SPDXID": "SPDXRef-p", "name": "app", "versionInfo": "3", "primaryPackagePurpose": "APPLICATION"},
        {"SPDXID": "SPDXRef-q", "name": "lib", "supplier": "NOASSERTION", "originator": "Person: Q",
         "licenseDeclared": "MIT", "licenseConcluded": "NOASSERTION",
         "checksums": [{"algorithm": "SHA256", "checksumValue": "AB" * 32}],
         "externalRefs": [
             {"referenceType": "cpe23Type", "referenceLocator": "cpe:2.3:a:x:lib:1:*:*:*:*:*:*:*"},
             {"referenceType": "http://spdx.org/rdf/references/cpe23Type",
              "referenceLocator": "cpe:2.3:a:y:lib:1:*:*:*:*:*:*:*"},
             {"referenceType": "purl", "referenceLocator": "pkg:npm/lib@1"}]},
    ],
    "relationships": [
        {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-p"},
        {"spdxElementId": "SPDXRef-p", "relationshipType": "DEPENDS_ON", "relatedSpdxElement": "SPDXRef-q"}],
}  # fmt: skip


def document(**more: Any) -> bytes:
    """An SPDX 2 document."""
    return json.dumps(DOCUMENT | more).encode()


def test_sniff() -> None:
    assert SpdxSensor().sniff(TWO[:4096])
    assert SpdxSensor().sniff(b'{"packages": [{"SPDXID": "SPDXRef-1", "name": "x"}, {"na')
    assert Spdx3Sensor().sniff(THREE[:4096])
    assert Spdx3Sensor().sniff(
        b'{"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": []}'
    )
    assert not SpdxSensor().sniff(THREE[:4096])
    assert not Spdx3Sensor().sniff(TWO[:4096])
    assert not SpdxSensor().sniff(b'{"packages": [{"name": "x"}]}')


def test_packages() -> None:
    found, rejects = rows(SpdxSensor(), document())
    assert rejects == []
    app, lib = found["components"]
    assert (app["product"], app["product_version"], app["type"]) == ("app", "3", "application")
    assert (lib["product"], lib["document"], lib["origin"]) == ("app", "https://example.com/1", "Maker")
    assert (lib["supplier"], lib["licences"], lib["purl"]) == ("Q", ["MIT"], "pkg:npm/lib@1")
    assert lib["cpe"] == "cpe:2.3:a:x:lib:1:*:*:*:*:*:*:*"
    assert lib["cpes"] == ["cpe:2.3:a:y:lib:1:*:*:*:*:*:*:*"]
    assert lib["hashes"] == ["sha256 " + "ab" * 32]
    assert document()[lib["offset"] :].startswith(b'{"SPDXID": "SPDXRef-q"')


@pytest.mark.parametrize(
    ("more", "product"),
    [
        ({"relationships": []}, "doc"),
        ({"relationships": [], "documentDescribes": ["SPDXRef-q"]}, "lib"),
        ({"relationships": [{"spdxElementId": "SPDXRef-q", "relationshipType": "DESCRIBED_BY",
                             "relatedSpdxElement": "SPDXRef-DOCUMENT"}]}, "lib"),
        ({"relationships": [], "documentDescribes": ["SPDXRef-p", "SPDXRef-q"]}, "doc"),
        ({"relationships": 5, "documentDescribes": {}}, "doc"),
    ],
)  # fmt: skip
def test_the_product(more: dict[str, Any], product: str) -> None:
    found, _ = rows(SpdxSensor(), document(**more))
    assert {r["product"] for r in found["components"]} == {product}


@pytest.mark.parametrize(
    ("text", "name"),
    [("Organization: Acme, Inc. (a@b.c)", "Acme, Inc."), ("Person: X ()", "X"), ("NOASSERTION", None), ("Acme", "Acme"),
     (None, None), ("Organization: ", None)],
)  # fmt: skip
def test_agents(text: str | None, name: str | None) -> None:
    assert agent(text) == name


def test_spdx_3() -> None:
    found, rejects = rows(Spdx3Sensor(), THREE)
    assert rejects == []
    app, lib = found["components"]
    assert (app["name"], app["product"], app["product_version"]) == (
        "my-application",
        "my-application",
        "1.0.0",
    )
    assert (lib["purl"], lib["licences"], lib["supplier"]) == (
        "pkg:npm/my-library@2.3.4",
        ["MIT"],
        "Library Vendor Ltd",
    )
    assert lib["cpe"] == "cpe:2.3:a:libraryvendor:my-library:2.3.4:*:*:*:*:*:*:*"
    assert lib["ts"].isoformat() == "2024-01-15T10:30:00+00:00"
    assert lib["origin"] == "Example Organization Inc"
    assert lib["document"].startswith("sha256:"), "an id without a name space is nobody's"


def test_what_cannot_be_read_is_told() -> None:
    found, rejects = rows(SpdxSensor(), document(packages=[{"SPDXID": "x"}, 5, {"name": "y"}]))
    assert [r.reason for r in rejects] == ["no-name", "shape"]
    assert [r["name"] for r in found["components"]] == ["y"]
    _, rejects = rows(SpdxSensor(), document(creationInfo={"created": "2924-01-01T00:00:00Z"}))
    assert [r.reason for r in rejects] == ["time"]
    found, rejects = rows(SpdxSensor(), document()[:-100])
    assert [r.reason for r in rejects] == ["cut-short"]
    assert [r["name"] for r in found["components"]] == ["app", "lib"]


@given(st.binary(max_size=100), st.integers(0, 5_000), st.integers(0, 40))
def test_any_bytes_give_rows_or_rejects(junk: bytes, at: int, cut: int) -> None:
    rows(SpdxSensor(), TWO[:at] + junk + TWO[at + cut :])
    rows(Spdx3Sensor(), THREE[:at] + junk + THREE[at + cut :])


VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=4) | st.sampled_from(["SPDXRef-p", "software_Package"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["name", "SPDXID", "checksums", "externalRefs", "type", "spdxId", "to", "from", "created",
                         "relationshipType", "rootElement", "externalIdentifier", "verifiedUsing", "creationInfo"]),
        inner, max_size=4),
    max_leaves=15,
)  # fmt: skip


@given(VALUES)
def test_members_of_any_type(value: Any) -> None:
    for name in ("packages", "relationships", "creationInfo", "documentDescribes"):
        rows(SpdxSensor(), document(**{name: value}))
        rows(SpdxSensor(), document(**{name: [value]}))
    rows(Spdx3Sensor(), json.dumps({"@context": "x", "@graph": [value]}).encode())
    rows(Spdx3Sensor(), json.dumps({"@context": "x", "@graph": value}).encode())


@pytest.mark.parametrize(
    "archive", ["guac-top-dockerhub", "sbomqs-testdata", "ntia-checker-tests", "spdx-examples"]
)
def test_published_documents(archive: str) -> None:
    counts = 0
    for name, data in archived("supply", "sboms", f"{archive}.tar.zst"):
        if not name.endswith(".json"):
            continue
        if SpdxSensor().sniff(data[:4096]):
            found, _ = rows(SpdxSensor(), data)
            packages = json.loads(data.decode("utf-8-sig")).get("packages") or []
        elif Spdx3Sensor().sniff(data[:4096]):
            found, _ = rows(Spdx3Sensor(), data)
            packages = [e for e in json.loads(data)["@graph"]
                        if e["type"] in ("software_Package", "ai_AIPackage", "dataset_DatasetPackage")]  # fmt: skip
        else:
            continue
        named = [p for p in packages if (p.get("name") or "").strip()]
        assert [r["name"] for r in found.get("components", [])] == [p["name"].strip() for p in named], name
        refs = {
            r["referenceLocator"]
            for p in packages
            for r in p.get("externalRefs", ())
            if r["referenceType"] == "purl"
        }
        assert {r["purl"] for r in found.get("components", []) if "purl" in r} <= refs | {
            p.get("software_packageUrl") for p in packages
        } | {
            i["identifier"]
            for p in packages
            for k in ("externalIdentifier", "externalIdentifiers")
            for i in p.get(k, ())
        }
        counts += 1
    assert counts >= 20
