"""Records of comma-separated files: their offsets, quotes, delimiters, and what spoils them."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.model.reject import Reject
from noroshi.model.sensor import Reading
from noroshi.observe import csvrows
from noroshi.observe.csvrows import header, rows


def reading(data: bytes, start: int = 0) -> Reading:
    return Reading(io.BytesIO(data[start:]), "x.csv", 0, start=start, head=data[:4096])


def records(data: bytes, **how: str) -> list[tuple[int, dict[str, str]]]:
    return [r for r in rows(reading(data), **how) if not isinstance(r, Reject)]


def rejects(data: bytes) -> list[Reject]:
    return [r for r in rows(reading(data)) if isinstance(r, Reject)]


def test_records_stand_where_their_offset_says() -> None:
    data = b'\xef\xbb\xbfip,text\r\n1.2.3.4,"a ""b"",\r\n\r\nc"\r\n\r\n5.6.7.8,\xff\r\n9.9.9.9,end'
    got = records(data)
    assert [r for _, r in got] == [
        {"ip": "1.2.3.4", "text": 'a "b",\r\n\r\nc'},
        {"ip": "5.6.7.8", "text": "\\xff"},
        {"ip": "9.9.9.9", "text": "end"},
    ]
    for offset, record in got:
        assert data[offset:].startswith(record["ip"].encode())


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_what_stands_between_cells_is_found_out(mark: str) -> None:
    data = mark.join(["ip", "port", '"a, b; c"']) + "\n" + mark.join(["1.2.3.4", "80", "x"]) + "\n"
    assert header(data.encode()) == ["ip", "port", "a, b; c"]
    assert records(data.encode())[0][1] == {"ip": "1.2.3.4", "port": "80", "a, b; c": "x"}


def test_what_is_no_header() -> None:
    assert header(b"") is None
    assert header(b"192.0.2.1\n192.0.2.2\n") is None
    assert header(b"ip,1.5\n") is None
    assert header(b'{"a": 1}\n') is None
    assert header(b"<xml>\n") is None
    assert header(b"\x00" * 4096) is None
    assert header(b"# a comment\n\nsaddr\n") == ["saddr"]
    assert header(b"a,,a\n") == ["a", "column2", "a_2"]
    assert header(b"ip,port") == ["ip", "port"]


def test_a_header_that_is_cut_is_judged_by_its_whole_cells() -> None:
    wide = ",".join(f"column_{i:04d}" for i in range(500)).encode()
    names = header(wide[:4096])
    assert names is not None
    assert names[-1] == f"column_{len(names) - 1:04d}"


def test_comments_before_the_header_and_between() -> None:
    data = b"# by us\n#\nip,port\n#1.1.1.1,2\n1.2.3.4,80\n"
    assert [r["ip"] for _, r in records(data)] == ["#1.1.1.1", "1.2.3.4"]
    assert [r["ip"] for _, r in records(data, comment="#")] == ["1.2.3.4"]


def test_a_file_without_header_whose_columns_are_told() -> None:
    got = list(rows(reading(b"1.2.3.4;80\n"), names=["ip", "port"]))
    assert got == [(0, {"ip": "1.2.3.4", "port": "80"})]


def test_a_growing_file_is_read_on() -> None:
    first = b"ip,port\n1.2.3.4,80\n"
    data = first + b"1.2.3.5,81\n"
    assert list(rows(reading(data, len(first)))) == [(len(first), {"ip": "1.2.3.5", "port": "81"})]


def test_too_few_and_too_many_cells() -> None:
    data = b"ip,port\n1.2.3.4\n1.2.3.4,80,,\n1.2.3.4,80,x\n1.2.3.5,81\n"
    assert [r.reason for r in rejects(data)] == ["columns", "columns"]
    assert [o for o, _ in records(data)] == [16, 42]


def test_an_open_quote_spoils_its_own_line_only() -> None:
    data = b'ip,text\n1.1.1.1,"never closed\n2.2.2.2,a\n3.3.3.3,b\n'
    assert [r["ip"] for _, r in records(data)] == ["2.2.2.2", "3.3.3.3"]
    assert [(r.position, r.reason) for r in rejects(data)] == [(8, "quote")]


def test_an_open_quote_far_from_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csvrows, "RECORD", 1000)
    body = b"".join(b"10.0.%d.%d,text\n" % (i // 256, i % 256) for i in range(1000))
    data = b'ip,text\n1.1.1.1,"never closed\n' + body
    assert len(records(data)) == 1000
    assert [r.reason for r in rejects(data)] == ["quote"]


def test_a_record_that_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csvrows, "RECORD", 100)
    data = b"ip,text\n1.1.1.1," + b"x" * 200 + b"\n2.2.2.2,a\n"
    assert [r.reason for r in rejects(data)] == ["record-length"]
    assert [r["ip"] for _, r in records(data)] == ["2.2.2.2"]


def test_lines_that_each_look_like_an_open_quote_cost_no_more_than_their_length() -> None:
    """Read again from the line after each, this would take the square of the file."""
    data = b"a,b\n" + b'a","\n' * 200_000
    assert sum(r.count for r in rejects(data)) == 200_000


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r")), min_size=3, max_size=3))
)
def test_what_csv_writes_is_read(table: list[list[str]]) -> None:
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerow(["ip", "one", "two"])
    writer.writerows(table)
    data = out.getvalue().encode()
    assert [[*r.values()] for _, r in records(data)] == table
    assert not rejects(data)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    for item in rows(reading(b"a,b\n" + data)):
        assert isinstance(item, Reject | tuple)
    header(data)
