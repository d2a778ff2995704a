"""Whose a value is, what lists and contains it, what stands beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from noroshi.ask.context import Own, containers
from noroshi.ask.pivot import Pivots
from noroshi.ask.related import weight
from noroshi.lake.handle import Lake
from tests.ask.support import ATTACKER, HASSH, HOST, OTHER, SERVER, SHA256, URL, at, batch, pivots, store


def test_network(told: Lake) -> None:
    asking = pivots(told)
    for _ in range(6):  # by SQL, then by the index
        place = asking.ask(ATTACKER).context.network
        assert (place["asn"], place["country"], place["network"]) == ("AS64500", "JP", "203.0.113.0/24")
    around = asking.ask("AS64500", "asn").context
    assert around.announced["networks"] == 1


def test_own_and_assets(told: Lake) -> None:
    around = pivots(told).ask(SERVER).context
    assert around.own == ("198.51.100.0/24",)
    assert [a["owner"] for a in around.assets] == ["Library"]
    assert pivots(told).ask("192.0.2.9").context.own == ("campus: 192.0.2.0/24",)
    assert not pivots(told).ask(ATTACKER).context.assets


def test_warninglists(told: Lake) -> None:
    """By a network that contains it, and by a domain above it when the list means all below."""
    assert [w["list"] for w in pivots(told).ask(OTHER).context.warninglists] == ["resolvers"]
    assert not pivots(told).ask(ATTACKER).context.warninglists
    assert [w["list"] for w in pivots(told).ask(HOST).context.warninglists] == ["top"]
    assert [w["list"] for w in pivots(told).ask(URL).context.warninglists] == ["top"]


def test_special_ranges(told: Lake) -> None:
    for text, name in (("127.0.0.1", "loopback"), ("10.1.1.1", "private"), ("224.0.0.5", "multicast")):
        assert pivots(told).ask(text).context.special == name
    assert pivots(told).ask("8.8.8.8").context.special == ""


def test_containers() -> None:
    assert list(containers("domain", "a.b.example.com")) == [
        ("domain", "b.example.com"),
        ("domain", "example.com"),
    ]
    assert len(list(containers("ip", "192.0.2.1"))) == 33
    assert list(containers("prefix", "0.0.0.0/1")) == [("prefix", "0.0.0.0/0")]
    assert ("domain", "example.com") in list(containers("url", "http://www.example.com/"))


def test_related(told: Lake) -> None:
    beside = {(r.kind, r.value): r for r in pivots(told).ask(SHA256).beside.values}
    assert beside["ip", ATTACKER].count >= 1
    assert ("url", "http://evil.example.net/x.sh") in beside
    assert "session" in beside["hassh", HASSH].where  # through the visit, not the row
    assert (SHA256) not in {v for _, v in beside}
    beside = {(r.kind, r.value): r for r in pivots(told).ask(ATTACKER).beside.values}
    assert "document" in beside["domain", HOST].where
    assert "indicators" in beside["domain", HOST].tables


def test_listed_values_sink_and_stay(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake")
    rows = [{"ts": at(), "kind": "domain", "value": v, "role": "c2", "document": "d", "tlp": "green"}
            for v in ("bad.example.org", "www.example.com", "worse.example.org")]  # fmt: skip
    store(lake, "a", batch("indicators", *rows))
    store(lake, "b", batch("warnings", {"ts": at(), "list": "top", "kind": "domain", "value": "www.example.com",
                                        "match": "exact", "category": "known"}))  # fmt: skip
    worse, listed = Pivots(lake.snapshot()).ask("bad.example.org").beside.values
    assert (worse.value, worse.notes) == ("worse.example.org", ())
    assert (listed.value, listed.notes) == ("www.example.com", ("warninglist",))
    assert listed.weight < worse.weight / 5


@pytest.mark.parametrize("n", [1, 4, 100])
def test_weight(n: int) -> None:
    """Rarer, and more often together, weighs more; what every source names weighs next to nothing."""
    assert weight(5, 10, 1, n) >= weight(5, 10, n, n) > 0
    assert weight(10, 10, 1, n) > weight(1, 10, 1, n)
    assert weight(10, 10, n, n) <= weight(10, 10, 1, n)


def test_mmdb_of_the_configuration(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake")
    assert Pivots(lake.snapshot(), Own(country="/none.mmdb")).ask("192.0.2.1").context.network == {}
    (tmp_path / "bad.mmdb").write_bytes(b"x")
    assert (
        Pivots(lake.snapshot(), Own(country=str(tmp_path / "bad.mmdb"))).ask("192.0.2.1").context.network
        == {}
    )
