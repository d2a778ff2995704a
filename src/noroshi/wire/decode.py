"""Packets to columns: link layer, IPv4 and IPv6, TCP, UDP, ICMP with the packet it quotes.

Every index is bounded by the captured length before it is used. A packet yields a row or a reason why not.

Sources: RFC 791, 8200, 9293, 768, 792, 4443; link types: tcpdump.org/linktypes.
"""

from __future__ import annotations

import numpy as np

from noroshi.wire import payload, tcpoptions
from noroshi.wire.jit import helper, kernel
from noroshi.wire.read import be16, be32, be64

# What became of a packet. Reasons from LINK on are rejects.
OK, NOT_IP, LINK, CUT, IP_HEADER, IP_LENGTH, EXTENSIONS, TRANSPORT_CUT, TIME, NO_TIME = range(10)
REASONS = {
    LINK: ("link-type", "a link type Noroshi does not read"),
    CUT: ("packet-cut", "fewer bytes than a link and an IP header need"),
    IP_HEADER: ("ip-header", "an IP header with an impossible version or header length"),
    IP_LENGTH: ("ip-length", "an IP length shorter than the IP header itself"),
    EXTENSIONS: ("ipv6-extensions", "IPv6 extension headers without end, or cut off"),
    TRANSPORT_CUT: ("transport-cut", "fewer bytes than the TCP, UDP or ICMP header needs"),
    TIME: ("time", "a time before 1990 or more than a day after the source's own date"),
    NO_TIME: ("no-time", "a packet block that carries no time"),
}
EARLIEST_US = 631_152_000_000_000
"""1990-01-01: no capture is older, so an earlier time is a damaged one."""

MAX_EXTENSIONS = 16


@helper
def _network(buf, p, end, link):
    """(where the IP header begins, 4 | 6 | 0 for other protocols, OK or a reason)."""
    kind = 0
    if link == 1:
        if p + 14 > end:
            return p, 0, 3
        kind = be16(buf, p + 12)
        p += 14
        for _ in range(4):  # VLAN, QinQ; four tags are more than any network stacks
            if kind != 0x8100 and kind != 0x88A8 and kind != 0x9100:
                break
            if p + 4 > end:
                return p, 0, 3
            kind = be16(buf, p + 2)
            p += 4
    elif link == 101 or link == 12 or link == 14 or link == 228 or link == 229:
        if p >= end:
            return p, 0, 3
        version = buf[p] >> 4
        if version == 4:
            kind = 0x0800
        elif version == 6:
            kind = 0x86DD
        else:
            return p, 0, 4
    elif link == 113:
        if p + 16 > end:
            return p, 0, 3
        kind = be16(buf, p + 14)
        p += 16
    elif link == 276:
        if p + 20 > end:
            return p, 0, 3
        kind = be16(buf, p)
        p += 20
    elif link == 0 or link == 108:
        if p + 4 > end:
            return p, 0, 3
        # NULL is in the byte order of the machine that captured, LOOP in network order; families fit a byte.
        family = be32(buf, p)
        if family > 0xFFFF:
            family = (family >> 24) | ((family >> 8) & 0xFF00) | ((family & 0xFFFF) << 16)
        if family == 2:
            kind = 0x0800
        elif family == 10 or family == 24 or family == 28 or family == 30:
            kind = 0x86DD
        p += 4
    else:
        return p, 0, 2
    if kind == 0x0800:
        return p, 4, 0
    if kind == 0x86DD:
        return p, 6, 0
    return p, 0, 1


@helper
def _skip_extensions(buf, p, end, proto):
    """(transport offset, its protocol, fragment offset, OK or reason) behind an IPv6 header."""
    fragment = 0
    for _ in range(MAX_EXTENSIONS):
        if proto == 0 or proto == 43 or proto == 60 or proto == 135 or proto == 139 or proto == 140:
            if p + 8 > end:
                return p, proto, fragment, 6
            proto, p = np.int64(buf[p]), p + 8 + 8 * np.int64(buf[p + 1])
        elif proto == 51:
            if p + 8 > end:
                return p, proto, fragment, 6
            proto, p = np.int64(buf[p]), p + 8 + 4 * np.int64(buf[p + 1])
        elif proto == 44:
            if p + 8 > end:
                return p, proto, fragment, 6
            fragment = be16(buf, p + 2) >> 3
            proto, p = np.int64(buf[p]), p + 8
            if fragment:
                return p, proto, fragment, 0
        else:
            return p, proto, fragment, 0
    return p, proto, fragment, 6


