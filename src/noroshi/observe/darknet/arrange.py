"""Flow rows to Arrow: sorted by source, tagged, dictionary-encoded where that is free.

Sorted rows make the source column a dictionary of runs, give the links by walking once, and let a reader skip
row groups.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from noroshi.observe.darknet import rules, tagging
from noroshi.observe.darknet.rows import SEED
from noroshi.wire import columns as c
from noroshi.wire import payload, tcpoptions, text
from noroshi.wire.columns import Columns
from noroshi.wire.jit import kernel

if TYPE_CHECKING:
    import pyarrow as pa

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]

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


@kernel
def gather(order, n, q, i, i32, i16, i64, traits, kinds, martian, opt, dst_hi, dst_lo, src_hi, src_lo):
    """Rows in order into the arranged arrays; the number of different sources (runs)."""
    sources = 0
    last_hi = np.int64(0)
    last_lo = np.int64(0)
    for k in range(n):
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
def runs_of_sources(i32, i64, n, src, day, first, last, count):
    """One entry for each source and UTC day of rows sorted by source; the number of entries."""
    entries = 0
    for k in range(n):
        d = i64[4, k] // 86_400_000_000
        s = i32[7, k]
        if entries and src[entries - 1] == s and day[entries - 1] == d:
            e = entries - 1
            first[e] = min(first[e], i64[4, k])
            last[e] = max(last[e], i64[5, k])
            count[e] += i64[2, k]
        else:
            src[entries] = s
            day[entries] = d
            first[entries] = i64[4, k]
            last[entries] = i64[5, k]
            count[entries] = i64[2, k]
            entries += 1
    return entries


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


def source_order(rows: Columns, chosen: I64) -> I64:
    """The rows of `chosen` in the order of their stored source address; equal sources keep their order."""
    n = len(chosen)
    order = np.empty(n, np.int64)
    a, b = np.empty(n, np.uint64), np.empty(n, np.uint64)
    if _order_v4(rows.longs, chosen, n, a, b, np.empty((3, 2048), np.int64), order):
        return order
    hi, lo = (rows.longs[chosen, f].view(np.uint64) for f in (c.SRC_HI, c.SRC_LO))
    version = (hi != 0) | (lo >> np.uint64(32) != np.uint64(0xFFFF))
    return chosen[np.lexsort((lo, hi, version))]


def _buffer(values: Any) -> Any:
    import pyarrow as pa

    return pa.py_buffer(values)


def _pack(hi: U64, lo: U64, n: int, validity: npt.NDArray[np.uint8] | None = None) -> pa.Array[Any]:
    import pyarrow as pa

    offsets, data = np.empty(n + 1, np.int32), np.empty(17 * n, np.uint8)
    used = text.pack(hi, lo, n, offsets, data)
    buffers = [_buffer(validity) if validity is not None else None, _buffer(offsets)]
    return pa.Array.from_buffers(pa.binary(), n, [*buffers, _buffer(data[:used])])


def _dictionary(ids: I32, values: Any) -> pa.Array[Any]:
    import pyarrow as pa

    indices = pa.Array.from_buffers(pa.int32(), len(ids), [None, _buffer(ids)], 0)
    return pa.DictionaryArray.from_arrays(indices, values, safe=False)


def _interned(hi: U64, lo: U64) -> tuple[I32, U64, U64]:
    n = len(lo)
    slots = np.zeros(1 << max(2 * n, 16).bit_length(), np.int32)
    ids, out_hi, out_lo = np.empty(n, np.int32), np.empty(n, np.uint64), np.empty(n, np.uint64)
    count = text.intern_pairs(hi, lo, n, ids, out_hi, out_lo, slots, SEED)
    return ids, out_hi[:count], out_lo[:count]


def arrange(
    rows: Columns, chosen: I64, inside: tuple[tuple[bytes, bytes], ...] = ()
) -> tuple[pa.Table, pa.Table]:
    """(`flows` rows without run_id, `links` rows without run_id) of the chosen rows.

    inside: stored address ranges that are context; sources in them make no links.
    """
    order = source_order(rows, chosen)
    n = len(order)
    i32, i16, i64 = np.empty((11, n), np.int32), np.empty((3, n), np.int16), np.empty((7, n), np.int64)
    bits, nulls = np.empty((11, (n + 7) // 8), np.uint8), np.empty(11, np.int64)
    traits, kinds, martian = np.empty(n, np.uint8), np.empty(n, np.uint8), np.empty(n, np.int8)
    opt, dst_hi, dst_lo, src_hi, src_lo = (np.empty(n, np.uint64) for _ in range(5))
    sources = gather(
        order,
        n,
        rows.longs,
        rows.ints,
        i32,
        i16,
        i64,
        traits,
        kinds,
        martian,
        opt,
        dst_hi,
        dst_lo,
        src_hi,
        src_lo,
    )
    bitmaps(n, traits, i32, bits, nulls)
    src_hi, src_lo = src_hi[:sources], src_lo[:sources]
    option_ids, _, signatures = _interned(np.zeros(n, np.uint64), opt)
    known = rules.current()
    forms = np.array(
        [-3 if s == c.MIXED_OPTIONS else known.option_form(tcpoptions.text(s)) for s in signatures.tolist()],
        np.int32,
    )
    i32[A_OPTION] = forms[option_ids] if n else 0
    tagging.tag(
        n, known.table, known.sets, i16[A_PROTO], i32[A_SPORT], i32[A_DPORT], i16[A_TTL], i16[A_FLAGS], i64[A_SEQ],
        i64[A_ACK], i32[A_IP_ID], i32[A_WINDOW], i32[A_MSS], traits, i32[A_OPTION], i32[A_PAYLOAD], martian,
        tagging.REPLY_CODES, tagging.MISCONFIGURED_CODES, i32[A_TOOL], i32[A_CLASS],
    )  # fmt: skip
    dst = _interned(dst_hi, dst_lo)
    quotes = (kinds & c.QUOTES) != 0
    flows = _flows(
        i32,
        i16,
        i64,
        bits,
        nulls,
        (src_hi, src_lo),
        dst,
        (option_ids, signatures),
        _inner(rows, order, quotes),
    )
    return flows, _links(i32, i64, src_hi, src_lo, rows, order[quotes], inside)


def _inner(rows: Columns, order: I64, has: npt.NDArray[np.bool_]) -> list[pa.Array[Any]]:
    """The five columns of the quoted tuple."""
    import pyarrow as pa

    n = len(order)
    if not has.any():
        types = (pa.binary(), pa.binary(), pa.int32(), pa.int32(), pa.int16())
        return [pa.nulls(n, t) for t in types]
    quoting = order[has]
    at = np.full(n, -1, np.int64)
    at[has] = np.arange(len(quoting))
    take: Any = pa.array(at, mask=~has)
    made = [
        _pack(
            rows.inner_longs[quoting, h].view(np.uint64),
            rows.inner_longs[quoting, h + 1].view(np.uint64),
            len(quoting),
        )
        for h in (c.IN_SRC_HI, c.IN_DST_HI)
    ]
    made += [pa.array(rows.inner_ints[quoting, f], pa.int32()) for f in (c.IN_SPORT, c.IN_DPORT)]
    made.append(pa.array(rows.inner_ints[quoting, c.IN_PROTO].astype(np.int16), pa.int16()))
    return [a.take(take) for a in made]


def _flows(
    i32: I32, i16: npt.NDArray[np.int16], i64: I64, bits: npt.NDArray[np.uint8], nulls: I64, src: tuple[U64, U64],
    dst: tuple[I32, U64, U64], options: tuple[I32, U64], inner: list[pa.Array[Any]],
) -> pa.Table:  # fmt: skip
    import pyarrow as pa

    n = i32.shape[1]

    def plain(kind: pa.DataType, values: npt.NDArray[Any], validity: int = -1) -> pa.Array[Any]:
        if validity >= 0 and nulls[validity]:
            return pa.Array.from_buffers(
                kind, n, [_buffer(bits[validity]), _buffer(values)], int(nulls[validity])
            )
        return pa.Array.from_buffers(kind, n, [None, _buffer(values)], 0)

    def names(ids: I32, values: Any) -> pa.Array[Any]:
        # A null stands in the indices: Parquet takes no dictionary that holds one.
        null = np.array([v is None for v in values])
        if not null.any():
            return _dictionary(ids, pa.array(values, pa.string()))
        place = (np.cumsum(~null) - 1).astype(np.int32)
        kept = pa.array([v for v in values if v is not None], pa.string())
        indices: Any = pa.array(place[ids], mask=null[ids])
        return pa.DictionaryArray.from_arrays(indices, kept)

    ts = pa.timestamp("us", tz="UTC")
    known = rules.current()
    if (mixed := i32[A_PAYLOAD] < 0).any():
        codes = np.where(mixed, len(payload.NAMES), i32[A_PAYLOAD]).astype(np.int32)
        payloads = names(codes, [*payload.NAMES, None])
    else:
        payloads = names(i32[A_PAYLOAD], payload.NAMES)
    option_ids, signatures = options
    option_names = [None if s == c.MIXED_OPTIONS else tcpoptions.text(s) for s in signatures.tolist()]
    made = {
        "src_ip": _dictionary(i32[A_SRC], _pack(*src, len(src[1]))),
        "dst_ip": _dictionary(dst[0], _pack(dst[1], dst[2], len(dst[2]))),
        "src_port": plain(pa.int32(), i32[A_SPORT]),
        "dst_port": plain(pa.int32(), i32[A_DPORT]),
        "protocol": plain(pa.int16(), i16[A_PROTO]),
        "ttl": plain(pa.int16(), i16[A_TTL]),
        "tcp_flags": plain(pa.int16(), i16[A_FLAGS]),
        "ip_len": plain(pa.int32(), i32[A_IP_LEN]),
        "seq": plain(pa.int64(), i64[A_SEQ], V_SEQ),
        "ack": plain(pa.int64(), i64[A_ACK], V_ACK),
        "inner_src_ip": inner[0], "inner_dst_ip": inner[1], "inner_src_port": inner[2],
        "inner_dst_port": inner[3], "inner_protocol": inner[4],
        "packet_count": plain(pa.int64(), i64[A_COUNT]),
        "byte_count": plain(pa.int64(), i64[A_BYTES]),
        "first_seen": plain(ts, i64[A_FIRST]),
        "last_seen": plain(ts, i64[A_LAST]),
        "tool": names(i32[A_TOOL], known.names),
        "class": names(i32[A_CLASS], rules.CLASSES),
        "rules_version": pa.repeat(pa.scalar(known.version, pa.int32()), n),
        "ip_id": plain(pa.int32(), i32[A_IP_ID], V_IP_ID),
        "tcp_window": plain(pa.int32(), i32[A_WINDOW], V_WINDOW),
        "tcp_options": names(option_ids, option_names),
        "mss": plain(pa.int32(), i32[A_MSS], V_MSS),
        "df": plain(pa.bool_(), bits[B_DF], V_DF),
        "seq_is_dst": plain(pa.bool_(), bits[B_SEQ_IS_DST], V_SEQ_IS_DST),
        "masscan_xor": plain(pa.bool_(), bits[B_MASSCAN], V_MASSCAN),
        "payload": payloads,
        "offset": plain(pa.int64(), i64[A_OFFSET]),
    }  # fmt: skip
    return pa.table(made)


def _links(
    i32: I32,
    i64: I64,
    src_hi: U64,
    src_lo: U64,
    rows: Columns,
    quoting: I64,
    inside: tuple[tuple[bytes, bytes], ...],
) -> pa.Table:
    """Sources, and the victims named by quoted packets, by day."""
    n = i32.shape[1]
    src, day = np.empty(n, np.int32), np.empty(n, np.int64)
    first, last, count = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    e = runs_of_sources(i32, i64, n, src, day, first, last, count)
    hi, lo, role = src_hi[src[:e]], src_lo[src[:e]], np.zeros(e, np.int32)
    day, first, last, count = day[:e], first[:e], last[:e], count[:e]
    if len(quoting):
        when = rows.longs[quoting, c.FIRST]
        hi = np.concatenate([hi, rows.inner_longs[quoting, c.IN_DST_HI].view(np.uint64)])
        lo = np.concatenate([lo, rows.inner_longs[quoting, c.IN_DST_LO].view(np.uint64)])
        role = np.concatenate([role, np.ones(len(quoting), np.int32)])
        day = np.concatenate([day, when // 86_400_000_000])
        first = np.concatenate([first, when])
        last = np.concatenate([last, rows.longs[quoting, c.LAST]])
        count = np.concatenate([count, rows.ints[quoting, c.COUNT].astype(np.int64)])
    keep = ~_within(hi, lo, inside)
    columns: list[Any] = [np.ascontiguousarray(a[keep]) for a in (hi, lo, role, day, first, last, count)]
    return _link_table(*columns)


def _within(hi: U64, lo: U64, ranges: tuple[tuple[bytes, bytes], ...]) -> npt.NDArray[np.bool_]:
    found = np.zeros(len(lo), np.bool_)
    for low, high in ranges:
        if low[0] == 4:
            mark = 0xFFFF << 32
            a, b = (np.uint64(mark | int.from_bytes(x[1:], "big")) for x in (low, high))
            found |= (hi == 0) & (lo >= a) & (lo <= b)
        else:
            (ah, al), (bh, bl) = (
                (np.uint64(int.from_bytes(x[1:9], "big")), np.uint64(int.from_bytes(x[9:], "big")))
                for x in (low, high)
            )
            found |= ((hi > ah) | ((hi == ah) & (lo >= al))) & ((hi < bh) | ((hi == bh) & (lo <= bl)))
    return found


def _link_table(hi: U64, lo: U64, role: I32, day: I64, first: I64, last: I64, count: I64) -> pa.Table:
    import pyarrow as pa

    n = len(lo)
    offsets, data = text.texts(hi, lo)
    ts = pa.timestamp("us", tz="UTC")
    zeros = np.zeros(n, np.int32)

    def plain(kind: pa.DataType, values: npt.NDArray[Any]) -> pa.Array[Any]:
        return pa.Array.from_buffers(kind, n, [None, _buffer(values)], 0)

    return pa.table(
        {
            "key": plain(pa.int64(), text.keys("ip", offsets, data)),
            "kind": _dictionary(zeros, pa.array(["ip"])),
            "value": pa.Array.from_buffers(pa.string(), n, [None, _buffer(offsets), _buffer(data)], 0),
            "role": _dictionary(role, pa.array(["src", "victim"])),
            "table": _dictionary(zeros, pa.array(["flows"])),
            "day": plain(pa.date32(), day.astype(np.int32)),
            "first_seen": plain(ts, first),
            "last_seen": plain(ts, last),
            "count": plain(pa.int64(), count),
        }
    )
