"""Documents taken apart give what json.loads gives, however the bytes arrive; damage is told with its place."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noroshi.model.reject import Reject
from noroshi.wire import jsonsplit
from noroshi.wire.jsonsplit import Closed, Elements, split

PATHS = (
    "objects[]",
    "Event.Attribute[]",
    "Event.Object[]",
    "response[].Event.Attribute[]",
    "[].Event.Attribute[]",
)


class Dribble(io.RawIOBase):
    """Gives a few bytes at a time."""

    def __init__(self, data: bytes, step: int) -> None:
        self.inner, self.step = io.BytesIO(data), step

    def read(self, size: int = -1) -> bytes:
        return self.inner.read(self.step if size < 0 else min(size, self.step))


def taken(
    data: bytes, step: int = 1 << 20, **more: Any
) -> tuple[list[tuple[int, Any]], list[Any], list[Reject]]:
    """(path, element) pairs, envelopes, rejects; every element stands where it is said to."""
    elements, envelopes, rejects = [], [], []
    for item in split(Dribble(data, step), PATHS, **more):  # type: ignore[arg-type]
        if isinstance(item, Elements):
            for offset, raw in zip(item.offsets, item.data, strict=True):
                assert data[offset : offset + len(raw)] == raw
                elements.append((item.path, json.loads(raw)))
        elif isinstance(item, Closed):
            envelopes.append((item.scope.place, json.loads(item.scope.envelope())))
        else:
            rejects.append(item)
    return elements, envelopes, rejects


def expected(document: Any) -> list[tuple[int, Any]]:
    """The slow and obvious way; in the order of the paths of one object."""
    out: list[tuple[int, Any]] = []

    def event(holder: Any, attributes: int, objects: int | None) -> None:
        if not isinstance(holder, dict) or not isinstance(holder.get("Event"), dict):
            return
        for key, value in holder["Event"].items():
            number = attributes if key == "Attribute" else objects if key == "Object" else None
            if number is not None and isinstance(value, list):
                out.extend((number, v) for v in value)

    if isinstance(document, list):
        for one in document:
            event(one, 4, None)
    elif isinstance(document, dict):
        for key, value in document.items():
            if key == "objects" and isinstance(value, list):
                out.extend((0, v) for v in value)
            elif key == "Event":
                event(document, 1, 2)
            elif key == "response" and isinstance(value, list):
                for one in value:
                    event(one, 3, None)
    return out


TEXT = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ['"', "\\", "]}", '\\"', "Event", "\u2028"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
EVENTS = st.fixed_dictionaries(
    {}, optional={"Attribute": st.lists(VALUES) | VALUES, "Object": st.lists(VALUES), "info": VALUES}
)
DOCUMENTS = (
    st.fixed_dictionaries({}, optional={"id": VALUES, "objects": st.lists(VALUES, max_size=6) | VALUES})
    | st.fixed_dictionaries({"Event": EVENTS}, optional={"x": VALUES})
    | st.fixed_dictionaries(
        {"response": st.lists(st.fixed_dictionaries({"Event": EVENTS}) | VALUES, max_size=3)}
    )
    | st.lists(st.fixed_dictionaries({"Event": EVENTS}), max_size=3)
)


@given(DOCUMENTS, st.integers(1, 40), st.sampled_from([None, 1]), st.booleans())
def test_documents_give_what_json_gives(document: Any, step: int, indent: int | None, ascii: bool) -> None:
    data = json.dumps(document, indent=indent, ensure_ascii=ascii).encode("utf-8", "surrogatepass")
    elements, _, rejects = taken(data, step)
    assert elements == expected(document)
    assert all(r.reason == "shape" for r in rejects)


@given(st.lists(DOCUMENTS, max_size=4), st.integers(1, 40))
def test_lines_of_documents(documents: list[Any], step: int) -> None:
    data = b"\n".join(json.dumps(d).encode() for d in documents)
    assert taken(data, step)[0] == [pair for d in documents for pair in expected(d)]


@given(DOCUMENTS, st.data(), st.integers(1, 40))
def test_what_stands_before_a_cut_is_kept(document: Any, data: st.DataObject, step: int) -> None:
    whole = json.dumps(document).encode()
    cut = data.draw(st.integers(0, len(whole)))
    elements, _, rejects = taken(whole[:cut], step)
    assert elements == expected(document)[: len(elements)]
    if cut < len(whole) and whole[:cut].strip():
        assert any(r.reason in ("cut-short", "shape") for r in rejects)


@given(
    st.binary(max_size=200) | st.text('{}[]",:\\ \nEventobjcs012', max_size=120).map(str.encode),
    st.integers(1, 50),
)
def test_any_bytes_end(data: bytes, step: int) -> None:
    for item in split(Dribble(data, step), PATHS):  # type: ignore[arg-type]
        if isinstance(item, Reject):
            assert 0 <= item.position <= len(data)
    for item in split(io.BytesIO(b'{"objects":[' + data), PATHS):
        assert isinstance(item, Elements | Closed | Reject)


def test_the_envelope_has_the_arrays_emptied() -> None:
    data = (
        b'{"id": "x", "objects": [1, {"a": []}], "Event": {"Attribute": [2], "info": "i", "n": {"k": [1]}}}'
    )
    elements, envelopes, rejects = taken(data)
    assert elements == [(0, 1), (0, {"a": []}), (1, 2)]
    assert envelopes == [
        ("Event", {"Attribute": [], "info": "i", "n": {"k": [1]}}),
        ("", {"id": "x", "objects": [], "Event": {}}),
    ]
    assert not rejects


def test_too_long_and_too_deep_elements_are_passed_over() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    data = b'{"objects":[1,"' + b"x" * 5000 + b'",' + deep + b',[[2]],"' + b"\\\\" * 3000 + b'",3]}'
    for step in (100, 4096, 1 << 20):
        elements, _, rejects = taken(data, step, element=4000)
        assert elements == [(0, 1), (0, [[2]]), (0, 3)]
        assert [(r.reason, r.position) for r in rejects] == [
            ("element-size", 14), ("element-size", 5017), ("element-size", 205024)
        ]  # fmt: skip
    _, _, rejects = taken(b'{"objects":[' + b"[" * 65 + b"]" * 65 + b"]}")
    assert [(r.reason, r.position) for r in rejects] == [("nesting", 12)]
    assert not taken(b'{"objects":[' + b"[" * 64 + b"]" * 64 + b"]}")[2]


def test_a_damaged_line_costs_itself_alone() -> None:
    data = b'{"objects":[1]}\n{"objects":[2,}\n{"objects":[3]}\n'
    elements, _, rejects = taken(data)
    assert elements == [(0, 1), (0, 2), (0, 3)]
    assert [(r.reason, r.position) for r in rejects] == [("syntax", 30)]


def test_an_error_in_a_long_document_ends_it() -> None:
    data = b'{"objects":[\n1,\n{"a": [1}},\n{"objects": [3]}\n]}'
    elements, envelopes, rejects = taken(data)
    assert elements == [(0, 1)]
    assert [r.reason for r in rejects] == ["syntax"]
    assert data[rejects[0].position : rejects[0].position + 1] == b"}"
    assert envelopes == [("", {"objects": []})]


def test_an_envelope_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonsplit, "ENVELOPE", 1000)
    data = json.dumps({f"k{i}": "x" * 90 for i in range(50)} | {"objects": [7]}).encode()
    elements, envelopes, rejects = taken(data, 64)
    assert elements == [(0, 7)]
    assert len(envelopes[0][1]) < 12
    assert {r.reason for r in rejects} == {"envelope-size"}


def test_keys_and_marks() -> None:
    assert taken(b'\xef\xbb\xbf{"\\u006fbjects": [1]}')[0] == [(0, 1)]
    assert taken(b'{"' + b"k" * 5000 + b'": 1, "\\ud800": 2, "objects": [1]}', 100)[0] == [(0, 1)]
    assert [r.reason for r in taken('{"objects": [1]}'.encode("utf-16"))[2]] != []


MEMORY = """
import io, resource
from noroshi.wire.jsonsplit import Elements, split

