"""Countries and networks of addresses, from TSV and MaxMind DB."""

from __future__ import annotations

import ipaddress
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noroshi.model import address
from noroshi.model.errors import ConfigError
from noroshi.share.report import build, parse
from noroshi.share.report.context import Lookup, open_table, places
from tests.share.report.test_collect import NOW, ROWS, scopes, table
from tests.support import mmdb
from tests.support.report_days import StoreQuery

COUNTRIES = (
    "# a comment\n"
    "192.0.2.0\t192.0.2.127\tJP\n"
    "192.0.2.128\t192.0.2.191\tNone\n"
    "198.51.100.0\t198.51.100.255\tDE\n"
    "2001:db8::\t2001:db8:ffff:ffff:ffff:ffff:ffff:ffff\tFR\n"
)
NETWORKS = "192.0.2.0\t192.0.2.255\t64496\tJP\tEXAMPLE-NET\n198.51.100.0\t198.51.100.9\t0\tNone\tNot routed\n"


def tsv(folder: Path, text: str) -> Lookup:
    path = folder / "table.tsv"
    path.write_text(text)
    return open_table(path)


def code(lookup: Lookup, ip: str) -> str:
    return lookup.find(address.pack(ip)).code


def test_tsv_ranges(tmp_path: Path) -> None:
    lookup = tsv(tmp_path, COUNTRIES)
    found = {ip: code(lookup, ip) for ip in (
        "192.0.1.255", "192.0.2.0", "192.0.2.127", "192.0.2.128", "192.0.2.192", "198.51.100.255", "255.255.255.255",
        "2001:db8::1", "2001:db9::", "::",
    )}  # fmt: skip
    assert found == {
        "192.0.1.255": "", "192.0.2.0": "JP", "192.0.2.127": "JP", "192.0.2.128": "", "192.0.2.192": "",
        "198.51.100.255": "DE", "255.255.255.255": "", "2001:db8::1": "FR", "2001:db9::": "", "::": "",
    }  # fmt: skip


def test_tsv_networks(tmp_path: Path) -> None:
    lookup = tsv(tmp_path, NETWORKS)
    assert code(lookup, "192.0.2.9") == "AS64496 EXAMPLE-NET"
    assert code(lookup, "198.51.100.1") == ""


@pytest.mark.parametrize("line", ["192.0.2.0\tJP\n", "192.0.2.0,192.0.2.9,JP\n", "x\t192.0.2.9\tJP\n"])
def test_a_table_of_another_form_is_named_with_its_line(tmp_path: Path, line: str) -> None:
    with pytest.raises(ConfigError, match="line 2 is not"):
        tsv(tmp_path, "192.0.2.0\t192.0.2.9\tJP\n" + line)


def test_no_table(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such table"):
        open_table(tmp_path / "missing.mmdb")
    (tmp_path / "broken.mmdb").write_bytes(b"not a database" * 9)
    with pytest.raises(ConfigError, match="not a MaxMind DB"):
        open_table(tmp_path / "broken.mmdb")


def test_mmdb(tmp_path: Path) -> None:
    entries = {
        "192.0.2.0/25": {"country": {"iso_code": "JP"}},
        "198.51.100.0/24": {"country_code": "DE"},
        "203.0.113.0/24": {"autonomous_system_number": 64496, "autonomous_system_organization": "Example"},
        "100.64.0.0/10": {"asn": "AS64497", "as_name": "Other"},
        "2001:db8::/32": {"registered_country": {"iso_code": "FR"}},
    }
    lookup = open_table(mmdb.write(tmp_path / "t.mmdb", entries))
    assert lookup.made == datetime.fromtimestamp(1_700_000_000, UTC).date()
    assert {ip: code(lookup, ip) for ip in ("192.0.2.1", "192.0.2.128", "198.51.100.7", "2001:db8::7")} == {
        "192.0.2.1": "JP", "192.0.2.128": "", "198.51.100.7": "DE", "2001:db8::7": "FR"
    }  # fmt: skip
    assert code(lookup, "203.0.113.1") == "AS64496 Example"
    assert code(lookup, "100.64.0.1") == "AS64497 Other"
    assert lookup.find(address.pack("192.0.2.1")).last == address.pack("192.0.2.127")


@given(st.sets(st.integers(3_221_225_000, 3_221_226_500), max_size=80))
def test_one_lookup_for_a_range_gives_what_one_for_each_address_gives(values: set[int]) -> None:
    lookup = _both()
    ips = sorted(address.pack(str(ipaddress.ip_address(v))) for v in values)
    found = places(lookup, "t", [(ip, 1) for ip in ips], len(ips), 9)
    each = [lookup.find(ip).code for ip in ips]
    assert {r.key: r.sources for r in found.rows} == {
        c: each.count(c) for c in set(each) if c and c != "None"
    }
    assert found.unknown_sources == sum(c in ("", "None") for c in each)


def _both() -> Lookup:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return tsv(Path(folder), COUNTRIES.replace("198.51.100.0\t198.51.100.255", "192.0.3.0\t192.0.3.9"))


def test_report_with_and_without_tables(tmp_path: Path) -> None:
    path = tmp_path / "country.tsv"
    path.write_text("198.51.100.0\t198.51.100.2\tJP\n198.51.100.3\t198.51.100.255\tDE\n")
    period = parse("2024-04-01", NOW, ZoneInfo("UTC"))
    data = build(StoreQuery(table(ROWS)), [], scopes(), period, now=NOW, country=path)
    assert data.networks is None
    assert data.countries is not None
    # the address inside that is sent to is not left out here: the scopes name no inside talker
    assert [(r.key, r.packets, r.sources) for r in data.countries.rows] == [("JP", 25, 2), ("DE", 23, 2)]
    assert data.countries.unknown_packets == 0
    assert isinstance(data.countries.table_date, date)
