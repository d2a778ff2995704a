"""Values in bulk: addresses, protocols, times and texts of Arrow columns, and CVE numbers in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from noroshi.observe.rows import TEXT, packed

Mask = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

# IANA protocol numbers by the names that Zeek, Suricata, nfdump and Argus print, in lower case.
PROTOCOLS: Final[Mapping[str, int]] = {
    "icmp": 1, "igmp": 2, "ipip": 4, "ipv4": 4, "st": 5, "tcp": 6, "egp": 8, "igp": 9, "udp": 17, "rdp": 27,
    "dccp": 33, "ipv6": 41, "rsvp": 46, "gre": 47, "esp": 50, "ah": 51, "icmp6": 58, "icmpv6": 58,
    "ipv6-icmp": 58, "eigrp": 88, "ospf": 89, "ospfigp": 89, "pim": 103, "vrrp": 112, "l2tp": 115,
    "sctp": 132, "udplite": 136, "udplt": 136, "unknown_transport": 255,
}  # fmt: skip
"""`unknown_transport` is Zeek's word for what it did not look into; 255 is IANA's reserved number."""
_OCTET: Final = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_DOTTED: Final = rf"^{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}$"
_PORT = re.compile(r"0x([0-9a-fA-F]{1,4})|([0-9]{1,5})(?:\.([0-9]{1,3}))?")
_CVE = re.compile(r"CVE[-_ ]?(\d{4})-(\d{4,19})", re.IGNORECASE)


def compute() -> Any:
    """pyarrow.compute, imported on use and untyped: its stubs refuse plain Python values that it takes."""
    import pyarrow.compute

    return pyarrow.compute


def protocol_number(name: str | None) -> int | None:
    """IP protocol number of a name or of a number in text; None when it is neither."""
    text = (name or "").strip().lower()
    if text.isascii() and text.isdigit() and len(text) <= 3:
        return int(text) if int(text) <= 255 else None
    return PROTOCOLS.get(text)


def port_number(text: str | None) -> tuple[int, int]:
    """(port, -1) of a port in text, (type, code) of an ICMP pair as `8.0`, (-1, -1) of anything else."""
    found = _PORT.fullmatch((text or "").strip())
    if not found:
        return -1, -1
    number = int(found[1], 16) if found[1] else int(found[2])
    code = int(found[3]) if found[3] else -1
    if number > 65_535 or code > 255 or (code >= 0 and number > 255):
        return -1, -1
    return number, code


def cves_in(text: str | None) -> list[str] | None:
    """CVE numbers named in a text, each once; None for none."""
    found = dict.fromkeys(f"CVE-{y}-{n}" for y, n in _CVE.findall(text[:TEXT])) if text else {}
    return list(found) or None


def pack_addresses(texts: Any) -> Any:
    """Stored form of each text of an Arrow string array; null where it is no address.

    Dotted IPv4 is read many at a time (about 0.1 µs each), everything else one by one.
    """
    import pyarrow as pa

    pc = compute()

    quick = _dotted(texts)
    if quick is not None:
        return quick
    # Some are IPv6 or nothing at all: those that are strictly dotted go the quick way all the same.
    ok = bits(pc.match_substring_regex(texts, _DOTTED).fill_null(False))
    rest = np.flatnonzero(~ok)
    quick = _dotted(texts.filter(pa.array(ok)))
    slow = [packed(t) if t is not None else None for t in texts.take(pa.array(rest)).to_pylist()]
    place = np.empty(len(texts), np.int64)
    place[ok] = np.arange(len(texts) - len(rest))
    place[rest] = len(texts) - len(rest) + np.arange(len(rest))
    return pa.concat_arrays([quick, pa.array(slow, pa.binary())]).take(pa.array(place))


def _dotted(texts: Any) -> Any:
    """Stored form of dotted IPv4 addresses; None when one of the texts is anything else."""
    import pyarrow as pa

    pc = compute()

    n = len(texts)
    parts = pc.split_pattern(texts, ".", max_splits=4)
    if texts.null_count or (n and (np.diff(parts.offsets.to_numpy()) != 4).any()):
        return None
    try:
        numbers = parts.flatten().cast(pa.uint8()).to_numpy()
    except pa.ArrowInvalid:
        return None
    # A leading zero is octal to some readers: ipaddress refuses it, and so do we. Signs do not parse.
    digits = 4 * n + np.count_nonzero(numbers > 9) + np.count_nonzero(numbers > 99)
    if digits + 3 * n != (pc.sum(pc.binary_length(texts)).as_py() or 0):
        return None
    values = np.empty((n, 5), np.uint8)
    values[:, 0] = 4
    values[:, 1:] = numbers.reshape(n, 4)
    ends, packed_all = np.arange(0, 5 * n + 1, 5).astype(np.int32).tobytes(), values.tobytes()
    return pa.Array.from_buffers(pa.binary(), n, [None, pa.py_buffer(ends), pa.py_buffer(packed_all)])


def ts_type() -> Any:
    """The Arrow type of a time."""
    import pyarrow as pa

    return pa.timestamp("us", tz="UTC")


def times(us: Ints) -> Any:
    """Timestamps of µs since 1970."""
    import pyarrow as pa

    return pa.array(us).cast(ts_type())


def like(want: Any, have: Any) -> Any:
    """The table's field, dictionary-encoded when the column is."""
    import pyarrow as pa

    type_ = pa.dictionary(pa.int32(), want.type) if pa.types.is_dictionary(have.type) else want.type
    return pa.field(want.name, type_, want.nullable)


def floats(column: Any) -> npt.NDArray[np.float64]:
    found: npt.NDArray[np.float64] = column.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
    return found


def bits(column: Any) -> Mask:
    found: Mask = column.to_numpy(zero_copy_only=False)
    return found


def coded(column: Any) -> Any:
    import pyarrow as pa

    return column if pa.types.is_dictionary(column.type) else column.dictionary_encode()


def plain_text(column: Any) -> Any:
    """The same values without dictionary."""
    import pyarrow as pa

    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def clipped(column: Any, limit: int = TEXT) -> Any:
    """The same texts, each at most `limit` characters long."""
    import pyarrow as pa

    pc = compute()

    if pa.types.is_dictionary(column.type):
        inner = clipped(column.dictionary, limit)
        return column if inner is column.dictionary else pa.DictionaryArray.from_arrays(column.indices, inner)
    # Bytes are at least as many as characters: most columns need no closer look.
    longest = pc.max(pc.binary_length(column)).as_py()
    return column if longest is None or longest <= limit else pc.utf8_slice_codeunits(column, 0, limit)
