"""The synthetic day of samples/ through ingest and analysis, against its truth."""

from __future__ import annotations

import csv
import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard
from bench.synth.make import generate
from bench.synth.plan import Plan

from noroshi import config
from noroshi.lake.handle import Lake
from noroshi.model.finding import Finding
from noroshi.work.analyse import analyse
from noroshi.work.findings import find
from noroshi.work.ingest import ingest

SAMPLES = Path(__file__).parents[2] / "samples"
DAY = SAMPLES / "synthetic" / "day.pcap.zst"


@pytest.fixture(scope="module")
def truth() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(f"{DAY}.truth.json").read_text())
    with Path(f"{DAY}.truth.tsv").open() as f:
        found["sources"] = {row["src_ip"]: row for row in csv.DictReader(f, delimiter="\t")}
    return found


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Finding]]:
    """Findings of the synthetic telescope by kind and subject."""
    lake = Lake.open(tmp_path_factory.mktemp("sample") / "lake", create=True)
    settings = config.load(SAMPLES / "noroshi.toml")
    ingest(lake, [DAY], config=settings)
    analyse(lake, config=settings)
    by_kind: dict[str, dict[str, Finding]] = {}
    for finding in find(lake):
        by_kind.setdefault(finding.kind, {})[finding.subject.value] = finding
    return by_kind


def test_the_file_is_the_one_described(truth: dict[str, Any]) -> None:
    packed = DAY.read_bytes()
    raw = zstandard.ZstdDecompressor().stream_reader(packed).read()
    assert hashlib.sha256(raw).hexdigest() == truth["capture_sha256"]
    assert hashlib.sha256(packed).hexdigest() in (DAY.parent / "SOURCE.md").read_text()


def test_the_command_in_its_source_makes_it_again(tmp_path: Path, truth: dict[str, Any]) -> None:
    if truth["numpy"] != np.__version__:
        pytest.skip(
            f"made with NumPy {truth['numpy']}, whose random numbers {np.__version__} need not repeat"
        )
    plan = {k: tuple(v) if k == "outages" else v for k, v in truth["plan"].items()}
    plan["start"] = datetime.fromisoformat(plan["start"])
    assert generate(Plan(**plan), tmp_path / "day.pcap")["capture_sha256"] == truth["capture_sha256"]


def test_real_captures_have_their_digests() -> None:
    told = (SAMPLES / "darknet" / "SOURCE.md").read_text()
    for path in (SAMPLES / "darknet").glob("*.pcap"):
        assert f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" in told


def test_victims_above_the_floor_are_found_and_nobody_else(
    truth: dict[str, Any], findings: dict[str, dict[str, Finding]]
) -> None:
    found = findings["dos-victim"]
    attacks = {a["victim"]: a for a in truth["attacks"]}
    assert set(found) <= set(attacks)
    for victim, finding in found.items():
        assert attacks[victim]["packets"] >= 10
        low, high = finding.evidence["rate_low"], finding.evidence["rate_high"]
        # 95 % intervals, some twenty of them: all but a few hold the rate; none is off by half.
        assert low / 1.5 < attacks[victim]["rate_pps"] < high * 1.5
    held = [
        f.evidence["rate_low"] <= attacks[v]["rate_pps"] <= f.evidence["rate_high"] for v, f in found.items()
    ]
    assert sum(held) >= 0.85 * len(held)
    clear = [
        a["victim"] for a in truth["attacks"] if a["expected"] > 25 and (not a["tuples"] or a["tuples"] > 25)
    ]
    assert set(clear) <= set(found)


def test_own_infected_hosts_are_found(findings: dict[str, dict[str, Finding]]) -> None:
    assert {"198.51.100.23", "198.51.100.57"} <= set(findings["infected-host"])


def test_organisations_are_told_from_other_scanners(
    truth: dict[str, Any], findings: dict[str, dict[str, Finding]]
) -> None:
    members = {ip for name, ips in truth["groups"].items() if name.startswith("organisation") for ip in ips}
    assert set(findings["investigation-scanner"]) == members


def test_hosts_inside_are_found(truth: dict[str, Any], findings: dict[str, dict[str, Finding]]) -> None:
    inside = {ip for ip, row in truth["sources"].items() if row["kind"] == "inside-talker"}
    assert set(findings["inside-talker"]) == inside


def test_misconfigured_senders_are_no_others(
    truth: dict[str, Any], findings: dict[str, dict[str, Finding]]
) -> None:
    kinds = {truth["sources"][ip]["kind"] for ip in findings["misconfiguration"]}
    assert kinds == {"misconfiguration"}


def test_reflection_names_the_addresses_it_was_aimed_at(findings: dict[str, dict[str, Finding]]) -> None:
    assert set(findings["reflection-abuse"]) == {"198.18.0.77", "198.18.0.78"}