@helper
def _quoted(buf, p, end, n, iq, ii):
    """1 when buf[p:end] quotes an IP packet whose addresses could be read into column n, else 0."""
    if p >= end:
        return 0
    version = buf[p] >> 4
    if version == 4:
        size = 4 * np.int64(buf[p] & 15)
        if size < 20 or p + size > end:
            return 0
        proto = np.int64(buf[p + 9])
        iq[n, 0] = 0
        iq[n, 1] = 0xFFFF_0000_0000 | be32(buf, p + 12)
        iq[n, 2] = 0
        iq[n, 3] = 0xFFFF_0000_0000 | be32(buf, p + 16)
        fragment = be16(buf, p + 6) & 0x1FFF
        p += size
    elif version == 6:
        if p + 40 > end:
            return 0
        proto = np.int64(buf[p + 6])
        iq[n, 0] = be64(buf, p + 8)
        iq[n, 1] = be64(buf, p + 16)
        iq[n, 2] = be64(buf, p + 24)
        iq[n, 3] = be64(buf, p + 32)
        p, proto, fragment, _bad = _skip_extensions(buf, p + 40, end, proto)
    else:
        return 0
    ii[n, 0] = 0
    ii[n, 1] = 0
    ii[n, 2] = proto
    if fragment == 0 and (proto == 6 or proto == 17 or proto == 132) and p + 4 <= end:
        ii[n, 0] = be16(buf, p)
        ii[n, 1] = be16(buf, p + 2)
    elif fragment == 0 and (proto == 1 or proto == 58) and p + 2 <= end:
        ii[n, 0] = np.int64(buf[p])
        ii[n, 1] = np.int64(buf[p + 1])
    return 1


