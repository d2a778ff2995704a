"""Zeek's TSV logs: every log that is stored, headers in the middle, escapes, and what cannot be read."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.observe.netlog import delimited
from noroshi.observe.netlog.zeek import ZeekSensor
from tests.observe.netlog.support import DATA, all_rows, read, reading

LOG = (DATA / "zeek.log").read_bytes()
FIELDS = (
    "ts uid id.orig_h id.orig_p id.resp_h id.resp_p proto service duration orig_bytes resp_bytes conn_state"
)
LINE = "1793491200.000001 CAAA111 192.0.2.10 51000 198.51.100.80 443 tcp ssl 1.5 10 20 SF"


def tsv(*lines: str, fields: str = FIELDS, path: str = "conn") -> bytes:
    """A log with one header; spaces are tabs."""
    head = ["#separator \\x09", "#set_separator ,", "#empty_field (empty)", "#unset_field -"]
    head += [f"#path {path}"] if path else []
    text = "\n".join([head[0], *(x.replace(" ", "\t") for x in [*head[1:], f"#fields {fields}", *lines])])
    return text.encode() + b"\n"


def one(*lines: str, **how: Any) -> dict[str, Any]:
    rows, rejects = read(ZeekSensor(), tsv(*lines, **how))
    assert not rejects
    (row,) = all_rows(rows)
    return row


def why(*lines: str, **how: Any) -> str:
    rows, rejects = read(ZeekSensor(), tsv(*lines, **how))
    assert not rows
    (reject,) = rejects
    assert reject.sample
    return reject.reason


def test_every_log_goes_to_its_table() -> None:
    rows, rejects = read(ZeekSensor(), LOG)
    counts = {t: len(r) for t, r in rows.items()}
    assert counts == {
        "connections": 4, "dns": 3, "http": 5, "tls": 4, "ssh": 1, "certificates": 1, "alerts": 4,
        "network_files": 4,
    }  # fmt: skip
    assert [(r.reason, r.count) for r in rejects] == [("not-stored", 1)]
    assert "software" in rejects[0].detail


def test_connections() -> None:
    first, scan, six, mdns = read(ZeekSensor(), LOG)[0]["connections"]
    assert first == {
        "first_seen": datetime(2026, 11, 1, 0, 0, 0, 1, UTC),
        "last_seen": datetime(2026, 11, 1, 0, 0, 1, 500001, UTC),
        "src_ip": "192.0.2.10", "src_port": 51000, "dst_ip": "198.51.100.80", "dst_port": 443, "protocol": 6,
        "service": "ssl", "state": "SF", "src_packet_count": 18, "dst_packet_count": 14, "src_byte_count": 1974,
        "dst_byte_count": 21011, "uid": "CAAA111", "offset": LOG.index(b"1793491200"),
    }  # fmt: skip
    assert scan["last_seen"] == scan["first_seen"]
    assert (scan["service"], scan["dst_byte_count"]) == (None, 0)
    assert (six["src_ip"], six["protocol"]) == ("2001:db8::10", 58)
    assert (mdns["src_byte_count"], mdns["dst_byte_count"]) == (100, None), "payload where IP bytes are unset"


def test_names() -> None:
    a, nx, txt = read(ZeekSensor(), LOG)[0]["dns"]
    assert (a["query"], a["qtype"], a["rcode"]) == ("c2.example.net", "A", "NOERROR")
    assert a["answers"] == ["203.0.113.7", "203.0.113.8"]
    assert (nx["rcode"], nx["answers"]) == ("NXDOMAIN", None)
    assert txt["answers"] == ["TXT 14 v=spf1, -all", "狼煙"], "a separator inside an element is escaped"


def test_web_requests() -> None:
    plain, bare, connect, proxied, six = read(ZeekSensor(), LOG)[0]["http"]
    assert plain["url"] == "http://www.example.net/a/b.exe?x=1"
    assert (plain["host"], plain["mime_type"], plain["status_code"]) == (
        "www.example.net",
        "application/x-dosexec",
        200,
    )
    assert plain["referrer"] == "http://ref.example.org/"
    assert (bare["url"], bare["host"]) == ("http://203.0.113.7:8080/gate.php", None)
    assert (connect["url"], connect["host"]) == (None, "proxy.example.org")
    assert proxied["url"] == "http://host.example.org/p", "passwords stand in logins only"
    assert (six["url"], six["host"]) == ("http://[2001:db8::80]:80/six", "2001:db8::80")
    assert six["mime_type"] == "text/html"


def test_handshakes_and_certificates() -> None:
    rows = read(ZeekSensor(), LOG)[0]
    done, failed, *_ = rows["tls"]
    assert done["certificate"] == "aa" * 32
    assert done["ja4"] == "t13d1516h2_8daaf6152771_b186095e22b6"
    assert (done["established"], failed["established"]) == (True, False)
    assert (failed["certificate"], failed["server_name"]) == (None, None)
    (ssh,) = rows["ssh"]
    assert (ssh["hassh"], ssh["hassh_server"]) == (
        "ec7378c1a92f5a8dde7e8b7a1ddf33d1", "b12d2871a1189eff20364cf5333619ee",
    )  # fmt: skip
    assert (ssh["auth_success"], ssh["auth_attempt_count"]) == (False, 6)
    (certificate,) = rows["certificates"]
    assert certificate["san"] == ["c2.example.net", "www.example.net", "203.0.113.7"]
    assert (certificate["key_bits"], certificate["not_before"].year) == (2048, 2026)


def test_handshakes_inside_of_quic() -> None:
    *_, first, second = read(ZeekSensor(), LOG)[0]["tls"]
    assert (first["version"], first["server_name"], first["uid"]) == ("QUICv1", "api.example.net", "CAAA130")
    assert (first["dst_ip"], first["dst_port"], first["ja4"]) == ("203.0.113.8", 443, None)
    assert (second["version"], second["server_name"], second["src_ip"]) == ("QUICv2", None, "2001:db8::10")


@pytest.mark.parametrize(
    ("given", "told"), [("1", "QUICv1"), ("quicv2", "QUICv2"), ("draft-29", "QUICdraft-29"), ("-", None)]
)
def test_versions_of_quic(given: str, told: str | None) -> None:
    fields = "ts id.orig_h id.orig_p id.resp_h id.resp_p version server_name ja4"
    line = (
        f"1793491225.0 192.0.2.1 1 192.0.2.2 443 {given} www.example.org q13d0310h3_55b375c5d22e_cd85d2d88918"
    )
    row = one(line, fields=fields, path="quic")
    assert (row["version"], row["ja4"]) == (told, "q13d0310h3_55b375c5d22e_cd85d2d88918")


def test_files() -> None:
    fetched, mailed, old, bare = read(ZeekSensor(), LOG)[0]["network_files"]
    assert fetched == {
        "ts": datetime(2026, 11, 1, 0, 0, 21, 0, UTC), "src_ip": "203.0.113.7", "src_port": 80, "dst_ip": "192.0.2.10",
        "dst_port": 51000, "service": "http", "filename": "b.exe", "type": "application/x-dosexec", "size": 4096,
        "complete": True, "md5": "0" * 31 + "1", "sha1": "0" * 39 + "1", "sha256": "0" * 63 + "1", "uid": "CAAA111",
        "offset": LOG.index(b"1793491221"),
    }  # fmt: skip
    assert (mailed["src_ip"], mailed["dst_ip"], mailed["dst_port"]) == ("192.0.2.11", "203.0.113.25", 25)
    assert (mailed["filename"], mailed["size"], mailed["complete"]) == ("invoice.zip", 2000, False)
    assert (old["src_ip"], old["dst_ip"], old["src_port"]) == ("2001:db8::80", "192.0.2.10", None)
    assert (old["uid"], old["complete"], old["size"]) == ("CAAA128", True, 1285)
    assert (bare["src_ip"], bare["filename"], bare["uid"], bare["complete"]) == (None, None, None, False)


def test_a_file_from_no_address_is_told() -> None:
    fields = "ts fuid tx_hosts rx_hosts seen_bytes"
    assert why("1793491221.0 F1 nowhere 192.0.2.1 5", fields=fields, path="files") == "address"
    assert why("1793491221.0 F1 192.0.2.1 192.0.2.2 -5", fields=fields, path="files") == "count"


def test_alerts() -> None:
    scan, guessing, weird, hole = read(ZeekSensor(), LOG)[0]["alerts"]
    assert (scan["src_ip"], scan["dst_ip"], scan["engine"]) == ("198.51.100.9", "192.0.2.22", "zeek-notice")
    assert scan["cves"] == ["CVE-2024-3094"]
    assert scan["message"].endswith("; remote")
    assert (guessing["dst_port"], guessing["protocol"]) == (22, 6)
    assert (weird["src_ip"], weird["signature"], weird["engine"]) == (
        None,
        "unknown_protocol_2",
        "zeek-weird",
    )
    assert hole["uid"] == "CAAA126"


def test_a_log_without_a_path_is_known_by_its_fields() -> None:
    assert one(LINE, path="")["state"] == "SF"
    assert ZeekSensor().sniff(tsv(LINE, path=""))
    assert one(LINE, path="conn_2026")["state"] == "SF"


def test_unknown_fields_are_passed_over_and_missing_ones_null() -> None:
    assert one(f"x {LINE} y z", fields=f"before {FIELDS} label detailedlabel")["uid"] == "CAAA111"
    row = one("1793491200.0 192.0.2.1 192.0.2.2 udp S0", fields="ts id.orig_h id.resp_h proto conn_state")
    assert (row["uid"], row["src_port"], row["src_packet_count"]) == (None, 0, None)


def test_a_field_twice_counts_once() -> None:
    assert one(f"{LINE} OTHER", fields=f"{FIELDS} uid")["uid"] == "CAAA111"


def test_another_separator() -> None:
    text = "#separator \\x7c\n#path|conn\n#fields|" + FIELDS.replace(" ", "|") + "\n" + LINE.replace(" ", "|")
    rows, rejects = read(ZeekSensor(), text.encode())
    assert not rejects
    assert rows["connections"][0]["uid"] == "CAAA111"


def test_windows_line_ends_and_a_byte_order_mark() -> None:
    data = b"\xef\xbb\xbf" + LOG.replace(b"\n", b"\r\n")
    assert ZeekSensor().sniff(data[:4096])
    rows, rejects = read(ZeekSensor(), data)
    assert sum(1 for _ in all_rows(rows)) == 26
    assert len(rejects) == 1
    assert data[rows["connections"][0]["offset"] :].startswith(b"1793491200.000001\t")


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_pieces_of_any_size_give_the_same(step: int) -> None:
    assert read(ZeekSensor(), LOG, step=step) == read(ZeekSensor(), LOG)


def test_a_growing_log_is_read_on_with_its_first_header() -> None:
    data = tsv(LINE, LINE.replace("CAAA111", "CBBB"))
    start = data.index(b"CBBB") - len("1793491200.000001 ")
    rows, rejects = read(ZeekSensor(), data, start=start)
    assert not rejects
    assert [(r["uid"], r["offset"]) for r in rows["connections"]] == [("CBBB", start)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("51000", "65536"), "port"),
        (("51000", "-1"), "port"),
        (("51000", "5x"), "value"),
        (("192.0.2.10", "fe80::1%eth0"), "address"),
        (("192.0.2.10", "192.0.2.010"), "address"),
        (("192.0.2.10", "-"), "address"),
        (("198.51.100.80", "example.org"), "address"),
        (("1793491200.000001", "79.68"), "time"),
        (("1793491200.000001", "-"), "time"),
        (("1793491200.000001", "1e300"), "time"),
        (("1793491200.000001", "nan"), "time"),
        (("1793491200.000001", "1795392000.0"), "time"),
        ((" 1.5 ", " -1.5 "), "duration"),
        ((" 1.5 ", " 99999999999 "), "duration"),
        ((" 1.5 ", " 3000000 "), "time"),
        ((" 10 ", " -10 "), "count"),
        ((" 10 ", " 99999999999999999999 "), "value"),
        (("tcp", "carrier-pigeon"), "protocol"),
        ((" SF", ""), "fields"),
        ((" SF", " SF more"), "fields"),
    ],
)
def test_what_does_not_fit_is_rejected(change: tuple[str, str], reason: str) -> None:
    bad = LINE.replace(*change, 1)
    assert why(bad) == reason
    good = [LINE] * (3 * delimited.PIECE)
    rows, rejects = read(ZeekSensor(), tsv(*good, bad, *good))
    assert len(rows["connections"]) == len(good) * 2, "its neighbours are kept"
    assert [r.reason for r in rejects] == [reason]
    data = tsv(*good, bad, *good)
    assert data[rejects[0].position :].startswith(bad.replace(" ", "\t").encode()[:20])


@pytest.mark.parametrize(
    "junk", [b"\xff\xfe", b"\x00", b"\r", "\u2028".encode(), b'"', b"'", b"\\x", b"\\xzz"]
)
def test_odd_bytes_in_a_text_are_kept_readable(junk: bytes) -> None:
    """The quick way and the slow way give the same rows."""
    lines = [LINE] * (2 * delimited.PIECE)
    data = tsv(*lines).replace(b"CAAA111", b"C" + junk + b"1", 1)
    rows, rejects = read(ZeekSensor(), data)
    assert not rejects
    assert len(rows["connections"]) == len(lines)
    assert rows["connections"][0]["uid"].startswith("C")
    assert rows["connections"][1]["uid"] == "CAAA111"
    alone, _ = read(ZeekSensor(), tsv(LINE).replace(b"CAAA111", b"C" + junk + b"1", 1))
    assert alone["connections"][0]["uid"] == rows["connections"][0]["uid"]


def test_the_quick_and_the_slow_way_agree() -> None:
    """Every stored log, many lines of it at once against one by one."""
    head, body = [], []
    for line in LOG.splitlines():
        (head if line.startswith(b"#") else body).append(line)
    sections = LOG.split(b"#separator")[1:-1]
    for section in sections:
        lines = section.split(b"\n")
        header = [b"#separator" + lines[0], *[x for x in lines[1:] if x.startswith(b"#")]]
        data = [x for x in lines[1:] if x and not x.startswith(b"#")]
        many = read(ZeekSensor(), b"\n".join([*header, *(data * (2 * delimited.PIECE))]))[0]
        few = read(ZeekSensor(), b"\n".join([*header, *data]))[0]
        for table, rows in few.items():
            quick = [{**r, "offset": 0} for r in many[table][: len(rows)]]
            assert quick == [{**r, "offset": 0} for r in rows]


def test_lines_without_a_header() -> None:
    rows, rejects = read(ZeekSensor(), b"a\tb\nc\td\n")
    assert not rows
    assert [(r.reason, r.count) for r in rejects] == [("header", 2)]


def test_a_log_that_is_none_of_zeeks() -> None:
    assert why("1 2", fields="apples pears", path="fruit") == "unknown-log"


def test_separators_that_are_none() -> None:
    for mark in ("\\x09\\x09", "", "\\x0a", "\\x22"):
        rows, rejects = read(ZeekSensor(), f"#separator {mark}\n#fields\tts\nx\n".encode())
        assert not rows
        assert [r.reason for r in rejects] == ["header"]


def test_more_fields_than_a_log_has() -> None:
    assert why("x", fields=" ".join(f"f{i}" for i in range(5000)) + " id.orig_h conn_state") == "header"


def test_truncated_anywhere() -> None:
    whole = sum(1 for _ in all_rows(read(ZeekSensor(), LOG)[0]))
    for cut in range(0, len(LOG), 97):
        rows, _ = read(ZeekSensor(), LOG[:cut])
        assert sum(1 for _ in all_rows(rows)) <= whole


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_bytes_give_rows_or_rejects(data: st.DataObject) -> None:
    if data.draw(st.booleans()):
        text = data.draw(st.binary(max_size=300))
        read(ZeekSensor(), text)
        read(ZeekSensor(), tsv() + text)
        return
    mutated = bytearray(LOG)
    for _ in range(data.draw(st.integers(1, 12))):
        at = data.draw(st.integers(0, len(mutated) - 1))
        mutated[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    read(ZeekSensor(), bytes(mutated))


def test_other_sources_are_not_taken_for_it() -> None:
    sensor = ZeekSensor()
    for head in (
        b"#fields\ta\tb\n",
        b"# comment\n",
        b"{}",
        b"#Software: Microsoft IIS\n#Fields: date time\n",
    ):
        assert not sensor.sniff(head)


def test_counts_of_what_is_not_stored() -> None:
    into = reading(LOG)
    read(ZeekSensor(), LOG, into=into)
    assert into.counts == {"not_stored.software": 1}


REAL = {
    "analysis/c2/rita/test_data/proxy/conn.log": {"connections": 463},
    "analysis/c2/rita/test_data/proxy/dns.log": {"dns": 942},
    "analysis/c2/rita/test_data/proxy/http.log": {"http": 407},
    "analysis/c2/rita/test_data/proxy/ssl.log": {"tls": 407},
    "analysis/c2/rita/test_data/proxy/x509.log": {"certificates": 173},
    "analysis/c2/rita/test_data/proxy/weird.log": {"alerts": 131},
    "analysis/c2/rita/test_data/proxy/files.log": {"network_files": 194},
    "analysis/c2/slips/dataset/test18-malicious-ctu-sme-11-win/zeek-labeled/quic.log.labeled": {"tls": 2},
    "analysis/c2/slips/dataset/test18-malicious-ctu-sme-11-win/zeek-labeled/conn.log.labeled": {"connections": 766},
    "analysis/c2/slips/dataset/test18-malicious-ctu-sme-11-win/zeek-labeled/notice.log.labeled": {"alerts": 2},
}  # fmt: skip


@pytest.mark.parametrize("name", REAL)
def test_real_logs(name: str) -> None:
    path = Path(os.environ.get("NOROSHI_DATA", "")) / name
    if not os.environ.get("NOROSHI_DATA") or not path.is_file():
        pytest.skip(f"{name} may not be committed; set NOROSHI_DATA")
    data = path.read_bytes()
    assert ZeekSensor().sniff(data[:4096])
    rows, rejects = read(ZeekSensor(), data)
    assert {t: len(r) for t, r in rows.items()} == REAL[name]
    assert not rejects
    for row in all_rows(rows):
        assert data[row["offset"] - 1 : row["offset"]] == b"\n"
