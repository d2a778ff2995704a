"""Zeek's JSON logs: the same rows as from TSV, mixed kinds, times in both forms, and what cannot be read."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.observe.netlog.zeek import ZeekSensor
from noroshi.observe.netlog.zeek_json import ZeekJsonSensor
from tests.observe.netlog.support import DATA, all_rows, read

LOG = (DATA / "zeek.json").read_bytes()
CONN: dict[str, Any] = {
    "ts": 1793491200.5, "uid": "CAAA1", "id.orig_h": "192.0.2.1", "id.orig_p": 1024, "id.resp_h": "198.51.100.1",
    "id.resp_p": 22, "proto": "tcp", "conn_state": "S0",
}  # fmt: skip


def lines(*rows: Any) -> bytes:
    return b"".join((r if isinstance(r, bytes) else json.dumps(r).encode()) + b"\n" for r in rows)


def without_offsets(rows: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    return {t: [{**r, "offset": 0} for r in some] for t, some in rows.items()}


def test_the_same_rows_as_from_tsv() -> None:
    rows, rejects = read(ZeekJsonSensor(), LOG)
    assert [(r.reason, r.count) for r in rejects] == [("not-stored", 1)]
    assert without_offsets(rows) == without_offsets(read(ZeekSensor(), (DATA / "zeek.log").read_bytes())[0])
    for row in all_rows(rows):
        assert LOG[row["offset"] : row["offset"] + 9] == b'{"_path":'


def test_logs_without_path_are_known_by_their_keys() -> None:
    rows = [json.loads(line) for line in LOG.splitlines()]
    bare = lines(*({k: v for k, v in row.items() if k != "_path"} for row in rows))
    assert ZeekJsonSensor().sniff(bare[:4096])
    mixed, rejects = read(ZeekJsonSensor(), bare)
    assert without_offsets(mixed) == without_offsets(read(ZeekJsonSensor(), LOG)[0])
    assert [r.reason for r in rejects] == ["not-stored"]


def test_many_lines_of_one_kind_and_a_change_in_the_middle() -> None:
    dns = {k: v for k, v in CONN.items() if k != "conn_state"} | {"trans_id": 1, "query": "example.org"}
    data = lines(*[CONN] * 500, dns, *[CONN] * 500, b"", dns)
    for step in (0, 4000):
        rows, rejects = read(ZeekJsonSensor(), data, step=step)
        assert not rejects
        assert (len(rows["connections"]), len(rows["dns"])) == (1000, 2)
        offsets = [r["offset"] for r in all_rows(rows)]
        assert all(data[o : o + 1] == b"{" and (o == 0 or data[o - 1 : o] == b"\n") for o in offsets)
        assert len(set(offsets)) == 1002


def test_times_as_iso_8601() -> None:
    rows, rejects = read(ZeekJsonSensor(), lines(CONN | {"ts": "2026-11-01T00:00:00.500000Z"}, CONN))
    assert not rejects
    assert rows["connections"][0]["first_seen"] == rows["connections"][1]["first_seen"]


def test_numbers_as_texts_and_missing_keys() -> None:
    rows, rejects = read(
        ZeekJsonSensor(),
        lines(CONN | {"id.orig_p": "1024"}, {k: v for k, v in CONN.items() if k != "id.orig_p"}),
    )
    assert not rejects
    assert [r["src_port"] for r in rows["connections"]] == [1024, 0]


def test_mail_is_not_taken_for_a_web_request() -> None:
    http = {k: v for k, v in CONN.items() if k != "conn_state"} | {"trans_depth": 1, "request_body_len": 0}
    smtp = {k: v for k, v in CONN.items() if k != "conn_state"} | {
        "trans_depth": 1,
        "helo": "x",
        "request_body_len": 1,
    }
    rows, rejects = read(ZeekJsonSensor(), lines(http, smtp, http))
    assert len(rows["http"]) == 2
    assert "smtp" in rejects[0].detail


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (CONN | {"id.orig_p": 70000}, "port"),
        (CONN | {"id.orig_p": -1}, "port"),
        (CONN | {"id.orig_p": "x"}, "value"),
        (CONN | {"id.orig_p": 10**30}, "value"),
        (CONN | {"id.orig_h": "10.0.0"}, "address"),
        (CONN | {"id.orig_h": "fe80::1%eth0"}, "address"),
        (CONN | {"id.orig_h": ["192.0.2.1"]}, "value"),
        (CONN | {"ts": 79.68}, "time"),
        (CONN | {"ts": "yesterday"}, "time"),
        (CONN | {"ts": None}, "value"),
        (CONN | {"orig_pkts": -3}, "count"),
        (CONN | {"proto": "x"}, "protocol"),
        ({"ts": 1793491200.5, "apples": 1}, "unknown-log"),
        ([1, 2], "json"),
        (b'{"ts":', "json"),
        (b"plain text", "json"),
        (b'{"ts":1793491200,"id.orig_h":"\xff","conn_state":"S0"}', "json"),
        (b'{"ts":1793491200,"conn_state":' + b"[" * 100_000, "json"),
        (b'{"a":' * 50_000, "json"),
    ],
)
def test_what_does_not_fit_is_rejected(bad: Any, reason: str) -> None:
    data = lines(*[CONN] * 3, bad, *[CONN] * 3)
    rows, rejects = read(ZeekJsonSensor(), data)
    assert len(rows["connections"]) == 6
    assert [r.reason for r in rejects] == [reason]
    assert rejects[0].position == len(lines(*[CONN] * 3))
    assert rejects[0].sample


def test_sniff() -> None:
    sensor = ZeekJsonSensor()
    assert sensor.sniff(LOG[:4096])
    assert sensor.sniff(lines(CONN))
    assert sensor.sniff(b'{"_path":"weird","_write_ts":"2026-11-01T00:00:00Z","name":"x"}')
    for other in (
        b'{"timestamp":"2026-11-01T00:00:00.0+0000","event_type":"flow","src_ip":"192.0.2.1"}',
        b'{"eventid":"cowrie.session.connect","src_ip":"192.0.2.1","ts":1}',
        b'{"ip":"192.0.2.1","ports":[]}', b"[]", b"{}", b'{"ts": 1}',
    ):  # fmt: skip
        assert not sensor.sniff(other)


def test_truncated_anywhere() -> None:
    for cut in range(0, len(LOG), 97):
        read(ZeekJsonSensor(), LOG[:cut])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_bytes_give_rows_or_rejects(data: st.DataObject) -> None:
    if data.draw(st.booleans()):
        read(ZeekJsonSensor(), data.draw(st.binary(max_size=300)))
        keys = st.sampled_from([*CONN, "_path", "query", "answers", "note", "certificate.serial"])
        scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
        value = scalars | st.lists(scalars, max_size=3)
        read(ZeekJsonSensor(), lines(CONN | data.draw(st.dictionaries(keys, value, max_size=6))))
        return
    mutated = bytearray(LOG)
    for _ in range(data.draw(st.integers(1, 12))):
        at = data.draw(st.integers(0, len(mutated) - 1))
        mutated[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    read(ZeekJsonSensor(), bytes(mutated))


REAL = {
    "darknet/logs/ctu_zeek_002_nmap_conn.log.gz": {"connections": 4504},
    "analysis/c2/slips/dataset/test9-mixed-zeek-dir/notice.log": {"alerts": 18},
}


@pytest.mark.parametrize("name", REAL)
def test_real_logs(name: str) -> None:
    path = Path(os.environ.get("NOROSHI_DATA", "")) / name
    if not os.environ.get("NOROSHI_DATA") or not path.is_file():
        pytest.skip(f"{name} may not be committed; set NOROSHI_DATA")
    data = gzip.decompress(path.read_bytes()) if name.endswith(".gz") else path.read_bytes()
    assert ZeekJsonSensor().sniff(data[:4096])
    rows, rejects = read(ZeekJsonSensor(), data)
    assert {t: len(r) for t, r in rows.items()} == REAL[name]
    assert not rejects


def test_times_of_a_clock_that_was_never_set() -> None:
    """A real log made from a capture whose clock began at 0: every line is a reject, told with its place."""
    path = (
        Path(os.environ.get("NOROSHI_DATA", ""))
        / "analysis/c2/slips/dataset/test14-malicious-zeek-dir/http.log"
    )
    if not os.environ.get("NOROSHI_DATA") or not path.is_file():
        pytest.skip("http.log may not be committed; set NOROSHI_DATA")
    rows, rejects = read(ZeekJsonSensor(), path.read_bytes())
    assert not rows
    assert [r.reason for r in rejects] == ["time"] * 521