BLOCK = b'{"type": "indicator", "pattern": "[url:value = \\'http://a.example/x\\']"}, ' * 60_000

class Endless(io.RawIOBase):
    def __init__(self, size):
        self.left, self.first = size, b'{"type": "bundle", "objects": ['

    def read(self, size=-1):
        if self.first:
            out, self.first = self.first, b""
            return out
        if self.left <= 0:
            return b""
        self.left -= len(BLOCK)
        return BLOCK

def peak(size):
    count = sum(len(i.data) for i in split(Endless(size), ["objects[]"]) if isinstance(i, Elements))
    # Not ru_maxrss, which a new program inherits from the one that started it.
    high = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    return count, int(high.split()[1]) // 1024

small, before = peak(16 << 20)
large, after = peak(256 << 20)
print(small, large, before, after - before)
"""


def test_memory_does_not_grow_with_the_document() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", MEMORY], capture_output=True, text=True, timeout=300, check=True
    )
    small, large, before, grown = map(int, ran.stdout.split())
    assert large > 15 * small
    assert before < 400
    assert grown < 32


@pytest.mark.heavy
def test_no_index_is_out_of_bounds() -> None:
    environment = os.environ | {"NOROSHI_BOUNDSCHECK": "1"}
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-m", "not heavy", __file__],
        env=environment, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-2000:]
