"""Flow rows in the order of their sources, column by column, tagged.

Sorted rows make the source column a dictionary of runs, give the links by walking once, and let a reader skip
row groups.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from noroshi.observe.darknet import rules, tagging
from noroshi.observe.darknet.rows import SEED
from noroshi.wire import columns as c
from noroshi.wire import tcpoptions, text
from noroshi.wire.columns import Columns
from noroshi.wire.jit import kernel
from noroshi.wire.room import Lease

I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]
U8 = npt.NDArray[np.uint8]

# Lines of the arranged arrays.
(A_SPORT, A_DPORT, A_IP_LEN, A_IP_ID, A_WINDOW, A_MSS, A_PAYLOAD, A_SRC, A_TOOL, A_CLASS, A_OPTION) = range(
    11
)
(A_PROTO, A_TTL, A_FLAGS) = range(3)
(A_SEQ, A_ACK, A_COUNT, A_BYTES, A_FIRST, A_LAST, A_OFFSET) = range(7)
# Bitmaps: values of the three booleans, then validity.
(B_DF, B_SEQ_IS_DST, B_MASSCAN, V_DF, V_SEQ_IS_DST, V_MASSCAN, V_SEQ, V_ACK, V_IP_ID, V_WINDOW, V_MSS) = (
    range(11)
)

ROW_BYTES = 144
"""Room one row takes in the lease its columns live in."""
SCRATCH_BYTES = 208
"""Room one row takes besides, while it is arranged and its links are summed."""


@dataclass(frozen=True)
class Runs:
    """One entry for each source and UTC day, in order of the sources."""

    hi: U64
    lo: U64
    day: I64
    first: I64
    last: I64
    count: I64


@kernel
def runs_of_sources(i32, i64, n, src_hi, src_lo, hi, lo, day, first, last, count):
    """One entry for each source and UTC day of rows sorted by source; the number of entries."""
    entries = 0
    source = -1
    for k in range(n):
        d = i64[4, k] // 86_400_000_000
        s = i32[7, k]
        if s == source and day[entries - 1] == d:
            e = entries - 1
            first[e] = min(first[e], i64[4, k])
            last[e] = max(last[e], i64[5, k])
            count[e] += i64[2, k]
        else:
            source = s
            hi[entries] = src_hi[s]
            lo[entries] = src_lo[s]
            day[entries] = d
            first[entries] = i64[4, k]
            last[entries] = i64[5, k]
            count[entries] = i64[2, k]
            entries += 1
    return entries


def _runs(i32: I32, i64: I64, src_hi: U64, src_lo: U64, scratch: Lease) -> Runs:
    n = i32.shape[1]
    hi, lo = scratch.array(n, np.uint64), scratch.array(n, np.uint64)
    day, first, last, count = (scratch.array(n, np.int64) for _ in range(4))
    e = runs_of_sources(i32, i64, n, src_hi, src_lo, hi, lo, day, first, last, count)
    return Runs(hi[:e], lo[:e], day[:e], first[:e], last[:e], count[:e])


@dataclass(frozen=True)
class Arranged:
    """n rows, column by column, in memory of `lease` and `scratch`."""

    lease: Lease
    scratch: Lease
    rows: Columns
    order: I64
    """Lines of `rows`, in order."""
    i16: I16
    i32: I32
    i64: I64
    bits: U8
    nulls: I64
    quotes: npt.NDArray[np.bool_]
    """Rows that quote a packet."""
    src: tuple[U64, U64]
    """The different sources in order; A_SRC numbers them."""
    dst: tuple[U64, U64]
    """Destination by row."""
    options: tuple[I32, list[int]]
    """Number by row, and the different signatures."""
    runs: Runs


@kernel
def gather(order, n, q, i, i32, i16, i64, traits, kinds, martian, opt, dst_hi, dst_lo, src_hi, src_lo, sink):
    """Rows in order into the arranged arrays; the number of different sources (runs).

    sink: int64 of one; receives a number that means nothing, so that the reads ahead are not optimised away.
    """
    sources = 0
    last_hi = np.int64(0)
    last_lo = np.int64(0)
    touched = np.int64(0)
    for k in range(n):
        if k & 63 == 0:
            # Ask for the lines of the next rows together; one by one, each would be waited for.
            for ahead in range(k, min(k + 64, n)):
                touched += q[order[ahead], 0] ^ i[order[ahead], 0]
        r = order[k]
        hi = q[r, 0]
        lo = q[r, 1]
        if k == 0 or hi != last_hi or lo != last_lo:
            src_hi[sources] = np.uint64(hi)
            src_lo[sources] = np.uint64(lo)
            sources += 1
            last_hi = hi
            last_lo = lo
        i32[7, k] = sources - 1
        dst_hi[k] = np.uint64(q[r, 2])
        dst_lo[k] = np.uint64(q[r, 3])
        opt[k] = np.uint64(q[r, 4])
        if hi == 0 and (lo >> 32) == 0xFFFF:
            top = (lo >> 24) & 255
            bad = top == 0 or top == 127 or top >= 224
        else:
            bad = (hi == 0 and (lo == 0 or lo == 1)) or ((hi >> 56) & 255) == 255
        if hi == q[r, 2] and lo == q[r, 3]:
            bad = True
        martian[k] = 1 if bad else 0
        i64[4, k] = q[r, 5]
        i64[5, k] = q[r, 6]
        i64[6, k] = q[r, 7]
        i32[0, k] = i[r, 1]
        i32[1, k] = i[r, 2]
        i32[2, k] = i[r, 6]
        i16[0, k] = i[r, 3]
        i16[1, k] = i[r, 4]
        i16[2, k] = i[r, 5]
        i64[2, k] = i[r, 7]
        i64[3, k] = np.int64(i[r, 7]) * np.int64(i[r, 6])  # ip_len is part of the key
        i32[3, k] = i[r, 8]
        i32[4, k] = i[r, 9]
        i32[5, k] = i[r, 10]
        t = i[r, 11]
        traits[k] = t
        kinds[k] = i[r, 13]
        i32[6, k] = i[r, 12]
        i64[0, k] = -1 if t & 64 else np.int64(i[r, 14]) & 0xFFFF_FFFF
        i64[1, k] = -1 if t & 128 else np.int64(i[r, 15]) & 0xFFFF_FFFF
    sink[0] = touched
    return sources


@kernel
def bitmaps(n, traits, i32, bits, nulls):
    """Arrow bitmaps of the booleans and of validity, a byte at a time and without branches."""
    nulls[:] = 0
    for byte in range(bits.shape[1]):
        b0 = b1 = b2 = b3 = b4 = b5 = b6 = b7 = b8 = b9 = b10 = 0
        for at in range(8):
            k = 8 * byte + at
            if k == n:
                break
            t = np.int64(traits[k])
            b0 |= (t & 1) << at
            b1 |= ((t >> 2) & 1) << at
            b2 |= ((t >> 4) & 1) << at
            valid = ~t
            b3 |= ((valid >> 1) & 1) << at
            b4 |= ((valid >> 3) & 1) << at
            b5 |= ((valid >> 5) & 1) << at
            b6 |= ((valid >> 6) & 1) << at
            b7 |= ((valid >> 7) & 1) << at
            b8 |= (1 if i32[3, k] >= 0 else 0) << at
            b9 |= (1 if i32[4, k] >= 0 else 0) << at
            b10 |= (1 if i32[5, k] >= 0 else 0) << at
        bits[0, byte] = b0
        bits[1, byte] = b1
        bits[2, byte] = b2
        bits[3, byte] = b3
        bits[4, byte] = b4
        bits[5, byte] = b5
        bits[6, byte] = b6
        bits[7, byte] = b7
        bits[8, byte] = b8
        bits[9, byte] = b9
        bits[10, byte] = b10
    for line in range(3, 11):
        valid = 0
        for byte in range(bits.shape[1]):
            b = np.int64(bits[line, byte])
            b = b - ((b >> 1) & 0x55)
            b = (b & 0x33) + ((b >> 2) & 0x33)
            valid += (b + (b >> 4)) & 15
        nulls[line] = n - valid


@kernel
def _order_v4(q, chosen, n, a, b, counts, order):
    """Stable order of chosen[0:n] by IPv4 source into order; False as soon as a source is not IPv4.

    a, b: uint64 scratch of n. counts: int64 scratch of (3, 2048). Radix sort on source and position in one
    number, least significant digit first, eleven bits at a time; one pass counts all three digits.
    """
    counts[:] = 0
    for k in range(n):
        r = chosen[k]
        lo = q[r, 1]
        if q[r, 0] != 0 or (lo >> 32) != 0xFFFF:
            return False
        a[k] = (np.uint64(lo) << np.uint64(32)) | np.uint64(k)
        counts[0, lo & 2047] += 1
        counts[1, (lo >> 11) & 2047] += 1
        counts[2, (lo >> 22) & 1023] += 1
    for d in range(3):
        total = 0
        for v in range(2048):
            here = counts[d, v]
            counts[d, v] = total
            total += here
    for k in range(n):
        v = np.int64(a[k] >> np.uint64(32)) & 2047
        b[counts[0, v]] = a[k]
        counts[0, v] += 1
    for k in range(n):
        v = np.int64(b[k] >> np.uint64(43)) & 2047
        a[counts[1, v]] = b[k]
        counts[1, v] += 1
    for k in range(n):
        v = np.int64(a[k] >> np.uint64(54)) & 1023
        order[counts[2, v]] = chosen[np.int64(a[k] & np.uint64(0xFFFF_FFFF))]
        counts[2, v] += 1
    return True


def source_order(rows: Columns, chosen: I64, lease: Lease) -> I64:
    """The rows of `chosen` in the order of their stored source address; equal sources keep their order."""
    n = len(chosen)
    order: I64 = lease.array(n, np.int64)
    a, b = lease.array(n, np.uint64), lease.array(n, np.uint64)
    if _order_v4(rows.longs, chosen, n, a, b, np.empty((3, 2048), np.int64), order):
        return order
    hi, lo = (rows.longs[chosen, f].view(np.uint64) for f in (c.SRC_HI, c.SRC_LO))
    version = (hi != 0) | (lo >> np.uint64(32) != np.uint64(0xFFFF))
    order[:] = chosen[np.lexsort((lo, hi, version))]
    return order


def _signatures(options: U64, ids: I32, scratch: Lease) -> list[int]:
    """The different signatures; ids receives their numbers by row."""
    n = len(options)
    slots = scratch.array(1 << max(2 * n - 1, 16).bit_length(), np.int32)
    slots[:] = 0
    unique = scratch.array(n, np.uint64)
    found: list[int] = unique[: text.intern(options, n, ids, unique, slots, SEED)].tolist()
    return found


def arrange(rows: Columns, chosen: I64, lease: Lease, scratch: Lease) -> Arranged:
    """The chosen rows in order of their sources, with tool and class. Columns stand in `lease`
    (ROW_BYTES a row at least), what is needed on the way in `scratch` (SCRATCH_BYTES)."""
    order = source_order(rows, chosen, scratch)
    n = len(order)
    i32, i16, i64 = (
        lease.array((11, n), np.int32),
        lease.array((3, n), np.int16),
        lease.array((7, n), np.int64),
    )
    bits, nulls = lease.array((11, (n + 7) // 8), np.uint8), np.empty(11, np.int64)
    option_ids = lease.array(n, np.int32)
    traits, kinds, martian = scratch.array(n, np.uint8), scratch.array(n, np.uint8), scratch.array(n, np.int8)
    opt, dst_hi, dst_lo, src_hi, src_lo = (scratch.array(n, np.uint64) for _ in range(5))
    sources = gather(
        order, n, rows.longs, rows.ints, i32, i16, i64, traits, kinds, martian, opt, dst_hi, dst_lo, src_hi, src_lo,
        np.empty(1, np.int64),
    )  # fmt: skip
    bitmaps(n, traits, i32, bits, nulls)
    signatures = _signatures(opt, option_ids, scratch)
    known = rules.current()
    forms = [-3 if s == c.MIXED_OPTIONS else known.option_form(tcpoptions.text(s)) for s in signatures]
    if n:
        i32[A_OPTION] = np.array(forms, np.int32)[option_ids]
    tagging.tag(
        n, known.table, known.starts, known.codes, known.sets, i16[A_PROTO], i32[A_SPORT], i32[A_DPORT],
        i16[A_TTL], i16[A_FLAGS], i64[A_SEQ], i64[A_ACK], i32[A_IP_ID], i32[A_WINDOW], i32[A_MSS], traits,
        i32[A_OPTION], i32[A_PAYLOAD],
        martian, tagging.REPLY_CODES, tagging.MISCONFIGURED_CODES, i32[A_TOOL], i32[A_CLASS],
    )  # fmt: skip
    return Arranged(
        lease, scratch, rows, order, i16, i32, i64, bits, nulls, (kinds & c.QUOTES) != 0,
        (src_hi[:sources], src_lo[:sources]), (dst_hi, dst_lo), (option_ids, signatures),
        _runs(i32, i64, src_hi, src_lo, scratch),
    )  # fmt: skip
