"""Survey to CPE to CVE, on rows written by hand."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from noroshi.lake.handle import Lake
from noroshi.wire import vulnerabilities as vulns
from tests.analyse.cross.support import judge, one
from tests.ask.support import BARE, CPE, CVE, SERVER, at, batch, store

SECOND = "CVE-2024-20002"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake")


def service(**more: Any) -> dict[str, Any]:
    return {"ts": at(50), "ip": SERVER, "port": 443, "protocol": 6, "state": "open", "cpes": [CPE],
            "scanner": "nmap"} | more  # fmt: skip


def affected(id: str = CVE, **more: Any) -> dict[str, Any]:
    return {"ts": at(), "id": id, "origin": "cve", "cpe": BARE, "status": "affected"} | more


def known(id: str = CVE, **more: Any) -> dict[str, Any]:
    return {"ts": at(), "id": id, "origin": "cve"} | more


def survey(lake: Lake, *services: dict[str, Any], name: str = "survey") -> None:
    store(lake, name, batch("services", *services))


def database(lake: Lake, *rows: dict[str, Any], about: tuple[dict[str, Any], ...] = ()) -> None:
    store(lake, "cves", batch("affected", *rows), batch("vulnerabilities", *(about or (known(),))))


def test_the_version_lies_in_the_range(lake: Lake) -> None:
    survey(lake, service())
    database(
        lake, affected(below_version="1.3"), affected(SECOND, from_version="1.0", to_version="1.2"),
        about=(known(cvss_score=9.8), known(SECOND, cvss_score=5.0, kev=True, kev_date=date(2024, 4, 2))),
    )  # fmt: skip
    found = one(lake, "vulnerable-service")
    assert (found.kind, found.subject.value, found.confidence) == ("vulnerable-service", SERVER, 80)
    told = found.evidence["vulnerabilities"]
    # what is exploited stands before what is severe
    assert [(v["id"], v["match"], v["kev"]) for v in told] == [
        (SECOND, "exact-version", True), (CVE, "exact-version", False),
    ]  # fmt: skip
    assert told[1]["fixed_version"] == "1.3"
    assert told[0]["port"] == "tcp/443"
    assert found.evidence["kev_count"] == 1
    assert "acme gateway 1.2 (tcp/443)" in found.summary["en"]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"below_version": "1.2"}, 0),
        ({"below_version": "1.2.1"}, 1),
        ({"versions": ["1.1", "1.2"]}, 1),
        ({"versions": ["1.1"]}, 0),
        ({"cpe": CPE}, 1),
        ({"cpe": CPE.replace("1.2", "1.1")}, 0),
        ({"cpe": "cpe:2.3:a:acme:other:*:*:*:*:*:*:*:*", "below_version": "9"}, 0),
        ({"cpe": "cpe:2.3:a:*:gateway:*:*:*:*:*:*:*:*", "below_version": "9"}, 0),
        ({"below_version": "9", "status": "unaffected"}, 0),
        ({}, 0),
    ],
)
def test_what_holds(lake: Lake, row: dict[str, Any], told: int) -> None:
    survey(lake, service())
    database(lake, affected(**row))
    assert len(judge(lake, "vulnerable-service")) == told


def test_a_product_alone_is_told_only_when_exploited(lake: Lake) -> None:
    survey(lake, service(cpes=[BARE]))
    database(lake, affected(below_version="1.3"), affected(SECOND, below_version="1.3"),
             about=(known(kev=True), known(SECOND, cvss_score=10.0)))  # fmt: skip
    found = one(lake, "vulnerable-service")
    assert [v["id"] for v in found.evidence["vulnerabilities"]] == [CVE]
    assert found.evidence["vulnerabilities"][0]["match"] == "product-only"
    assert found.confidence == 25
    assert "not known" in found.summary["en"]


def test_a_distribution_mends_without_a_new_version(lake: Lake) -> None:
    survey(lake, service(version="1.2 Debian 5ubuntu1"))
    database(lake, affected(below_version="1.3"))
    found = one(lake, "vulnerable-service")
    assert found.confidence == 45
    assert "distribution" in found.evidence["confidence_reason"]


def test_the_version_the_survey_words(lake: Lake) -> None:
    system = "cpe:2.3:o:acme:gateway:*:*:*:*:*:*:*:*"
    survey(lake, service(cpes=[BARE, system], version="1.2 (build 5)"))
    database(lake, affected(below_version="1.3"), affected(SECOND, cpe=system, below_version="1.3"))
    # the version is the application's, not the system's
    assert [v["id"] for v in one(lake, "vulnerable-service").evidence["vulnerabilities"]] == [CVE]


def test_unaffected_versions_are_believed(lake: Lake) -> None:
    survey(lake, service())
    database(
        lake, affected(below_version="2"), affected(from_version="1.2", to_version="1.2", status="unaffected")
    )
    assert judge(lake, "vulnerable-service") == []


def test_only_the_newest_look_counts(lake: Lake) -> None:
    survey(lake, service())
    survey(lake, service(ts=at(days=1), cpes=[CPE.replace("1.2", "1.3")]), name="later")
    database(lake, affected(below_version="1.3"))
    assert judge(lake, "vulnerable-service") == []


def test_what_the_survey_names(lake: Lake) -> None:
    survey(lake, service(cpes=None, cves=[CVE]))
    found = one(lake, "vulnerable-service")
    assert found.confidence == 50
    assert found.evidence["vulnerabilities"][0]["match"] == "named-by-survey"
    assert "a service" in found.summary["en"]


def test_product_of() -> None:
    assert vulns.product_of(CPE) == ("cpe:2.3:a:acme:gateway", "1.2", "acme gateway")
    update = r"cpe:2.3:a:open\:bsd:open_ssh:5.9:p1:*:*:*:*:*:*"
    assert vulns.product_of(update) == (r"cpe:2.3:a:open\:bsd:open_ssh", "5.9p1", "open:bsd open ssh")
    assert vulns.product_of("cpe:2.3:a:acme:*:1.2:*:*:*:*:*:*:*") is None


def test_aliases_bring_what_is_known(lake: Lake) -> None:
    ghsa = "GHSA-aaaa-bbbb-cccc"
    store(lake, "x", batch("vulnerabilities", known(ghsa, aliases=[CVE]), known(kev=True), known(epss=0.5)))
    found = vulns.known(lake.snapshot(), [ghsa])[ghsa]
    assert (found.id, found.kev, found.epss, found.names) == (CVE, True, 0.5, (ghsa,))


def test_names_are_followed_both_ways(lake: Lake) -> None:
    ghsa = "GHSA-aaaa-bbbb-cccc"
    store(lake, "x", batch("vulnerabilities", known(aliases=[ghsa]), known(ghsa, cvss_score=9.0, title="t")))
    assert vulns.stands_for(lake.snapshot(), [ghsa, CVE]) == {ghsa: (CVE,)}
    found = vulns.known(lake.snapshot(), [CVE])[CVE]
    assert (found.id, found.cvss, found.names) == (CVE, 9.0, (ghsa,))


def test_an_advisory_of_two_vulnerabilities_is_both_and_its_score_neither(lake: Lake) -> None:
    jvn = "JVNDB-2024-000001"
    survey(lake, service())
    store(
        lake, "jvn",
        batch("affected", affected(jvn, below_version="1.3", origin="jvndb")),
        batch("vulnerabilities", known(jvn, aliases=[CVE, SECOND], cvss_score=9.9), known(kev=True),
              known(SECOND, cvss_score=4.0)),
    )  # fmt: skip
    told = one(lake, "vulnerable-service").evidence["vulnerabilities"]
    assert [(v["id"], v["kev"], v.get("cvss")) for v in told] == [(CVE, True, None), (SECOND, False, 4.0)]
    assert vulns.known(lake.snapshot(), [CVE])[CVE].names == (jvn,)


def test_a_name_counts_once_and_what_says_unaffected_is_believed(lake: Lake) -> None:
    ghsa = "GHSA-aaaa-bbbb-cccc"
    survey(lake, service())
    database(
        lake, affected(ghsa, below_version="1.3"), affected(below_version="1.3"),
        about=(known(ghsa, aliases=[CVE]), known()),
    )  # fmt: skip
    assert one(lake, "vulnerable-service").evidence["vulnerability_count"] == 1
    store(
        lake, "later", batch("affected", affected(from_version="1.2", to_version="1.2", status="unaffected"))
    )
    assert judge(lake, "vulnerable-service") == []


def test_systems_are_guessed(lake: Lake) -> None:
    system = "cpe:2.3:o:linux:linux_kernel:4:*:*:*:*:*:*:*"
    whole = "cpe:2.3:o:linux:linux_kernel:*:*:*:*:*:*:*:*"
    survey(lake, service(cpes=[system]))
    database(
        lake, affected(cpe=whole, below_version="5.1"), affected(SECOND, cpe=whole, below_version="4.0.2")
    )
    found = one(lake, "vulnerable-service")
    # 4 may be 4.19: only what lies beyond it can be judged
    assert [v["id"] for v in found.evidence["vulnerabilities"]] == [CVE]
    assert found.confidence == 40
    assert found.summary["en"].startswith(f"{SERVER} exposes linux kernel 4 ")
