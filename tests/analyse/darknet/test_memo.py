"""The memo: what is asked twice is looked for once, and answers are those of a query without it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pyarrow as pa

from noroshi.analyse.darknet.infected_host import InfectedHost
from noroshi.analyse.darknet.investigation_scanner import InvestigationScanner, investigation_sources
from noroshi.analyse.darknet.memo import Remembering, once
from noroshi.analyse.darknet.port_surge import PortSurge
from tests.support.memory import DAY, MemoryQuery, flow, scope

NET = scope("192.0.2.0/28")


class Counting:
    """A query that counts what it is asked, and how many days that spans."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.under, self.asked, self.days = MemoryQuery(rows), 0, 0

    def sql(self, text: str, params: dict[str, Any] | None = None) -> pa.Table:
        self.asked += 1
        if params and "until" in params:
            self.days += (params["until"] - params["since"]).days + 1
        return self.under.sql(text, params)


def rows() -> list[dict[str, Any]]:
    survey = [flow("198.51.100.7", f"192.0.2.{i % 16}", at=float(i), dport=1000 + i) for i in range(40)]
    return [*survey, *(flow("198.51.100.9", f"192.0.2.{i}", at=float(i), dport=23) for i in range(4))]


def test_investigation_scanners_are_looked_for_once() -> None:
    plain, counted = MemoryQuery(rows()), Counting(rows())
    query = Remembering(counted)
    analyser, infected = InvestigationScanner(), InfectedHost()
    assert analyser.reduce(query, NET) == analyser.reduce(plain, NET)
    before = counted.asked
    assert investigation_sources(query, NET) == investigation_sources(plain, NET) != []
    assert counted.asked == before
    assert infected.reduce(query, NET) == infected.reduce(plain, NET)


def test_another_rule_or_size_is_another_question() -> None:
    query = Remembering(MemoryQuery(rows()))
    assert investigation_sources(query, NET)
    assert not investigation_sources(query, scope("192.0.2.0/28", options={"min_ports": 50}))
    assert not investigation_sources(query, scope("192.0.2.0/28", size=4096.0))


def test_what_was_not_asked_for_longest_goes_first() -> None:
    query = Remembering(MemoryQuery([]), limit=100)
    for key in ("a", "b"):
        once(query, key, lambda: 1, lambda _: 40)
    assert query.recall("a") == 1
    once(query, "c", lambda: 1, lambda _: 40)
    assert (query.recall("a"), query.recall("b"), query.recall("c")) == (1, None, 1)
    once(query, "huge", lambda: 1, lambda _: 1000)
    assert query.recall("huge") is None


def test_nothing_found_is_kept_too() -> None:
    counted = Counting([])
    query = Remembering(counted)
    assert investigation_sources(query, NET) == []
    asked = counted.asked
    assert investigation_sources(query, NET) == []
    assert counted.asked == asked


def weeks() -> list[dict[str, Any]]:
    """Two weeks in which every port of three draws more sources each day."""
    out = []
    for d in range(14):
        for n in range(13 + 5 * (d == 13)):
            for dport in (23, 80, 9530):
                for h in range(-6, 6):
                    at = (d - 13) * 86_400.0 + h * 3600 + n * 250
                    out.append(flow(f"100.{10 * n + d}.{dport % 250}.7", "192.0.2.9", at=at, dport=dport))
    return out


def test_port_surges_of_many_days_are_those_of_each_day_alone() -> None:
    rows_ = weeks()
    counted = Counting(rows_)
    query, alone = Remembering(counted), MemoryQuery(rows_)
    options = {"top_share": 0.9}
    within = [scope("192.0.2.0/24", day=DAY - timedelta(days=n), options=options) for n in range(6, -1, -1)]
    analyser = PortSurge()
    read = []
    for one in within:
        before = counted.days
        reduced = analyser.reduce(query, one)
        assert reduced == analyser.reduce(alone, one)
        read.append(counted.days - before)
    assert reduced.cells
    assert len(reduced.cells[0].history) == 13
    plain = Counting(rows_)
    analyser.reduce(plain, within[-1])
    assert read[-1] < plain.days / 5
