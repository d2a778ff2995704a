"""What own networks show and should not, on rows written by hand."""

from __future__ import annotations

import bz2
from pathlib import Path
from typing import Any

import pytest

from noroshi import config, registry
from noroshi.analyse.exposure.rules import exposed, faces_internet
from noroshi.lake.handle import Lake
from noroshi.model.analyser import Scope
from noroshi.work.across import across
from tests.analyse.cross.support import judge, one
from tests.ask.support import SERVER, at, batch, store
from tests.observe.survey.support import outside, read

OWN = ("198.51.100.0/24",)
NOW = 28
"""Days after BEGIN at which `judge` looks: 2024-04-30 ends."""


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake")


def seen(days: float = NOW, **more: Any) -> dict[str, Any]:
    return {"ts": at(days=days), "ip": SERVER, "port": 23, "protocol": 6, "state": "open", "service": "telnet",
            "banner": "login:", "scanner": "nmap"} | more  # fmt: skip


def survey(lake: Lake, *rows: dict[str, Any], name: str = "survey") -> None:
    store(lake, name, batch("services", *rows))


def test_telnet_that_answers(lake: Lake) -> None:
    survey(lake, seen())
    found = one(lake, "exposed-service", own=OWN)
    assert (found.kind, found.subject.value) == ("exposed-service", SERVER)
    (told,) = found.evidence["services"]
    assert (told["service"], told["port"], told["class"], told["told_by"]) == (
        "Telnet", "tcp/23", "login", "spoken",
    )  # fmt: skip
    assert found.confidence == 85
    assert "exposes Telnet (tcp/23)" in found.summary["en"]
    assert "last on 2024-04-29" in found.evidence["confidence_reason"]


def test_only_own_networks(lake: Lake) -> None:
    survey(lake, seen(), seen(ip="203.0.113.9"))
    assert judge(lake, "exposed-service") == []
    assert [f.subject.value for f in judge(lake, "exposed-service", own=OWN)] == [SERVER]


def test_assets_are_own_and_bring_their_owner(lake: Lake) -> None:
    survey(lake, seen())
    store(lake, "assets", batch("assets", {
        "ts": at(), "kind": "prefix", "value": "198.51.100.64/26", "owner": "Example Ltd", "contact": "noc@example.com",
    }))  # fmt: skip
    found = one(lake, "exposed-service")
    assert (found.evidence["owner"], found.evidence["contact"]) == ("Example Ltd", "noc@example.com")
    assert "Example Ltd" in found.summary["ja"]


def test_independent_surveys_add_up_and_looks_of_one_do_not(lake: Lake) -> None:
    survey(lake, seen(), seen(days=NOW - 1))
    alone = one(lake, "exposed-service", own=OWN)
    survey(lake, seen(scanner="shadowserver:scan_telnet", tags=["telnet"]), name="report")
    both = one(lake, "exposed-service", own=OWN)
    assert alone.confidence < both.confidence <= 95
    assert both.evidence["services"][0]["scanners"] == ["nmap", "shadowserver:scan_telnet"]
    assert both.evidence["services"][0]["looks"] == 3
    assert "2 independent surveys" in both.evidence["confidence_reason"]


def test_confidence_falls_with_age(lake: Lake) -> None:
    survey(lake, seen(days=NOW - 27))
    told = [one(lake, "exposed-service", own=OWN, half_days=d).confidence for d in (30, 20, 16)]
    assert told == [85, 43, 43], "in steps: what did not change is not told anew every day"
    assert judge(lake, "exposed-service", own=OWN, half_days=7) == [], "weaker than min_confidence"
    assert judge(lake, "exposed-service", own=OWN, max_age_days=14) == []


def test_a_port_alone_is_a_guess(lake: Lake) -> None:
    survey(lake, seen(service=None, banner=None))
    found = one(lake, "exposed-service", own=OWN)
    assert found.confidence <= 40
    assert found.evidence["services"][0]["told_by"] == "port"
    assert "seems to expose" in found.summary["en"]


def test_a_name_of_the_table_is_a_guess_too(lake: Lake) -> None:
    survey(lake, seen(service="telnet", banner=None))
    assert one(lake, "exposed-service", own=OWN).evidence["services"][0]["told_by"] == "port"


