"""Rows of `networks` from columns of numbers: stored addresses and prefixes without a loop over rows."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from noroshi.model.sensor import Batch

FULL: Final = np.uint64(0xFFFFFFFF)


def parse4(column: Any, prefixes: bool) -> tuple[Any, Any, Any]:
    """(right, address, bits) of IPv4 addresses as text, or of prefixes: three arrays as long as the column.

    column: Arrow strings without nulls. right: False for all that is no IPv4 address (or prefix), IPv6 too.
    Every separator of all texts is found at once; each of the four or five numbers is read by its last digits.
    """
    n = len(column)
    starts = np.frombuffer(column.buffers()[1], np.int32)[column.offset : column.offset + n + 1].astype(
        np.int64
    )
    held = column.buffers()[2]
    data = np.frombuffer(held, np.uint8) if held is not None else np.zeros(0, np.uint8)
    separator = (data == 46) | (data == 47)
    digit = (data >= 48) & (data <= 57)
    many = 4 if prefixes else 3
    before = np.concatenate([[0], np.cumsum(separator)])
    strange = np.concatenate([[0], np.cumsum(~(separator | digit))])
    right = before[starts[1:]] - before[starts[:-1]] == many
    right &= strange[starts[1:]] == strange[starts[:-1]]
    rows = np.flatnonzero(right)
    where = np.flatnonzero(separator)[before[starts[rows]][:, None] + np.arange(many)]
    bounds = np.concatenate([starts[rows, None] - 1, where, starts[rows + 1, None]], axis=1)
    size = np.diff(bounds, axis=1) - 1
    good = ((size >= 1) & (size <= 3)).all(axis=1) & (data[where[:, :3]] == 46).all(axis=1)
    if prefixes:
        good &= data[where[:, 3]] == 47
    rows, bounds, size = rows[good], bounds[good], size[good]
    values = np.zeros(size.shape, np.int64)
    for k in range(3):
        there = size > k
        values += np.where(
            there, (data[np.where(there, bounds[:, 1:] - 1 - k, 0)].astype(np.int64) - 48) * 10**k, 0
        )
    padded = (size > 1) & (data[bounds[:, :-1] + 1] == 48)  # 010 is 8 to some and 10 to others
    fine = (values[:, :4] <= 255).all(axis=1) & ~padded.any(axis=1)
    if prefixes:
        fine &= values[:, 4] <= 32
    rows, values = rows[fine], values[fine]
    right[:] = False
    right[rows] = True
    address, bits = np.zeros(n, np.uint64), np.full(n, 32, np.int64)
    octets = values[:, :4].astype(np.uint64)
    address[rows] = (
        octets[:, 0] << np.uint64(24)
        | octets[:, 1] << np.uint64(16)
        | octets[:, 2] << np.uint64(8)
        | octets[:, 3]
    )
    if prefixes:
        bits[rows] = values[:, 4]
    return right, address, bits


def packed4(values: npt.NDArray[np.uint64]) -> Any:
    """Stored IPv4 addresses (Arrow binary) of numbers below 2^32."""
    raw = np.empty((len(values), 5), np.uint8)
    raw[:, 0] = 4
    raw[:, 1:] = values.astype(">u4").view(np.uint8).reshape(-1, 4)
    return _binary(raw, 5)


def packed6(high: npt.NDArray[np.uint64], low: npt.NDArray[np.uint64]) -> Any:
    """Stored IPv6 addresses (Arrow binary) of their upper and lower 64 bits."""
    raw = np.empty((len(high), 17), np.uint8)
    raw[:, 0] = 6
    raw[:, 1:9] = high.astype(">u8").view(np.uint8).reshape(-1, 8)
    raw[:, 9:] = low.astype(">u8").view(np.uint8).reshape(-1, 8)
    return _binary(raw, 17)


def _binary(raw: npt.NDArray[np.uint8], width: int) -> Any:
    import pyarrow as pa

    starts = np.arange(0, (len(raw) + 1) * width, width, dtype=np.int32)
    buffers = [None, pa.py_buffer(starts.tobytes()), pa.py_buffer(raw.tobytes())]
    return pa.Array.from_buffers(pa.binary(), len(raw), buffers)


def last4(first: npt.NDArray[np.uint64], length: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """Last address of IPv4 prefixes."""
    return first | (FULL >> length.astype(np.uint64))


def length4(first: npt.NDArray[np.uint64], last: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Bits of the prefix a range is, -1 when it is none."""
    size = last - first + np.uint64(1)
    whole = (size & (size - np.uint64(1)) == 0) & (first & (size - np.uint64(1)) == 0)
    bits = 32 - np.round(np.log2(size.astype(np.float64))).astype(np.int64)
    return np.where(whole, bits, -1)


def texts4(first: npt.NDArray[np.uint64], length: npt.NDArray[np.int64]) -> Any:
    """Prefixes as text (Arrow strings), null where the length is -1."""
    import pyarrow as pa
    import pyarrow.compute as pc

    compute: Any = pc
    small: Any = pa.array([str(i) for i in range(256)])
    parts = [
        small.take(pa.array((first >> np.uint64(s) & np.uint64(255)).astype(np.int64)))
        for s in (24, 16, 8, 0)
    ]
    dotted = compute.binary_join_element_wise(*parts, ".")
    bits = small.take(pa.array(length, mask=length < 0))
    return compute.binary_join_element_wise(dotted, bits, "/")


def batch(ts_us: int, offsets: Any, columns: dict[str, Any]) -> Batch:
    """A batch of `networks`: `columns` are low, high, prefix, asn, as_name, country."""
    import pyarrow as pa

    n = len(columns["low"])
    stamps = pa.repeat(pa.scalar(ts_us, pa.timestamp("us", tz="UTC")), n)
    return Batch("networks", pa.table({"ts": stamps, **columns, "offset": pa.array(offsets, pa.int64())}))


def as_numbers(column: Any) -> Any:
    """`AS64500` (Arrow strings) of numbers or texts like `64500` or `AS64500`; null for 0, nothing and no number."""
    import pyarrow as pa
    import pyarrow.compute as pc

    compute: Any = pc
    text = compute.utf8_upper(column.cast(pa.string()))
    digits = compute.replace_substring_regex(text, r"^\s*(?:AS)?0*([0-9]+)(?:\s.*)?$", r"\1")
    right = compute.match_substring_regex(digits, r"^[1-9][0-9]{0,9}$")
    digits = compute.if_else(right, digits, pa.scalar(None, pa.string()))
    fits = compute.less(digits.cast(pa.int64()), 1 << 32)
    named = compute.binary_join_element_wise(pa.scalar("AS"), digits, "")
    return compute.if_else(fits, named, pa.scalar(None, pa.string()))
