"""Lines of JSON become typed objects with their offsets; what is none is rejected; heads may be cut."""

from __future__ import annotations

import io
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noroshi.model.reject import Reject
from noroshi.model.sensor import Reading
from noroshi.observe.jsonlines import Lines, first_object, unwrapped


class Event(msgspec.Struct):
    """A line of a made-up log."""

    kind: str
    port: int = 0
    text: str | None = None


def reading(data: bytes, start: int = 0) -> Reading:
    return Reading(io.BytesIO(data), "-", 1_800_000_000_000_000, start=start)


def split(data: bytes, **more: Any) -> tuple[list[tuple[int, Event]], list[Reject]]:
    values: list[tuple[int, Event]] = []
    rejects = []
    for item in Lines(Event, **more).each(reading(data)):
        if isinstance(item, Reject):
            rejects.append(item)
        else:
            values.append(item)
    return values, rejects


def test_objects_and_their_offsets() -> None:
    values, rejects = split(b'{"kind":"a"}\n\n{"kind":"b","port":22}\r\n{"kind":"c"}')
    assert [(at, v.kind, v.port) for at, v in values] == [(0, "a", 0), (14, "b", 22), (38, "c", 0)]
    assert rejects == []


def test_offsets_of_what_is_appended_begin_where_it_begins() -> None:
    (item,) = Lines(Event).each(reading(b'{"kind":"a"}\n', start=1000))
    assert isinstance(item, tuple)
    assert item[0] == 1000


def test_an_array_one_element_a_line() -> None:
    values, rejects = split(b'[{"kind":"a"},\n{"kind":"b"},\n,\n{"kind":"c"}]\n')
    assert [v.kind for _, v in values] == ["a", "b", "c"]
    assert rejects == []
    values, rejects = split(b'[\n{"kind":"a"},\n{"kind":"b"}\n]\n')
    assert [v.kind for _, v in values] == ["a", "b"]
    assert rejects == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"not json", "json"),
        (b'{"kind":"a"', "json"),
        (b'{"kind":"a"}{"kind":"b"}', "json"),
        (b"[1]", "json-shape"),
        (b"{}", "json-shape"),
        (b'{"kind":7}', "json-shape"),
        (b'{"kind":"a","port":"many"}', "json-shape"),
        (b'{"x":' + b"[" * 10_000 + b"]" * 10_000 + b',"kind":"a"}', "json-depth"),
        (b"\x00" * 40, "json"),
    ],
)
def test_a_bad_line_is_one_reject_and_its_neighbours_stay(line: bytes, reason: str) -> None:
    values, rejects = split(b'{"kind":"before"}\n' + line + b'\n{"kind":"after"}\n')
    assert [v.kind for _, v in values] == ["before", "after"]
    assert [(r.position, r.reason) for r in rejects] == [(18, reason)]


def test_what_python_writes_is_read() -> None:
    data = b'{"kind":"a","port":"22"}\n{"kind":"\\ud800x"}\n{"kind":"\xff"}\n{"kind":"d","n":NaN}\n'
    values, rejects = split(data + b'{"kind":"\\ud83d\\ude00\\ude00\n"}')
    assert [(v.kind, v.port) for _, v in values] == [("a", 22), ("\ufffdx", 0), ("\ufffd", 0), ("d", 0)]
    assert [r.reason for r in rejects] == ["json", "json"], "a newline within a string parts a line"


def test_samples_are_masked() -> None:
    _, rejects = split(b'{"password":"secret"\n', mask=lambda line: line[:5])
    assert [r.sample for r in rejects] == [b'{"pas']


@given(st.binary(max_size=300))
def test_any_bytes_give_objects_or_rejects(data: bytes) -> None:
    for item in Lines(Event).each(reading(data)):
        assert isinstance(item, Reject | tuple)
    first_object(data)
    unwrapped(data)


DOCUMENT = {"type": "bundle", "n": [1, {"a": 'x"}{,'}, [], {}], "objects": [{"id": "1", "b": None}] * 9}


@pytest.mark.parametrize("indent", [None, 2])
def test_a_cut_head_gives_what_is_complete_of_it(indent: int | None) -> None:
    text = json.dumps(DOCUMENT, indent=indent).encode()
    assert first_object(b"\xef\xbb\xbf [\n" + text) == DOCUMENT
    for cut in range(30, len(text)):
        found = first_object(text[:cut])
        assert found is not None
        assert found["type"] == "bundle"
        assert set(found) <= set(DOCUMENT)


@pytest.mark.parametrize(
    "head",
    [b"", b"{", b"[", b"]", b"[[[[", b"plain text\nmore", b"{]", b"\x00" * 4096, b"{" * 4096, b"\n" * 4096],
)
def test_no_object(head: bytes) -> None:
    assert not first_object(head)


def test_lines_before_the_first_object_are_passed_over() -> None:
    assert first_object(b',\n{"broken\n{"a": 1}\n{"b": 2}\n') == {"a": 1}
    assert first_object(b'part of a line"}\n{"a": 1}') == {"a": 1}
