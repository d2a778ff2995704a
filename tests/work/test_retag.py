"""Rows tagged by older rules are tagged again where they lie."""

from __future__ import annotations

from typing import Any

from noroshi import config
from noroshi.lake.handle import Lake
from noroshi.observe.darknet.rules import RULES_VERSION
from noroshi.work.analyse import analyse, retag
from noroshi.work.sql import rows, select
from tests.support.memory import flow
from tests.work import lakes
from tests.work.lakes import store

lake = lakes.lake


def zmap(n: int, **more: Any) -> dict[str, Any]:
    """A SYN as ZMap before 3.0 made it, tagged by nobody."""
    given: dict[str, Any] = {
        "ip_id": 54321,
        "ttl": 250,
        "tcp_window": 65535,
        "tcp_options": "",
        "rules_version": 0,
        "class": "other",
    }
    return flow(
        "198.51.100.7", f"192.0.2.{n}", dport=80, at=n, seq=12345 + n, ack=0, df=False, **(given | more)
    )


def test_old_rows_get_the_tags_of_today(lake: Lake) -> None:
    store(lake, [zmap(n) for n in range(5)])
    assert retag(lake) == {(("", "other"), ("zmap-2", "scan")): 5}
    (row,) = rows(select(lake, "SELECT tool, class, rules_version, count(*) AS n FROM flows GROUP BY ALL"))
    assert row["tool"].startswith("zmap")
    assert (row["class"], row["rules_version"], row["n"]) == ("scan", RULES_VERSION, 5)
    assert not retag(lake)


def test_rows_of_today_are_left_alone(lake: Lake) -> None:
    store(lake, [zmap(n, rules_version=RULES_VERSION, tool="kept") for n in range(3)])
    assert not retag(lake)
    assert rows(select(lake, "SELECT DISTINCT tool FROM flows")) == [{"tool": "kept"}]


def test_analyse_says_what_changed(lake: Lake) -> None:
    store(lake, [zmap(n) for n in range(5)])
    outcome = analyse(lake, config=config.load(None), names=("scanner",))
    assert any("5 stored rows: 5 from no tool (other) to zmap-2 (scan)" in note for note in outcome.notes)
    assert not any(
        "stored rows" in n for n in analyse(lake, config=config.load(None), names=("scanner",)).notes
    )


def test_rows_whose_tag_stays_are_not_told(lake: Lake) -> None:
    store(lake, [zmap(n, tool="zmap-2", **{"class": "scan"}) for n in range(5)])
    assert analyse(lake, config=config.load(None), names=("scanner",)).retagged == 0
    assert rows(select(lake, "SELECT DISTINCT rules_version AS v FROM flows")) == [{"v": RULES_VERSION}]
