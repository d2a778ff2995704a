"""The report gathered: its period, what it may count, where its files go."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from noroshi import config
from noroshi.config import Config
from noroshi.lake.handle import Lake
from noroshi.model.errors import LakeError, UsageError
from noroshi.model.finding import Finding
from noroshi.model.tlp import Tlp
from noroshi.share.report.period import parse
from noroshi.work.report import NothingToReport, report, scopes
from tests.support.findings import finding
from tests.support.memory import flow
from tests.work import lakes
from tests.work.lakes import store

lake = lakes.lake


@pytest.fixture
def configured(tmp_path: Path) -> Config:
    path = tmp_path / "noroshi.toml"
    path.write_text('timezone = "Asia/Tokyo"\n[[telescope]]\nname = "t"\nprefixes = ["192.0.2.0/24"]\n')
    return config.load(path)


def numbers(files: list[Path]) -> str:
    (found,) = [f for f in files if f.suffix == ".json"]
    return json.dumps(json.loads(found.read_text()))


def test_pages_first_and_one_json(lake: Lake, configured: Config, tmp_path: Path) -> None:
    store(lake, [flow("198.51.100.7", "192.0.2.9", count=123_457)])
    files = report(lake, config=configured, langs=("en", "ja", "en"), folder=tmp_path / "out")
    assert [f.suffix for f in files] == [".html", ".html", ".md", ".json", ".md"]
    assert {f.parent for f in files} == {tmp_path / "out"}
    assert "123457" in numbers(files)


def test_the_period_is_seen_from_the_newest_data(lake: Lake, configured: Config, tmp_path: Path) -> None:
    store(lake, [flow("198.51.100.7", "192.0.2.9")])
    files = report(lake, config=configured, folder=tmp_path)
    assert "2024-04" in files[0].name
    day = report(lake, config=configured, period="day", folder=tmp_path)
    assert "2024-04-01" in day[0].name
    with pytest.raises(UsageError):
        report(lake, config=configured, period="fortnight", folder=tmp_path)


def test_only_what_the_recipient_may_see_is_counted(lake: Lake, configured: Config, tmp_path: Path) -> None:
    store(lake, [flow("198.51.100.7", "192.0.2.9", count=1111)], tlp=Tlp.CLEAR)
    store(lake, [flow("198.51.100.8", "192.0.2.9", count=222_222)], name="b.pcap", tlp=Tlp.AMBER)
    public = numbers(report(lake, config=configured, recipient="public", folder=tmp_path / "p"))
    assert "1111" in public
    assert "223333" not in public
    assert "b.pcap" not in public
    assert "223333" in numbers(report(lake, config=configured, folder=tmp_path / "o"))


def test_nothing_stored_is_told(lake: Lake, configured: Config, tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="noroshi ingest"):
        report(lake, config=configured, folder=tmp_path)


def test_without_captures_the_findings_are_reported(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "plain.toml").write_text("")
    plain = config.load(tmp_path / "plain.toml")
    secret = finding("decoy-intrusion", "198.51.100.9", tlp="red")
    lake.put_findings(
        [finding("decoy-intrusion", "198.51.100.7"), finding("exposed-service", "198.51.100.8"), secret]
    )
    files = report(lake, config=plain, langs=("en", "ja"), folder=tmp_path / "own")
    pages = {f.name: f.read_text() for f in files if f.suffix == ".md"}
    english, japanese = pages["noroshi-2024-04.en.md"], pages["noroshi-2024-04.ja.md"]
    assert english.startswith("# Findings report April 2024")
    assert "Exposed service" in english
    assert "公開すべきでないサービス" in japanese
    for absent in ("Destination ports", "Scanning tools", "no telescope", "198.51.100.9"):
        assert absent not in english
    # what a recipient may not see makes no report either
    with pytest.raises(NothingToReport):
        report(
            _only(tmp_path / "other", secret), config=plain, recipient="public", folder=tmp_path / "public"
        )


def _only(path: Path, one: Finding) -> Lake:
    lake = Lake.open(path)
    lake.put_findings([one])
    return lake


def test_only_the_organisation_reads_which_addresses_are_watched(
    lake: Lake, configured: Config, tmp_path: Path
) -> None:
    store(lake, [flow("198.51.100.7", "192.0.2.9", count=50)], tlp=Tlp.CLEAR)
    for recipient, shown in (("own", True), ("community", False), ("public", False)):
        files = report(lake, config=configured, recipient=recipient, folder=tmp_path / recipient)
        assert {("192.0.2." in f.read_text("utf-8")) for f in files} == {shown}, recipient


def test_names_of_telescopes_stay_inside_whatever_the_profile_keeps(lake: Lake, tmp_path: Path) -> None:
    from noroshi.lake.state import State
    from noroshi.lake.state.recipients import RecipientRow

    path = tmp_path / "noroshi.toml"
    path.write_text('[[telescope]]\nname = "kitanodai-west"\nprefixes = ["192.0.2.0/24"]\n')
    state = State(lake.path)
    state.recipients.add(RecipientRow("partner", "organisation", "amber", "plain"))
    state.recipients.add(RecipientRow("close", "person", "amber+strict", "plain"))
    # Two days with a gap between, so that the gaps name a telescope too.
    store(lake, [flow("198.51.100.7", "192.0.2.9", count=50), flow("198.51.100.7", "192.0.2.9", at=2 * 86_400)],
          tlp=Tlp.CLEAR)  # fmt: skip
    for recipient, shown in (("own", True), ("close", True), ("partner", False), ("public", False)):
        files = report(
            lake, config=config.load(path), recipient=recipient, folder=tmp_path / recipient, langs=("en", "ja"),
            state=state,
        )  # fmt: skip
        texts = [f.read_text("utf-8") for f in files]
        assert {"kitanodai" in t for t in texts} == {shown}, recipient
        assert {"192.0.2." in t for t in texts} == {shown}, recipient
        assert {"telescope 1" in t for t in texts} == {not shown}, recipient


def test_only_a_yearly_report_sizes_the_years_before(lake: Lake, configured: Config) -> None:
    years = 365 * 86_400
    store(lake, [flow("198.51.100.7", "192.0.2.9", at=-n * years) for n in range(3)])
    at = datetime(2024, 4, 1, 12, tzinfo=UTC)

    def days(text: str) -> list[date]:
        period = parse(text, at, configured.timezone)
        return [s.day for s in scopes(lake.snapshot(), period, configured)]

    assert days("month") == days("day") == [date(2024, 4, 1)]
    assert [d.year for d in days("year")] == [2022, 2023, 2024]
