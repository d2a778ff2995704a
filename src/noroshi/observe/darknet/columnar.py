"""Arranged flow rows as Arrow, without copying: buffers that keep their memory lent while anyone reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from noroshi.observe.darknet import arrange as a
from noroshi.observe.darknet import rules
from noroshi.wire import columns as c
from noroshi.wire import payload, tcpoptions, text
from noroshi.wire.room import Lease

if TYPE_CHECKING:
    import pyarrow as pa


def buffer(values: npt.NDArray[Any], lease: Lease | None = None) -> Any:
    """The array's memory as an Arrow buffer; with a lease, one that holds it."""
    import pyarrow as pa

    if lease is None:
        return pa.py_buffer(values)  # type: ignore[arg-type]
    return pa.foreign_buffer(values.ctypes.data, values.nbytes, base=lease)


def packed(hi: a.U64, lo: a.U64, lease: Lease | None = None) -> pa.Array[Any]:
    """Addresses in their stored form; with a lease, in its memory."""
    import pyarrow as pa

    n = len(lo)
    make = lease.array if lease else np.empty
    offsets, data = make(n + 1, np.int32), make(17 * n, np.uint8)
    used = text.pack(hi, lo, n, offsets, data)
    return pa.Array.from_buffers(pa.binary(), n, [None, buffer(offsets, lease), buffer(data[:used], lease)])


def _inner(x: a.Arranged) -> list[pa.Array[Any]]:
    """The five columns of the quoted tuple."""
    import pyarrow as pa

    n = len(x.order)
    if not x.quotes.any():
        types = (pa.binary(), pa.binary(), pa.int32(), pa.int32(), pa.int16())
        return [pa.nulls(n, t) for t in types]
    quoting = x.order[x.quotes]
    at = np.full(n, -1, np.int64)
    at[x.quotes] = np.arange(len(quoting))
    take: Any = pa.array(at, mask=~x.quotes)
    longs, ints = x.rows.inner_longs[quoting].view(np.uint64), x.rows.inner_ints[quoting]
    made: list[pa.Array[Any]] = [
        packed(np.ascontiguousarray(longs[:, h]), np.ascontiguousarray(longs[:, h + 1]))
        for h in (c.IN_SRC_HI, c.IN_DST_HI)
    ]
    made += [pa.array(np.ascontiguousarray(ints[:, f]), pa.int32()) for f in (c.IN_SPORT, c.IN_DPORT)]
    made.append(pa.array(ints[:, c.IN_PROTO].astype(np.int16), pa.int16()))
    return [column.take(take) for column in made]


def flows(x: a.Arranged) -> pa.Table:
    """Rows of `flows` without run_id."""
    import pyarrow as pa

    n = len(x.order)

    def dictionary(ids: a.I32, values: Any) -> pa.Array[Any]:
        indices = pa.Array.from_buffers(pa.int32(), n, [None, buffer(ids, x.lease)], 0)
        return pa.DictionaryArray.from_arrays(indices, values, safe=False)

    def plain(kind: pa.DataType, values: npt.NDArray[Any], validity: int = -1) -> pa.Array[Any]:
        if validity >= 0 and x.nulls[validity]:
            held = [buffer(x.bits[validity], x.lease), buffer(values, x.lease)]
            return pa.Array.from_buffers(kind, n, held, int(x.nulls[validity]))
        return pa.Array.from_buffers(kind, n, [None, buffer(values, x.lease)], 0)

    def names(ids: a.I32, values: Any) -> pa.Array[Any]:
        # A null stands in the indices: Parquet takes no dictionary that holds one.
        null = np.array([v is None for v in values])
        if not null.any():
            return dictionary(ids, pa.array(values, pa.string()))
        place = (np.cumsum(~null) - 1).astype(np.int32)
        kept = pa.array([v for v in values if v is not None], pa.string())
        indices: Any = pa.array(place[ids], mask=null[ids])
        return pa.DictionaryArray.from_arrays(indices, kept)

    ts = pa.timestamp("us", tz="UTC")
    known = rules.current()
    if (mixed := x.i32[a.A_PAYLOAD] < 0).any():
        codes = np.where(mixed, len(payload.NAMES), x.i32[a.A_PAYLOAD]).astype(np.int32)
        payloads = names(codes, [*payload.NAMES, None])
    else:
        payloads = names(x.i32[a.A_PAYLOAD], payload.NAMES)
    option_ids, signatures = x.options
    option_names = [None if s == c.MIXED_OPTIONS else tcpoptions.text(s) for s in signatures]
    inner = _inner(x)
    made = {
        "src_ip": dictionary(x.i32[a.A_SRC], packed(*x.src)),
        "dst_ip": packed(*x.dst, x.lease),
        "src_port": plain(pa.int32(), x.i32[a.A_SPORT]),
        "dst_port": plain(pa.int32(), x.i32[a.A_DPORT]),
        "protocol": plain(pa.int16(), x.i16[a.A_PROTO]),
        "ttl": plain(pa.int16(), x.i16[a.A_TTL]),
        "tcp_flags": plain(pa.int16(), x.i16[a.A_FLAGS]),
        "ip_len": plain(pa.int32(), x.i32[a.A_IP_LEN]),
        "seq": plain(pa.int64(), x.i64[a.A_SEQ], a.V_SEQ),
        "ack": plain(pa.int64(), x.i64[a.A_ACK], a.V_ACK),
        "inner_src_ip": inner[0], "inner_dst_ip": inner[1], "inner_src_port": inner[2],
        "inner_dst_port": inner[3], "inner_protocol": inner[4],
        "packet_count": plain(pa.int64(), x.i64[a.A_COUNT]),
        "byte_count": plain(pa.int64(), x.i64[a.A_BYTES]),
        "first_seen": plain(ts, x.i64[a.A_FIRST]),
        "last_seen": plain(ts, x.i64[a.A_LAST]),
        "tool": names(x.i32[a.A_TOOL], known.names),
        "class": names(x.i32[a.A_CLASS], rules.CLASSES),
        "rules_version": pa.repeat(pa.scalar(known.version, pa.int32()), n),
        "ip_id": plain(pa.int32(), x.i32[a.A_IP_ID], a.V_IP_ID),
        "tcp_window": plain(pa.int32(), x.i32[a.A_WINDOW], a.V_WINDOW),
        "tcp_options": names(option_ids, option_names),
        "mss": plain(pa.int32(), x.i32[a.A_MSS], a.V_MSS),
        "df": plain(pa.bool_(), x.bits[a.B_DF], a.V_DF),
        "seq_is_dst": plain(pa.bool_(), x.bits[a.B_SEQ_IS_DST], a.V_SEQ_IS_DST),
        "masscan_xor": plain(pa.bool_(), x.bits[a.B_MASSCAN], a.V_MASSCAN),
        "payload": payloads,
        "offset": plain(pa.int64(), x.i64[a.A_OFFSET]),
    }  # fmt: skip
    return pa.table(made)
