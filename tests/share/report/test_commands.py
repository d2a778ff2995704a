"""The commands a report prints give its numbers."""

from __future__ import annotations

import re
from datetime import date
from zoneinfo import ZoneInfo

import pytest

from noroshi.share.report import build, parse
from tests.share.report.test_collect import NOW, ROWS, scopes, table
from tests.support.report_days import StoreQuery, stretch


def sql_of(command: str) -> str:
    match = re.fullmatch(r'noroshi sql "([^"]*)"', command)
    assert match, command
    return match[1]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York"])
def test_same_numbers(zone: str) -> None:
    from noroshi.model import address

    query = StoreQuery(table(ROWS))
    known = scopes(255.0, inside=(address.pack("192.0.2.200"),))
    data = build(query, [], known, parse("2024-04-01", NOW, ZoneInfo(zone)), now=NOW)
    commands = dict(data.commands)
    (total,) = query.sql(sql_of(commands["totals"])).to_pylist()
    assert (total["packets"], total["sources"]) == (data.totals.packets, data.totals.sources)
    ports = query.sql(sql_of(commands["ports"])).to_pylist()
    assert {p["port"]: (p["packets"], p["sources"]) for p in ports} == {
        p.key: (p.packets, p.sources) for p in data.ports
    }
    for name, rows in (("tools", data.tools), ("classes", data.classes)):
        answer = query.sql(sql_of(commands[name])).to_pylist()
        column = "tool" if name == "tools" else "class"
        assert {r[column]: (r["packets"], r["sources"]) for r in answer} == {
            r.key: (r.packets, r.sources) for r in rows
        }


def test_same_numbers_over_days() -> None:
    query, findings, known = stretch(date(2026, 10, 1), 3, rows=2_000)
    data = build(query, findings, known, parse("2026-10-02", NOW, ZoneInfo("Asia/Tokyo")), now=NOW)
    (total,) = query.sql(sql_of(dict(data.commands)["totals"])).to_pylist()
    assert (total["packets"], total["sources"]) == (data.totals.packets, data.totals.sources)
    assert data.totals.packets > 1_000
