"""The names below a domain."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from noroshi import config
from noroshi.ask.below import below
from noroshi.lake.handle import Lake
from noroshi.model.tlp import Tlp
from noroshi.work.pivot import ask
from tests.ask.support import ATTACKER, at, batch, store


def _query(name: str, day: float = 0) -> dict[str, object]:
    return {"ts": at(days=day), "src_ip": ATTACKER, "dst_ip": "192.0.2.53", "query": name}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake.open(tmp_path / "lake")
    names = [
        "a.example.net",
        "a.example.net",
        "b.a.example.net",
        "badexample.net",
        "example.net",
        "example.net.jp",
    ]
    store(lake, "dns", batch("dns", *(_query(n) for n in names)), tlp=Tlp.GREEN)
    store(lake, "late", batch("dns", _query("c.example.net", 5)), tlp=Tlp.GREEN)
    store(lake, "secret", batch("dns", _query("secret.example.net")), tlp=Tlp.RED)
    return lake


def test_names_that_end_in_it_and_no_others(lake: Lake) -> None:
    found = below(lake.snapshot(), "example.net")
    assert [(n.value, n.count) for n in found.names] == [
        ("a.example.net", 2), ("b.a.example.net", 1), ("c.example.net", 1), ("secret.example.net", 1),
    ]  # fmt: skip
    assert (found.distinct, found.count) == (4, 5)
    assert found.names[0].tables == ("dns",)


def test_bounded_since_and_what_may_be_seen(lake: Lake) -> None:
    shot = lake.snapshot()
    few = below(shot, "example.net", most=1)
    assert (len(few.names), few.distinct, few.count) == (1, 4, 5)
    assert [n.value for n in below(shot, "example.net", date(2024, 4, 3)).names] == ["c.example.net"]
    seen = below(shot.restricted(tlp=Tlp.GREEN), "example.net")
    assert "secret.example.net" not in {n.value for n in seen.names}
    assert seen.distinct == 3
    assert below(shot, "100%_.example.net").names == ()


def test_only_when_asked_and_only_of_domains(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "noroshi.toml").write_text("")
    plain = config.load(tmp_path / "noroshi.toml")
    shot = lake.snapshot()
    assert "below" not in ask(shot, plain, "example.net").to_json()
    told = ask(shot, plain, "example.net", names_below=True).to_json()
    assert told["below"]["distinct"] == 4
    assert "names-below-not-counted" not in told["notes"]
    assert "below" not in ask(shot, plain, ATTACKER, names_below=True).to_json()
