"""The whole way on the bundled samples, as `noroshi demo` runs it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.cli.support import Ran, noroshi
from tests.support.stix import errors


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ran]:
    folder = tmp_path_factory.mktemp("demo") / "my demo"
    return folder, noroshi("demo", folder, "--json")


def of_kind(document: Any, kind: str) -> list[dict[str, Any]]:
    return [f for f in document["findings"] if f["kind"] == kind]


def test_it_runs_and_reads_every_sample(ran: tuple[Path, Ran]) -> None:
    _, done = ran
    assert done.code == 0, done.err
    assert done.err == ""
    samples = done.json["samples"]
    assert all(sum(s["tables"].values()) and not s["problem"] for s in samples), samples
    assert {s["format"] for s in samples} == {
        "pcap", "cowrie", "stix", "nmap", "kev", "cve", "osv", "cyclonedx", "assets-csv",
    }  # fmt: skip
    packets = {s["name"]: s["packets"] for s in samples}
    assert packets["darknet/ncsa_backscatter_12h.pcap"] == 2986
    assert packets["synthetic/day.pcap.zst"] == 52_000


def test_the_one_victim_of_the_real_trace(ran: tuple[Path, Ran]) -> None:
    victims = [f for f in of_kind(ran[1].json, "dos-victim") if f["first_seen"] < "2010"]
    assert [f["subject"]["value"] for f in victims] == ["202.229.120.98"]
    assert "tcp/80" in str(victims[0]["evidence"])


def test_every_kind_of_finding_is_there(ran: tuple[Path, Ran]) -> None:
    kinds = {f["kind"] for f in ran[1].json["findings"]}
    assert kinds >= {
        "scanner", "investigation-scanner", "dos-victim", "reflection-abuse", "misconfiguration",
        "inside-talker", "infected-host", "decoy-intrusion", "vulnerable-service",
    }  # fmt: skip
    assert all(f["summary"]["en"] and f["summary"]["ja"] for f in ran[1].json["findings"])


def test_own_infected_hosts_are_named(ran: tuple[Path, Ran]) -> None:
    infected = {f["subject"]["value"] for f in of_kind(ran[1].json, "infected-host")}
    assert {"198.51.100.23", "198.51.100.57"} <= infected


def test_one_value_stands_in_every_kind_of_evidence(ran: tuple[Path, Ran]) -> None:
    """The first command to try shows what the repository is for."""
    words = shlex.split(ran[1].json["next"][0])
    assert words[3] == "pivot"
    told = noroshi(*words[1:], "--json").json
    assert {"flows", "sessions", "logins", "commands", "transfers"} <= {t["table"] for t in told["tables"]}
    assert told["findings"]
    assert told["links"]


def test_report_and_bundle(ran: tuple[Path, Ran]) -> None:
    folder, done = ran
    for lang in ("en", "ja"):
        page = Path(done.json["report"][lang])
        assert page.is_relative_to(folder)
        assert f'lang="{lang}"' in page.read_text("utf-8")[:500]
    body = Path(done.json["stix"]).read_bytes()
    assert b"198.18.0.77" not in body, "an address of the telescope"
    assert b"campus-ncsa" not in body
    assert errors(body) == []


def test_the_commands_to_try_next_work(ran: tuple[Path, Ran]) -> None:
    commands = ran[1].json["next"]
    assert len(commands) == 3
    for command in commands:
        words = shlex.split(command)
        assert words[0] == "noroshi"
        # A server runs until it is stopped: that its words are understood is enough here, it has tests of its own.
        tried = noroshi(*words[1:], *(["--help"] if "serve" in words else []))
        assert tried.code == 0, tried.err
        assert tried.out


def test_ingesting_and_analysing_again_adds_nothing(ran: tuple[Path, Ran]) -> None:
    from noroshi.work.demo import samples_folder

    lake = ran[1].json["lake"]
    again = noroshi("--lake", lake, "ingest", samples_folder() / "darknet", "--json")
    assert all(r["known"] for r in again.json["runs"] if r["format"] == "pcap")
    assert noroshi("--lake", lake, "analyse", "--json").json == []


def test_the_lake_is_whole(ran: tuple[Path, Ran]) -> None:
    assert noroshi("--lake", ran[1].json["lake"], "lake", "verify", "--json").json == []


def test_for_people_it_fits_and_says_what_to_do(tmp_path: Path) -> None:
    done = noroshi("demo", tmp_path / "demo", "--lang", "en")
    assert done.code == 0, done.err
    assert "Try next:" in done.out
    assert "report" in done.out
    table = done.out.partition("Try next:")[0]
    assert max(len(line) for line in table.splitlines() if str(tmp_path) not in line) <= 100


def test_a_folder_that_is_no_demo_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1").write_text("x")
    done = noroshi("demo", tmp_path / "thesis")
    assert done.code == 2
    assert (tmp_path / "thesis" / "chapter1").read_text() == "x"
