"""MaxMind DB files: the search tree as columns, and the records it points to.

The whole tree is walked level by level in NumPy, so that a million networks take a fraction of a second; each
distinct record is decoded once. Everything is bounded: a tree that visits a node twice is no tree, and records of
records have a budget. Source: MaxMind DB file format specification 2.0.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

MARK: Final = b"\xab\xcd\xefMaxMind.com"
_TAIL: Final = 128 << 10
"""The metadata stands within so many bytes of the end (specification)."""
_GAP: Final = 16
"""Zero bytes between the tree and the data."""
_VALUES: Final = 5_000
"""Values of one record at most; those of the largest public tables have some 300 (names in eight languages)."""
_DEPTH: Final = 16
_CHAIN: Final = 6
"""Nodes at the beginning whose left branch is the next node: 0/8 is no network, so every tree begins so."""


class BrokenError(ValueError):
    """The file is no MaxMind DB, or a damaged one; the text says what and where."""


@dataclass(frozen=True)
class Tree:
    """The networks of a database: row i is `length[i]` bits of (`high[i]`, `low[i]`), 128 bits in two halves."""

    metadata: dict[str, Any]
    high: npt.NDArray[np.uint64]
    low: npt.NDArray[np.uint64]
    length: npt.NDArray[np.int64]
    """Bits; in a database of IPv4 alone 0 to 32, with the address in the highest bits of `high`."""
    record: npt.NDArray[np.int64]
    """Offset of the record in the data section."""


def looks_like(head: bytes) -> bool:
    """True when `head` is the beginning of a search tree: its first nodes lead to the next one on the left.

    What names the format stands at the end of the file. The nodes of every writer stand in the order of their
    prefixes, so the first ones lead down to 0.0.0.0/8 or ::/96, for each of the three sizes of records.
    """
    return any(_chained(head, size) for size in (24, 28, 32))


def _chained(head: bytes, size: int) -> bool:
    width = size // 4
    nodes = min(_CHAIN, len(head) // width)
    if nodes < _CHAIN:
        return False
    left, right = _sides(np.frombuffer(head[: nodes * width], np.uint8).reshape(nodes, width), size)
    return bool((left == np.arange(1, nodes + 1)).all() and (right > np.arange(nodes)).all())


def read(data: bytes) -> Tree:
    """The networks of a database, in the order of addresses; aliases of the IPv4 part are left out.

    Raises BrokenError.
    """
    metadata = _metadata(data)
    count, size = metadata["node_count"], metadata["record_size"]
    width = size // 4
    if size not in (24, 28, 32) or not 0 < count <= len(data) // width:
        raise BrokenError(f"a tree of {count:,} nodes of {size} bits does not fit into {len(data):,} bytes")
    nodes = np.frombuffer(data[: count * width], np.uint8).reshape(count, width)
    return Tree(metadata, *_walk(*_sides(nodes, size), 128 if metadata["ip_version"] == 6 else 32))


def _metadata(data: bytes) -> dict[str, Any]:
    at = data.rfind(MARK, max(0, len(data) - _TAIL))
    if at < 0:
        raise BrokenError("the mark that begins the metadata is missing: the file is cut, or no MaxMind DB")
    found = Records(data[at + len(MARK) :]).at(0)
    if not isinstance(found, dict):
        raise BrokenError("the metadata is no map")
    for name in ("node_count", "record_size", "ip_version"):
        if not isinstance(found.get(name), int) or isinstance(found.get(name), bool):
            raise BrokenError(f"the metadata has no {name}")
    return found


def section(data: bytes, tree: Tree) -> bytes:
    """The data section."""
    start = tree.metadata["node_count"] * tree.metadata["record_size"] // 4 + _GAP
    return data[start : data.rfind(MARK)]


def _sides(nodes: npt.NDArray[np.uint8], size: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Left and right pointers of nodes."""
    b = nodes.astype(np.int64)

    def number(first: int, many: int) -> npt.NDArray[np.int64]:
        out = np.zeros(len(b), np.int64)
        for i in range(first, first + many):
            out = out << 8 | b[:, i]
        return out

    if size == 24:
        return number(0, 3), number(3, 3)
    if size == 32:
        return number(0, 4), number(4, 4)
    return (b[:, 3] >> 4) << 24 | number(0, 3), (b[:, 3] & 15) << 24 | number(4, 3)


