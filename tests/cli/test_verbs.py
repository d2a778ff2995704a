"""The verbs over a lake with rows written by hand: shapes scripts rely on, and words for people."""

from __future__ import annotations

import re
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from noroshi.lake.handle import Lake
from noroshi.model.tlp import Tlp
from tests.cli.support import Ran, noroshi
from tests.support.findings import finding
from tests.support.memory import flow
from tests.support.stix import errors
from tests.work.lakes import store

HOSTILE = "evil\x1b[2J\u202e.pcap"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with two runs, one of them for the own organisation only, and findings of both."""
    lake = Lake.open(tmp_path_factory.mktemp("template") / "lake")
    first = store(lake, [flow("198.51.100.7", "192.0.2.9", count=20, at=n) for n in range(3)])
    second = store(
        lake, [flow("255.255.255.255", "192.0.2.1", dport=65535)], name=HOSTILE, tlp=Tlp.AMBER_STRICT
    )
    found = [finding(runs=(first,)), finding(value="203.0.113.5", tlp="amber+strict", runs=(first, second))]
    lake.put_findings([*found, *(finding(value=f"203.0.113.{n}") for n in range(20, 40))])
    return lake.path


@pytest.fixture
def path(template: Path, tmp_path: Path) -> Path:
    """A copy of the template: a lake is a folder like any other."""
    return Path(shutil.copytree(template, tmp_path / "lake"))


def run(path: Path, *args: object) -> Ran:
    return noroshi("--lake", path, *args)


def test_sql_json_prints_addresses_as_text_and_times_with_z(path: Path) -> None:
    ran = run(
        path, "sql", "--json", "SELECT src_ip, dst_port, first_seen, day FROM flows ORDER BY dst_port DESC"
    )
    assert ran.code == 0
    assert ran.err == ""
    assert ran.json[0] == {
        "src_ip": "255.255.255.255", "dst_port": 65535, "first_seen": "2024-04-01T12:00:00Z",
        "day": "2024-04-01",
    }  # fmt: skip


def test_sql_for_people(path: Path) -> None:
    ran = run(
        path, "sql", "SELECT src_ip, sum(packet_count) AS packets FROM flows GROUP BY 1 ORDER BY 2 DESC"
    )
    assert "198.51.100.7" in ran.out
    assert "60" in ran.out
    assert ran.err == "2 rows.\n"


def test_sql_too_wide_for_a_table_is_a_line_per_value(path: Path) -> None:
    ran = run(path, "sql", "SELECT * FROM flows ORDER BY dst_port DESC")
    assert "row 1\n" in ran.out
    assert "dst_port        65535\n" in ran.out, "a port is no amount"
    assert max(map(len, ran.out.splitlines())) <= 100
    long = run(path, "sql", f"SELECT 1 AS a, 2 AS b, 3 AS c, '{'x' * 300}' AS d")
    assert max(map(len, long.out.splitlines())) <= 100
    assert long.out.count("x") == 300


def test_sql_shows_a_limit_and_says_so(path: Path) -> None:
    ran = run(path, "sql", "--limit", 5, "SELECT range AS n FROM range(1000)")
    assert "1,000 rows (5 shown" in ran.err
    assert len(run(path, "sql", "--json", "--limit", 5, "SELECT range AS n FROM range(1000)").json) == 1000


def test_sql_from_standard_input(path: Path) -> None:
    ran = noroshi("--lake", path, "sql", "-", "--json", stdin=b"SELECT 1 AS n")
    assert ran.json == [{"n": 1}]


@pytest.mark.parametrize(
    "text",
    ["DROP TABLE flows", "SELEC 1", "SELECT nothing FROM flows", "SELECT 1; SELECT 2",
     "COPY flows TO '/tmp/x'",
     "SELECT * FROM read_csv('/etc/passwd')", "ATTACH '/tmp/x.db'", ""],
)  # fmt: skip
def test_sql_only_reads(path: Path, text: str) -> None:
    ran = run(path, "sql", text)
    assert ran.code == 2, ran.err
    assert ran.out == ""
    assert "Traceback" not in ran.err


def test_sql_with_no_rows(path: Path) -> None:
    assert run(path, "sql", "SELECT * FROM flows WHERE false", "--json").json == []
    assert run(path, "sql", "SELECT * FROM flows WHERE false").err == "0 rows.\n"


def test_findings_json_is_the_public_form(path: Path) -> None:
    rows = run(path, "findings", "--json", "--subject", "198.51.100.7").json
    assert len(rows) == 1
    assert set(rows[0]) >= {
        "id", "kind", "subject", "first_seen", "last_seen", "modified", "confidence", "tlp", "summary",
        "rule", "evidence", "runs",
    }  # fmt: skip
    assert rows[0]["subject"] == {"kind": "ip", "value": "198.51.100.7"}
    assert datetime.fromisoformat(rows[0]["first_seen"])


def test_findings_filters(path: Path) -> None:
    assert len(run(path, "findings", "--json").json) == 22
    assert run(path, "findings", "--json", "--kind", "dos-victim").json == []
    assert run(path, "findings", "--json", "--since", "2024-04-02").json == []
    assert len(run(path, "findings", "--json", "--since", "2024-04-01").json) == 22
    assert len(run(path, "findings", "--json", "--for", "public").json) == 21
    assert run(path, "findings", "--kind", "nonsense").code == 2
    assert run(path, "findings", "--since", "yesterday").code == 2
    assert run(path, "findings", "--for", "nobody").code == 2


def test_findings_for_people_are_grouped_and_bounded(path: Path) -> None:
    ran = run(path, "findings", "--lang", "en")
    assert "scanner  22" in ran.out
    assert f"and 12 more: noroshi --lake {path} findings --kind scanner --limit 22" in ran.out
    assert "22 findings." in ran.err
    assert max(len(line) for line in ran.out.splitlines() if str(path) not in line) <= 100


def test_findings_in_japanese(path: Path) -> None:
    assert "による。" in run(path, "findings", "--lang", "ja").out


def test_language_follows_the_locale(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "ja_JP.UTF-8")
    assert "による。" in run(path, "findings").out
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    assert "による。" not in run(path, "findings").out


def test_why_of_a_finding_leads_to_its_runs_and_rows(path: Path) -> None:
    one = run(path, "findings", "--json", "--subject", "203.0.113.5").json[0]
    answer = run(path, "why", one["id"][:8], "--json").json
    assert answer["finding"]["id"] == one["id"]
    assert {r["run_id"] for r in answer["runs"]} == set(one["runs"])
    assert run(path, "sql", answer["sql"]).code == 0
    ran = run(path, "why", one["id"])
    assert "evidence" in ran.out
    assert "\x1b" not in ran.out, "a hostile file name does not reach the terminal"
    assert "evil\\x1b[2J\\u202e.pcap" in ran.out


def test_why_of_a_row_and_a_run(path: Path) -> None:
    row = run(path, "sql", "--json", 'SELECT run_id, "offset" FROM flows LIMIT 1').json[0]
    answer = run(path, "why", "--json", f"{row['run_id'][:10]}:{row['offset']}").json
    assert answer["rows"][0]["offset"] == row["offset"]
    words = run(path, "why", f"{row['run_id'][:10]}:{row['offset']}").out
    assert re.search(r"src_port +40000\n", words), "a port is no amount"
    assert run(path, "why", "--json", row["run_id"]).json["runs"][0]["run_id"] == row["run_id"]


@pytest.mark.parametrize("id_", ["zzzzzzzz", "12", "zzzzzz:5", "abcdef:x", "' OR 1"])
def test_why_of_nothing(path: Path, id_: str) -> None:
    ran = run(path, "why", id_)
    assert ran.code == 2
    assert ran.out == ""


def test_forget(path: Path) -> None:
    run_id = run(path, "sql", "--json", "SELECT run_id FROM flows WHERE dst_port = 65535").json[0]["run_id"]
    ran = run(path, "forget", run_id[:12])
    assert ran.code == 0
    assert "noroshi analyse" in ran.err
    assert run(path, "sql", "--json", "SELECT * FROM flows WHERE dst_port = 65535").json == []
    assert run(path, "forget", run_id[:12]).code == 2


def test_lake_care(path: Path) -> None:
    status = run(path, "lake", "status", "--json").json
    assert status["tables"]["flows"]["rows"] == 4
    assert (status["first_day"], status["days"]) == ("2024-04-01", 1)
    assert "flows" in run(path, "lake", "status").out
    assert run(path, "lake", "compact").code == 0
    assert run(path, "lake", "compact", "flows", "--json").code == 0
    assert run(path, "lake", "vacuum", "--json").json["files"] >= 0
    ran = run(path, "lake", "verify")
    assert (ran.code, ran.out) == (0, "")
    assert run(path, "lake", "verify", "--json").json == []


def test_verify_with_something_wrong_is_status_1(path: Path) -> None:
    victim = next((path / "flows").rglob("*.parquet"), None) or next(path.rglob("flows/**/*.parquet"))
    victim.write_bytes(b"")
    ran = run(path, "lake", "verify", "--json")
    assert ran.code == 1
    assert set(ran.json[0]) == {"what", "where", "todo"}


def test_share_writes_what_the_recipient_may_see_and_tells_the_rest_aside(path: Path, tmp_path: Path) -> None:
    public, own = tmp_path / "public.json", tmp_path / "new" / "own.json"
    ran = run(path, "share", "stix", "--for", "public", "--out", public)
    assert ran.code == 0
    assert ran.out == ""
    assert "1 finding withheld: TLP:AMBER+STRICT is stricter than TLP:CLEAR" in ran.err
    assert b"203.0.113.5'" not in public.read_bytes()
    assert b"withheld" not in public.read_bytes()
    assert run(path, "share", "stix", "--for", "own", "--out", own).code == 0
    assert b"203.0.113.5'" in own.read_bytes()
    for file in (public, own):
        assert errors(file.read_bytes()) == []


def test_the_same_lake_gives_the_same_bytes(path: Path, tmp_path: Path) -> None:
    bodies = []
    for name in ("a", "b"):
        run(path, "share", "stix", "--for", "own", "--out", tmp_path / name)
        bodies.append((tmp_path / name).read_bytes())
        run(path, "lake", "compact")
    assert bodies[0] == bodies[1]


def test_share_to_standard_output_is_only_the_bundle(path: Path) -> None:
    ran = run(path, "share", "stix", "--for", "public", "--out", "-")
    assert ran.json["type"] == "bundle"


def test_share_json_tells_what_was_written(path: Path, tmp_path: Path) -> None:
    ran = run(path, "share", "--json", "stix", "--for", "public", "--out", tmp_path / "x")
    assert ran.json["findings"] == 21
    assert "withheld" in ran.err


@pytest.mark.parametrize(
    "args", [["--for", "everybody", "--out", "x"], ["--out", "x"], ["--for", "own"]]
)  # fmt: skip
def test_share_wrong_usage(path: Path, args: list[Any]) -> None:
    assert run(path, "share", "stix", *args).code == 2


def test_an_unwritable_place_is_told(path: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ran = run(path, "share", "stix", "--for", "own", "--out", tmp_path / "file" / "x.json")
    assert ran.code == 3
    assert "Traceback" not in ran.err


def test_telescope_guess_needs_a_lake_and_is_toml(path: Path) -> None:
    ran = run(path, "telescope", "guess")
    assert ran.code == 0
    assert isinstance(run(path, "telescope", "guess", "--json").json, list)


def test_ingest_usage(path: Path, tmp_path: Path) -> None:
    assert run(path, "ingest").code == 2
    assert run(path, "ingest", "x", "--follow", tmp_path).code == 2
    assert run(path, "ingest", "--once", "x").code == 2
    assert run(path, "ingest", "--as", "nonsense", "x").code == 2
    assert run(path, "ingest", "--follow", tmp_path, "--settle", "soon").code == 2
