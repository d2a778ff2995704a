"""Findings as rows: nothing in them acts on a spreadsheet, and others' readers take them."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.config import load
from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.model.errors import UsageError
from noroshi.model.finding import Finding
from noroshi.share.rows import plain, shadowserver
from noroshi.share.rows.cells import cell, table
from noroshi.work.ingest import ingest
from noroshi.work.share_rows import share_rows
from tests.support.findings import NOON, finding, one_of_each

EVIL = "=cmd|'/C calc'!A0"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (EVIL, f"'{EVIL}"), ("+1", "'+1"), ("-1+1", "'-1+1"), ("@SUM(A1)", "'@SUM(A1)"), ("\t=1", "' =1"),
        ("\r=1", "' =1"), ("  =1+1", "'  =1+1"), ("\n@x", "' @x"), ("＝1", "'＝1"), ("\ufeff=1", "'\ufeff=1"),
        (-5, "-5"), (1.5, "1.5"), (True, "true"), (None, ""), ("a=b", "a=b"), ("a\r\nb", "a b"), ("\x00x", "\ufffdx"),
        ("2024-04-01", "2024-04-01"), ("\ud800", "\ufffd"),
    ],
)  # fmt: skip
def test_cells_are_text(value: Any, written: str) -> None:
    assert cell(value) == written


@given(st.lists(st.lists(st.text(max_size=30), min_size=3, max_size=3), max_size=5))
@settings(max_examples=200, deadline=None)
def test_any_text_stays_in_its_cell_and_is_no_formula(rows: list[list[str]]) -> None:
    body = table(("a", "b", "c"), [dict(zip("abc", r, strict=True)) for r in rows])
    back = list(csv.reader(io.StringIO(body.decode())))
    assert len(back) == len(rows) + 1
    assert body.count(b"\n") == len(rows) + 1  # a record is a line
    for record in back[1:]:
        assert len(record) == 3
        for text in record:
            assert text.strip()[:1] not in tuple("=+-@\t\r＝＋－＠") or text.strip() == ""


def test_our_own_columns_hold_the_whole_finding() -> None:
    found = one_of_each()
    back = list(csv.DictReader(io.StringIO(plain.as_csv(found).decode())))
    assert [(r["id"], r["kind"], r["subject"], r["tlp"]) for r in back] == [
        (f.id, f.kind, f.subject.value, f.tlp.value) for f in found
    ]
    assert json.loads(back[0]["evidence"]) == {"packets": 300, "ports": [23, 2323]}
    lines = [json.loads(line) for line in plain.as_lines(found).splitlines()]
    assert [line["id"] for line in lines] == [f.id for f in found]
    assert all("runs" not in line for line in lines)


SCANNER = finding(
    "scanner",
    "8.8.4.4",
    evidence={
        "packet_count": 7,
        "tool": "zmap",
        "top_ports": [{"port": "tcp/23"}, {"port": "tcp/2323"}, {"port": "icmp"}],
    },
)
INFECTED = finding(
    "infected-host",
    "2400:cb00::1",
    tlp="green",
    evidence={"class": "mirai", "ports": ["tcp/23"], "packet_count": 8},
)
DECOY = finding(
    "decoy-intrusion",
    "8.8.4.5",
    evidence={"services": ["telnet"], "files": ["http://x.example/a"], "logins": 3},
)
VICTIM = finding(
    "dos-victim", "8.8.4.6", evidence={"ports": ["tcp/80"], "duration_s": 300.4, "vector": "syn-ack"}
)
REFLECTED = finding(
    "reflection-abuse",
    "8.8.4.7",
    evidence={
        "ports": ["udp/123"],
        "packets": 99,
        "bytes": 4000,
        "duration_s": 60,
        "mean_pps": 1.5,
        "vectors": ["udp/ntp"],
    },
)
VULNERABLE = finding(
    "vulnerable-service",
    "8.8.4.8",
    evidence={"ports": ["tcp/443"], "kev_count": 1, "vulnerabilities": [{"id": "CVE-2024-3400"}]},
    summary={"en": EVIL},
)
ALL = [SCANNER, INFECTED, DECOY, VICTIM, REFLECTED, VULNERABLE]


def reports(of: list[Finding] | None = None) -> dict[str, list[dict[str, str]]]:
    made = shadowserver.files(of or ALL)
    return {f.name: list(csv.DictReader(io.StringIO(f.body.decode()))) for f in made}


def test_each_type_and_day_is_a_file_named_by_shadowservers_rule() -> None:
    found = reports()
    assert {k: len(v) for k, v in found.items()} == {
        "2024-04-01-event4_honeypot_brute_force-noroshi.csv": 1, "2024-04-01-event4_honeypot_darknet-noroshi.csv": 3,
        "2024-04-01-event4_honeypot_darknet-noroshi6.csv": 1,
        "2024-04-01-event4_honeypot_ddos_amp-noroshi.csv": 1, "2024-04-01-event4_honeypot_ddos_target-noroshi.csv": 1,
        "2024-04-01-special-noroshi.csv": 1,
    }  # fmt: skip
    assert all(shadowserver.FILE.fullmatch(name) for name in found)


def test_ipv6_stands_in_files_of_its_own() -> None:
    from noroshi.observe.survey.shadowserver_types import from_file_name

    six = [replace(f, subject=replace(f.subject, value="2001:db8::7")) for f in ALL if f.subject.kind == "ip"]
    names, four = (
        {f.name for f in shadowserver.files([*ALL, *six])},
        {n for n in reports() if "noroshi6" not in n},
    )
    assert {n for n in names if "noroshi6" not in n} == four
    assert {n.replace("noroshi6", "noroshi") for n in names if "noroshi6" in n} == four
    assert all(shadowserver.FILE.fullmatch(n) for n in names)
    assert {from_file_name(n) for n in names} == {n[11:].removesuffix("-noroshi.csv") for n in four}
    for file in shadowserver.files([*ALL, *six]):
        for row in csv.DictReader(io.StringIO(file.body.decode())):
            where = row.get("ip") or row.get("src_ip") or row.get("dst_ip") or ""
            assert (":" in where) == ("noroshi6" in file.name)


def told(row: dict[str, str]) -> dict[str, str]:
    return {k: v for k, v in row.items() if v}


def test_rows_say_what_the_findings_say() -> None:
    rows = {r["finding_id"]: told(r) for part in reports().values() for r in reversed(part)}
    assert rows[SCANNER.id] == {
        "timestamp": "2024-04-01 12:00:00", "protocol": "tcp", "src_ip": "8.8.4.4", "severity": "high",
        "dst_port": "23", "tag": "scanner;zmap", "event_id": SCANNER.id, "count": "7", "tlp": "clear",
        "confidence": "80", "finding_id": SCANNER.id,
    }  # fmt: skip
    assert {k: rows[INFECTED.id][k] for k in ("infection", "family", "severity", "tlp", "src_ip")} == {
        "infection": "mirai", "family": "mirai", "severity": "critical", "tlp": "green", "src_ip": "2400:cb00::1",
    }  # fmt: skip
    assert rows[DECOY.id]["application"] == "telnet"
    assert rows[DECOY.id]["payload_url"] == "http://x.example/a"
    assert (rows[VICTIM.id]["dst_ip"], rows[VICTIM.id]["attack"], rows[VICTIM.id]["duration"]) == (
        "8.8.4.6",
        "syn-ack",
        "300",
    )
    assert "src_ip" not in rows[VICTIM.id]
    assert rows[REFLECTED.id]["src_port"] == "123"
    assert rows[VULNERABLE.id]["tag"] == "vulnerable-service;CVE-2024-3400"
    assert rows[VULNERABLE.id]["severity"] == "critical"
    assert rows[VULNERABLE.id]["detail"] == f"'{EVIL}"


def test_no_password_is_ever_told() -> None:
    rows = shadowserver.rows(
        finding("decoy-intrusion", "8.8.4.4", evidence={"password": "hunter2", "username": "root"})
    )
    assert "hunter2" not in json.dumps(rows)


def test_what_is_about_no_address_has_no_row() -> None:
    assert list(shadowserver.files([finding("port-surge", "tcp/23"), finding("scanner", "8.8.0.0/16")])) == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(json_values, st.text(max_size=30))
@settings(max_examples=100, deadline=None)
def test_any_evidence_gives_rows(junk: Any, text: str) -> None:
    names = ("ports", "top_ports", "class", "tool", "services", "files", "vulnerabilities", "packets", "mean_pps",
             "vectors", "kev_count", "duration_s", "vector", "scan")  # fmt: skip
    for kind in shadowserver.TYPES | {"vulnerable-service": ""}:
        one = finding(kind, "8.8.4.4", evidence=dict.fromkeys(names, junk), summary={"en": text})
        for lines in (False, True):
            assert [f.rows for f in shadowserver.files([one], lines=lines)] == [len(shadowserver.rows(one))]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake")


def test_our_own_sensor_reads_them_back(lake: Lake, tmp_path: Path) -> None:
    """The round trip: what one site writes another reads."""
    lake.put_findings(ALL, [])
    folder = tmp_path / "reports"
    done = share_rows(
        lake, config=load(None), recipient="own", path=folder, columns="shadowserver", who="cli:ann"
    )
    assert (done.findings, done.rows) == (6, 8)
    other = Lake.open(tmp_path / "other")
    results = ingest(other, [folder], config=load(None), source_name="partner")
    assert {r.format for r in results} == {"shadowserver"}
    assert not [r.problem for r in results if r.problem]
    from noroshi.model import address

    rows = other.snapshot().sql("SELECT * FROM events ORDER BY ts, ip, port, dst_port").to_pylist()
    assert len(rows) == 8
    seen = {address.text(r["ip"]) if r["ip"] else None for r in rows}
    assert seen == {"8.8.4.4", "2400:cb00::1", "8.8.4.5", None, "8.8.4.7", "8.8.4.8"}
    assert {address.text(r["dst_ip"]) for r in rows if r["dst_ip"]} == {"8.8.4.6"}
    assert {r["malware"] for r in rows if r["ip"] and address.text(r["ip"]) == "2400:cb00::1"} <= {
        "mirai",
        None,
    }
    assert {c for r in rows for c in r["cves"] or ()} == {"CVE-2024-3400"}
    assert {r["ts"] for r in rows} == {NOON.replace(microsecond=0)}


def test_files_that_hold_nothing_any_more_go_and_others_stay(lake: Lake, tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    lake.put_findings([SCANNER, VICTIM], [])
    share_rows(lake, config=load(None), recipient="own", path=folder, columns="shadowserver")
    (folder / "notes.csv").write_text("mine")
    lake.put_findings([], [("dos-victim", "campus", NOON.date())])
    done = share_rows(lake, config=load(None), recipient="own", path=folder, columns="shadowserver")
    assert sorted(p.name for p in folder.iterdir()) == sorted(["notes.csv", *done.files])
    assert len(done.files) == 1


def test_a_file_is_no_folder_and_standard_output_neither(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("mine")
    for path in (tmp_path / "x.csv", Path("-")):
        with pytest.raises(UsageError, match="no folder"):
            share_rows(lake, config=load(None), recipient="own", path=path, columns="shadowserver")
    assert (tmp_path / "x.csv").read_text() == "mine"


@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_the_export_is_whole_and_logged(lake: Lake, tmp_path: Path, format: str) -> None:
    lake.put_findings(ALL, [])
    out = tmp_path / "out" / "findings"
    share_rows(lake, config=load(None), recipient="own", path=out, format=format, who="cli:ann")
    assert out.read_bytes().count(b"\n") == 6 + (format == "csv")
    (entry,) = State(lake.path).audit.newest(action="export")
    assert (entry.actor, entry.count, entry.detail["format"]) == ("cli:ann", 6, format)


# Against the public mappings ---------------------------------------------------------------------------------
def schema(data: Path) -> dict[str, Any]:
    path = data / "survey" / "shadowserver" / "intelmq.json"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    found = json.loads(path.read_bytes())
    return {e["file_name"]: e for e in found.values() if isinstance(e, dict) and "file_name" in e}


@pytest.fixture
def data() -> Path:
    import os

    folder = os.environ.get("NOROSHI_DATA")
    if not folder:
        pytest.skip("set NOROSHI_DATA to the folder with test data")
    return Path(folder)


def test_intelmqs_public_mappings_find_every_column_they_name(data: Path) -> None:
    """`tests/share/rows/SOURCE.md` tells how IntelMQ itself was run on these files."""
    mappings = schema(data)
    six = [replace(f, subject=replace(f.subject, value="2001:db8::7")) for f in ALL if f.subject.kind == "ip"]
    for name, rows in reports([*ALL, *six]).items():
        kind = name[11:].rpartition("-")[0]
        mapping = mappings[kind]
        for item in (*mapping["required_fields"], *mapping["optional_fields"]):
            assert item[1] in rows[0], f"{kind}: {item[1]}"
        for row in rows:
            assert datetime.strptime(row["timestamp"] + " UTC", "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)
            for item in (*mapping["required_fields"], *mapping["optional_fields"]):
                if len(item) > 2 and item[2] == "convert_int" and row[item[1]]:
                    int(row[item[1]])