def _walk(
    left: npt.NDArray[np.int64], right: npt.NDArray[np.int64], bits: int
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    count = len(left)
    v4 = _v4_root(left, count) if bits == 128 else -1
    seen = np.zeros(count, np.bool_)
    seen[0] = True
    at = np.zeros(1, np.int64)
    high, low = np.zeros(1, np.uint64), np.zeros(1, np.uint64)
    out: list[tuple[Any, ...]] = []
    for depth in range(bits):
        one = np.uint64(1) << np.uint64(63 - depth % 64)
        child = np.concatenate([left[at], right[at]])
        up = np.concatenate([high, high | one if depth < 64 else high])
        down = np.concatenate([low, low if depth < 64 else low | one])
        leaf = child > count
        if leaf.any():
            out.append(
                (up[leaf], down[leaf], np.full(int(leaf.sum()), depth + 1), child[leaf] - count - _GAP)
            )
        inner = child < count
        if v4 > 0 and depth + 1 != 96:
            inner &= child != v4  # 2002::/16 and its like lead to the IPv4 part again
        at, high, low = child[inner], up[inner], down[inner]
        if not len(at):
            break
        if seen[at].any() or len(np.unique(at)) < len(at):
            raise BrokenError(f"the tree visits a node twice, {depth + 1} bits down")
        seen[at] = True
    else:
        raise BrokenError(f"the tree is more than {bits} bits deep")
    if not out:
        return high[:0], low[:0], at[:0], at[:0]
    columns = [np.concatenate(parts) for parts in zip(*out, strict=True)]
    order = np.lexsort((columns[2], columns[1], columns[0]))
    highs, lows, lengths, records = (c[order] for c in columns)
    return highs, lows, lengths, records


def _v4_root(left: npt.NDArray[np.int64], count: int) -> int:
    """The node of ::/96, or -1 when the tree does not reach it."""
    at = 0
    for _ in range(96):
        at = int(left[at])
        if at >= count:
            return -1
    return at


class Records:
    """Decodes records of a data section, each within a budget of values."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._left = 0

    def at(self, offset: int) -> Any:
        """The record at an offset; raises BrokenError."""
        self._left = _VALUES
        try:
            return self._value(offset, 0)[0]
        except (IndexError, struct.error, UnicodeDecodeError) as e:
            raise BrokenError(f"the record at byte {offset:,} of the data is damaged ({e})") from None

    def _value(self, at: int, depth: int) -> tuple[Any, int]:
        self._left -= 1
        if self._left < 0 or depth > _DEPTH or at < 0:
            raise BrokenError(f"a record of more than {_VALUES:,} values or {_DEPTH} levels")
        control = self._data[at]
        at += 1
        kind = control >> 5
        if kind == 1:
            target, at = self._pointer(control, at)
            if self._data[target] >> 5 == 1:
                raise BrokenError("a pointer to a pointer")
            return self._value(target, depth + 1)[0], at
        if kind == 0:
            kind = self._data[at] + 7
            at += 1
        size = control & 31
        if size >= 29:
            many = size - 28
            size = int.from_bytes(self._data[at : at + many]) + (29, 285, 65_821)[many - 1]
            at += many
        return self._typed(kind, size, at, depth)

    def _pointer(self, control: int, at: int) -> tuple[int, int]:
        many = (control >> 3 & 3) + 1
        number = int.from_bytes(self._data[at : at + many])
        if many < 4:
            number = (control & 7) << 8 * many | number
        return number + (0, 2048, 526_336, 0)[many - 1], at + many

    def _typed(self, kind: int, size: int, at: int, depth: int) -> tuple[Any, int]:
        if kind == 7:
            found: dict[str, Any] = {}
            for _ in range(size):
                key, at = self._value(at, depth + 1)
                value, at = self._value(at, depth + 1)
                found[str(key)] = value
            return found, at
        if kind == 11:
            items = []
            for _ in range(size):
                value, at = self._value(at, depth + 1)
                items.append(value)
            return items, at
        if kind == 14:
            return bool(size), at
        raw = self._data[at : at + size]
        if len(raw) < size:
            raise BrokenError("a value that ends beyond the data")
        if kind == 2:
            return raw.decode(), at + size
        if kind == 3:
            return struct.unpack(">d", raw)[0], at + size
        if kind == 15:
            return struct.unpack(">f", raw)[0], at + size
        if kind in (5, 6, 9, 10) and size <= 16:
            return int.from_bytes(raw), at + size
        if kind == 8 and size <= 4:
            return int.from_bytes(raw, signed=size == 4), at + size
        if kind == 4:
            return raw, at + size
        raise BrokenError(f"a value of type {kind} and {size:,} bytes")
