"""Others read the feed: PyMISP loads every event, misp-stix keeps every marking."""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from noroshi.share.misp import feed
from noroshi.share.misp.make import Maker, events
from tests.support.findings import finding, one_of_each

pymisp = pytest.importorskip("pymisp")

STIX_MARKINGS = {
    "tlp:clear": "94868c89-83c2-464b-929b-a1a8aa3c8487", "tlp:green": "bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    "tlp:amber": "55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    "tlp:amber+strict": "939a9414-2ddd-4d32-a0cd-375ea402b003",
}  # fmt: skip
TLP1 = {
    "tlp:green": "34098fce-860f-48ae-8e50-ebd3cc5e41da",
    "tlp:amber": "f88d31f6-486f-44da-b317-01333bde0b82",
}
"""misp-stix writes GREEN and AMBER with the ids of TLP 1, which names the same markings."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("feed")
    mixed = [
        finding("scanner", f"198.51.100.{n}", tlp=t)
        for n, t in enumerate(("clear", "green", "amber", "amber+strict"))
    ]
    evidence = {"ports": ["tcp/443"], "vulnerabilities": [{"id": "CVE-2024-3400"}]}
    more = [finding("vulnerable-service", "192.0.2.9", evidence=evidence)]
    feed.write(out, events([*one_of_each(), *mixed, *more], Maker.of("Example", "own")))
    return out


def read(folder: Path) -> Iterator[dict[str, Any]]:
    for name in json.loads((folder / "manifest.json").read_bytes()):
        yield json.loads((folder / f"{name}.json").read_bytes())


def every(event: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from event.get("Attribute", ())
    for thing in event.get("Object", ()):
        yield from thing["Attribute"]


def test_pymisp_loads_every_event_and_writes_the_same(folder: Path) -> None:
    n = 0
    for raw in read(folder):
        event = pymisp.MISPEvent()
        event.load(copy.deepcopy(raw))
        back = json.loads(event.to_json())
        assert back["uuid"] == raw["Event"]["uuid"]
        told = {a["uuid"]: said(a) for a in every(raw["Event"])}
        assert {a["uuid"]: said(a) for a in every(back)} == told
        n += len(told)
    assert n > 20


def said(one: dict[str, Any]) -> tuple[str, str, set[str]]:
    """Type, value and tags; PyMISP writes times in its own way."""
    value = one["value"][:19] if one["type"] == "datetime" else one["value"]
    return one["type"], value, {t["name"] for t in one["Tag"]}


def test_the_manifest_and_hashes_are_what_pymisp_makes(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_bytes())
    lines = (folder / "hashes.csv").read_text().splitlines()
    for raw in read(folder):
        event = pymisp.MISPEvent()
        event.load(copy.deepcopy(raw))
        made = event.to_feed(with_meta=True)["Event"]
        theirs = made["_manifest"][event.uuid]
        ours = manifest[event.uuid]
        assert {k: ours[k] for k in ("info", "date")} == {k: str(theirs[k]) for k in ("info", "date")}
        assert ours["timestamp"] == str(int(event.timestamp.timestamp()))
        assert {t["name"] for t in ours["Tag"]} == {t["name"] for t in theirs["Tag"]}
        # PyMISP turns the texts of `datetime` attributes into times of Python before it hashes them.
        times = {h for a in every(raw["Event"]) if a["type"] == "datetime" for h in feed.digests(a)}
        theirs = {h for a in event.attributes + [a for o in event.objects for a in o.attributes]
                  if a.type != "datetime" for h in a.hash_values("md5")}  # fmt: skip
        assert set(made["_hashes"]) >= theirs
        assert {line.split(",")[0] for line in lines if line.endswith(event.uuid)} == theirs | times


def test_types_and_categories_are_misps(folder: Path) -> None:
    described = json.loads(files("pymisp").joinpath("data/describeTypes.json").read_text())["result"]
    for raw in read(folder):
        for one in every(raw["Event"]):
            assert one["type"] in described["category_type_mappings"][one["category"]]
    from noroshi.share.misp.types import category_of

    # What somebody said stays where MISP allows it; PyMISP refuses every other pair.
    allowed = described["category_type_mappings"]
    for category in (*allowed, "Nonsense"):
        for type, sane in described["sane_defaults"].items():
            right = category if type in allowed.get(category, ()) else sane["default_category"]
            assert category_of(type, category) == right
    assert {t: category_of(t) for t in described["types"]} == {
        t: d["default_category"] for t, d in described["sane_defaults"].items()
    }


def test_objects_follow_misps_templates(folder: Path) -> None:
    templates = files("pymisp").joinpath("data/misp-objects/objects")
    seen = set()
    for raw in read(folder):
        for thing in raw["Event"]["Object"]:
            template = json.loads(templates.joinpath(f"{thing['name']}/definition.json").read_text())
            assert thing["template_uuid"] == template["uuid"]
            assert thing["meta-category"] == template["meta-category"]
            for one in thing["Attribute"]:
                assert template["attributes"][one["object_relation"]]["misp-attribute"] == one["type"]
            seen.add(thing["name"])
    assert seen == {"ddos", "ip-port"}


def test_a_round_trip_through_stix_keeps_every_marking(folder: Path) -> None:
    misp_stix = pytest.importorskip("misp_stix_converter")
    checked = 0
    for raw in read(folder):
        out = misp_stix.MISPtoSTIX21Parser()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            out.parse_misp_event(copy.deepcopy(raw))
            back = misp_stix.InternalSTIX2toMISPParser()
            back.load_stix_bundle(out.bundle)
            back.parse_stix_bundle()
        assert not out.errors
        assert not back.errors
        event = raw["Event"]
        for thing in out.bundle.objects:
            refs = {r.removeprefix("marking-definition--") for r in thing.get("object_marking_refs", ())}
            for one in event["Attribute"]:
                if thing["id"] == f"indicator--{one['uuid']}":
                    (mark,) = marks(one)
                    assert refs <= {STIX_MARKINGS[mark], TLP1.get(mark)}
                    assert refs
                    checked += 1
        # Back in MISP an attribute that carries no tag of its own has its event's.
        returned = json.loads(back.misp_event.to_json())
        (around,) = marks(returned)
        then = {a["uuid"]: marks(a) or {around} for a in every(returned)}
        for one in event["Attribute"]:
            if one["uuid"] in then:
                assert then[one["uuid"]] == marks(one)
                checked += 1
    assert checked >= 10


def marks(thing: dict[str, Any]) -> set[str]:
    return {t["name"] for t in thing.get("Tag", ()) if t["name"].startswith("tlp:")}
