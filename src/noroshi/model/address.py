"""Network addresses as the lake stores them: one version byte, then the address in network order.

IPv4 is 5 bytes (04 c0 00 02 01), IPv6 17 bytes (06 20 01 ...). Bytes in this form sort and range-query
alike for both versions, an IPv4 address fits into a DuckDB string header (12 bytes) so that grouping needs
no pointer, and the form cannot be taken for another binary value by accident. See docs/decisions/002.
"""

from __future__ import annotations

import ipaddress

from noroshi.model.errors import UsageError

V4, V6 = 4, 6


_ADDRESS = "Write it as 192.0.2.1 or 2001:db8::1."
PREFIX = "Write it as 192.0.2.0/24 or 2001:db8::/32."


def pack(text: str) -> bytes:
    """The stored form of an address in text; a v4-mapped IPv6 address becomes IPv4.

    Raises UsageError when `text` is no address, or carries a zone.
    """
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        raise UsageError(f"{text!r} is not an IP address", todo=_ADDRESS) from None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id:
            raise UsageError(
                f"{text!r} carries a zone, which means nothing on another machine", todo=_ADDRESS
            )
        if address.ipv4_mapped:
            address = address.ipv4_mapped
    return bytes([address.version]) + address.packed


def is_packed(value: bytes) -> bool:
    """True when `value` has the stored form of an address."""
    return (len(value) == 5 and value[0] == V4) or (len(value) == 17 and value[0] == V6)


def text(value: bytes) -> str:
    """The address in canonical text (RFC 5952 for IPv6); raises ValueError when `value` is not one."""
    if not is_packed(value):
        raise ValueError(f"not a stored address: {value.hex()}")
    return str(ipaddress.ip_address(value[1:]))


def prefix_range(prefix: str) -> tuple[bytes, bytes]:
    """First and last stored address of a prefix; host bits are ignored, a bare address is its own prefix.

    Raises UsageError when `prefix` is not one.
    """
    try:
        net = ipaddress.ip_network(prefix.strip(), strict=False)
    except ValueError:
        raise UsageError(f"{prefix!r} is not a network prefix", todo=PREFIX) from None
    version = bytes([net.version])
    return version + net.network_address.packed, version + net.broadcast_address.packed


def prefix_text(value: bytes, length: int) -> str:
    """The prefix of `length` bits that holds the stored address: `192.0.2.0/24`."""
    return str(ipaddress.ip_network((value[1:], length), strict=False))
