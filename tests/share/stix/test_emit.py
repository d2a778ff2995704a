"""What goes out of a view: others' objects as they came, ours once, and nothing of what is hidden."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from noroshi.lake.handle import Lake
from noroshi.model import address
from noroshi.model.finding import Finding
from noroshi.model.tlp import Tlp
from noroshi.share.stix.emit import Emitted, Tally
from noroshi.share.stix.shared import TLP1_IDS, TLP_IDS, standard_marking
from noroshi.share.stix.write import staged
from tests.share.stix.views import given, indicator, read, take_in, things
from tests.support.findings import finding
from tests.support.stix import errors, parse
from tests.work import lakes

lake = lakes.lake
SAMPLES = Path(__file__).parents[3] / "samples" / "mixed"


def row(src: str, ts: datetime, **more: Any) -> dict[str, Any]:
    """A row of flows."""
    return {
        "src_ip": address.pack(src), "dst_ip": address.pack("192.0.2.250"), "src_port": 4000, "dst_port": 23,
        "protocol": 6, "ttl": 64, "tcp_flags": 2, "ip_len": 40, "packet_count": 1, "byte_count": 40,
        "first_seen": ts, "last_seen": ts, "tool": "", "class": "scan", "rules_version": 1, "payload": "",
        "tcp_options": "", "offset": 0, "run_id": "",
    } | more  # fmt: skip


def body(emitted: list[Emitted], folder: Path) -> bytes:
    with staged(folder / "out.json", emitted) as stage:
        stage.publish()
    return (folder / "out.json").read_bytes()


def test_what_came_in_goes_out_as_it_was(lake: Lake, tmp_path: Path) -> None:
    statement = {
        "type": "marking-definition", "spec_version": "2.1",
        "id": "marking-definition--aaaaaaaa-0000-4000-8000-000000000001", "created": "2020-01-01T00:00:00.000Z",
        "definition_type": "statement", "definition": {"statement": "(c) somebody"},
    }  # fmt: skip
    came = [
        statement,
        indicator(1, object_marking_refs=[statement["id"]], x_custom={"a": [1, 2.5, None, "ü"]}, confidence=7),
        indicator(2, granular_markings=[{"marking_ref": TLP_IDS[Tlp.GREEN], "selectors": ["name"]}], revoked=True),
        {"type": "x-own-thing", "spec_version": "2.1", "id": "x-own-thing--aaaaaaaa-0000-4000-8000-000000000002",
         "created": "2020-01-01T00:00:00.000Z", "modified": "2020-01-01T00:00:00.000Z", "deep": {"er": 10**25}},
        {"type": "relationship", "spec_version": "2.1", "id": "relationship--aaaaaaaa-0000-4000-8000-000000000003",
         "created": "2020-01-01T00:00:00.000Z", "modified": "2020-01-01T00:00:00.000Z", "x_weight": 3,
         "relationship_type": "related-to", "source_ref": indicator(1)["id"], "target_ref": indicator(2)["id"]},
        {"type": "ipv4-addr", "id": "ipv4-addr--12592121-be4c-5a93-a813-5a5af16e50db", "value": "198.51.100.7",
         "defanged": True},
    ]  # fmt: skip
    take_in(lake, tmp_path, came)
    out = {t["id"]: t for t in things(given(lake))}
    for thing in came:
        assert out[thing["id"]] == thing
    assert TLP_IDS[Tlp.GREEN] in out, "the definition of a marking a part refers to goes with it"


def test_the_marking_of_the_source_goes_along(lake: Lake, tmp_path: Path) -> None:
    take_in(
        lake, tmp_path, [indicator(1), indicator(2, object_marking_refs=[TLP_IDS[Tlp.CLEAR]])], tlp=Tlp.AMBER
    )
    one, two = things(given(lake), "indicator")
    assert one == indicator(1) | {"object_marking_refs": [TLP_IDS[Tlp.AMBER]]}
    assert two == indicator(2, object_marking_refs=[TLP_IDS[Tlp.CLEAR]])
    assert [t["id"] for t in things(given(lake, "public"), "indicator")] == [two["id"]]


def test_each_version_once(lake: Lake, tmp_path: Path) -> None:
    newer = indicator(1, modified="2024-02-01T00:00:00.000Z", name="newer")
    take_in(lake, tmp_path, [indicator(1), newer, indicator(1)], name="a.json")
    take_in(lake, tmp_path, [indicator(1, modified="2024-01-02T00:00:00Z"), indicator(3)], name="b.json")
    out = given(lake)
    assert len({(e.id, e.version) for e in out}) == len(out)
    assert [t["name"] for t in things(out, "indicator")] == ["C2", "newer", "C2"]


def test_stix_2_0_becomes_2_1(lake: Lake, tmp_path: Path) -> None:
    old = {
        k: v
        for k, v in indicator(1, labels=["malicious-activity"]).items()
        if k not in ("spec_version", "pattern_type")
    }
    malware = {
        "type": "malware", "id": "malware--aaaaaaaa-0000-4000-8000-000000000001", "labels": ["bot"], "name": "m",
        "created": "2020-01-01T00:00:00.000Z", "modified": "2020-01-01T00:00:00.000Z",
    }  # fmt: skip
    take_in(lake, tmp_path, [old, malware])
    tally = Tally()
    out = given(lake, tally=tally)
    assert tally.upgraded == 2
    parse(body(out, tmp_path))
    assert things(out, "indicator")[0].items() >= old.items()
    assert things(out, "malware")[0]["is_family"] is True


def test_what_is_no_stix_is_told_and_left_out(lake: Lake, tmp_path: Path) -> None:
    bad = {k: v for k, v in indicator(2).items() if k != "modified"}
    large = indicator(3, description="x" * (2 << 20))
    take_in(lake, tmp_path, [indicator(1), bad, large])
    tally = Tally()
    assert [t["id"] for t in things(given(lake, tally=tally), "indicator")] == [indicator(1)["id"]]
    assert sum(tally.left_out.values()) == 2


def test_nobody_redefines_a_marking(lake: Lake, tmp_path: Path) -> None:
    lie = standard_marking(TLP_IDS[Tlp.AMBER]) | {"name": "TLP:CLEAR"}
    take_in(lake, tmp_path, [lie, indicator(1, object_marking_refs=[lie["id"]])])
    (amber,) = [t for t in things(given(lake), "marking-definition") if t["id"] == lie["id"]]
    assert amber["name"] == "TLP:AMBER"


def test_nobody_writes_under_our_ids(lake: Lake, tmp_path: Path) -> None:
    lake.put_findings([finding()])
    ours = given(lake)
    fake = {t["id"]: t for t in things(ours)}
    lies = [
        t | {"value": "192.0.2.99"} if t["type"] == "ipv4-addr" else t | {"x_lie": 1} for t in fake.values()
    ]
    take_in(lake, tmp_path, [t for t in lies if t["type"] not in ("marking-definition",)])
    out = {t["id"]: t for t in things(given(lake))}
    assert out == fake


def test_an_observable_others_told_more_of_goes_out_as_theirs(lake: Lake, tmp_path: Path) -> None:
    theirs = {
        "type": "ipv4-addr", "spec_version": "2.1", "id": "ipv4-addr--12592121-be4c-5a93-a813-5a5af16e50db",
        "value": "198.51.100.7", "x_more": "told",
    }  # fmt: skip
    lake.put_findings([finding()])
    take_in(lake, tmp_path, [theirs])
    assert things(given(lake), "ipv4-addr") == [theirs]


def test_our_sighting_of_their_indicator(lake: Lake, tmp_path: Path) -> None:
    read(lake, SAMPLES / "cowrie.json")
    lines = [json.loads(line) for line in (SAMPLES / "cowrie.json").read_text().splitlines()]
    times = sorted(one["timestamp"] for one in lines if one["src_ip"] == "198.51.100.23")
    one = "[ipv4-addr:value = '198.51.100.23']"
    both = "[ipv4-addr:value = '198.51.100.23' AND ipv4-addr:value = '203.0.113.2']"
    take_in(lake, tmp_path, [indicator(1, pattern=one), indicator(2), indicator(3, pattern=both)])
    out = given(lake)
    (seen,) = things(out, "sighting")
    assert seen["sighting_of_ref"] == indicator(1)["id"]
    assert seen["count"] >= 1
    assert times[0][:19] <= seen["first_seen"][:19] <= seen["last_seen"][:19] <= times[-1][:19]
    assert errors(body(out, tmp_path)) == []


def test_a_finding_taken_back_is_revoked_for_those_who_could_see_it(lake: Lake) -> None:
    gone = finding(tlp="amber")
    lake.put_findings([gone, finding(value="192.0.2.1")])
    before = {e.id: e.version for e in given(lake)}
    lake.put_findings(
        [finding(value="192.0.2.1")], judged=[(gone.rule.name, gone.scope, gone.first_seen.date())]
    )
    revoked = [t for t in things(given(lake)) if t.get("revoked")]
    assert {t["type"] for t in revoked} >= {"indicator", "sighting", "observed-data", "relationship"}
    for thing in revoked:
        assert thing["modified"] > before[thing["id"]]
    assert not [t for t in things(given(lake, "public")) if t.get("revoked")]


def test_tlp_1_for_those_who_read_no_other(lake: Lake, tmp_path: Path) -> None:
    lake.put_findings(
        [finding(value=f"192.0.2.{n}", tlp=t.value) for n, t in enumerate(Tlp) if t is not Tlp.RED]
    )
    take_in(lake, tmp_path, [indicator(1, object_marking_refs=[TLP_IDS[Tlp.AMBER_STRICT]])])
    out = given(lake, tlp1=True)
    used = {r for t in things(out) for r in t.get("object_marking_refs", [])}
    assert used == set(TLP1_IDS.values())
    assert {t["id"] for t in things(out, "marking-definition")} == used
    strict = [
        t for t in things(out, "indicator") if "192.0.2.3" in t["pattern"] or "203.0.113" in t["pattern"]
    ]
    assert {tuple(t["object_marking_refs"]) for t in strict} == {(TLP1_IDS[Tlp.RED],)}
    parse(body(out, tmp_path))


def test_the_same_view_gives_the_same_bytes(lake: Lake, tmp_path: Path) -> None:
    lake.put_findings([finding(), finding("dos-victim", "192.0.2.4")])
    take_in(lake, tmp_path, [indicator(n) for n in range(9)])
    assert given(lake) == given(lake)


def test_without_what_others_made(lake: Lake, tmp_path: Path) -> None:
    take_in(lake, tmp_path, [indicator(1)])
    assert [e.type for e in given(lake, imported=False)] == ["identity"]


def test_facts_of_the_demo_are_valid(lake: Lake, tmp_path: Path) -> None:
    for name in ("cowrie.json", "nmap.xml"):
        read(lake, SAMPLES / name)
    at = datetime(2024, 4, 1, 12, tzinfo=UTC)
    lakes.store(lake, [row("203.0.113.1", at, dst_port=p, packet_count=p) for p in range(1, 40)])
    out = given(lake, facts=True)
    told = [t["extensions"] for t in things(out, "observed-data")]
    tables = {next(iter(e.values()))["table"] for e in told}
    assert tables == {"flows", "sessions", "commands", "services"}
    (flows,) = [x for e in told for x in e.values() if x["table"] == "flows"]
    assert flows["packets"] == sum(range(1, 40))
    assert len(flows["ports"]) == 16
    assert flows["ports"][0] == "tcp/39"
    assert len({(e.id, e.version) for e in out}) == len(out)
    written = body(out, tmp_path)
    parse(written)
    assert errors(written) == []


def test_telescopes_stay_hidden_in_facts(lake: Lake) -> None:
    from dataclasses import replace

    from noroshi.share.stix.emit import Options, emit
    from tests.share.stix.views import view

    at = datetime(2024, 4, 1, 12, tzinfo=UTC)
    lakes.store(lake, [row("203.0.113.1", at), row("198.51.100.200", at)])
    seen = replace(view(lake, "public"), telescopes=("198.51.100.128/25",))
    told = b"".join(e.json for e in emit(seen, Options(facts=True)))
    assert b"203.0.113.1" in told
    assert b"198.51.100.200" not in told
    assert b"192.0.2.250" not in told


@pytest.mark.parametrize("kind", ["scanner", "port-surge"])
def test_findings_of_a_kind_alone(lake: Lake, kind: str) -> None:
    made: list[Finding] = [finding(), finding("port-surge", "tcp/23")]
    lake.put_findings(made)
    labels = {label for t in things(given(lake, kinds=(kind,))) for label in t.get("labels", [])}
    assert labels == {kind}
