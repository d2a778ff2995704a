"""Records of JSON sources of every form, members of any type, times."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noroshi.model.reject import Reject
from noroshi.observe.supply import documents
from noroshi.observe.supply.documents import document, each, number, records, stamp, text, when
from tests.observe.supply.support import NOW_US, reading

ONES = [{"n": i, "t": "x" * (i % 50), "of": {"a": [1, {"b": "}"}]}} for i in range(300)]


def read(data: bytes) -> tuple[list[tuple[int, dict[str, Any]]], list[Reject]]:
    """Records and rejects."""
    items = list(records(reading(data)))
    return [i for i in items if not isinstance(i, Reject)], [i for i in items if isinstance(i, Reject)]


@pytest.mark.parametrize("small", [True, False])
@pytest.mark.parametrize(
    "data",
    [
        json.dumps(ONES).encode(),
        b"\xef\xbb\xbf\n " + json.dumps(ONES, indent=1).encode(),
        "\n".join(map(json.dumps, ONES)).encode(),
        b"\n\n" + "\n".join(json.dumps(o, indent=2) for o in ONES).encode(),
        b"[" + ",\n".join(map(json.dumps, ONES)).encode() + b"]\n",
    ],
    ids=["array", "indented", "lines", "one after another", "array of lines"],
)
def test_forms(data: bytes, small: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not small:
        monkeypatch.setattr(documents, "SMALL", 1000)
    found, rejects = read(data)
    assert rejects == []
    assert [r for _, r in found] == ONES
    for offset, record in found[::20]:
        assert json.JSONDecoder().raw_decode(data[offset:].decode())[0] == record


def test_one_record_and_none() -> None:
    assert read(b' {"a": 1}\n') == ([(1, {"a": 1})], [])
    assert read(b"") == ([], [])
    assert [r.reason for r in read(b'[1, {"a": 2}, null]')[1]] == ["shape", "shape"]


def test_arrays_of_a_document_with_their_places() -> None:
    data = b'\xef\xbb\xbf{"name": "d", "list": [ {"a": 1},\n {"a": 2}], "other": 3}'
    (found,) = document(reading(data), ("list",))
    assert isinstance(found, documents.Document)
    assert (found.get("name"), found.get("other"), found.get("no")) == ("d", 3, None)
    items = list(each(found, "list"))
    assert [i[1] for i in items if not isinstance(i, Reject)] == [{"a": 1}, {"a": 2}]
    assert all(data[i[0] :].startswith(b'{"a"') for i in items if not isinstance(i, Reject))


def test_bounds_of_a_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "LARGE", 100)
    given = reading(b'{"a": "' + b"x" * 200 + b'"}')
    (only,) = document(given, ("list",))
    assert isinstance(only, Reject)
    assert only.reason == "document-size"
    assert given.problem
    monkeypatch.setattr(documents, "ELEMENT", 10)
    (found,) = document(reading(b'{"list": [{"a": 1}, {"a": "' + b"y" * 20 + b'"}]}'), ("list",))
    assert isinstance(found, documents.Document)
    assert [isinstance(i, Reject) for i in each(found, "list")] == [False, True]


def test_times() -> None:
    now = reading(b"")
    assert stamp(now) == NOW_US
    assert stamp(now, None, "2024-01-01T00:00:00Z") == 1_704_067_200_000_000
    assert stamp(now, "0001-01-01T00:00:00Z", "2024-01-01") == 1_704_067_200_000_000
    assert stamp(now, "0001-01-01T00:00:00Z") == NOW_US
    assert stamp(now, "2999-01-01", "2024-01-01") == 1_704_067_200_000_000
    assert stamp(now, "2999-01-01") is None
    assert stamp(now, "1989-12-31") is None
    assert when("x" * 5000) is when(5) is None


def test_values() -> None:
    assert [text(v) for v in (" a ", "", 5, 1.5, True, None, [], 10**400)] == [
        "a",
        None,
        "5",
        "1.5",
        None,
        None,
        None,
        None,
    ]
    assert [number(v) for v in ("1.5", 2, "nan", "inf", True, 10**400, "x")] == [
        1.5,
        2.0,
        None,
        None,
        None,
        None,
        None,
    ]
    assert text("x" * 5000, 10) == "x" * 10


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    for start in (b"", b"[", b"{", b'{"a": [', b'[{"a": "'):
        read(start + data)
        list(document(reading(start + data), ("a",)))


def test_a_stream_that_gives_little_at_a_time() -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(7, size if size and size > 0 else 7))

    data = "\n".join(map(json.dumps, ONES)).encode()
    given = reading(data)
    given.stream = Slow(data)
    found = list(records(given))
    assert len(found) == len(ONES)
