"""STIX 2.0 and 2.1: what becomes of each kind of object, and of what is none."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noroshi.observe.intel import stix_read
from noroshi.wire.jsonhead import outline
from tests.observe.intel.support import DATA, NOW, Taken, sniffers

UUID = "0c7b5b88-8ff7-4a4d-aa9d-feb398cd0061"
STAMP = {"created": "2024-01-02T03:04:05.678Z", "modified": "2024-02-02T03:04:05.678Z"}
GREEN1, RED1 = "34098fce-860f-48ae-8e50-ebd3cc5e41da", "5e57c739-391a-4eb3-b6be-7d15ca92d5ed"


def thing(type: str, n: int = 1, **more: Any) -> dict[str, Any]:
    return {"type": type, "spec_version": "2.1", "id": f"{type}--{UUID[:-2]}{n:02}", **STAMP, **more}


def indicator(pattern: str, n: int = 1, **more: Any) -> dict[str, Any]:
    return thing("indicator", n, pattern=pattern, pattern_type="stix", valid_from=STAMP["created"], **more)


def bundle(*objects: Any, **more: Any) -> dict[str, Any]:
    return {"type": "bundle", "id": f"bundle--{UUID}", "objects": list(objects), **more}


def mark(uuid: str) -> dict[str, Any]:
    return {"object_marking_refs": [f"marking-definition--{uuid}"]}


def test_a_playbook_of_2_0() -> None:
    data = (DATA / "unit42_hellokitty_stix20.json").read_bytes()
    assert sniffers(data) == ["stix"]
    taken = Taken("stix", data)
    assert taken.reasons == []
    assert {t: len(rows) for t, rows in taken.tables.items()} == {
        "indicators": 11,
        "objects": 20,
        "relations": 36,
        "files": 7,
    }
    assert taken.reading.counts == {"objects": 56}
    first = taken.indicators[0]
    assert (first["kind"], first["value"][:8], first["raw"][:8], first["role"]) == (
        "sha256",
        "ca607e43",
        "Ca607e43",
        "mentions",
    )
    assert {r[0] for r in taken.columns("indicators", "kind")} == {"sha256", "command-line", "filename"}
    pattern = next(o for o in taken.objects if o["type"] == "attack-pattern")
    assert pattern["refs"][0].startswith("technique T")
    kitty = next(o for o in taken.objects if o["type"] == "malware")
    assert (kitty["names"], kitty["name_kind"]) == (["Hello Kitty"], "malware")
    # Its objects come before the report that names them: the bundle is their document.
    assert {r[0] for r in taken.columns("indicators", "document")} == {
        "bundle--96272bc1-9ddb-4179-8138-c94052caa54b"
    }
    whole = json.loads(data)["objects"]
    assert {json.dumps(json.loads(o["json"])) for o in [*taken.objects, *taken.relations]} == {
        json.dumps(o) for o in whole
    }
    for row in taken.objects:
        assert data[row["offset"] : row["offset"] + 1] == b"{"


def test_observables_of_2_1() -> None:
    data = (DATA / "stix21_sco_examples.json").read_bytes()
    taken = Taken("stix", data)
    assert taken.reasons == []
    assert len(taken.objects) == 82
    kinds = {r[0] for r in taken.columns("indicators", "kind")}
    assert {
        "ip",
        "domain",
        "url",
        "email",
        "asn",
        "mutex",
        "md5",
        "sha256",
        "regkey",
        "mac-address",
        "filename",
    } <= kinds
    assert {r[0] for r in taken.columns("indicators", "role")} == {"observed"}
    assert any(f["imphash"] or f["md5"] or f["sha256"] for f in taken.files)


def test_makers_and_hash_patterns() -> None:
    taken = Taken("stix", (DATA / "stix21_c2.json").read_bytes())
    assert {r[0] for r in taken.columns("indicators", "origin")} == {
        "The MITRE Corporation - DHS Support Team"
    }
    (file,) = taken.files
    assert file["sha256"].startswith("ef537f25")
    assert [r[0] for r in taken.columns("relations", "relation")] == ["mitigates", "indicates", "indicates"]


def test_patterns_give_values_with_roles() -> None:
    taken = Taken(
        "stix",
        bundle(
            indicator(
                "[ipv4-addr:value = '198.51.100.1' OR domain-name:value = 'EVIL.example.']",
                kill_chain_phases=[{"kill_chain_name": "x", "phase_name": "command-and-control"}],
            ),
            indicator(
                "[url:value = 'hxxp://evil[.]example/a'] FOLLOWEDBY [url:value NOT = 'http://good.example/']",
                2,
                kill_chain_phases=[{"kill_chain_name": "lockheed", "phase_name": "delivery"}],
                labels=["l"],
                indicator_types=["malicious-activity"],
                confidence=80,
                valid_until="2031-01-01T00:00:00Z",
            ),
            indicator("[ipv4-addr:value ISSUBSET '198.51.100.0/24' AND network-traffic:dst_port = 443]", 3),
            indicator("[domain-name:value LIKE '%.evil.example' OR url:value MATCHES '^http://x']", 4),
            indicator("[ipv4-addr:value = 'not an address']", 5),
            thing(
                "indicator",
                6,
                pattern="rule x { condition: true }",
                pattern_type="yara",
                valid_from=STAMP["created"],
            ),
            indicator("[ipv4-addr:value = '192.0.2.9']", 7, revoked=True),
        ),
    )
    assert taken.columns("indicators", "kind", "value", "raw", "role") == [
        ("ip", "198.51.100.1", None, "c2"),
        ("domain", "evil.example", "EVIL.example.", "c2"),
        ("url", "http://evil.example/a", "hxxp://evil[.]example/a", "download"),
        ("prefix", "198.51.100.0/24", None, "mentions"),
        ("port", "443", None, "mentions"),
        ("wildcard", "%.evil.example", None, "mentions"),
        ("regex", "^http://x", None, "mentions"),
        ("ipv4-addr:value", "not an address", None, "mentions"),
        ("yara", "rule x { condition: true }", None, "mentions"),
    ]
    second = taken.indicators[2]
    assert (second["confidence"], second["labels"], second["to_ids"]) == (
        80,
        ["l", "malicious-activity"],
        True,
    )
    assert (second["valid_until"].year, second["last_seen"]) == (2031, None)
    assert [o["revoked"] for o in taken.objects] == [False] * 6 + [True]
    assert taken.reasons == []


@pytest.mark.parametrize(
    ("more", "tlp"),
    [
        ({}, None),
        (mark(GREEN1), "green"),
        (mark("613f2e26-407d-48c7-9eca-b8e91df99dc9"), "clear"),
        (mark("f88d31f6-486f-44da-b317-01333bde0b82"), "amber"),
        (mark(RED1), "red"),
        (mark("94868c89-83c2-464b-929b-a1a8aa3c8487"), "clear"),
        (mark("bab4a63c-aed9-4cf5-a766-dfca5abac2bb"), "green"),
        (mark("55d920b0-5e8b-4f79-9ee9-91f868d9b421"), "amber"),
        (mark("939a9414-2ddd-4d32-a0cd-375ea402b003"), "amber+strict"),
        (mark("e828b379-4e03-4974-9ac4-e53a884c97c1"), "red"),
        (mark("00000000-0000-4000-8000-000000000001"), None),  # nowhere defined
        (mark(UUID), "amber"),  # defined in the bundle, behind
        (
            mark(GREEN1)
            | {"granular_markings": [{"marking_ref": f"marking-definition--{RED1}", "selectors": ["name"]}]},
            "red",
        ),
        ({"granular_markings": [{"lang": "de", "selectors": ["name"]}]}, None),
    ],
)
def test_markings(more: dict[str, Any], tlp: str | None) -> None:
    own = {
        "type": "marking-definition",
        "id": f"marking-definition--{UUID}",
        "definition_type": "tlp",
        "definition": {"tlp": "amber"},
        "created": STAMP["created"],
    }
    for objects in (
        [indicator("[ipv4-addr:value = '192.0.2.1']", **more), own],
        [own, indicator("[ipv4-addr:value = '192.0.2.1']", **more)],
    ):
        taken = Taken("stix", bundle(*objects))
        assert taken.columns("indicators", "tlp") == [(tlp,)]


def test_a_marking_of_2_0_style_in_an_extension() -> None:
    own = thing(
        "marking-definition",
        extensions={
            "extension-definition--x": {"extension_type": "property-extension", "tlp_2_0": "amber+strict"}
        },
    )
    taken = Taken("stix", bundle(own, thing("malware", name="x y", object_marking_refs=[own["id"]])))
    assert taken.columns("objects", "type", "tlp") == [
        ("marking-definition", None),
        ("malware", "amber+strict"),
    ]


def test_what_waits_for_a_marking_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stix_read, "WAITING", 3000)
    objects = [indicator(f"[ipv4-addr:value = '192.0.2.{n}']", n, **mark(UUID)) for n in range(50)]
    taken = Taken("stix", bundle(*objects))
    assert [r[0] for r in taken.columns("indicators", "value")] == [f"192.0.2.{n}" for n in range(50)]


def test_a_report_before_its_objects_is_their_document() -> None:
    one = indicator("[ipv4-addr:value = '192.0.2.1']")
    report = thing("report", name="Of these", object_refs=[one["id"]], published=STAMP["created"])
    other = indicator("[ipv4-addr:value = '192.0.2.2']", 2)
    taken = Taken("stix", bundle(report, one, other))
    assert taken.columns("indicators", "document", "document_name") == [
        (report["id"], "Of these"),
        (f"bundle--{UUID}", None),
    ]


def test_names_references_and_relations() -> None:
    taken = Taken(
        "stix",
        bundle(
            thing(
                "intrusion-set",
                name="Bear",
                aliases=["Bear", "Ours"],
                x_mitre_aliases=["Björn"],
                x_mitre_deprecated=True,
                external_references=[
                    {"source_name": "mitre-attack", "external_id": "G0007"},
                    {"source_name": "x"},
                ],
            ),
            thing(
                "vulnerability",
                2,
                name="CVE-2024-1234",
                external_references=[{"source_name": "cve", "external_id": "CVE-2024-1234"}],
            ),
            thing(
                "relationship",
                3,
                relationship_type="uses",
                source_ref="a--1",
                target_ref="b--2",
                x_custom={"k": 1},
            ),
            thing(
                "sighting", 4, sighting_of_ref="indicator--1", where_sighted_refs=["identity--7"], count=12
            ),
            thing("relationship", 5, relationship_type="uses"),
        ),
    )
    assert taken.columns("objects", "names", "name_kind", "refs", "revoked") == [
        (["Bear", "Ours", "Björn"], "actor", ["technique G0007"], True),
        (["CVE-2024-1234"], "", ["cve CVE-2024-1234"], False),
    ]
    assert taken.columns("relations", "source_ref", "relation", "target_ref", "count") == [
        ("a--1", "uses", "b--2", None),
        ("identity--7", "sighting-of", "indicator--1", 12),
    ]
    assert json.loads(taken.relations[0]["json"])["x_custom"] == {"k": 1}
    assert taken.reasons == ["object"]


def test_observed_data_of_2_0() -> None:
    inner = {
        "0": {"type": "ipv4-addr", "value": "198.51.100.2"},
        "1": {"type": "network-traffic", "dst_ref": "0"},
        "2": {"type": "file", "name": "a.exe", "size": 5, "hashes": {"MD5": "D" * 32, "SHA-512": "e" * 128}},
    }
    seen = thing(
        "observed-data",
        first_observed="2024-01-01T00:00:00Z",
        last_observed="2024-01-05T00:00:00Z",
        number_observed=3,
        objects=inner,
    )
    taken = Taken("stix", bundle(seen, spec_version="2.0"))
    assert taken.columns("indicators", "kind", "value", "role") == [
        ("ip", "198.51.100.2", "observed"),
        ("md5", "d" * 32, "observed"),
        ("sha512", "e" * 128, "observed"),
        ("filename", "a.exe", "observed"),
    ]
    assert taken.indicators[0]["first_seen"].day == 1
    (file,) = taken.files
    assert (file["names"], file["size"], file["sha512"]) == (["a.exe"], 5, "e" * 128)


def test_other_shapes() -> None:
    one = thing("malware", name="Alone")
    assert sniffers(json.dumps(one).encode()) == ["stix"]
    assert Taken("stix", one).columns("objects", "names", "document") == [(["Alone"], "x.json")]
    lines = b"\n".join(json.dumps(thing("malware", n, name=f"m{n}")).encode() for n in range(3))
    assert [r[0] for r in Taken("stix", lines).columns("objects", "names")] == [["m0"], ["m1"], ["m2"]]
    assert len(Taken("stix", [one, one]).objects) == 2
    answer = {"more": False, "objects": [one]}
    assert sniffers(json.dumps(answer).encode()) == ["stix"]
    assert len(Taken("stix", answer).objects) == 1
    assert sniffers(b'{"type": "bundle", "id": "bundle--') == ["stix"]
    backwards = {"objects": [one], "id": f"bundle--{UUID}", "type": "bundle"}
    assert sniffers(json.dumps(backwards).encode()) == ["stix"]
    assert Taken("stix", {"type": "bundle", "id": "bundle--1"}).reasons == []
    assert Taken("stix", {"name": "x"}).reasons == ["shape"]


@pytest.mark.parametrize(
    "head", [b"", b"{}", b'{"type": "x"}', b'{"objects": []}', b'{"bomFormat": "CycloneDX"}', b"[1, 2]"]
)
def test_what_is_not_stix(head: bytes) -> None:
    assert "stix" not in sniffers(head)


def test_members_of_a_wrong_kind_cost_themselves_alone() -> None:
    taken = Taken(
        "stix", bundle(thing("malware", name="Kept", confidence="high", aliases=[1, 2], labels="x"))
    )
    assert taken.columns("objects", "names", "confidence") == [(["Kept"], None)]
    assert taken.reasons == ["field"]
    assert "aliases, labels, confidence" in taken.rejects[0].detail


def test_times_out_of_bounds() -> None:
    taken = Taken(
        "stix",
        bundle(thing("malware", name="Old", created="1970-01-01T00:00:00Z", modified="2999-01-01T00:00:00Z")),
    )
    (row,) = taken.objects
    assert row["ts"].timestamp() * 1e6 == NOW
    assert row["created"] is None
    assert taken.reasons == ["time"]


def test_hostile_objects() -> None:
    deep = json.loads("[" * 60 + "]" * 60)
    taken = Taken(
        "stix",
        bundle(
            thing("malware", 1, name="a" * 2_000_000, description="\0" * 100_000),
            thing("malware", 2, name="deep", x=deep),
            {"type": "malware"},
            {"id": "x--1"},
            5,
            None,
            "x",
            [],
            {},
            {"type": "malware", "id": "malware--" + "1" * 1_000_000},
            indicator("(" * 10_000 + "[a:b = 'c']" + ")" * 10_000, 3),
            indicator("[a:b = '" + "x" * 1_000_000 + "']", 4),
            thing("relationship", 5, relationship_type="r", source_ref="s" * 1_000_000, target_ref="t"),
            thing(
                "malware",
                6,
                name="a",
                count=10**400,
                aliases=["b"] * 100_000,
                external_references=[{}] * 10_000,
            ),
            thing("sighting", 7, sighting_of_ref="x", count=-5),
            thing(
                "observed-data", 8, objects={str(n): {"type": "ipv4-addr", "value": {}} for n in range(5000)}
            ),
        ),
    )
    assert all(len(o["json"]) <= 1 << 20 for o in taken.objects)
    assert all(len(r.sample) <= 64 and len(r.detail) < 600 for r in taken.rejects)
    assert taken.reasons.count("pattern") == 2
    parts = (
        b'{"type":"malware","type":"tool","id":"tool--1","id":"tool--2","name":"\\ud800"}',
        b'{"type":"tool","id":"tool--3","name":"n\x00"}',
        b'{"type":"tool","id":"tool--4","name":"\xff"}',
        b'{"type":"tool","id":"tool--5","name":"ok"}',
    )
    twice = b'{"type":"bundle","id":"bundle--1","objects":[' + b",".join(parts) + b"]}"
    taken = Taken("stix", twice)
    assert [r[0] for r in taken.columns("objects", "object_id")] == ["tool--5"]
    assert taken.reasons == ["object"] * 3


def test_a_truncated_bundle_gives_what_stands_before_the_cut() -> None:
    data = (DATA / "stix21_c2.json").read_bytes()
    taken = Taken("stix", data[:2500])
    assert [r[0] for r in taken.columns("objects", "type")] == [
        "identity",
        "malware",
        "indicator",
        "indicator",
    ][: len(taken.objects)]
    assert len(taken.objects) >= 3
    assert taken.reasons == ["cut-short"]


@given(st.data())
def test_any_damage_gives_rows_or_rejects(data: st.DataObject) -> None:
    raw = bytearray((DATA / "stix21_c2.json").read_bytes())
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    Taken("stix", bytes(raw))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["2024-01-01T00:00:00Z", "[a:b='c']"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(list(stix_read._FIELDS)), inner, max_size=6)
    ),
    max_leaves=10,
)


@given(
    st.dictionaries(st.sampled_from(list(stix_read._FIELDS)), JSON),
    st.sampled_from(["indicator", "file", "sighting", "observed-data", "report"]),
)
def test_any_members_give_rows_or_rejects(members: dict[str, Any], type: str) -> None:
    taken = Taken("stix", bundle(members | {"type": type, "id": "x--1"}))
    assert taken.objects or taken.relations or taken.rejects


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    Taken("stix", data)
    sniffers(data)
    outline(data)


def _real(*parts: str) -> list[Path]:
    root = os.environ.get("NOROSHI_DATA")
    found = sorted(Path(root, "intel").glob("/".join(parts))) if root else []
    if not found:
        pytest.skip("may not be committed; set NOROSHI_DATA to a folder with intel/" + "/".join(parts))
    return found


def test_attack_goes_through_the_same_sensor() -> None:
    import gzip

    (path,) = _real("attack", "ics-attack-18.1.json.gz")
    taken = Taken("stix", gzip.decompress(path.read_bytes()))
    assert taken.reasons == []
    assert (len(taken.relations), len(taken.objects)) == (1373, 453)
    techniques = [o for o in taken.objects if o["type"] == "attack-pattern"]
    assert len(techniques) == 95
    assert all(o["refs"] and o["refs"][0].startswith("technique T0") for o in techniques)
    assert any(o["revoked"] for o in taken.objects)
    assert {o["origin"] for o in techniques} <= {
        "The MITRE Corporation",
        "identity--c78cb6e5-0c4b-4611-8297-d1b8b55e40b5",
    }


def test_every_playbook_and_report_is_read_whole() -> None:
    for path in [*_real("stix20", "unit42", "*.json"), *_real("stix21", "amnesty", "*.stix2")]:
        data = path.read_bytes()
        taken = Taken("stix", data)
        assert taken.reasons == [], path.name
        whole = json.loads(data)["objects"]
        assert len(taken.objects) + len(taken.relations) == len(whole), path.name
        assert {r[0] for r in taken.columns("indicators", "object_id")} == {
            o["id"] for o in whole if o["type"] == "indicator"
        }
