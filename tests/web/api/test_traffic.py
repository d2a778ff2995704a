"""What the API tells of traffic equals what SQL counts; pictures get gaps, not zeros."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from noroshi import config as configuration
from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from tests.web import site

BASE = "/api/v1/traffic"


def total(lake: Lake) -> int:
    return int(lake.snapshot().sql("SELECT sum(packet_count)::BIGINT AS n FROM flows")["n"][0].as_py())


@pytest.mark.parametrize("by", ["", "port", "protocol", "tool", "class"])
def test_every_packet_is_in_a_line(client: TestClient, lake: Lake, by: str) -> None:
    told = client.get(f"{BASE}/series?range=all&by={by}").json()
    assert sum(s["total"] for s in told["series"]) == total(lake)
    assert all(len(s["values"]) == len(told["x"]) for s in told["series"])


def test_matrix_and_changes_name_ports_alike(client: TestClient) -> None:
    matrix = client.get(f"{BASE}/matrix?range=all").json()
    changes = client.get(f"{BASE}/changes?range=all&top=5").json()
    assert [c["port"] for c in changes] == matrix["y"][:5]
    assert sum(v for v in matrix["values"][0] if v) == changes[0]["count"]


def test_space_counts_every_ipv4_packet(client: TestClient, lake: Lake) -> None:
    told = client.get(f"{BASE}/space?range=all").json()["networks"]
    assert sum(n[2] for n in told) == total(lake)
    assert told == sorted(told)


def test_without_a_table_of_countries(client: TestClient) -> None:
    assert client.get(f"{BASE}/countries?range=all").json() == {"known": False, "items": []}


def test_talkers_as_csv(client: TestClient) -> None:
    told = client.get(f"{BASE}/talkers?range=all&limit=3&format=csv")
    assert told.headers["content-type"].startswith("text/csv")
    assert len(told.text.strip().splitlines()) == 4


@pytest.mark.parametrize(
    "query",
    ["by=src_ip", "top=0", "top=99999", "table=flows;DROP", "table=passwords", "from=x&to=y", "range=0d"],
)
def test_wrong_questions_are_refused(client: TestClient, query: str) -> None:
    told = client.get(f"{BASE}/series?{query}")
    assert told.status_code in (400, 422)
    assert set(told.json()) == {"what", "where", "todo"}


def test_the_same_question_has_the_same_tag(client: TestClient) -> None:
    first = client.get(f"{BASE}/series?from=2026-04-01&to=2026-04-02&by=tool")
    again = client.get(
        f"{BASE}/series?from=2026-04-01&to=2026-04-02&by=tool",
        headers={"if-none-match": first.headers["etag"]},
    )
    assert (first.status_code, again.status_code) == (200, 304)


def test_an_outage_is_a_gap(lake: Lake, state: State, tmp_path: Path) -> None:
    file = tmp_path / "noroshi.toml"
    file.write_text(
        '[[telescope]]\nname = "t"\nprefixes = ["192.0.2.0/24"]\n'
        "outages = [{from = 2026-04-05T00:00:00Z, to = 2026-04-07T00:00:00Z}]\n"
    )
    with site.client(lake, state, configuration.load(file)) as client:
        told = client.get(f"{BASE}/series?from=2026-04-01&to=2026-04-10&by=").json()
    gaps = [x for x, v in zip(told["x"], told["series"][0]["values"], strict=True) if v is None]
    assert len(gaps) == 2 * 86_400 // told["step_s"]
    assert told["gaps"] == [
        {"from": "2026-04-05T00:00:00Z", "to": "2026-04-07T00:00:00Z", "reason": "outage"}
    ]