@pytest.mark.parametrize(
    "row",
    [
        {"port": 443, "service": "https", "banner": "HTTP/1.1 200 OK"},
        {"port": 53, "protocol": 17, "service": "domain", "banner": "x"},
        {"port": 123, "protocol": 17, "service": "ntp", "banner": "x"},
        {"service": "http", "product": "nginx", "banner": "HTTP/1.1 200 OK"},
        {"state": "closed"},
        {"state": "filtered"},
        {"port": 389, "protocol": 17, "service": "domain", "product": "dnsmasq"},
        {"port": 0},
    ],
)
def test_what_may_face_the_internet(lake: Lake, row: dict[str, Any]) -> None:
    survey(lake, seen(**row))
    assert judge(lake, "exposed-service", own=OWN) == []


def test_closed_later_ends_it_and_opened_again_begins_anew(lake: Lake) -> None:
    survey(lake, seen(days=NOW - 9))
    survey(
        lake, seen(days=NOW - 5, state="closed", service=None, banner=None, scanner="masscan"), name="closed"
    )
    assert judge(lake, "exposed-service", own=OWN) == []
    survey(lake, seen(days=NOW - 2), name="again")
    assert one(lake, "exposed-service", own=OWN).first_seen == at(days=NOW - 2)


@pytest.mark.parametrize(
    ("row", "name", "group"),
    [
        ({"port": 6379, "service": "redis", "product": "Redis key-value store"}, "Redis", "database"),
        ({"port": 7001, "service": "http", "cpes": ["cpe:2.3:a:elastic:elasticsearch:7.0:*:*:*:*:*:*:*"]},
         "Elasticsearch", "database"),
        ({"port": 502, "service": "modbus", "scanner": "zgrab2"}, "Modbus", "industrial"),
        ({"port": 502, "service": "ics", "tags": ["modbus"], "scanner": "shadowserver:scan_ics"},
         "Modbus", "industrial"),
        ({"port": 2404, "service": "ics", "tags": ["unheard-of"], "scanner": "shadowserver:scan_ics"},
         "industrial protocol", "industrial"),
        ({"port": 53, "protocol": 17, "service": "dns", "scanner": "shadowserver:scan_dns"},
         "open DNS resolver", "amplifier"),
        ({"port": 445, "service": "smb", "scanner": "shadowserver:scan6_smb"}, "SMB", "files"),
        ({"port": 389, "protocol": 17, "service": "ldap_udp", "scanner": "shadowserver:scan_ldap_udp"},
         "CLDAP", "amplifier"),
        ({"port": 389, "protocol": 6, "service": "ldap", "product": "OpenLDAP"}, "LDAP", "inside"),
        ({"port": 8443, "service": "https", "title": "phpMyAdmin"}, "administration page", "management"),
        ({"port": 2222, "service": "telnet", "product": "BusyBox telnetd"}, "Telnet", "login"),
    ],
)  # fmt: skip
def test_what_should_not(lake: Lake, row: dict[str, Any], name: str, group: str) -> None:
    survey(lake, seen(**row))
    (told,) = one(lake, "exposed-service", own=OWN).evidence["services"]
    assert (told["service"], told["class"]) == (name, group)
    assert told["told_by"] in ("spoken", "report")


def test_the_worst_stands_first(lake: Lake) -> None:
    survey(
        lake,
        seen(),
        seen(port=502, service="modbus", banner="unit 1"),
        seen(port=3389, service="ms-wbt-server"),
    )
    found = one(lake, "exposed-service", own=OWN)
    assert [s["port"] for s in found.evidence["services"]] == ["tcp/502", "tcp/3389", "tcp/23"]
    assert found.evidence["severity"] == 1


def test_a_host_that_answers_on_all_ports_tells_nothing_by_a_port(lake: Lake) -> None:
    ports = [seen(port=p, service=None, banner=None) for p in range(1, 600)]
    survey(lake, *ports)
    assert judge(lake, "exposed-service", own=OWN) == []
    survey(lake, seen(scanner="zgrab2"), name="heard")
    (told,) = one(lake, "exposed-service", own=OWN).evidence["services"]
    assert told["port"] == "tcp/23"


def test_a_look_that_heard_no_protocol_is_a_port(lake: Lake) -> None:
    survey(lake, seen(scanner="zgrab2", banner=None, tags=["io-timeout"]))
    assert one(lake, "exposed-service", own=OWN).evidence["services"][0]["told_by"] == "port"


