"""CISA's catalogue: JSON and CSV say the same; the whole catalogue against a plain count."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from noroshi.observe.supply.kev import KevCsvSensor, KevSensor
from tests.observe.supply.support import DATA, real, rows

JSON = (DATA / "kev.json").read_bytes()
CSV = (DATA / "kev.csv").read_bytes()


def test_sniff() -> None:
    assert KevSensor().sniff(JSON[:4096])
    assert KevCsvSensor().sniff(CSV[:4096])
    assert not KevSensor().sniff(CSV[:4096])
    assert not KevCsvSensor().sniff(b"ip,port\n")
    assert not KevSensor().sniff(b'{"vulnerabilities": []}')


def test_the_catalogue() -> None:
    found, rejects = rows(KevSensor(), JSON)
    assert rejects == []
    assert len(found["vulnerabilities"]) == len(found["affected"]) == 10
    first = found["vulnerabilities"][0]
    assert (first["id"], first["kev"], first["kev_date"]) == ("CVE-2025-48384", True, date(2025, 8, 25))
    assert (first["origin"], first["ransomware"]) == ("kev", False)
    assert first["cwes"] == ["CWE-59", "CWE-436"]
    assert first["ts"].date() == date(2025, 8, 25)
    assert sum(r["ransomware"] for r in found["vulnerabilities"]) == 4
    assert (found["affected"][0]["vendor"], found["affected"][0]["product"]) == ("Git", "Git")
    assert json.JSONDecoder().raw_decode(JSON[first["offset"] :].decode())[0]["cveID"] == first["id"]


def plain(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows without what differs between the forms of the catalogue."""
    return [{k: v for k, v in r.items() if k not in ("offset", "ts")} for r in found]


def test_csv_says_the_same() -> None:
    one, _ = rows(KevSensor(), JSON)
    two, rejects = rows(KevCsvSensor(), CSV)
    assert rejects == []
    for table in one:
        assert plain(one[table]) == plain(two[table])


def test_a_cut_catalogue_keeps_what_stands_before() -> None:
    at = JSON.index(b'"cveID"', len(JSON) // 2)
    found, rejects = rows(KevSensor(), JSON[:at])
    assert 0 < len(found["vulnerabilities"]) < 10
    assert [r.reason for r in rejects] == ["cut-short"]


def test_entries_that_are_none() -> None:
    bad = {"catalogVersion": "1", "vulnerabilities": [{"cveID": "x"}, 5, None, {"cveID": "CVE-2024-1"}]}
    found, rejects = rows(KevSensor(), json.dumps(bad).encode())
    assert len(found["vulnerabilities"]) == 1
    assert Counter(r.reason for r in rejects) == {"no-id": 1, "shape": 2}


def test_a_catalogue_of_the_future_is_refused() -> None:
    found, rejects = rows(KevSensor(), JSON.replace(b"2025-08-25T17", b"2125-08-25T17"))
    assert found == {}
    assert [r.reason for r in rejects] == ["time"]


@given(st.binary(max_size=200), st.integers(0, 9_000), st.integers(0, 40))
def test_any_bytes_give_rows_or_rejects(junk: bytes, at: int, cut: int) -> None:
    rows(KevSensor(), JSON[:at] + junk + JSON[at + cut :])
    rows(KevCsvSensor(), CSV[:at] + junk + CSV[at + cut :])
    rows(KevCsvSensor(), junk)


def test_the_whole_catalogue() -> None:
    data = real("intel", "kev", "known_exploited_vulnerabilities.json").read_bytes()
    entries = json.loads(data)["vulnerabilities"]
    found, rejects = rows(KevSensor(), data)
    assert rejects == []
    assert [r["id"] for r in found["vulnerabilities"]] == [e["cveID"] for e in entries]
    campaigns = [e["knownRansomwareCampaignUse"] == "Known" for e in entries]
    assert [r["ransomware"] for r in found["vulnerabilities"]] == campaigns
    dates = [e["dateAdded"] for e in entries]
    assert [r["kev_date"].isoformat() for r in found["vulnerabilities"]] == dates
