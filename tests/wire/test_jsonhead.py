"""The outline of a document's first bytes, wherever they are cut."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from noroshi.wire.jsonhead import outline


def test_an_outline() -> None:
    head = b' {"Event": {"info": "a [b", "n": 5, "Tag": [{"name": "x"}, {"name": "y", "z": []}], "e": {}}, "k": ["t", {'
    assert outline(head) == {
        "": "", "Event": "", "Event.info": "a [b", "Event.n": "", "Event.Tag": "", "Event.Tag[]": "",
        "Event.Tag[].name": "x", "Event.Tag[].z": "", "Event.e": "", "k": "", "k[]": "t",
    }  # fmt: skip
    assert outline(b'[{"a": 1}, {"b": 2}]') == {"": "", "[]": "", "[].a": "", "[].b": ""}
    assert outline(b'[[1], {"b": 2}]') == {"": "", "[]": "", "[][]": "", "[].b": ""}
    assert outline(b"a,b\n1,2") == outline(b"") == outline(b'"x"') == {}


@given(st.binary(max_size=100) | st.text('{}[]",:\\ ab1', max_size=60).map(str.encode))
def test_any_bytes_give_an_outline(head: bytes) -> None:
    assert isinstance(outline(head), dict)


VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3)
    ),
    max_leaves=8,
)


def places(value: Any, place: str = "") -> set[str]:
    out = {place}
    if isinstance(value, dict):
        for k, v in value.items():
            out |= places(v, f"{place}.{k}" if place else k)
    elif isinstance(value, list):
        for v in value:
            out |= places(v, place + "[]")
    return out


@given(VALUES.filter(lambda v: isinstance(v, dict | list)))
def test_every_place_stands_in_it(value: Any) -> None:
    assert set(outline(json.dumps(value).encode())) == {
        p for p in places(value) if p.count(".") + p.count("[") < 8
    }