def test_a_database_that_asks_for_a_password(lake: Lake) -> None:
    survey(lake, seen(port=6379, service="redis", banner="-NOAUTH Authentication required."))
    assert one(lake, "exposed-service", own=OWN).evidence["services"][0]["asks_password"] is True


def test_networks_of_the_inside_do_not_face_the_internet(lake: Lake) -> None:
    survey(lake, seen(ip="10.1.2.3"), seen(ip="fd00::1"))
    assert judge(lake, "exposed-service", own=("10.0.0.0/8", "fd00::/8")) == []
    assert faces_internet("198.51.100.1")
    assert not faces_internet("192.168.4.4")


def test_ipv6(lake: Lake) -> None:
    survey(lake, seen(ip="2001:db8::23", scanner="shadowserver:scan6_telnet"))
    assert one(lake, "exposed-service", own=("2001:db8::/32",)).subject.value == "2001:db8::23"


def test_the_rest_is_counted(lake: Lake) -> None:
    survey(lake, seen(), seen(ip="198.51.100.81"), seen(ip="198.51.100.82"))
    found = judge(lake, "exposed-service", own=OWN, max_findings=2)
    assert len(found) == 2
    assert found[0].evidence["found_in_all"] == 3


def test_the_table() -> None:
    table = exposed()
    names = [s.name for s in table.services]
    assert len(set(names)) == len(names)
    for s in table.services:
        assert s.ports or s.reports or s.services or s.titles, f"{s.name} can never be recognised"
        assert all(p.partition("/")[0] in ("tcp", "udp") and p.partition("/")[2].isdigit() for p in s.ports)
        assert 1 <= s.severity <= 4
        assert s.why["en"]
        assert s.why["ja"]
    assert {s.group for s in table.services} == set(table.groups)
    ports = [p for s in table.services for p in s.ports]
    assert len(set(ports)) == len(ports), "a port alone tells one service"


def test_a_real_survey(lake: Lake) -> None:
    """Every host that a survey of Siemens S7 saw is told, most of them because they answered."""
    packed = outside("survey/ivre/test-T102-s7comm.xml.bz2").read_bytes()
    got = read(registry.sensor("masscan"), bz2.decompress(packed)).of("services")
    survey(lake, *({k: v for k, v in r.items() if k not in ("table", "offset")} for r in got))
    scope = Scope(
        max(r["ts"] for r in got).date(), None, 0.0, own=("0.0.0.0/0",), options={"max_age_days": 7}
    )
    analyser = registry.analyser("exposed-service")
    found = analyser.judge(analyser.reduce(lake.snapshot().restricted(memory=500_000_000), scope), scope)
    told = {f.subject.value: {x["service"] for x in f.evidence["services"]} for f in found}
    # on the port of S7 stood SSH, which may, and FTP, which is told as what it is
    heard: dict[str, set[str]] = {}
    for r in got:
        heard.setdefault(r["ip"], set()).add(r["service"])
    assert len(heard) == 61
    assert {ip for ip, names in heard.items() if names == {"ssh"}}.isdisjoint(told)
    assert {ip for ip, names in heard.items() if "s7comm" in names} == {
        ip for ip, names in told.items() if "Siemens S7" in names
    }
    assert all(told[ip] == {"FTP"} for ip, names in heard.items() if names == {"ftp"})


def test_what_nobody_looks_at_any_more_is_withdrawn(lake: Lake, tmp_path: Path) -> None:
    """Only other evidence comes in: the finding weakens in steps, and is taken back."""
    (tmp_path / "noroshi.toml").write_text(f'own = ["{OWN[0]}"]\n')
    settings = config.load(tmp_path / "noroshi.toml")
    told = []
    for day in (0, 10, 40, 100):
        if not day:
            survey(lake, seen(days=0))
        else:
            store(lake, f"later {day}", batch("sessions", {"first_seen": at(days=day), "last_seen": at(days=day),
                                                           "session_id": "s", "src_ip": "203.0.113.1"}))  # fmt: skip
        across(
            lake, lake.snapshot(), config=settings, names=["exposed-service"], again=False, memory=500_000_000
        )
        told.append([f.confidence for f in lake.findings("exposed-service")])
    assert told == [[85], [85], [43], []]
