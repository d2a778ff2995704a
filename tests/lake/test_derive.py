"""Links made from rows: against a slow and plain counterpart, and case by case."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.lake import derive
from noroshi.lake.derive import Deriver, links_schema
from noroshi.lake.handle import Lake
from noroshi.model import address
from noroshi.model.observable import CANONICAL, implied, key64, resolve
from noroshi.model.sensor import Batch
from noroshi.model.tables import TABLES
from noroshi.model.tlp import Tlp

NOON = datetime(2026, 10, 4, 12, tzinfo=UTC)
Sums = dict[tuple[Any, ...], tuple[datetime, datetime, int]]


def token(user: str, password: str) -> str:
    """Stands for the keyed hash."""
    return "hmac:" + f"{user}\0{password}".encode().hex()[:64].ljust(64, "0")


def batch(table: str, rows: list[dict[str, Any]], *, coded: bool = False) -> pa.Table:
    """Rows with the table's types; missing columns are missing in the batch."""
    schema = TABLES[table].arrow()
    names = [n for n in schema.names if any(n in r for r in rows)]
    out = pa.Table.from_pylist(rows, schema=pa.schema([schema.field(n) for n in names]))
    for i, field in enumerate(out.schema):
        if coded and (pa.types.is_binary(field.type) or pa.types.is_string(field.type)):
            out = out.set_column(i, field.name, out[field.name].dictionary_encode())
    return out


def derived(table: str, *batches: pa.Table, limit: int = 1 << 20) -> Sums:
    """What the deriver makes, summed over what it hands on."""
    deriver = Deriver(token, limit=limit)
    parts = [p for b in batches for p in deriver.add(TABLES[table], b)]
    parts += deriver.rest()
    out: Sums = {}
    for part in parts:
        assert part.schema.equals(links_schema())
        part.validate(full=True)
        rows = part.to_pylist()
        assert [(r["key"], r["day"]) for r in rows] == sorted((r["key"], r["day"]) for r in rows)
        for r in rows:
            assert r["key"] == key64(r["kind"], r["value"])
            _sum(out, (r["kind"], r["value"], r["role"], r["table"], r["day"], r["tlp"]),
                 r["first_seen"], r["last_seen"], r["count"])  # fmt: skip
    return out


def _sum(out: Sums, key: tuple[Any, ...], first: datetime, last: datetime, count: int) -> None:
    old = out.get(key)
    if old:
        first, last, count = min(first, old[0]), max(last, old[1]), count + old[2]
    out[key] = (first, last, count)


def plainly(table: str, rows: list[dict[str, Any]]) -> Sums:
    """The same, row by row as the definition says."""
    spec, out = TABLES[table], defaultdict[tuple[Any, ...], Any]()
    made: Sums = out
    for row in rows:
        for link in spec.links:
            value, kind = row.get(link.column), row.get(link.kind_from) if link.kind_from else link.kind
            role = (row.get(link.role_from) or link.role or "mentions") if link.role_from else link.role
            if link.kind == "credential":
                word = row.get(link.second)
                value = None if word is None else token(value or "", word)
            values = value if isinstance(value, list) else [value]
            for one in values:
                if one is None or kind is None:
                    continue
                if isinstance(one, bytes):
                    found = ("ip", address.text(one)) if address.is_packed(one) else None
                else:
                    if link.canonical and kind not in CANONICAL:
                        continue
                    found = next(iter(resolve(kind, [one])))
                if found is None:
                    continue
                first = row[spec.time or ""]
                last = row.get("last_seen", first) if spec.time == "first_seen" else first
                for k, v in dict.fromkeys([found, *implied(*found)]):
                    key = (k, v, role, table, first.date(), row.get("tlp") if spec.marked else None)
                    _sum(made, key, first, last, 1)
    return made


def connection(src: str, dst: str, at: float = 0.0) -> dict[str, Any]:
    """A row of connections, as far as links need it."""
    first = NOON + timedelta(seconds=at)
    return {"first_seen": first, "last_seen": first + timedelta(seconds=5),
            "src_ip": address.pack(src), "dst_ip": address.pack(dst)}  # fmt: skip


@pytest.mark.parametrize("coded", [False, True])
def test_addresses(coded: bool) -> None:
    rows = [
        connection("192.0.2.1", "2001:db8::1"),
        connection("192.0.2.1", "255.255.255.255", 60),
        connection("192.0.2.1", "2001:db8::1", 86_400),
        connection("::", "2001:db8::1", -60),
        connection("2001:db8::1", "192.0.2.1", 1),
    ]
    found = derived(
        "connections", batch("connections", rows[:2], coded=coded), batch("connections", rows[2:])
    )
    assert found == plainly("connections", rows)
    first, last, count = found[("ip", "192.0.2.1", "src", "connections", NOON.date(), None)]
    assert (first, last, count) == (NOON, NOON + timedelta(seconds=65), 2)


