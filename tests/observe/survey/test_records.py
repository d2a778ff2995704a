"""JSON objects however they are laid out, and what spoils them."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.model.reject import Reject
from noroshi.model.sensor import Reading
from noroshi.observe.survey.extra import as_json
from noroshi.observe.survey.records import records


def got(data: bytes) -> list[tuple[int, dict[str, Any]] | Reject]:
    return list(records(Reading(io.BytesIO(data), "x", 0, head=data[:4096])))


OBJECTS = [{"a": 1, "b": {"c": ["}", "{"]}}, {"a": 2, "q": 'x"y\\'}, {"a": 3}]


@pytest.mark.parametrize(
    "data",
    [
        "\n".join(json.dumps(o) for o in OBJECTS), json.dumps(OBJECTS), json.dumps(OBJECTS, indent=1),
        "\n".join(json.dumps(o, indent=4) for o in OBJECTS), "[\n" + ",\n".join(json.dumps(o) for o in OBJECTS) + "\n]",
        "[" + "\n,".join(json.dumps(o) for o in OBJECTS) + ",]", "\ufeff" + json.dumps(OBJECTS),
        "\r\n".join(json.dumps(o) for o in OBJECTS) + "\r\n",
    ],
)  # fmt: skip
def test_every_layout(data: str) -> None:
    found = got(data.encode())
    assert [f[1] for f in found if not isinstance(f, Reject)] == OBJECTS
    assert not [f for f in found if isinstance(f, Reject)]


def test_one_cut_line_costs_itself_only() -> None:
    data = b'{"a": 1}\n{"a": {"b": 2\n{"a": 3}\nnot json\n{"a": 4}\n'
    found = got(data)
    assert [f[1]["a"] for f in found if not isinstance(f, Reject)] == [1, 3, 4]
    assert [(f.position, f.reason) for f in found if isinstance(f, Reject)] == [(9, "json"), (32, "json")]


def test_other_values_and_depth() -> None:
    found = got(b'[1, "x", null]\n5\n' + b"[" * 100_000 + b"\n")
    assert {f.reason for f in found if isinstance(f, Reject)} >= {"json-shape", "truncated"}
    assert not [f for f in found if not isinstance(f, Reject)]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300) | st.text('{}[]",:\\\n a1', max_size=60).map(str.encode))
def test_any_bytes(data: bytes) -> None:
    for item in got(data):
        assert isinstance(item, Reject) or isinstance(item[1], dict)


def test_extra_is_json_of_bounded_length() -> None:
    assert as_json({}) is None
    assert json.loads(as_json({"a": 1, "b": [None, "x"]}) or "") == {"a": 1, "b": [None, "x"]}
    assert json.loads(as_json({"a": "\ud800", "b": 10**400}) or "")["a"] == "?"
    big = as_json({f"k{i}": "\x00" * 5_000 for i in range(100)}) or ""
    assert len(big) <= 64 << 10
    assert json.loads(big)["_cut"]