@helper
def one(buf, p, cap, link, n, q, i, iq, ii):
    """Decode the packet in buf[p:p+cap] into column n of the arrays; OK or a reason.

    MINUTE, FIRST, LAST, OFFSET and COUNT are the caller's. Numbers index the fields of `wire.columns`.
    """
    end = p + cap
    p, version, bad = _network(buf, p, end, link)
    if bad:
        return bad
    fragment = 0
    traits = 0xEA  # every trait null
    i[n, 8] = -1
    if version == 4:
        if p + 20 > end:
            return 3
        size = 4 * np.int64(buf[p] & 15)
        if (buf[p] >> 4) != 4 or size < 20:
            return 4
        if p + size > end:
            return 3
        length = be16(buf, p + 2)
        if length == 0:  # segmentation offload leaves it empty: what was captured is what there is
            length = min(end - p, 65_535)
        if length < size:
            return 5
        flags = be16(buf, p + 6)
        fragment = flags & 0x1FFF
        i[n, 8] = be16(buf, p + 4)
        traits = 0xE8 | ((flags >> 14) & 1)
        i[n, 4] = np.int64(buf[p + 8])
        proto = np.int64(buf[p + 9])
        q[n, 0] = 0
        q[n, 1] = 0xFFFF_0000_0000 | be32(buf, p + 12)
        q[n, 2] = 0
        q[n, 3] = 0xFFFF_0000_0000 | be32(buf, p + 16)
        last = min(end, p + length)  # behind it is padding, not payload
        p += size
    else:
        if p + 40 > end:
            return 3
        if (buf[p] >> 4) != 6:
            return 4
        body = be16(buf, p + 4)
        length = body + 40
        i[n, 4] = np.int64(buf[p + 7])
        proto = np.int64(buf[p + 6])
        q[n, 0] = be64(buf, p + 8)
        q[n, 1] = be64(buf, p + 16)
        q[n, 2] = be64(buf, p + 24)
        q[n, 3] = be64(buf, p + 32)
        last = min(end, p + length) if body else end
        p, proto, fragment, bad = _skip_extensions(buf, p + 40, last, proto)
        if bad:
            return bad
    i[n, 3] = proto
    i[n, 6] = length
    i[n, 1] = 0
    i[n, 2] = 0
    i[n, 5] = 0
    i[n, 9] = -1
    i[n, 10] = -1
    i[n, 13] = 0
    i[n, 14] = 0
    i[n, 15] = 0
    q[n, 4] = 0
    if fragment:
        i[n, 11] = traits
        i[n, 12] = 2
        return 0
    if proto == 6:
        if p + 20 > last:
            return 7
        dport = be16(buf, p + 2)
        seq = be32(buf, p + 4)
        size = 4 * np.int64(buf[p + 12] >> 4)
        flags = np.int64(buf[p + 13]) | (np.int64(buf[p + 12] & 1) << 8)
        i[n, 1] = be16(buf, p)
        i[n, 2] = dport
        i[n, 5] = flags
        i[n, 9] = be16(buf, p + 14)
        i[n, 14] = seq
        i[n, 15] = be32(buf, p + 8)
        traits &= 0x3F
        # Replies are told apart by sequence numbers too: RST, or SYN with ACK.
        i[n, 13] = 1 if (flags & 4) or (flags & 18) == 18 else 0
        if version == 4:
            dst = q[n, 3] & 0xFFFF_FFFF
            traits &= 0xC3
            if seq == dst:
                traits |= 4
            if ((dst ^ dport ^ seq) & 0xFFFF) == i[n, 8]:
                traits |= 16
        i[n, 11] = traits
        if size < 20 or p + size > last:
            q[n, 4] = 1 << 57
            i[n, 12] = 0
            return 0
        if size > 20:
            signature, mss = tcpoptions.read(buf, p + 20, p + size)
            q[n, 4] = signature
            i[n, 10] = mss
        i[n, 12] = payload.tcp(buf, p + size, last - p - size)
    elif proto == 17:
        if p + 8 > last:
            return 7
        i[n, 1] = be16(buf, p)
        i[n, 2] = be16(buf, p + 2)
        i[n, 12] = payload.udp(buf, p + 8, last - p - 8, i[n, 1], i[n, 2])
    elif proto == 1 or proto == 58:
        if p + 4 > last:
            return 7
        kind = np.int64(buf[p])
        i[n, 1] = kind
        i[n, 2] = np.int64(buf[p + 1])
        i[n, 12] = 1 if last - p > 8 else 0
        if proto == 1:
            error = kind == 3 or kind == 4 or kind == 5 or kind == 11 or kind == 12
            echo = kind == 0 or kind == 8
            reply = kind == 0
        else:
            error = kind >= 1 and kind <= 4
            echo = kind == 128 or kind == 129
            reply = kind == 129
        if echo and p + 8 <= last:
            i[n, 14] = be32(buf, p + 4)
            traits &= 0xBF
            i[n, 13] = 1 if reply else 0
        if error and p + 8 <= last:
            i[n, 13] = 2 * _quoted(buf, p + 8, last, n, iq, ii)
    else:
        if (proto == 132 or proto == 33 or proto == 136) and p + 4 <= last:  # SCTP, DCCP, UDP-Lite
            i[n, 1] = be16(buf, p)
            i[n, 2] = be16(buf, p + 2)
        i[n, 12] = 1 if last > p else 0
    i[n, 11] = traits
    return 0


@helper
def row(buf, off, cap, ts, link, one_link, base, k, tmin, tmax, n, q, i, iq, ii):
    """Decode packet k of an index as row n, whole; OK or a reason."""
    t = ts[k]
    if t < tmin or t > tmax:
        return 9 if t == -1 else 8
    kind = one_link
    if link.size:
        kind = link[k]
    status = one(buf, off[k], cap[k], kind, n, q, i, iq, ii)
    if status == 0:
        i[n, 0] = t // 60_000_000
        i[n, 7] = 1
        q[n, 5] = t
        q[n, 6] = t
        q[n, 7] = base + off[k]
    return status


@kernel
def packets(buf, off, cap, ts, link, one_link, base, a, b, tmin, tmax, q, i, iq, ii, status):
    """Decode packets a..b of an index into lines 0.. without aggregating; how many became rows.

    Rows are dense; status (uint8, by packet) receives OK or the reason of each packet. link: link type by packet, or
    empty and one_link holds for all. base: offset of buf in the source.
    """
    n = 0
    for k in range(a, b):
        status[k] = row(buf, off, cap, ts, link, one_link, base, k, tmin, tmax, n, q, i, iq, ii)
        if status[k] == 0:
            n += 1
    return n


__all__ = ["EARLIEST_US", "OK", "REASONS", "packets", "row"]
