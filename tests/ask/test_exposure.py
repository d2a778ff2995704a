"""The newest look at a service counts, filters are values, and a host's history tells what changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from noroshi.ask import exposure
from noroshi.lake.handle import Lake
from noroshi.model.errors import UsageError
from noroshi.model.tlp import Tlp
from tests.ask.support import batch

START = datetime(2024, 4, 1, tzinfo=UTC)
END = START + timedelta(days=30)


def look(day: int, ip: str, port: int, **more: Any) -> dict[str, Any]:
    return {"ts": START + timedelta(days=day), "ip": ip, "port": port, "protocol": 6, "state": "open",
            "service": "http", "scanner": "nmap"} | more  # fmt: skip


LOOKS = [
    look(0, "198.51.100.9", 80, product="Apache httpd", version="2.4.1"),
    look(5, "198.51.100.9", 80, product="Apache httpd", version="2.4.2", banner="<script>alert(1)</script>"),
    look(0, "198.51.100.10", 23, service="telnet"),
    look(6, "198.51.100.10", 23, service="telnet", state="closed"),
    look(1, "198.51.100.10", 80, product="nginx", country="JP", cves=["CVE-2024-3400"]),
    look(1, "203.0.113.5", 443, service="https", org="Example's; DROP TABLE services--"),
    look(1, "2001:db8::5", 443, service="https"),
]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake.open(tmp_path_factory.mktemp("exposure") / "lake", create=True)
    with lake.writer() as writer:
        run = writer.begin(path="x", source="s", format="nmap", parser_version=1, tlp=Tlp.AMBER)
        run.write(batch("services", *LOOKS))
        run.finish(sha256="x", size=1)
    return lake


def test_the_newest_look_counts(lake: Lake) -> None:
    found = exposure.exposure(lake.snapshot(), START, END)
    assert (found.services, found.hosts) == (4, 4)
    assert {g.value: g.services for g in found.groups} == {"80": 2, "443": 2}
    versions = exposure.exposure(lake.snapshot(), START, END, "version").groups
    assert {g.value for g in versions} == {"Apache httpd 2.4.2", "nginx", ""}


def test_a_time_before_it_was_closed_shows_it_open(lake: Lake) -> None:
    ports = exposure.exposure(lake.snapshot(), START, START + timedelta(days=3)).groups
    assert "23" in {g.value for g in ports}


def test_networks(lake: Lake) -> None:
    groups = exposure.exposure(lake.snapshot(), START, END, "network").groups
    assert {g.value: g.hosts for g in groups} == {"198.51.100.0/24": 2, "203.0.113.0/24": 1, "IPv6": 1}


@pytest.mark.parametrize(
    ("filters", "ips"),
    [
        ({"port": "80"}, ["198.51.100.9", "198.51.100.10"]),
        ({"port": "80 OR 1=1"}, []),
        ({"net": "198.51.100.0/29"}, []),
        ({"net": "198.51.100.8/29", "product": "APACHE"}, ["198.51.100.9"]),
        ({"cve": "cve-2024-3400"}, ["198.51.100.10"]),
        ({"text": "<script>"}, ["198.51.100.9"]),
        ({"org": "'; DROP TABLE services--"}, []),
        ({"org": "DROP TABLE"}, ["203.0.113.5"]),
        ({"country": "jp"}, ["198.51.100.10"]),
    ],
)
def test_filters_are_values(lake: Lake, filters: dict[str, str], ips: list[str]) -> None:
    found = exposure.services(lake.snapshot(), START, END, filters)
    assert [r["ip"] for r in found] == ips


def test_pages_join(lake: Lake) -> None:
    shot, after, seen = lake.snapshot(), None, []
    for _ in range(10):
        page = exposure.services(shot, START, END, limit=1, after=after)
        if not page:
            break
        seen.append((page[0]["ip"], page[0]["port"]))
        after = seen[-1]
    assert seen == [(r["ip"], r["port"]) for r in exposure.services(shot, START, END)]
    assert len(seen) == 4


def test_a_host_tells_what_changed(lake: Lake) -> None:
    rows = exposure.host(lake.snapshot(), "198.51.100.9")
    assert [r["version"] for r in rows] == ["2.4.2", "2.4.1"]
    assert rows[0]["changed"] == ["version", "banner"]
    assert rows[1]["changed"] == []


def test_what_another_survey_does_not_ask_for_has_not_changed(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake", create=True)
    ip = "198.51.100.7"
    looks = [
        look(0, ip, 80, product="nginx", version="1.1", banner="Server: nginx"),
        look(1, ip, 80, product="nginx", version="1.2", scanner="shodan", title="Hello"),
        look(2, ip, 80, product="nginx", version="1.2", scanner="shodan", title=""),
        look(3, ip, 80, state="closed", scanner="shodan"),
        look(4, ip, 80, product="nginx", version="1.3", scanner="shodan"),
    ]
    with lake.writer() as writer:
        run = writer.begin(path="x", source="s", format="nmap", parser_version=1, tlp=Tlp.AMBER)
        run.write(batch("services", *looks))
        run.finish(sha256="x", size=1)
    told = [r["changed"] for r in reversed(exposure.host(lake.snapshot(), ip))]
    assert told == [[], ["version"], ["title"], ["state"], ["state"]]


def test_both_protocols_of_a_port_are_on_some_page(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake", create=True)
    with lake.writer() as writer:
        run = writer.begin(path="x", source="s", format="nmap", parser_version=1, tlp=Tlp.AMBER)
        run.write(batch("services", *(look(0, "198.51.100.7", 53, protocol=p) for p in (6, 17))))
        run.finish(sha256="x", size=1)
    shot = lake.snapshot()
    (first,) = exposure.services(shot, START, END, limit=1)
    after = (first["ip"], first["port"], first["protocol"])
    assert [r["protocol"] for r in exposure.services(shot, START, END, after=after)] == [17]
    assert exposure.services(shot, START, END, after=after[:2]) == []


def test_unknown_words_are_refused(lake: Lake) -> None:
    with pytest.raises(UsageError, match="grouped"):
        exposure.exposure(lake.snapshot(), START, END, "ip; DROP")
    with pytest.raises(UsageError, match="filter"):
        exposure.services(lake.snapshot(), START, END, {"run_id": "x"})
    with pytest.raises(UsageError, match="prefix"):
        exposure.services(lake.snapshot(), START, END, {"net": "nonsense"})
