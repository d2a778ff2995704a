"""EPSS: whole blocks, blocks with a bad line, headers and dates."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noroshi.observe.supply.epss import EpssSensor
from tests.observe.supply.support import DATA, rows

SAMPLE = (DATA / "epss.csv").read_bytes()


def test_sniff() -> None:
    sensor = EpssSensor()
    assert sensor.sniff(SAMPLE[:4096])
    assert sensor.sniff(b"cve,epss,percentile\n")
    assert sensor.sniff(b"cve,epss\n")
    assert not sensor.sniff(b"# a comment\ncve,score\n")


def test_scores() -> None:
    found, rejects = rows(EpssSensor(), SAMPLE)
    assert rejects == []
    one = found["vulnerabilities"][1]
    assert (one["id"], one["epss"], one["epss_percentile"]) == ("CVE-1999-0002", 0.0225, 0.83719)
    assert one["ts"] == datetime.fromisoformat("2024-10-01T00:00:00+00:00")
    assert (one["origin"], len(found["vulnerabilities"])) == ("epss", 6)
    assert SAMPLE[one["offset"] :].startswith(b"CVE-1999-0002,")


def test_a_bad_line_spoils_itself_only() -> None:
    bad = [b"CVE-2020-1,0.1,0.1", b"CVE-2020-0001,1.1,0.5", b"CVE-2020-0002,nan,0.5", b"CVE-2020-0003,0.5",
           b"CVE-2020-0004,-0.1,0.1", b"\x00\xff,,", b"CVE-2020-0005,1e999,0.1"]  # fmt: skip
    data = SAMPLE + b"\n".join([b"", *bad, b"", b"cve-2021-44228,0.97,1", b""])
    found, rejects = rows(EpssSensor(), data)
    assert [r.reason for r in rejects] == ["epss"] * len(bad)
    for reject, line in zip(rejects, bad, strict=True):
        assert data[reject.position :].startswith(line)
    assert [r["id"] for r in found["vulnerabilities"]][-1] == "CVE-2021-44228"
    assert len(found["vulnerabilities"]) == 7


def test_without_percentile_and_comment() -> None:
    found, rejects = rows(EpssSensor(), b"cve,epss\r\nCVE-2021-0001,0.5\r\n")
    assert rejects == []
    (one,) = found["vulnerabilities"]
    assert one["epss"] == 0.5
    assert "epss_percentile" not in one


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (SAMPLE.replace(b"2024-10-01", b"2124-10-01"), "time"),
        (SAMPLE.replace(b"cve,epss", b"id,score"), "header"),
        (SAMPLE.partition(b"\n")[0], "header"),
    ],
)
def test_what_is_no_table_is_refused(data: bytes, reason: str) -> None:
    found, rejects = rows(EpssSensor(), data)
    assert found == {}
    assert [r.reason for r in rejects] == [reason]


def test_blocks_meet_without_a_seam() -> None:
    lines = [
        f"CVE-{1999 + i % 25}-{i:04d},{i % 1000 / 1000:.5f},{i % 777 / 777:.5f}" for i in range(1000, 201_000)
    ]
    data = SAMPLE.splitlines(keepends=True)[0] + b"cve,epss,percentile\n" + "\n".join(lines).encode()
    found, rejects = rows(EpssSensor(), data)
    assert rejects == []
    assert [r["id"] for r in found["vulnerabilities"]] == [ln.partition(",")[0] for ln in lines]
    for row in found["vulnerabilities"][::9_999]:
        assert data[row["offset"] :].startswith(row["id"].encode() + b",")


@given(st.binary(max_size=200), st.integers(0, 250), st.integers(0, 20))
def test_any_bytes_give_rows_or_rejects(junk: bytes, at: int, cut: int) -> None:
    rows(EpssSensor(), SAMPLE[:at] + junk + SAMPLE[at + cut :])
    rows(EpssSensor(), b"cve,epss,percentile\n" + junk)
