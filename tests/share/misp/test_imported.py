"""Intelligence that came in goes out as MISP with its own ids, as far as nothing in it is hidden or masked."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from noroshi.config import load
from noroshi.lake.handle import Lake
from noroshi.model.finding import Finding
from noroshi.model.tlp import Tlp
from noroshi.share.anonymise.mask import Plain
from noroshi.share.gate import View
from noroshi.share.misp.imported import events
from noroshi.share.misp.make import Maker, Thing
from noroshi.work.gate import open_view, recipient
from noroshi.work.ingest import ingest
from noroshi.work.share_misp import share_misp

EVENT = "5f2e3a54-0000-4000-8000-0000000000aa"
NOW = datetime(2026, 11, 20, tzinfo=UTC)


def uuid(n: int) -> str:
    return f"5f2e3a54-0000-4000-8000-{n:012d}"


def attribute(n: int, type: str, value: str, *tags: str, **more: Any) -> dict[str, Any]:
    return {
        "uuid": uuid(n), "type": type, "category": "Network activity", "value": value, "to_ids": True,
        "comment": f"number {n}", "timestamp": "1711972800", "distribution": "5", "deleted": False,
        "Tag": [{"name": t} for t in tags], **more,
    }  # fmt: skip


def event(**more: Any) -> dict[str, Any]:
    base = {
        "uuid": EVENT, "id": "17", "info": "A campaign", "date": "2024-04-01", "threat_level_id": "2", "analysis": "1",
        "timestamp": "1711972900", "published": True, "distribution": "1", "event_creator_email": "who@example.org",
        "sharing_group_id": "4", "Orgc": {"id": "9", "name": "Example ISAC", "uuid": uuid(900)},
        "Tag": [{"name": "tlp:green", "colour": "#33ff00"}, {"name": "type:OSINT"}],
        "Attribute": [
            attribute(1, "ip-dst", "203.0.113.7", Sighting=[
                {"uuid": uuid(700), "date_sighting": "1711976400", "type": "0", "source": "sensor-3"}]),
            attribute(2, "ip-dst|port", "203.0.113.8|443", "tlp:clear"),
            attribute(3, "domain", "EVIL.example", "tlp:red"),
            attribute(4, "filename|sha256", f"a|b.exe|{'ab' * 32}", 'misp-galaxy:mitre-attack-pattern="X - T1566"'),
            attribute(5, "mutex", "Global\\x"),
        ],
        "Object": [{
            "uuid": uuid(50), "name": "file", "meta-category": "file", "template_uuid": uuid(51),
            "template_version": "24", "timestamp": "1711972800", "distribution": "5", "deleted": False,
            "Attribute": [
                attribute(6, "md5", "ab" * 16, object_relation="md5", category="Payload delivery"),
                attribute(7, "filename", "secret-plan.docx", "tlp:red", object_relation="filename"),
            ],
            "ObjectReference": [
                {"uuid": uuid(60), "object_uuid": uuid(50), "referenced_uuid": uuid(1), "relationship_type": "calls"},
                {"uuid": uuid(61), "object_uuid": uuid(50), "referenced_uuid": uuid(3), "relationship_type": "calls"},
            ],
        }],
    }  # fmt: skip
    return base | more


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake")


def take(lake: Lake, tmp_path: Path, *documents: Any, tlp: Tlp = Tlp.CLEAR) -> None:
    for n, one in enumerate(documents):
        path = tmp_path / f"{n}.json"
        path.write_text(json.dumps({"Event": one}))
        assert not [r.problem for r in ingest(lake, [path], config=load(None), tlp=tlp) if r.problem]


def view(lake: Lake, to: str = "own") -> View:
    return replace(open_view(lake, load(None), recipient(to), now=NOW), mask=Plain())


def told(seen: View) -> list[Thing]:
    return list(events(seen, Maker.of("Us", seen.recipient.name)))


def every(one: Thing) -> dict[str, Thing]:
    inner = [a for o in one["Object"] for a in o["Attribute"]]
    return {a["uuid"]: a for a in [*one["Attribute"], *inner]}


def test_what_was_not_touched_keeps_its_ids_and_words(lake: Lake, tmp_path: Path) -> None:
    take(lake, tmp_path, event())
    (one,) = told(view(lake, "community"))
    assert {k: one[k] for k in ("uuid", "info", "date", "analysis", "threat_level_id", "timestamp", "Orgc")} == {
        "uuid": EVENT, "info": "A campaign", "date": "2024-04-01", "analysis": "1", "threat_level_id": "2",
        "timestamp": "1711972900", "Orgc": {"name": "Example ISAC", "uuid": uuid(900)},
    }  # fmt: skip
    assert [t["name"] for t in one["Tag"]] == ["tlp:green", "type:OSINT"]
    found = every(one)
    assert {k: (a["type"], a["value"]) for k, a in found.items()} == {
        uuid(1): ("ip-dst", "203.0.113.7"), uuid(2): ("ip-dst|port", "203.0.113.8|443"),
        uuid(4): ("filename|sha256", f"a|b.exe|{'ab' * 32}"), uuid(5): ("mutex", "Global\\x"),
        uuid(6): ("md5", "ab" * 16),
    }  # fmt: skip
    assert [t["name"] for t in found[uuid(2)]["Tag"]] == ["tlp:clear"]
    assert found[uuid(1)]["Sighting"] == [
        {"uuid": uuid(700), "type": "0", "source": "sensor-3", "date_sighting": "1711976400"}
    ]
    assert found[uuid(1)]["comment"] == "number 1"


def test_nothing_of_the_instance_it_came_from_is_told(lake: Lake, tmp_path: Path) -> None:
    take(lake, tmp_path, event())
    body = json.dumps(told(view(lake)))
    assert "who@example.org" not in body
    assert "sharing_group_id" not in body


@pytest.mark.parametrize("to", ["public", "community", "own"])
def test_what_is_marked_stricter_is_not_told_even_inside_objects(lake: Lake, tmp_path: Path, to: str) -> None:
    take(lake, tmp_path, event())
    body = json.dumps(told(view(lake, to)))
    for hidden in ("evil.example", "EVIL", "secret-plan", uuid(3), uuid(7), uuid(61)):
        assert hidden not in body
    if to == "public":  # the event is GREEN, but one attribute in it was made CLEAR by its maker
        assert "203.0.113.8" in body
        assert "203.0.113.7" not in body
        assert EVENT not in body


def test_a_newer_version_replaces_the_older_one(lake: Lake, tmp_path: Path) -> None:
    newer = event(timestamp="1711999999", info="A campaign, looked at again", Object=[],
                  Attribute=[attribute(1, "ip-dst", "203.0.113.7"), attribute(8, "ip-dst", "203.0.113.9")])  # fmt: skip
    take(lake, tmp_path, newer, event())
    (one,) = told(view(lake))
    assert one["info"] == "A campaign, looked at again"
    assert set(every(one)) == {uuid(1), uuid(8)}


class Hiding:
    """Hides one address wherever it stands, as a profile does."""

    profile = "hiding"

    def value(self, kind: str, value: str, role: str = "") -> str | None:
        return value.replace("203.0.113.7", "203.0.113.99")

    def finding(self, finding: Finding) -> Finding | None:
        return finding

    def text(self, text: str) -> str | None:
        return self.value("", text)

    def table(self, name: str, rows: Any) -> Any:
        import pyarrow as pa

        hidden = [
            {k: self.value("", v) if isinstance(v, str) else v for k, v in r.items()}
            for r in rows.to_pylist()
        ]
        return pa.Table.from_pylist(hidden, schema=rows.schema)

    def object(self, thing: dict[str, Any]) -> dict[str, Any] | None:
        return json.loads(json.dumps(thing).replace("203.0.113.7", "203.0.113.99"))  # type: ignore[no-any-return]


def test_what_is_masked_loses_its_id(lake: Lake, tmp_path: Path) -> None:
    take(lake, tmp_path, event())
    (one,) = told(replace(view(lake), mask=Hiding()))
    found = {a["value"]: k for k, a in every(one).items()}
    assert found["203.0.113.99"] != uuid(1)
    assert found["203.0.113.8|443"] == uuid(2)
    assert one["uuid"] == EVENT  # nothing in the event's own words was changed
    take(lake, tmp_path, event(info="About 203.0.113.7", timestamp="1711999998"))
    (one,) = told(replace(view(lake), mask=Hiding()))
    assert one["uuid"] != EVENT
    assert one["Orgc"]["name"] == "Us"
    assert '203.0.113.7"' not in json.dumps(one)


def test_other_formats_become_events_by_source_and_day(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("203.0.113.5\nbad.example.com\nhttp://bad.example/x\n" + "cd" * 32 + "\n")
    ingest(lake, [path], config=load(None), as_format="ioc-list", tlp=Tlp.GREEN)
    (one,) = told(view(lake))
    assert {(a["type"], a["value"]) for a in one["Attribute"]} == {
        ("ip-dst", "203.0.113.5"), ("domain", "bad.example.com"), ("url", "http://bad.example/x"),
        ("sha256", "cd" * 32),
    }  # fmt: skip
    assert all(next(t["name"] for t in a["Tag"]) == "tlp:green" for a in one["Attribute"])
    assert told(view(lake, "public")) == []


@pytest.mark.parametrize(
    "bad",
    [
        {"uuid": "../../../etc/passwd"}, {"uuid": "x" * 300}, {"Orgc": 7}, {"Orgc": {"name": ["x"]}}, {"Tag": "x"},
        {"Tag": [7, {"name": 8}, {"name": "\ud800"}]}, {"timestamp": "never"}, {"date": "soon"}, {"info": None},
        {"Attribute": [{"type": "ip-dst", "value": "203.0.113.7", "uuid": "../x"}]},
        {"Object": [{"name": "file", "uuid": "..", "Attribute": [{"type": "md5", "value": "ab" * 16, "uuid": "/"}]}]},
        {"Object": [{"name": "file", "uuid": uuid(5), "Attribute": [attribute(6, "md5", "ab" * 16, comment={"a": 1},
                                                                         timestamp=[], object_relation={})]}]},
    ],
)  # fmt: skip
def test_hostile_events_give_a_feed_all_the_same(lake: Lake, tmp_path: Path, bad: dict[str, Any]) -> None:
    pymisp = pytest.importorskip("pymisp")
    path = tmp_path / "in" / "x.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"Event": event(**bad)}))
    ingest(lake, [path], config=load(None), tlp=Tlp.CLEAR)
    out = tmp_path / "out" / "feed"
    share_misp(lake, config=load(None), recipient="own", folder=out)
    for name in json.loads((out / "manifest.json").read_bytes()):
        loaded = pymisp.MISPEvent()
        loaded.load(json.loads((out / f"{name}.json").read_bytes()))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "lake", "out"]
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["feed"]


def test_the_export_is_in_the_audit_log(lake: Lake, tmp_path: Path) -> None:
    from noroshi.lake.state import State

    take(lake, tmp_path, event())
    share_misp(lake, config=load(None), recipient="community", folder=tmp_path / "feed", who="cli:ann")
    (entry,) = State(lake.path).audit.newest(action="export")
    assert (entry.actor, entry.recipient, entry.count) == ("cli:ann", "community", 5)
    assert entry.detail["format"] == "misp"


def test_categories_come_back_as_they_were(lake: Lake, tmp_path: Path) -> None:
    """Import, export, import again, export: the category of an attribute is its maker's."""
    import pymisp

    given = {
        11: ("ip-dst", "203.0.113.9", "Payload delivery"), 12: ("url", "http://evil.example/x", "External analysis"),
        13: ("filename|sha256", f"b.exe|{'cd' * 32}", "Artifacts dropped"), 14: ("comment", "words", "Targeting data"),
        15: ("comment", "of ours", "Internal reference"), 16: ("domain", "c2.example", "Network activity"),
    }  # fmt: skip
    loose = [attribute(n, t, v, category=c) for n, (t, v, c) in given.items()]
    take(lake, tmp_path, event(Attribute=loose))
    once = json.loads(json.dumps(told(view(lake))))
    second = Lake.open(tmp_path / "second")
    (tmp_path / "again").mkdir()
    take(second, tmp_path / "again", *once)
    for seen in (once, told(view(second))):
        (one,) = seen
        found = every(one)
        assert {n: found[uuid(n)]["category"] for n in given} == {n: c for n, (_, _, c) in given.items()}
        assert found[uuid(6)]["category"] == "Payload delivery"  # within an object
        loaded = pymisp.MISPEvent()
        loaded.load(json.loads(json.dumps(one)))
        assert {a.uuid: a.category for a in loaded.attributes if a.uuid != uuid(6)} == {
            uuid(n): c for n, (_, _, c) in given.items()
        }


def test_a_category_misp_does_not_allow_is_not_told(lake: Lake, tmp_path: Path) -> None:
    import pymisp

    inner = attribute(6, "md5", "ab" * 16, object_relation="md5", category="Social network")
    thing = event()["Object"][0] | {"Attribute": [inner]}
    hostile = [
        attribute(11, "ip-dst", "203.0.113.9", category="Person"),
        attribute(12, "md5", "cd" * 16, category="x" * 99),
    ]
    take(lake, tmp_path, event(Attribute=hostile, Object=[thing]))
    (one,) = told(view(lake))
    assert {a["category"] for a in every(one).values()} == {"Network activity", "Payload delivery"}
    pymisp.MISPEvent().load(json.loads(json.dumps(one)))
