"""Tool and class of a flow row: a pure function of its own columns, the same at ingest and for history."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from noroshi.observe.darknet.rules import CLASSES, current
from noroshi.wire import payload
from noroshi.wire.columns import DF, DF_NULL, MASSCAN, MASSCAN_NULL, SEQ_IS_DST, SEQ_IS_DST_NULL
from noroshi.wire.jit import kernel

REPLY_CODES = np.array(
    [
        payload.CODES[n]
        for n in (
            "dns-reply",
            "ntp-reply",
            "snmp-reply",
            "ssdp-reply",
            "memcached-reply",
            "cldap-reply",
            "chargen",
        )
    ],
    np.int32,
)
MISCONFIGURED_CODES = np.array(
    [payload.CODES[n] for n in ("netbios-ns", "sip-status", "bittorrent-dht", "bittorrent", "utp", "x31")],
    np.int32,
)


@kernel
def _in_set(sets, start, value):
    k = start
    while sets[k] != -9:
        if sets[k] == value:
            return True
        k += 1
    return False


@kernel
def tag(
    n,
    table,
    starts,
    codes,
    sets,
    proto,
    sport,
    dport,
    ttl,
    flags,
    seq,
    ack,
    ip_id,
    window,
    mss,
    traits,
    option_form,
    payload_code,
    martian,
    replies,
    misconfigured,
    tool,
    klass,
):
    """Fill tool (code into RuleSet.names) and klass (code into CLASSES) for n rows.

    All inputs are arrays of n; -1 stands for null. traits: bits as in `wire.columns`.
    option_form: RuleSet.option_form, -3 where the row's packets differ. martian: 1 where the source address
    cannot be one.
    """
    for k in range(n):
        p = proto[k]
        # ECE, CWR and NS are set by hosts that offer congestion notification; they do not change the kind.
        f = flags[k] & 0x3F
        t = traits[k]
        df = -1 if t & 2 else t & 1
        seq_is_dst = -1 if t & 8 else (t >> 2) & 1
        masscan = -1 if t & 32 else (t >> 4) & 1
        found = 0
        spoofed = martian[k] == 1
        if payload_code[k] != 2:
            group = -1
            if p == 6:
                group = 0 if f == 2 else 1
            elif p == 17:
                group = 2
            elif p == 1:
                group = 3
            first = starts[group] if group >= 0 else 0
            last = starts[group + 1] if group >= 0 else 0
            for r in range(first, last):
                if group == 1 and not _in_set(sets, table[12, r], f):
                    continue
                if table[7, r] != -2 and table[7, r] != seq_is_dst:
                    continue
                if table[8, r] != -2 and table[8, r] != masscan:
                    continue
                if table[3, r] != -2 and table[3, r] != ip_id[k]:
                    continue
                if table[1, r] != -2 and ttl[k] < table[1, r]:
                    continue
                if table[2, r] != -2 and ttl[k] > table[2, r]:
                    continue
                if table[13, r] != -2 and not _in_set(sets, table[13, r], option_form[k]):
                    continue
                if table[14, r] != -2 and not _in_set(sets, table[14, r], window[k]):
                    continue
                if table[9, r] != -2 and (seq[k] < 0 or (seq[k] & 0xFFFF) != 0):
                    continue
                if table[5, r] != -2 and table[5, r] != df:
                    continue
                if table[6, r] != -2 and table[6, r] != mss[k]:
                    continue
                if table[4, r] != -2 and table[4, r] == ip_id[k]:
                    continue
                if table[10, r] != -2 and ack[k] != 0:
                    continue
                if table[11, r] != -2 and table[11, r] != sport[k]:
                    continue
                if table[15, r] != -2 and not _in_set(sets, table[15, r], dport[k]):
                    continue
                found = codes[r]
                if table[16, r] == 1:
                    spoofed = True
                break
        tool[k] = found
        c = 0
        if payload_code[k] == 2:
            c = 0
        elif p == 6:
            if (f & 4) or (f & 18) == 18:
                c = 2
            elif f == 2 or (f & 16) == 0:
                c = 1
            if found == 0 and (sport[k] == 0 or dport[k] == 0):
                spoofed = True
        elif p == 17:
            c = 1
            for q in range(replies.size):
                if payload_code[k] == replies[q]:
                    c = 2
            for q in range(misconfigured.size):
                if payload_code[k] == misconfigured[q]:
                    c = 3
        elif p == 1:
            kind = sport[k]
            if kind == 8 or kind == 13 or kind == 15 or kind == 17:
                c = 1
            elif (
                kind == 0
                or kind == 3
                or kind == 4
                or kind == 5
                or kind == 11
                or kind == 12
                or kind == 14
                or kind == 16
                or kind == 18
            ):
                c = 2
        elif p == 58:
            kind = sport[k]
            if kind == 128:
                c = 1
            elif kind == 129 or (kind >= 1 and kind <= 4):
                c = 2
        if spoofed and (c == 1 or c == 0):
            c = 4
        klass[k] = c


def _numbers(rows: pa.Table, name: str, dtype: Any) -> npt.NDArray[Any]:
    column: Any = pc.fill_null(rows[name].cast(pa.int64()), -1)  # type: ignore[type-var]
    return np.ascontiguousarray(column.to_numpy().astype(dtype))


def _traits(rows: pa.Table) -> npt.NDArray[np.uint8]:
    """The three booleans as the bits of `wire.columns`."""
    made = np.zeros(rows.num_rows, np.uint8)
    for name, value, null in (("df", DF, DF_NULL), ("seq_is_dst", SEQ_IS_DST, SEQ_IS_DST_NULL),
                              ("masscan_xor", MASSCAN, MASSCAN_NULL)):  # fmt: skip
        column = _numbers(rows, name, np.int8)
        made[column == 1] |= value
        made[column == -1] |= null
    return made


def _codes(rows: pa.Table, name: str, code: dict[str, int], null: int, other: int) -> npt.NDArray[np.int32]:
    """Code of each text of a column; `null` for null, `other` for a text without one."""
    encoded: Any = rows[name].combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    of = np.array([code.get(v, other) for v in encoded.dictionary.to_pylist()] + [null], np.int32)
    ids = pc.fill_null(encoded.indices, len(of) - 1).to_numpy(zero_copy_only=False)
    return np.ascontiguousarray(of[ids])


def _martian(rows: pa.Table) -> npt.NDArray[np.int8]:
    """1 where the source cannot be one: this-network, loopback, multicast, reserved, or the destination itself."""
    src: list[Any] = rows["src_ip"].to_pylist()
    dst: list[Any] = rows["dst_ip"].to_pylist()
    made = np.zeros(len(src), np.int8)
    for k, (a, b) in enumerate(zip(src, dst, strict=True)):
        v4 = a[1] in (0, 127) or a[1] >= 224
        v6 = a[1] == 255 or (not any(a[1:16]) and a[-1] <= 1)
        bad = v4 if a[0] == 4 else v6
        made[k] = bad or a == b
    return made


def retag(rows: pa.Table) -> pa.Table:
    """Rows of `flows` with `tool`, `class` and `rules_version` as the present rules give them."""
    known, n = current(), rows.num_rows
    forms = {v: known.option_form(v) for v in pc.unique(rows["tcp_options"]).to_pylist() if v is not None}
    tool, klass = np.empty(n, np.int32), np.empty(n, np.int32)
    tag(
        n, known.table, known.starts, known.codes, known.sets,
        _numbers(rows, "protocol", np.int16), _numbers(rows, "src_port", np.int32),
        _numbers(rows, "dst_port", np.int32), _numbers(rows, "ttl", np.int16), _numbers(rows, "tcp_flags", np.int16),
        _numbers(rows, "seq", np.int64), _numbers(rows, "ack", np.int64), _numbers(rows, "ip_id", np.int32),
        _numbers(rows, "tcp_window", np.int32), _numbers(rows, "mss", np.int32), _traits(rows),
        _codes(rows, "tcp_options", forms, -3, -1), _codes(rows, "payload", payload.CODES, -1, payload.CODES["other"]),
        _martian(rows), REPLY_CODES, MISCONFIGURED_CODES, tool, klass,
    )  # fmt: skip
    made: dict[str, Any] = {
        "tool": pa.DictionaryArray.from_arrays(tool, pa.array(known.names)).cast(pa.string()),
        "class": pa.DictionaryArray.from_arrays(klass, pa.array(CLASSES)).cast(pa.string()),
        "rules_version": pa.repeat(pa.scalar(known.version, pa.int32()), n),
    }
    for name, column in made.items():
        rows = rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), column)
    return rows
