"""Services: filters are values, pages join, groups add up, and each leads to what it counts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from noroshi.ask import exposure
from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from tests.web import hostile_lake, site

BASE = "/api/v1/services"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder: Path = tmp_path_factory.mktemp("services")
    with site.client(hostile_lake.build(folder / "lake"), State(folder)) as made:
        yield made


def test_samples(client: TestClient, lake: Lake) -> None:
    told = client.get(f"{BASE}?range=all").json()["items"]
    assert {f"{r['ip']}:{r['port']}" for r in told} == {
        f"{r['ip']}:{r['port']}"
        for r in lake.snapshot().sql("SELECT ip_text(ip) AS ip, port FROM services").to_pylist()
    }
    assert {r["protocol"] for r in told} == {"tcp"}


def test_pages_join(hostile: TestClient) -> None:
    whole = hostile.get(f"{BASE}?range=all&limit=1000").json()
    assert whole["next"] == ""
    seen, cursor = [], ""
    for _ in range(100):
        page = hostile.get(BASE, params={"range": "all", "limit": 7, "cursor": cursor}).json()
        seen += page["items"]
        if not (cursor := page["next"]):
            break
    assert seen == whole["items"]
    assert len(seen) == 82  # both protocols of each port, the newest look at each, none that was closed


def test_a_cursor_of_another_question(hostile: TestClient) -> None:
    cursor = hostile.get(BASE, params={"range": "all", "limit": 7}).json()["next"]
    told = hostile.get(BASE, params={"range": "all", "limit": 7, "port": "53", "cursor": cursor})
    assert told.status_code == 400


@pytest.mark.parametrize(
    ("name", "value", "n"),
    [
        ("port", "80", 1), ("port", "80 OR 1=1", 0), ("net", "203.0.113.0/29", 16), ("net", "::/0", 1),
        ("cve", "cve-2024-3400", 80), ("text", "<script>", 1), ("product", "'; DROP TABLE services; --", 0),
        ("org", "onmouseover", 80), ("version", "Apache httpd 2.4.2", 1), ("service", "http' OR '1'='1", 0),
        ("country", "jp", 80), ("text", "%", 0), ("scanner", "nmap", 82),
    ],
)  # fmt: skip
def test_filters_are_values(hostile: TestClient, name: str, value: str, n: int) -> None:
    told = hostile.get(BASE, params={"range": "all", "limit": 1000, name: value})
    assert (told.status_code, len(told.json()["items"])) == (200, n)


@pytest.mark.parametrize("name", list(exposure.FILTERS))
@pytest.mark.parametrize(
    "value",
    ["\x00'x", "'); DROP TABLE services; --", "\\' UNION SELECT 1", "$port", "\ud83d\ude00\u202e", "9" * 400],
)
def test_hostile_filters_find_nothing_and_break_nothing(hostile: TestClient, name: str, value: str) -> None:
    value = value.encode("utf-16", "surrogatepass").decode("utf-16")
    for path in (BASE, f"{BASE}/groups"):
        told = hostile.get(path, params={"range": "all", name: value})
        if name == "net":
            assert told.status_code == 400
        else:
            assert told.status_code == 200
            assert told.json()["items"] == []


def test_groups_add_up_and_lead_to_what_they_count(hostile: TestClient) -> None:
    for by in ("port", "service", "product", "version", "device", "network", "country", "org", "scanner"):
        told = hostile.get(f"{BASE}/groups", params={"range": "all", "by": by}).json()
        assert sum(g["value"] for g in told["items"]) == told["services"] == 82
        for group in told["items"]:
            assert "\u202e" not in group["label"]
            if group["href"]:
                query = group["href"].partition("?")[2]
                found = hostile.get(f"{BASE}?limit=1000&{query}".replace(f"by={by}&", "")).json()
                assert len(found["items"]) == group["value"], (by, group)


def test_csv(hostile: TestClient) -> None:
    told = hostile.get(f"{BASE}?range=all&limit=3&format=csv")
    assert told.headers["content-type"].startswith("text/csv")
    assert told.headers["x-next-cursor"]
    assert "198.51.100.9,80,tcp" in told.text
    groups = hostile.get(f"{BASE}/groups?range=all&by=port&format=csv").text
    assert groups.splitlines()[0].endswith("port,services,hosts,last_seen")


def test_a_host(hostile: TestClient) -> None:
    told = hostile.get("/api/v1/hosts/198.51.100.9").json()
    web = [r for r in told["items"] if r["port"] == 80]
    assert [r["version"] for r in web] == ["2.4.2", "2.4.1"]
    assert web[0]["changed"] == ["version", "title", "banner"]
    assert hostile.get("/api/v1/hosts/2001:DB8:0::5").json()["ip"] == "2001:db8::5"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/hosts/192.0.2.99", 404), ("/api/v1/hosts/example.net", 400), ("/api/v1/hosts/1' OR 1=1", 400),
        (f"{BASE}?net=nonsense", 400), (f"{BASE}?limit=0", 422), (f"{BASE}?cursor=AAAA", 400),
        (f"{BASE}/groups?by=ip_text(ip)", 422), (f"{BASE}?text={'x' * 501}", 422),
    ],
)  # fmt: skip
def test_wrong_questions_are_refused(hostile: TestClient, path: str, status: int) -> None:
    told = hostile.get(path)
    assert told.status_code == status
    assert set(told.json()) == {"what", "where", "todo"}
