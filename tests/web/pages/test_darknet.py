"""The darknet's page tells what the lake holds of the time in the URL, and nothing of another."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from starlette.testclient import TestClient

from noroshi.lake.handle import Lake
from noroshi.web.pages.darknet import surveys, victims

HTML = {"accept": "text/html"}


def test_it_tells_packets_victims_and_surveys(client: TestClient, lake: Lake) -> None:
    page = client.get("/darknet?range=all", headers=HTML).text
    total = lake.snapshot().sql("SELECT sum(packet_count)::BIGINT AS n FROM flows")["n"][0].as_py()
    assert f"{total:,} packets" in page
    found = [f for f in lake.findings() if f.kind == "dos-victim"]
    assert all(f.subject.value in page for f in found[:5])
    assert "shodan" in page
    assert "noroshi top ports --since" in page


def test_a_time_without_packets_says_so(client: TestClient) -> None:
    page = client.get("/darknet?from=2001-01-01&to=2001-02-01", headers=HTML).text
    assert "No packets reached the telescope" in page
    assert "noroshi ingest" in page


@pytest.mark.parametrize("by", ["tool", "<script>", "port'--"])
def test_lines_are_by_known_words_only(client: TestClient, by: str) -> None:
    page = client.get("/darknet", params={"range": "all", "by": by}, headers=HTML).text
    (asked,) = re.findall(r'data-src="/api/v1/traffic/series\?by=([^&]*)&', page)
    assert asked == (by if by == "tool" else "port")
    assert "<script>" not in page.replace("<script src", "")


def test_the_most_talkative(client: TestClient) -> None:
    part = client.get("/darknet/talkers?range=all", headers=HTML).text
    assert "<html" not in part
    assert part.count("/entity/ip/") >= 10
    one = client.get("/darknet/talkers?range=all&port=23", headers=HTML).text
    assert "port 23" in one


def test_rankings_are_ordered(lake: Lake) -> None:
    found = lake.findings()
    rates = [v["rate"] or 0 for v in victims(found)]
    assert rates == sorted(rates, reverse=True)
    assert all(v["low"] <= v["rate"] <= v["high"] for v in victims(found) if v["rate"] and v["low"])
    packets = [s["packets"] for s in surveys(found)]
    assert packets == sorted(packets, reverse=True)
    assert victims([]) == surveys([]) == []
    assert datetime.now(UTC) > max(s["last_seen"] for s in surveys(found))
