"""The page of now: honest about what is new and how old the newest data are; parts follow the stream of events."""

from __future__ import annotations

from pathlib import Path

from starlette.testclient import TestClient

from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from tests.web import site

HTML = {"accept": "text/html"}


def test_it_says_what_is_new(client: TestClient, lake: Lake) -> None:
    page = client.get("/now", headers=HTML).text
    assert f"{len({f.id for f in lake.findings()}):,} new findings" in page
    assert "/api/v1/traffic/arrivals" in page
    assert "Last data" in page  # the samples are no live feed, and the page says so


def test_counters_are_those_of_the_newest_day(client: TestClient, lake: Lake) -> None:
    part = client.get("/now?part=figures", headers=HTML).text
    newest = lake.snapshot().sql(
        "SELECT sum(packet_count)::BIGINT AS n FROM flows WHERE first_seen >= TIMESTAMPTZ '2026-04-01T00:00:00Z'"
    )
    assert f"{newest['n'][0].as_py():,}" in part
    assert "<html" not in part


def test_findings_are_a_part(client: TestClient) -> None:
    part = client.get("/now?part=findings", headers=HTML).text
    assert "<html" not in part
    assert part.count("<tr>") == 13


def test_an_empty_lake(tmp_path: Path, state: State) -> None:
    with site.client(Lake.open(tmp_path / "empty"), state) as client:
        page = client.get("/now", headers=HTML).text
        assert "Nothing has been stored yet" in page
        assert "noroshi ingest" in page
        assert client.get("/now?part=figures", headers=HTML).status_code == 200


def test_a_replay_counts_what_arrived(client: TestClient, lake: Lake) -> None:
    told = client.get("/api/v1/traffic/arrivals").json()
    assert told["start"] < told["end"]
    assert not told["live"]
    assert all(0 <= e[0] < told["slices"] and 0 <= e[1] < 65536 for e in told["events"])
    held = (
        lake.snapshot()
        .sql(
            "SELECT sum(packet_count)::BIGINT AS n FROM flows WHERE first_seen >= $low AND first_seen < $high",
            {"low": told["start"], "high": told["end"]},
        )["n"][0]
        .as_py()
    )
    assert 0 < sum(e[2] for e in told["events"]) <= held
