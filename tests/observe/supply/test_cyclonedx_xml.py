"""CycloneDX in XML: the same rows as in JSON; entities are refused; places are the elements' own."""

from __future__ import annotations

import json
from pathlib import PurePath
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from noroshi.observe.supply.cyclonedx import CycloneDxSensor
from noroshi.observe.supply.cyclonedx_xml import CycloneDxXmlSensor
from tests.observe.supply.support import DATA, archived, rows

VEX = (DATA / "cyclonedx_vulnerability.xml").read_bytes()
BOM = b"""<?xml version="1.0" encoding="UTF-8"?>
<bom xmlns="http://cyclonedx.org/schema/bom/1.4" serialNumber="urn:uuid:7" version="1">
 <metadata><timestamp>2024-05-06T07:08:09Z</timestamp>
  <component type="application" bom-ref="top"><group>org</group><name>app</name><version>3</version></component>
  <supplier><name>Maker</name></supplier></metadata>
 <components>
  <component type="library" bom-ref="a"><supplier><name>S</name></supplier><name>liba</name><version>1.0</version>
   <hashes><hash alg="SHA-1">e6b1000b94e835ffd37f4c6dcbdad43f4b48a02a</hash></hashes>
   <licenses><license><id>MIT</id></license></licenses><purl>pkg:npm/liba@1.0</purl>
   <components><component type="file"><name>inner</name></component></components>
  </component>
  <component type="library"><name>libb</name></component>
 </components>
</bom>
"""


def test_sniff() -> None:
    sensor = CycloneDxXmlSensor()
    assert sensor.sniff(VEX[:4096])
    assert sensor.sniff(BOM)
    assert not sensor.sniff(b"<nmaprun scanner='nmap'>")
    assert not sensor.sniff(b'{"bom": "http://cyclonedx.org/schema/bom/1.4"}')


def test_components() -> None:
    found, rejects = rows(CycloneDxXmlSensor(), BOM)
    assert rejects == []
    assert [r["name"] for r in found["components"]] == ["org/app", "liba", "inner", "libb"]
    one = found["components"][1]
    assert (one["document"], one["product"], one["origin"], one["supplier"]) == (
        "urn:uuid:7",
        "org/app",
        "Maker",
        "S",
    )
    assert (one["purl"], one["licences"], one["type"]) == ("pkg:npm/liba@1.0", ["MIT"], "library")
    assert one["hashes"] == ["sha1 e6b1000b94e835ffd37f4c6dcbdad43f4b48a02a"]
    assert BOM[one["offset"] :].startswith(b'<component type="library" bom-ref="a">')


def plain(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows without their places."""
    return [{k: v for k, v in r.items() if k not in ("offset", "document")} for r in found]


def test_xml_and_json_of_one_document_are_the_same() -> None:
    one, rejects = rows(CycloneDxXmlSensor(), VEX)
    two, _ = rows(CycloneDxSensor(), (DATA / "cyclonedx_vulnerability.json").read_bytes())
    assert rejects == []
    assert [r["id"] for r in one["vulnerabilities"]] == [r["id"] for r in two["vulnerabilities"]]
    assert plain(one["vulnerabilities"]) == plain(two["vulnerabilities"])
    assert plain(one["components"]) == plain(two["components"])


def test_entities_and_document_types_are_refused() -> None:
    bomb = BOM.replace(b"<bom ", b'<!DOCTYPE bom [<!ENTITY a "b">]>\n<bom ', 1)
    found, rejects = rows(CycloneDxXmlSensor(), bomb)
    assert found == {}
    assert [r.reason for r in rejects] == ["xml-entities"]


def test_a_cut_document_keeps_what_stands_before() -> None:
    found, rejects = rows(CycloneDxXmlSensor(), BOM[: BOM.index(b"<name>libb")])
    assert [r["name"] for r in found["components"]] == ["org/app", "liba", "inner"]
    assert [r.reason for r in rejects] == ["xml"]


def test_deep_and_empty_ones() -> None:
    deep = b"<components><component><name>x</name>" * 300 + b"</component></components>" * 300
    data = BOM.replace(
        b'<components><component type="file"><name>inner</name></component></components>', deep
    )
    found, rejects = rows(CycloneDxXmlSensor(), data)
    assert [r.reason for r in rejects] == ["component-depth"]
    assert found["components"][-1]["name"] == "libb"
    _, rejects = rows(CycloneDxXmlSensor(), BOM.replace(b"<name>libb</name>", b""))
    assert [r.reason for r in rejects] == ["no-name"]


@given(st.binary(max_size=60), st.integers(0, 1_000), st.integers(0, 40))
def test_any_bytes_give_rows_or_rejects(junk: bytes, at: int, cut: int) -> None:
    rows(CycloneDxXmlSensor(), BOM[:at] + junk + BOM[at + cut :])


def test_published_pairs() -> None:
    """Documents published in both forms: the same names and versions in both."""
    texts: dict[PurePath, dict[str, bytes]] = {}
    for name, data in archived("supply", "sboms", "cyclonedx-bom-examples.tar.zst"):
        path = PurePath(name)
        if path.suffix in (".json", ".xml"):
            texts.setdefault(path.with_suffix(""), {})[path.suffix] = data
    same, pairs = (
        0,
        [t for t in texts.values() if len(t) == 2 and CycloneDxXmlSensor().sniff(t[".xml"][:4096])],
    )
    for pair in pairs:
        one, _ = rows(CycloneDxXmlSensor(), pair[".xml"])
        two, _ = rows(CycloneDxSensor(), pair[".json"])
        keys = [
            sorted((r["name"], r.get("version", ""), r.get("purl", "")) for r in f["components"])
            for f in (one, two)
        ]
        if (
            json.loads(pair[".json"]).get("serialNumber") == one["components"][0]["document"]
            or keys[0] == keys[1]
        ):
            same += keys[0] == keys[1]
    assert len(pairs) >= 8
    assert same >= 8
