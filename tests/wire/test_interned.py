"""Texts kept once: numbers, keys and hosts against what Python says."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.model.canonical.url import implied
from noroshi.model.errors import UsageError
from noroshi.model.observable import canonical, key64
from noroshi.wire.interned import ADDRESS, Texts

NAMES = ["ip", "url", "domain"]


def added(texts: Texts, items: list[tuple[int, str]]) -> list[int]:
    """Numbers of (kind, text)."""
    array: pa.Array = pa.array([text for _, text in items], pa.string())
    _, offsets, data = array.buffers()
    blob = np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(1, np.uint8)
    kinds = np.array([kind for kind, _ in items], np.int32)
    return texts.add(np.frombuffer(offsets, np.int32)[: len(items) + 1], blob, kinds).tolist()


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-1, 2), st.text(max_size=20)), min_size=1, max_size=600),
    st.integers(0, 600),
)
def test_numbers_as_a_dict_gives_them(items: list[tuple[int, str]], cut: int) -> None:
    texts, plain = Texts(), dict[tuple[int, str], int]()
    for part in (items[:cut], items[cut:]):
        found = added(texts, part) if part else []
        assert found == [plain.setdefault(i, len(plain)) if i[0] >= 0 else -1 for i in part]
    assert texts.used == len(plain)
    assert texts.size == sum(len(text.encode()) for _, text in plain)
    offsets, data = texts.taken(np.arange(texts.used)[::-1])
    held = [bytes(data[a:b]).decode() for a, b in pairwise(offsets)]
    assert held == [text for _, text in plain][::-1]
    assert [texts.text(n) for n in range(texts.used)] == held[::-1]


def test_many_texts_grow_the_table() -> None:
    texts = Texts()
    items = [(n % 3, f"text number {n // 2}") for n in range(20_000)]
    first = added(texts, items)
    assert added(texts, items) == first
    assert texts.used == len(set(items))
    texts.clear()
    assert added(texts, items[:1]) == [0]


@settings(max_examples=60, deadline=None)
@given(st.ip_addresses(), st.text(min_size=1, max_size=9))
def test_keys_as_the_model_says(address: object, text: str) -> None:
    texts = Texts()
    ip = canonical("ip", str(address).partition("%")[0])
    added(texts, [(0, ip), (1, text), (2, text)])
    keys, left = texts.keys(NAMES, 0)
    assert left.tolist() == ([0] if ":" in ip else [])
    assert keys[1:].tolist() == [key64("url", text), key64("domain", text)]
    assert ":" in ip or keys[0] == key64("ip", ip)


@settings(max_examples=200, deadline=None)
@given(st.one_of(
    st.builds("{}://{}{}/{}".format, st.sampled_from(["http", "https", "ftp", "a+b"]), st.one_of(
        st.sampled_from(["localhost", "a.example", "192.0.2.1", "[2001:db8::1]", "1.a", "0x7f.1", "xn--p1ai.example"]),
        st.text("abc.-012[]:", max_size=8)), st.sampled_from(["", ":8080"]), st.text("a/:.?#[]", max_size=5)),
    st.text(max_size=20),
))  # fmt: skip
def test_hosts_as_the_model_says(text: str) -> None:
    try:
        url = canonical("url", text)
    except UsageError:
        return
    texts = Texts()
    added(texts, [(2, "first.example"), (1, url), (2, "last.example")])
    numbers, what, offsets, data = texts.hosts(1, 1)
    found = [("ip" if w == ADDRESS else "domain", bytes(data[a:b]).decode())
             for w, a, b in zip(what, offsets[:-1], offsets[1:], strict=True)]  # fmt: skip
    assert found == implied(url)
    assert numbers.tolist() == [1] * len(found)
