"""What a payload looks like, from its first bytes and its ports: a name, never a verdict.

Sources: the protocols' own formats (RFC 1035, 5905, 3261, 1001; BitTorrent BEP 3, 5, 29; the public protocol
descriptions of memcached, SSDP, SNMP, LDAP) and the shapes CAIDA's Corsaro filters on (NetBIOS, `0x31`).
"""

from __future__ import annotations

from noroshi.wire.jit import helper
from noroshi.wire.read import be32

# The position is the stored code while decoding; the lake stores the name. Append only.
NAMES = (
    "", "other", "fragment", "dns-query", "dns-reply", "ntp-query", "ntp-reply", "ntp-private", "snmp-query",
    "snmp-reply", "ssdp-search", "ssdp-reply", "memcached-query", "memcached-reply", "cldap-query",
    "cldap-reply", "sip-request", "sip-status", "netbios-ns", "bittorrent-dht", "bittorrent", "utp", "x31",
    "http-request", "http-reply", "tls-hello", "ssh-banner", "mdns", "chargen", "coap", "rdp-request", "smb",
)  # fmt: skip
CODES = {name: code for code, name in enumerate(NAMES)}

_OTHER, _DNS_Q, _DNS_R, _NTP_Q, _NTP_R, _NTP_P = (
    CODES[n] for n in ("other", "dns-query", "dns-reply", "ntp-query", "ntp-reply", "ntp-private")
)
_SNMP_Q, _SNMP_R, _SSDP_Q, _SSDP_R = (
    CODES[n] for n in ("snmp-query", "snmp-reply", "ssdp-search", "ssdp-reply")
)
_MEMC_Q, _MEMC_R, _LDAP_Q, _LDAP_R = (
    CODES[n] for n in ("memcached-query", "memcached-reply", "cldap-query", "cldap-reply")
)
_SIP_Q, _SIP_R, _NETBIOS, _DHT, _BT, _UTP, _X31 = (
    CODES[n]
    for n in ("sip-request", "sip-status", "netbios-ns", "bittorrent-dht", "bittorrent", "utp", "x31")
)
_HTTP_Q, _HTTP_R, _TLS, _SSH, _MDNS, _CHARGEN, _COAP, _RDP, _SMB = (
    CODES[n]
    for n in (
        "http-request",
        "http-reply",
        "tls-hello",
        "ssh-banner",
        "mdns",
        "chargen",
        "coap",
        "rdp-request",
        "smb",
    )
)


@helper
def udp(buf, p, n, sport, dport):
    """Code of a UDP payload of `n` captured bytes at `p`."""
    if n == 0:
        return 0
    if n < 4:
        return _OTHER
    head = be32(buf, p)
    if sport == 53 or dport == 53 or sport == 5353 or dport == 5353:
        if n >= 12:
            if sport == 5353 or dport == 5353:
                return _MDNS
            return _DNS_R if buf[p + 2] & 0x80 else _DNS_Q
        return _OTHER
    if sport == 123 or dport == 123:
        mode = buf[p] & 7
        if mode == 7 or mode == 6:
            return _NTP_R if buf[p + (0 if mode == 7 else 1)] & 0x80 else _NTP_P
        return _NTP_R if mode == 4 or mode == 2 else _NTP_Q
    if (sport == 161 or dport == 161) and buf[p] == 0x30:
        return _SNMP_R if sport == 161 else _SNMP_Q
    if sport == 1900 or dport == 1900:
        if head == 0x4D2D5345:  # "M-SE"
            return _SSDP_Q
        if head == 0x48545450 or head == 0x4E4F5449:  # "HTTP", "NOTI"
            return _SSDP_R
    if sport == 11211:
        return _MEMC_R
    if dport == 11211:
        return _MEMC_Q
    if (sport == 389 or dport == 389) and buf[p] == 0x30:
        return _LDAP_R if sport == 389 else _LDAP_Q
    if sport == 19:
        return _CHARGEN
    if head == 0x5349502F:  # "SIP/"
        return _SIP_R
    if head in (0x4F505449, 0x494E5649, 0x52454749):  # OPTI, INVI, REGI
        return _SIP_Q if sport == 5060 or dport == 5060 or (n > 9 and buf[p + n - 1] == 10) else _OTHER
    if sport == 137 or dport == 137:
        return _NETBIOS
    if (
        head == 0x64313A61 or head == 0x64313A72 or head == 0x64323A69 or head == 0x64313A65
    ):  # d1:a d1:r d2:i d1:e
        return _DHT
    if n >= 20 and (head >> 16) in (0x4100, 0x2100, 0x3102, 0x1100):
        return _UTP
    if n == 30 and buf[p + 8] == 0x31 and buf[p + 9] == 0:  # Corsaro's `0x31`: IP length 58
        zero = True
        for i in range(8):
            if buf[p + i] != 0:
                zero = False
        if zero:
            return _X31
    if (sport == 5683 or dport == 5683) and (buf[p] >> 6) == 1:
        return _COAP
    return _OTHER


@helper
def tcp(buf, p, n):
    """Code of a TCP payload of `n` captured bytes at `p`."""
    if n == 0:
        return 0
    if n < 4:
        return _OTHER
    head = be32(buf, p)
    if head in (0x47455420, 0x504F5354, 0x48454144, 0x4F505449, 0x434F4E4E):  # GET␠ POST HEAD OPTI CONN
        return _HTTP_Q
    if head == 0x48545450:
        return _HTTP_R
    if (head >> 16) == 0x1603:
        return _TLS
    if head == 0x5353482D:
        return _SSH
    if head == 0x13426974:  # \x13Bit
        return _BT
    if (head >> 16) == 0x0300 and n >= 7 and buf[p + 5] == 0xE0:
        return _RDP
    if n >= 8 and buf[p] == 0 and (buf[p + 4] == 0xFF or buf[p + 4] == 0xFE) and buf[p + 5] == 0x53:
        return _SMB
    return _OTHER
