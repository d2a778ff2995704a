"""MISP galaxies: names of actors and malware with their synonyms."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.observe.intel.support import DATA, Taken, sniffers

BOTNETS = (DATA / "galaxy_botnet_excerpt.json").read_bytes()


def test_clusters() -> None:
    assert sniffers(BOTNETS) == ["misp-galaxy"]
    taken = Taken("misp-galaxy", BOTNETS)
    assert taken.reasons == []
    assert taken.columns("objects", "names", "name_kind", "type", "origin") == [
        (["Mirai"], "malware", "misp-galaxy:botnet", "MISP Project"),
        (["Gafgyt", "Bashlite"], "malware", "misp-galaxy:botnet", "MISP Project"),
        (["Mozi"], "malware", "misp-galaxy:botnet", "MISP Project"),
    ]
    whole = {v["uuid"]: v for v in json.loads(BOTNETS)["values"]}
    assert {o["object_id"]: json.loads(o["json"]) for o in taken.objects} == whole
    assert len(taken.relations) == sum(len(v.get("related", [])) for v in whole.values())
    assert {r[0] for r in taken.columns("relations", "relation")} == {"similar", "variant-of"}


def test_the_order_of_members_does_not_matter() -> None:
    document = json.loads(BOTNETS)
    backwards = dict(reversed(document.items()))
    first, second = Taken("misp-galaxy", document), Taken("misp-galaxy", backwards)
    strip = [{k: v for k, v in o.items() if k != "offset"} for o in first.objects]
    assert [{k: v for k, v in o.items() if k != "offset"} for o in second.objects] == strip


def test_a_galaxy_as_an_instance_exports_it() -> None:
    document = {
        "uuid": "g",
        "name": "Tea",
        "type": "threat-actor",
        "namespace": "misp",
        "GalaxyCluster": [
            {"value": "Sofacy", "uuid": "c", "meta": {"synonyms": ["APT28"], "external_id": ["G0007"]}}
        ],
    }
    assert sniffers(json.dumps(document).encode()) == ["misp-galaxy"]
    assert Taken("misp-galaxy", document).columns("objects", "names", "name_kind", "refs") == [
        (["Sofacy", "APT28"], "actor", ["technique G0007"])
    ]


def test_hostile_clusters() -> None:
    document = {
        "type": "tool",
        "uuid": "g",
        "category": "x",
        "values": [
            5,
            None,
            {},
            {"value": "a" * 1_000_000, "meta": {"synonyms": {"a": 1}}},
            {"value": "b", "meta": 5},
            {"value": "c", "related": [{}, {"dest-uuid": 5}], "meta": {"synonyms": "one", "external_id": 7}},
        ],
    }
    taken = Taken("misp-galaxy", document)
    assert taken.reasons == ["object"] * 4
    assert [len(o["names"][0]) for o in taken.objects] == [512, 1]
    cut = Taken("misp-galaxy", BOTNETS[:1500])
    assert cut.reasons == ["cut-short"]


@given(st.data())
def test_any_damage_gives_rows_or_rejects(data: st.DataObject) -> None:
    raw = bytearray(BOTNETS)
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    Taken("misp-galaxy", bytes(raw))


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    Taken("misp-galaxy", data)


def test_every_galaxy_is_read_whole() -> None:
    root = os.environ.get("NOROSHI_DATA")
    if not root:
        pytest.skip("most may not be committed; set NOROSHI_DATA to a folder with intel/galaxy")
    total = 0
    for path in Path(root, "intel/galaxy").glob("*.json"):
        data = path.read_bytes()
        assert sniffers(data) == ["misp-galaxy"], path.name
        taken = Taken("misp-galaxy", data)
        assert taken.reasons == []
        total += len(taken.objects)
        if path.name == "mitre-attack-pattern.json":
            assert sum(bool(o["refs"]) for o in taken.objects) > 1000
    assert total == 5521
