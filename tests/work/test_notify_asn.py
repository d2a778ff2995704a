"""An operator that is named by its AS number: from a table of networks in the lake to a folder and a mail server."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from noroshi.config import load
from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.model.tlp import Tlp
from noroshi.work.ingest import ingest
from noroshi.work.notify import plan
from noroshi.work.notify_operators import who
from noroshi.work.notify_optout import add
from noroshi.work.notify_send import send
from tests.work.notices import NOW, Box, bot, configured, found, lake_at, loaded, server

INSIDE, OTHER, BELOW, SIX = "198.51.100.7", "198.51.101.9", "198.51.100.200", "2001:db8:5::7"
NETWORKS = """198.51.100.0\t198.51.100.255\t64500\tJP\tEXAMPLE-AS
198.51.101.0\t198.51.101.255\t64501\tDE\tOTHER-AS
2001:db8:5::\t2001:db8:5:ffff:ffff:ffff:ffff:ffff\t64500\tJP\tEXAMPLE-AS
"""
OPERATORS = """network,name,mail,lang
AS64500,Example ISP,abuse@isp.example,ja
198.51.100.128/25,Customer,abuse@customer.example,en
"""


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    half = {"ports": ["tcp/23"], "services": ["telnet"], "class": "mirai", "packet_count": 3, "own": False}
    lake = lake_at(tmp_path, [
        bot(INSIDE), bot(OTHER), bot(BELOW), bot(SIX), found("infected-host", "198.51.100.64/27", half),
        found("infected-host", "198.51.100.0/23", half),
    ])  # fmt: skip
    table = tmp_path / "ip2asn-combined.tsv"
    table.write_text(NETWORKS)
    (run,) = ingest(lake, [table], config=load(None), tlp=Tlp.CLEAR, as_format="iptoasn", workers=1)
    assert run.run_id, run
    return lake


@pytest.fixture
def state(lake: Lake, tmp_path: Path) -> State:
    return loaded(lake, tmp_path, OPERATORS)


@pytest.fixture
def box() -> Iterator[tuple[Box, int]]:
    with server() as running:
        yield running


MINE = {INSIDE, SIX, "198.51.100.64/27"}


def rows(files: dict[str, bytes]) -> list[dict[str, Any]]:
    return [r for data in files.values() for r in csv.DictReader(io.StringIO(data.decode()))]


def test_the_plan_goes_by_the_number(lake: Lake, state: State, tmp_path: Path) -> None:
    shown = plan(lake, configured(tmp_path), state, now=NOW)
    told = {n.operator.name: {i.subject for i in n.items} for n in shown.notices}
    # What a prefix of the table names goes before; what spans two ASes is nobody's.
    assert told == {"Example ISP": MINE, "Customer": {BELOW}}
    assert {(u.subject, u.asn) for u in shown.unresolved} == {(OTHER, "AS64501"), ("198.51.100.0/23", "")}
    assert [(a, asn, r.name if r else None) for a, asn, r in who(lake, state, [INSIDE, BELOW, OTHER, SIX])] == [
        (INSIDE, "AS64500", "Example ISP"), (BELOW, "AS64500", "Customer"), (OTHER, "AS64501", None),
        (SIX, "AS64500", "Example ISP"),
    ]  # fmt: skip


def test_by_mail(lake: Lake, state: State, box: tuple[Box, int], tmp_path: Path) -> None:
    config = configured(tmp_path, box[1])
    assert not send(lake, config, state, "test", now=NOW).unclear
    (message,) = [m for m in box[0].messages() if m["To"] == "abuse@isp.example"]
    files = {p.get_filename() or "": p.get_payload(decode=True) for p in message.iter_attachments()}
    tables = {n: d for n, d in files.items() if n.endswith(".csv") and isinstance(d, bytes)}
    assert {r["src_ip"] for r in rows(tables)} == MINE
    assert {r["src_asn"] for r in rows(tables)} == {"64500"}
    assert {r["src_geo"] for r in rows(tables)} == {"JP"}
    # An IPv6 host stands in a table of its own.
    assert {r["src_ip"] for r in rows({n: d for n, d in tables.items() if n.endswith("_6.csv")})} == {SIX}
    body = message.get_body(("plain",))
    assert body is not None
    assert INSIDE in body.get_content()
    assert OTHER not in body.get_content()
    send(lake, config, state, "test", now=NOW)
    assert len(box[0].got) == 2  # one an operator, and once


def test_into_a_folder(lake: Lake, state: State, tmp_path: Path) -> None:
    send(lake, configured(tmp_path), state, "test", now=NOW, folder=tmp_path / "out")
    told = {
        n.operator: {i.subject for i in state.notices.items("folder", n.operator)}
        for n in state.notices.all("folder")
    }
    assert told == {"Example ISP": MINE, "Customer": {BELOW}}
    files = {str(p): p.read_bytes() for p in (tmp_path / "out").rglob("*.csv")}
    assert {r["src_ip"] for r in rows(files)} == {*MINE, BELOW}


def test_an_as_that_opted_out(lake: Lake, state: State, tmp_path: Path) -> None:
    add(state, "test", "AS64500", "they asked", "", None)
    shown = plan(lake, configured(tmp_path), state, now=NOW)
    assert shown.notices == []
    assert {subject for _, subject, _ in shown.opted_out} == {*MINE, BELOW}


def test_without_a_table_of_networks_nobody_is_guessed(tmp_path: Path) -> None:
    lake = lake_at(tmp_path, [bot(INSIDE)])
    shown = plan(lake, configured(tmp_path), loaded(lake, tmp_path, OPERATORS), now=NOW)
    assert shown.notices == []
    assert [u.subject for u in shown.unresolved] == [INSIDE]
