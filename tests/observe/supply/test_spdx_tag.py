"""SPDX 2 as tags and values."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from noroshi.observe.supply.spdx_tag import SpdxTagSensor
from tests.observe.supply.support import DATA, archived, rows

SAMPLE = (DATA / "spdx.spdx").read_bytes()
WRITTEN = b"""SPDXVersion: SPDX-2.3
SPDXID: SPDXRef-DOCUMENT
DocumentName: doc
DocumentNamespace: https://example.com/2
Creator: Organization: Maker (m@example.com)
Created: 2024-05-06T07:08:09Z
CreatorComment: <text>PackageName: not one
over two lines</text>
Relationship: SPDXRef-DOCUMENT DESCRIBES SPDXRef-app

PackageName: app
SPDXID: SPDXRef-app
PackageVersion: 3
PackageChecksum: SHA1: e6b1000b94e835ffd37f4c6dcbdad43f4b48a02a
ExternalRef: SECURITY cpe23Type cpe:2.3:a:x:app:3:*:*:*:*:*:*:*
ExternalRef: PACKAGE-MANAGER purl pkg:npm/app@3
FileName: ./x
SPDXID: SPDXRef-File
PackageVersion: 4
PackageName: lib
PackageLicenseDeclared: (MIT OR Apache-2.0)
"""


def test_sniff() -> None:
    assert SpdxTagSensor().sniff(SAMPLE[:4096])
    assert SpdxTagSensor().sniff(b"# comment\nSPDXVersion: SPDX-2.2\n")
    assert not SpdxTagSensor().sniff(b"the SPDXVersion: SPDX-2.2\n")
    assert not SpdxTagSensor().sniff(b"SPDXVersion: SPDX-2.2\n\0")


def test_packages() -> None:
    found, rejects = rows(SpdxTagSensor(), WRITTEN)
    assert rejects == []
    app, lib = found["components"]
    assert (app["name"], app["version"], app["product"], app["product_version"]) == ("app", "3", "app", "3")
    assert (app["purl"], app["cpe"]) == ("pkg:npm/app@3", "cpe:2.3:a:x:app:3:*:*:*:*:*:*:*")
    assert app["hashes"] == ["sha1 e6b1000b94e835ffd37f4c6dcbdad43f4b48a02a"]
    assert (lib["licences"], lib["document"], lib["origin"]) == (
        ["(MIT OR Apache-2.0)"],
        "https://example.com/2",
        "Maker",
    )
    assert WRITTEN[lib["offset"] :].startswith(b"PackageName: lib")


def test_a_real_document() -> None:
    found, rejects = rows(SpdxTagSensor(), SAMPLE)
    assert rejects == []
    assert [r["purl"] for r in found["components"]] == [
        "pkg:pypi/pyyaml@6.0.1", "pkg:pypi/lxml@4.9.3", "pkg:pypi/msgspec@0.18.0", "pkg:pypi/psutil@5.9.5",
        "pkg:pypi/py-cpuinfo@9.0.0",
    ]  # fmt: skip
    assert {r["product"] for r in found["components"]} == {"From-Cyclone-DX"}, "it describes five packages"


def test_what_cannot_be_read_is_told() -> None:
    found, rejects = rows(SpdxTagSensor(), WRITTEN + b"PackageName:\nPackageComment: <text>open\n")
    assert {r.reason for r in rejects} == {"no-name", "text"}
    assert len(found["components"]) == 2
    _, rejects = rows(SpdxTagSensor(), WRITTEN.replace(b"2024-05", b"2924-05"))
    assert [r.reason for r in rejects] == ["time"]
    assert len(rows(SpdxTagSensor(), WRITTEN[: WRITTEN.index(b"FileName")])[0]["components"]) == 1


@given(st.binary(max_size=100), st.integers(0, 900), st.integers(0, 40))
def test_any_bytes_give_rows_or_rejects(junk: bytes, at: int, cut: int) -> None:
    rows(SpdxTagSensor(), WRITTEN[:at] + junk + WRITTEN[at + cut :])
    rows(SpdxTagSensor(), junk)


def test_published_documents() -> None:
    counts = 0
    for archive in ("ntia-checker-tests", "spdx-examples"):
        for name, data in archived("supply", "sboms", f"{archive}.tar.zst"):
            if name.endswith(".spdx") and SpdxTagSensor().sniff(data[:4096]):
                found, _ = rows(SpdxTagSensor(), data)
                names = re.findall(rb"(?m)^PackageName:[ \t]*(\S[^\r\n]*)", data)
                assert [r["name"] for r in found.get("components", [])] == [
                    n.decode().strip() for n in names
                ], name
                counts += 1
    assert counts >= 30