def test_ipv6_addresses_that_share_a_key() -> None:
    rows = [connection(f"2001:db8::{i}", "::", 86_400 * (i % 3)) for i in range(9)]
    assert derived("connections", batch("connections", rows)) == plainly("connections", rows)


def test_what_is_implied_is_linked_too() -> None:
    rows = [
        {"ts": NOON, "src_ip": address.pack("192.0.2.1"), "url": "http://Example.com/x", "sha256": "A" * 64}
    ]
    found = {key[:3] for key in derived("transfers", batch("transfers", rows))}
    assert found == {
        ("ip", "192.0.2.1", "src"), ("url", "http://example.com/x", "download"),
        ("domain", "example.com", "download"), ("sha256", "a" * 64, "download"),
    }  # fmt: skip


def test_credentials_are_never_in_clear() -> None:
    rows = [
        {"ts": NOON, "username": "root", "password": "hunter2"},
        {"ts": NOON, "username": "root", "password": "hunter2"},
        {"ts": NOON, "username": None, "password": "x"},
        {"ts": NOON, "username": "root", "password": None},
    ]
    found = derived("logins", batch("logins", rows))
    assert {k[1]: v[2] for k, v in found.items()} == {token("root", "hunter2"): 2, token("", "x"): 1}


def test_kinds_and_roles_by_row() -> None:
    rows: list[dict[str, Any]] = [
        {"ts": NOON, "kind": k, "value": v, "role": r, "tlp": t}
        for k, v, r, t in [
            ("ip", "192.0.2.1", "c2", "green"), ("ip", "192.0.2.1", "c2", "red"),
            ("domain", "example.com", "download", "green"), ("text", "anything", "mentions", "green"),
            ("email", "a@example.com", "victim", "green"), ("ip", "not an address", "c2", "green"),
            ("cpe", "cpe:2.3:a:x:y:1.0:*:*:*:*:*:*:*", "mentions", "green"), ("ip", "2001:DB8::1", "c2", "green"),
            ("url", "http://example.com:81/", "c2", "red"), ("url", "https://[2001:db8::1]/x?y", "c2", "red"),
            ("vulnerability", "CVE-2024-1", "mentions", "green"), ("", "x", "c2", "green"),
        ]
    ]  # fmt: skip
    found = derived("indicators", batch("indicators", rows))
    assert found == plainly("indicators", rows)
    assert ("domain", "example.com", "victim", "indicators", NOON.date(), "green") in found
    assert ("ip", "192.0.2.1", "c2", "indicators", NOON.date(), "red") in found


def test_lists_loose_and_typed_kinds() -> None:
    rows = [
        {"ts": NOON, "src_ip": address.pack("192.0.2.1"), "query": "www.example.com", "answers": a}
        for a in (["192.0.2.7", "cdn.example.net", None, "v=spf1 -all"], None, [], ["192.0.2.7"])
    ]
    found = derived("dns", batch("dns", rows))
    assert found == plainly("dns", rows)
    events = [{"ts": NOON, "hashes": [f"md5 {'a' * 32}", "sha1 zz", "nonsense"], "tlp": "amber"}]
    assert {k[:2] for k in derived("events", batch("events", events))} == {("md5", "a" * 32)}


def test_sliced_and_chunked_batches() -> None:
    rows = [
        {"ts": NOON, "src_ip": address.pack(f"192.0.2.{i}"), "query": f"h{i % 3}.example.com",
         "answers": [f"198.51.100.{i}", "example.org"]} for i in range(20)
    ]  # fmt: skip
    whole = batch("dns", rows, coded=True)
    cut = pa.concat_tables([whole.slice(3, 4), batch("dns", rows[7:9], coded=True), whole.slice(9, 8)])
    assert derived("dns", cut) == plainly("dns", rows[3:17])
    assert derived("dns", whole.slice(5, 0)) == {}


def test_too_many_to_keep_are_handed_on() -> None:
    rows = [connection(f"10.0.{i // 200}.{i % 200}", "192.0.2.1", i * 40.0) for i in range(3000)]
    parts = [batch("connections", rows[i : i + 700]) for i in range(0, 3000, 700)]
    assert derived("connections", *parts, limit=1100) == plainly("connections", rows)


def test_wrong_bytes_in_an_address_column_are_no_link() -> None:
    rows = [
        connection("192.0.2.1", "192.0.2.2") | {"src_ip": b} for b in (b"", b"\4abc", b"\6" * 5, b"x" * 17)
    ]
    assert {k[2] for k in derived("connections", batch("connections", rows))} == {"dst"}


