"""MISP events in all the forms they come in: statements, things, relations, files, markings."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noroshi.observe.intel import misp_read, misp_spool, misp_types
from tests.observe.intel.support import DATA, NOW, Taken, sniffers

UUID = "5bad1b96-53bc-4148-87eb-50d50a016219"
STAMP = 1_700_000_000


def attribute(type: str, value: Any, category: str = "Network activity", **more: Any) -> dict[str, Any]:
    return {
        "uuid": f"a-{type}",
        "type": type,
        "category": category,
        "value": value,
        "to_ids": True,
        "timestamp": str(STAMP),
        "distribution": "5",
        **more,
    }


def event(*attributes: Any, **more: Any) -> dict[str, Any]:
    return {
        "uuid": UUID,
        "info": "What happened",
        "date": "2023-11-14",
        "timestamp": str(STAMP),
        "distribution": "3",
        "threat_level_id": "1",
        "Orgc": {"name": "CIRCL"},
        "Attribute": list(attributes),
        **more,
    }


def tag(*names: str) -> list[dict[str, str]]:
    return [{"name": n} for n in names]


def unwrapped(document: Any) -> Any:
    document = document["response"][0] if "response" in document else document
    return document.get("Event", document)


ONE = attribute("ip-dst", "198.51.100.1")


@pytest.mark.parametrize(
    "document",
    [
        {"Event": event(ONE)},
        {"response": [{"Event": event(ONE)}]},
        [{"Event": event(ONE)}],
        event(ONE),
        [event(ONE)],
        {"response": {"Event": event(ONE)}},
        dict(sorted(event(ONE).items())),
        {"Event": event(ONE) | {"Attribute": ONE}},
    ],
    ids=["Event", "response", "list", "bare", "bare list", "response object", "sorted", "one alone"],
)
def test_all_forms_of_an_event(document: Any) -> None:
    assert sniffers(json.dumps(document).encode()) == ["misp"]
    taken = Taken("misp", document)
    assert taken.reasons == []
    (row,) = taken.indicators
    assert {
        k: row[k]
        for k in ("kind", "value", "role", "type", "document", "document_name", "origin", "object_id", "tlp")
    } == {
        "kind": "ip",
        "value": "198.51.100.1",
        "role": "c2",
        "type": "ip-dst",
        "document": UUID,
        "document_name": "What happened",
        "origin": "CIRCL",
        "object_id": "a-ip-dst",
        "tlp": None,
    }
    assert row["ts"].timestamp() == STAMP
    (thing,) = taken.objects
    assert (thing["object_id"], thing["type"], thing["description"]) == (UUID, "misp-event", "What happened")
    assert json.loads(thing["json"])["Attribute"] in ([], ONE)


def test_lines_of_events_and_search_results() -> None:
    lines = b"\n".join(
        json.dumps({"Event": event(ONE, uuid=f"{n}", info=f"e{n}")}).encode() for n in range(3)
    )
    assert Taken("misp", lines).columns("indicators", "document", "document_name") == [
        ("0", "e0"),
        ("1", "e1"),
        ("2", "e2"),
    ]
    found = {"response": {"Attribute": [ONE | {"Event": {"uuid": "u1"}}, ONE | {"event_uuid": "u2"}]}}
    assert sniffers(json.dumps(found).encode()) == ["misp"]
    assert Taken("misp", found).columns("indicators", "document") == [("u1",), ("u2",)]


def test_an_event_of_eset() -> None:
    data = (DATA / "eset_sshdoor_abafar.json").read_bytes()
    assert sniffers(data) == ["misp"]
    taken = Taken("misp", data)
    assert taken.reasons == []
    assert [r[0] for r in taken.columns("indicators", "kind")] == ["sha1"] * 8 + ["malware", "filename"]
    assert taken.columns("indicators", "value", "raw")[8] == ("linux/sshdoor.ab", "Linux/SSHDoor.AB")
    assert {r[0] for r in taken.columns("indicators", "origin")} == {"ESET"}
    raw = [data[r["offset"] :] for r in taken.indicators]
    assert all(r.startswith(b"{") for r in raw)
    assert b"3f1ffb5ee5dd6712999ca82371bf8b755c8a873f" in raw[0][:600]


def test_objects_references_and_galaxies() -> None:
    data = (DATA / "eset_cloudmensis.json").read_bytes()
    taken = Taken("misp", data)
    assert taken.reasons == []
    document = unwrapped(json.loads(data))
    attributes = document.get("Attribute", []) + [a for o in document["Object"] for a in o["Attribute"]]
    assert len(taken.indicators) == len(attributes) == 22
    by_uuid = {a["uuid"]: a for a in attributes}
    for row in taken.indicators:
        found, _ = json.JSONDecoder().raw_decode(data[row["offset"] :].decode())
        assert found == by_uuid[row["object_id"]]
    assert len(taken.relations) == sum(len(o.get("ObjectReference", [])) for o in document["Object"]) == 9
    assert len(taken.files) == 3
    assert all(f["sha1"] or f["sha256"] or f["md5"] for f in taken.files)


def test_proposals_are_nobodys_statements() -> None:
    taken = Taken("misp", (DATA / "pymisp_shadow.json").read_bytes())
    assert [r[0] for r in taken.columns("indicators", "value")] == ["blah.exe", "baz.png", "Malicious"]
    assert sorted(r[0] for r in taken.columns("objects", "type")) == [
        "misp-event",
        "misp-object:file",
        "misp-proposal",
        "misp-proposal",
    ]
    # Distribution 0: the own organisation only.
    assert {r[0] for r in taken.columns("indicators", "tlp")} == {"amber+strict"}
    assert taken.reading.counts["proposals"] == 2


@pytest.mark.parametrize(
    ("own", "around", "tlp"),
    [
        ({}, {}, None),
        ({}, {"Tag": tag("tlp:green", "x")}, "green"),
        ({}, {"Tag": tag("tlp:white")}, "clear"),
        ({}, {"Tag": tag("TLP:AMBER+STRICT", "tlp:green")}, "amber+strict"),
        ({}, {"Tag": tag("tlp:ex:chr", "tlp:unclear")}, None),
        ({"Tag": tag("tlp:red")}, {"Tag": tag("tlp:green")}, "red"),
        ({"Tag": tag("tlp:green", "tlp:amber")}, {"Tag": tag("tlp:red")}, "amber"),
        ({"distribution": "0"}, {}, "amber+strict"),
        ({"distribution": 0, "Tag": tag("tlp:clear")}, {}, "amber+strict"),
        ({"distribution": "4"}, {"Tag": tag("tlp:red")}, "red"),
        ({}, {"distribution": "0"}, "amber+strict"),
        ({"distribution": "3"}, {"distribution": 4, "Tag": tag("tlp:green")}, "amber+strict"),
        ({"distribution": "1"}, {}, None),
    ],
)
def test_markings(own: dict[str, Any], around: dict[str, Any], tlp: str | None) -> None:
    taken = Taken("misp", {"Event": event(ONE | own) | around})
    assert taken.columns("indicators", "tlp") == [(tlp,)]


def test_the_title_of_an_event_is_marked_as_the_event_is() -> None:
    attributes = [ONE | {"Tag": tag(f"tlp:{m}")} for m in ("clear", "green", "amber")] + [ONE]
    taken = Taken("misp", {"Event": event(*attributes) | {"info": "Victim Corp", "Tag": tag("tlp:green")}})
    assert taken.columns("indicators", "tlp", "document_name") == [
        ("clear", None), ("green", "Victim Corp"), ("amber", "Victim Corp"), ("green", "Victim Corp")
    ]  # fmt: skip


def test_an_object_hands_its_marking_on() -> None:
    thing = {
        "name": "domain-ip",
        "uuid": "o",
        "distribution": "0",
        "Attribute": [ONE | {"distribution": "5"}, ONE | {"distribution": "3"}],
    }
    taken = Taken(
        "misp", {"Event": event(Object=[thing, thing | {"distribution": "3", "Tag": tag("tlp:red")}])}
    )
    assert [r[0] for r in taken.columns("indicators", "tlp")] == ["amber+strict", None, "red", "red"]


@pytest.mark.parametrize(
    ("thing", "attributes", "around", "tlp"),
    [
        ({}, [{"Tag": tag("tlp:red")}], {"Tag": tag("tlp:green")}, "red"),
        ({}, [{"Tag": tag("tlp:green")}], {"Tag": tag("tlp:red")}, "red"),
        ({}, [{}, {}], {"Tag": tag("tlp:green")}, "green"),
        ({}, [{"Tag": tag("tlp:green")}], {}, "amber+strict"),
        ({}, [{"Tag": tag("tlp:red")}], {}, "red"),
        ({"Tag": tag("tlp:green")}, [{"Tag": tag("tlp:amber")}, {}], {"Tag": tag("tlp:clear")}, "amber"),
        ({"Tag": tag("tlp:green")}, [{"Tag": tag("tlp:clear")}], {"Tag": tag("tlp:red")}, "green"),
        ({}, [{"distribution": "0"}], {"Tag": tag("tlp:green")}, "amber+strict"),
        ({}, [{"deleted": True, "Tag": tag("tlp:red")}], {"Tag": tag("tlp:green")}, "red"),
    ],
)
def test_an_object_kept_whole_is_no_milder_than_what_it_holds(
    thing: dict[str, Any], attributes: list[dict[str, Any]], around: dict[str, Any], tlp: str
) -> None:
    parts = [attribute("sha256", "a" * 64) | a for a in attributes]
    whole = {"name": "file", "uuid": "o", "Attribute": parts} | thing
    taken = Taken("misp", {"Event": event(Object=[whole]) | around})
    objects = taken.columns("objects", "type", "tlp")
    assert [m for kind, m in objects if kind == "misp-object:file"] == [tlp]
    assert {m for (m,) in taken.columns("files", "tlp")} <= {tlp}


@pytest.mark.parametrize(
    ("type", "value", "expected"),
    [
        ("ip-dst|port", "198.51.100.1|8080", [("ip", "198.51.100.1"), ("port", "8080")]),
        ("ip-src", "198.51.100.0/24", [("prefix", "198.51.100.0/24")]),
        ("domain|ip", "Evil.example|2001:DB8::1", [("domain", "evil.example"), ("ip", "2001:db8::1")]),
        ("hostname|port", "evil.example|443", [("domain", "evil.example"), ("port", "443")]),
        ("hostname", "198.51.100.7", [("ip", "198.51.100.7")]),
        ("filename|sha256", "a|b.exe|" + "A" * 64, [("filename", "a|b.exe"), ("sha256", "a" * 64)]),
        ("malware-sample", "x.bin|" + "b" * 32, [("filename", "x.bin"), ("md5", "b" * 32)]),
        ("filename|imphash", "x.bin|" + "b" * 32, [("filename", "x.bin"), ("imphash", "b" * 32)]),
        ("filename|vhash", "x.bin|q", [("filename", "x.bin"), ("vhash", "q")]),
        ("regkey|value", "HKLM\\x|1", [("regkey", "HKLM\\x"), ("value", "1")]),
        ("AS", "64500", [("asn", "AS64500")]),
        ("vulnerability", "cve-2024-1234", [("cve", "CVE-2024-1234")]),
        ("url", "hxxp://evil[.]example/x", [("url", "http://evil.example/x")]),
        ("uri", "/gate.php", [("uri", "/gate.php")]),
        ("domain", "no domain", [("text", "no domain")]),
        ("size-in-bytes", 1234, [("size-in-bytes", "1234")]),
        ("text", "443", [("text", "443")]),
        ("port", "443", [("port", "443")]),
        ("mime-type", "application/x-dosexec", [("mime-type", "application/x-dosexec")]),
        ("threat-actor", "Sofacy", [("actor", "sofacy")]),
        ("x509-fingerprint-sha1", "AA:" * 19 + "AA", [("certificate", "aa" * 20)]),
        ("ja3-fingerprint-md5", "C" * 32, [("ja3", "c" * 32)]),
        ("hassh-md5", "c" * 32, [("hassh", "c" * 32)]),
        ("boolean", True, [("boolean", "true")]),
        ("never-heard-of", "x", [("never-heard-of", "x")]),
    ],
)
def test_types(type: str, value: Any, expected: list[tuple[str, str]]) -> None:
    assert (
        Taken("misp", {"Event": event(attribute(type, value))}).columns("indicators", "kind", "value")
        == expected
    )


def test_what_is_no_observable_can_never_be_linked() -> None:
    from noroshi.model.observable import CANONICAL, LOOSE

    loose = {"link", "uri", "attachment"} | set(misp_types.KINDS)
    for type in (
        "text",
        "port",
        "comment",
        "size-in-bytes",
        "mime-type",
        "counter",
        "datetime",
        "hex",
        "other",
        "float",
    ):
        assert misp_types.kind(type) not in {*CANONICAL, *LOOSE}
        assert type not in loose


@pytest.mark.parametrize(
    ("more", "role"),
    [
        (("ip-dst", "Network activity", True), "c2"),
        (("ip-dst", "Network activity", False), "mentions"),
        (("domain", "Network activity", True), "c2"),
        (("domain", "Payload delivery", True), "mentions"),
        (("url", "Payload delivery", False), "download"),
        (("url", "Network activity", True), "mentions"),
        (("ip-src", "Network activity", True), "src"),
        (("link", "External analysis", False), "reference"),
        (("md5", "Payload delivery", True), "mentions"),
        (("target-email", "Targeting data", False), "victim"),
    ],
)
def test_roles(more: tuple[str, str, bool], role: str) -> None:
    assert misp_types.role(*more) == role


def test_detections_are_names_of_malware() -> None:
    assert misp_types.is_detection("text", "Antivirus detection", "Linux/SSHDoor.BO")
    assert misp_types.is_detection("text", "Antivirus detection", "Trojan.Win32.Generic!BT")
    for value in ("37/57", "eset", "a sentence about Linux/SSHDoor.BO", "80", ""):
        assert not misp_types.is_detection("text", "Antivirus detection", value)
    assert not misp_types.is_detection("text", "Other", "Linux/SSHDoor.BO")


def test_deleted_attributes_are_no_statements() -> None:
    taken = Taken(
        "misp", {"Event": event(ONE | {"deleted": True}, ONE | {"deleted": "1"}, ONE | {"deleted": False})}
    )
    assert len(taken.indicators) == 1
    assert [(o["type"], o["revoked"]) for o in taken.objects] == [("misp-attribute", True)] * 2 + [
        ("misp-event", False)
    ]
    assert taken.reading.counts["deleted"] == 2


def test_samples_are_never_stored() -> None:
    data = "UEsDBBQACQ" * 2000
    sample = attribute("malware-sample", "x.bin|" + "b" * 32, "Payload delivery", data=data)
    thing = {"name": "file", "uuid": "o", "Attribute": [sample, attribute("attachment", "y.pdf", data=data)]}
    taken = Taken(
        "misp", {"Event": event(sample, sample | {"deleted": True}, Object=[thing], ShadowAttribute=[sample])}
    )
    assert "UEsDBBQ" not in str(taken.tables) + str(taken.rejects)
    assert {f["md5"] for f in taken.files} == {"b" * 32}


def test_tags_say_confidence_techniques_and_families() -> None:
    technique = 'misp-galaxy:mitre-attack-pattern="Spearphishing Link - T1566.002"'
    said = tag('estimative-language:likelihood-probability="likely"', "x")
    file = {
        "name": "file",
        "uuid": "o",
        "Attribute": [
            attribute("sha256", "a" * 64, Tag=tag('misp-galaxy:malpedia="Emotet"')),
            attribute("size-in-bytes", "77"),
            attribute("filename", "e.exe"),
        ],
    }
    taken = Taken(
        "misp",
        {
            "Event": event(
                ONE | {"Tag": said},
                ONE,
                Object=[file],
                Tag=tag(
                    'misp:confidence-level="usually-confident"',
                    technique,
                    'misp-galaxy:threat-actor="Sofacy"',
                ),
            )
        },
    )
    assert [r[0] for r in taken.columns("indicators", "confidence")][:2] == [70, 75]
    assert taken.indicators[0]["labels"] == [t["name"] for t in said]
    assert taken.objects[-1]["refs"] == ["technique T1566.002", "actor Sofacy"]
    (row,) = taken.files
    assert (row["sha256"], row["names"], row["size"], row["families"]) == (
        "a" * 64,
        ["e.exe"],
        77,
        ["Emotet"],
    )


def test_sightings_reports_and_clusters() -> None:
    seen = ONE | {
        "Sighting": [{"uuid": "s1", "date_sighting": STAMP, "type": "0", "source": "sensor"}, {"type": 1}]
    }
    galaxy = {
        "name": "Actor",
        "type": "threat-actor",
        "GalaxyCluster": [
            {
                "type": "threat-actor",
                "value": "Sofacy",
                "uuid": "c1",
                "meta": {"synonyms": ["APT 28", "Fancy Bear"]},
            }
        ],
    }
    report = {
        "uuid": "r1",
        "name": "Summary",
        "content": "# Words",
        "timestamp": str(STAMP),
        "distribution": "0",
    }
    taken = Taken(
        "misp", {"Event": event(seen, Galaxy=[galaxy], EventReport=[report], RelatedEvent=[{"Event": {}}])}
    )
    assert taken.columns("relations", "source_ref", "relation", "target_ref") == [
        ("sensor", "sighting-of", "a-ip-dst"),
        ("sighting", "false-positive-of", "a-ip-dst"),
    ]
    assert taken.columns("objects", "type", "names", "name_kind", "tlp") == [
        ("misp-galaxy:threat-actor", ["Sofacy", "APT 28", "Fancy Bear"], "actor", None),
        ("misp-report", ["Summary"], "", "amber+strict"),
        ("misp-event", None, "", None),
    ]


def test_rows_wait_in_a_file_when_they_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(misp_spool, "HELD", 1)
    many = [attribute("ip-dst", f"198.51.{n // 256}.{n % 256}") for n in range(40_000)]
    taken = Taken("misp", {"Event": event(*many, Tag=tag("tlp:green"))})
    assert len(taken.indicators) == 40_000
    assert {(r["tlp"], r["document"], r["origin"]) for r in taken.indicators} == {("green", UUID, "CIRCL")}
    assert [r["value"] for r in taken.indicators[:3]] == ["198.51.0.0", "198.51.0.1", "198.51.0.2"]


def test_a_cut_event_gives_what_stands_before_the_cut() -> None:
    data = (DATA / "eset_sshdoor_abafar.json").read_bytes()
    taken = Taken("misp", data[: len(data) // 2])
    assert taken.reasons == ["cut-short"]
    assert 1 < len(taken.indicators) < 10
    assert {r[0] for r in taken.columns("indicators", "document")} == {UUID}


def test_hostile_events() -> None:
    deep = json.loads("[" * 55 + "]" * 55)
    taken = Taken(
        "misp",
        {
            "Event": event(
                attribute("ip-dst", "x" * 1_000_000),
                attribute("t" * 1_000_000, "x"),
                attribute("text", {"a": 1}),
                5,
                None,
                [],
                {"type": "ip-dst"},
                attribute("ip-dst", "1.2.3.4", timestamp="9" * 400),
                attribute("ip-dst", "1.2.3.5", Tag="x"),
                attribute("ip-dst", "fe80::1%eth0"),
                attribute("ip-dst|port", "|"),
                attribute("domain|ip", "a|b|c"),
                attribute("ip-dst", "1.2.3.6", comment="\0" * 200_000, x=deep),
                attribute(
                    "ip-dst", "1.2.3.7", first_seen="0001-01-01T00:00:00+23:59", last_seen="9999-12-31"
                ),
                Object=[
                    5,
                    {"Attribute": 5},
                    {"Attribute": [5, ONE]},
                    {"name": "n" * 10_000, "ObjectReference": [{}] * 5000},
                ],
                Galaxy=[5, {"GalaxyCluster": [5]}],
                EventReport=["x"],
                ShadowAttribute=[[]],
                info="i" * 900_000,
                Tag=tag(*["t" * 5000] * 50),
            )
        },
    )
    assert {"1.2.3.4", "1.2.3.5", "1.2.3.6", "1.2.3.7", "198.51.100.1"} <= {
        r["value"] for r in taken.indicators
    }
    assert all(len(r["value"]) <= 65536 for r in taken.indicators)
    assert all(len(r.sample) <= 64 and len(r.detail) < 600 for r in taken.rejects)
    assert all(r["ts"].timestamp() * 1e6 <= NOW + 86_400e6 for r in taken.indicators)


@given(st.data())
def test_any_damage_gives_rows_or_rejects(data: st.DataObject) -> None:
    raw = bytearray(
        (DATA / data.draw(st.sampled_from(["eset_sshdoor_abafar.json", "pymisp_shadow.json"]))).read_bytes()
    )
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    Taken("misp", bytes(raw))


KEYS = (
    "Attribute",
    "Object",
    "Tag",
    "type",
    "value",
    "uuid",
    "data",
    "deleted",
    "distribution",
    "timestamp",
    "Event",
    "name",
    "GalaxyCluster",
    "info",
    "Orgc",
    "Sighting",
    "ShadowAttribute",
    "ObjectReference",
    "meta",
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["ip-dst|port", "0", "5"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=15,
)


@given(
    st.dictionaries(
        st.sampled_from([*misp_read.LISTS, "info", "uuid", "Tag", "Orgc", "timestamp"]), JSON | st.lists(JSON)
    )
)
def test_any_members_give_rows_or_rejects(members: dict[str, Any]) -> None:
    Taken("misp", {"Event": members})


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    Taken("misp", data)
    sniffers(data)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"{}",
        b'{"timestamp": "1", "type": "bar", "value": "1"}',
        b'{"Event": {}}',
        b'{"Event": 1}',
        b'{"event": {"info": 1}}',
        b'{"Attribute": []}',
        b'{"info": "x"}',
        b'{"list": ["a"], "type": "cidr"}',
    ],
)
def test_what_is_not_misp(head: bytes) -> None:
    assert "misp" not in sniffers(head)


def test_every_event_is_read_whole() -> None:
    root = os.environ.get("NOROSHI_DATA")
    if not root:
        pytest.skip("most may not be committed; set NOROSHI_DATA to a folder with intel/misp_events")
    attributes = 0
    for path in [
        *Path(root, "intel/misp_events/eset").glob("*.json"),
        *Path(root, "intel/misp_events/echap").glob("*.json"),
    ]:
        taken = Taken("misp", path.read_bytes())
        assert sniffers(path.read_bytes()) == ["misp"], path.name
        assert taken.reasons == [], path.name
        document = unwrapped(json.loads(path.read_bytes()))
        said = document.get("Attribute", []) + [a for o in document.get("Object", []) for a in o["Attribute"]]
        assert {r["object_id"] for r in taken.indicators} == {a["uuid"] for a in said}, path.name
        attributes += taken.reading.counts["attributes"]
    assert attributes == 1647 + 7095


def test_sniffing_survives_a_cut_anywhere() -> None:
    whole = json.dumps({"Event": event(*[ONE] * 100)}).encode()
    for cut in random.Random(1).sample(range(120, 4096), 60):
        assert sniffers(whole[:cut]) == ["misp"]


def test_what_two_documents_share_is_linked_and_junk_is_not() -> None:
    """The known truth of these events: three values in two of them are evidence, `80`, `443` and `eset` are junk."""
    from noroshi.model.observable import CANONICAL

    root = os.environ.get("NOROSHI_DATA")
    if not root:
        pytest.skip("most may not be committed; set NOROSHI_DATA to a folder with intel/misp_events")
    folder = Path(root, "intel/misp_events")
    documents: dict[tuple[str, str], set[str]] = {}
    for path in [*(folder / "eset").glob("*.json"), folder / "pymisp_tests/existing_event.json"]:
        for row in Taken("misp", path.read_bytes()).indicators:
            documents.setdefault((row["kind"], row["value"].lower()), set()).add(row["document"])
    shared = {value for value, found in documents.items() if len(found) > 1}
    assert {(k, v) for k, v in shared if k in CANONICAL} == {
        ("malware", "linux/sshdoor.bo"),
        ("sha1", "d5235d136cfcadbef431eea7253d80bde414db9d"),
        ("sha1", "e338d49c270baf64363879e5eecb8fa6bdde8ad9"),
    }
    assert {v for k, v in shared if k not in CANONICAL} == {"80", "443", "eset"}