_ADDRESS = st.one_of(
    st.ip_addresses(v=4),
    st.ip_addresses(v=6),
    st.sampled_from(["192.0.2.1", "2001:db8::", "::1", "1::1:0:0:1"]),
).map(lambda a: address.pack(str(a).partition("%")[0]))
_NAME = st.one_of(
    st.sampled_from(["a.example", "B.example.", "x", "192.0.2.1", "1::2"]), st.text(max_size=12)
)
_ROW = st.fixed_dictionaries({
    "ts": st.datetimes(datetime(1990, 1, 1), datetime(2030, 1, 1)).map(lambda t: t.replace(tzinfo=UTC)),  # noqa: DTZ001
    "src_ip": _ADDRESS, "dst_ip": _ADDRESS, "query": st.none() | _NAME,
    "answers": st.none() | st.lists(st.none() | _NAME, max_size=4),
})  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(_ROW, min_size=1, max_size=30), st.integers(1, 29), st.booleans())
def test_any_rows_as_the_definition_says(rows: list[dict[str, Any]], cut: int, coded: bool) -> None:
    parts = [batch("dns", p, coded=coded) for p in (rows[:cut], rows[cut:]) if p]
    assert derived("dns", *parts) == plainly("dns", rows)


def _whole(table: str, row: dict[str, Any]) -> dict[str, Any]:
    """The row with something in every column that may not be null."""
    plain = {"string": "x", "strings": [], "int16": 0, "int32": 0, "int64": 0, "bool": False,
             "address": address.pack("192.0.2.9"), "float64": 0.0, "ts": NOON, "date": date(2026, 10, 4)}  # fmt: skip
    need = {
        c.name: plain[c.type]
        for c in TABLES[table].columns
        if not c.nullable and c.name not in ("run_id", "tlp")
    }
    return need | row


def test_a_run_links_what_it_stores(lake: Lake) -> None:
    with lake.writer() as writer:
        run = writer.begin(path="x", format="list", parser_version=1, tlp=Tlp.GREEN)
        rows = [_whole("indicators", {"ts": NOON, "kind": "ip", "value": "192.0.2.1", "role": "c2", "tlp": t})
                for t in ("red", None)]  # fmt: skip
        run.write(Batch("indicators", batch("indicators", rows)))
        rows = [_whole("logins", {"ts": NOON, "username": "root", "password": "1234"})]
        run.write(Batch("logins", batch("logins", rows)))
        assert run.finish(sha256="d", size=1).rows == {"indicators": 2, "logins": 1, "links": 4}
    shot = lake.snapshot()
    assert sorted(r["tlp"] for r in shot.links("ip", "192.0.2.1").to_pylist()) == ["green", "red"]
    found = shot.links("credential", lake.keys.credential("root", "1234"))
    assert found["count"].to_pylist() == [1]
    assert "1234" not in str(shot.sql("FROM links").to_pylist())
    assert shot.sql("SELECT tlp FROM indicators ORDER BY tlp")["tlp"].to_pylist() == ["green", "red"]
    assert lake.verify() == []


_STATED = st.sampled_from([
    ("ip", "192.0.2.1"), ("ip", "2001:db8::1"), ("domain", "a.example"), ("url", "http://a.example/x"),
    ("url", "https://192.0.2.1:81/"), ("url", "http://[2001:db8::1]/"), ("url", "http://localhost/"),
    ("email", "who@a.example"), ("cve", "CVE-2026-12345"), ("purl", "pkg:npm/left-pad@1.0"), ("text", "a.example"),
    ("cpe", "cpe:2.3:a:x:y:1.0:*:*:*:*:*:*:*"), ("host", "a.example"), ("malware", "mozi"), ("", ""),
    ("sha256", "a" * 64),
])  # fmt: skip
_STATEMENT = st.fixed_dictionaries({
    "ts": st.datetimes(datetime(2025, 1, 1), datetime(2025, 1, 3)).map(lambda t: t.replace(tzinfo=UTC)),  # noqa: DTZ001
    "stated": _STATED, "role": st.sampled_from(["c2", "mentions"]), "tlp": st.sampled_from(["green", "red"]),
})  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    st.lists(_STATEMENT, min_size=1, max_size=30),
    st.integers(1, 29),
    st.booleans(),
    st.sampled_from([4, 1 << 20]),
)
def test_canonical_values_as_the_definition_says(
    rows: list[dict[str, Any]], cut: int, coded: bool, limit: int
) -> None:
    rows = [row | {"kind": row["stated"][0], "value": row["stated"][1]} for row in rows]
    parts = [batch("indicators", p, coded=coded) for p in (rows[:cut], rows[cut:]) if p]
    assert derived("indicators", *parts, limit=limit) == plainly("indicators", rows)


def test_memory_is_bounded_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(derive, "_BYTES", 10_000)
    rows = [
        {"ts": NOON, "kind": "url", "value": f"http://a.example/{n}/{'x' * 1000}", "role": "c2", "tlp": None}
        for n in range(60)
    ]
    deriver = Deriver(token)
    handed = [sum(1 for _ in deriver.add(TABLES["indicators"], batch("indicators", rows[i : i + 6])))
              for i in range(0, 60, 6)]  # fmt: skip
    assert sum(handed) == 5
    assert derived("indicators", batch("indicators", rows)) == plainly("indicators", rows)
