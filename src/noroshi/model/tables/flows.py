"""`flows`: what reached the telescope, one row per minute and header tuple."""

from __future__ import annotations

from noroshi.model.schema import Column, Table

_SHARED = "the value all packets of the row share, else null"
_KEY = "part of the key for replies; for others " + _SHARED

FLOWS = Table(
    name="flows",
    doc=(
        "Packets seen by a telescope: one row per minute (of first_seen) and header tuple, with the traits "
        "that tell scanning tools apart."
    ),
    time="first_seen",
    sort=("src_ip", "first_seen"),
    columns=(
        Column("src_ip", "address", "Source address."),
        Column("dst_ip", "address", "Destination address, as a rule inside the telescope."),
        Column("src_port", "int32", "Source port; for ICMP the type; 0 where the packet carries none."),
        Column("dst_port", "int32", "Destination port; for ICMP the code; 0 where the packet carries none."),
        Column("protocol", "int16", "IP protocol number, after IPv6 extension headers."),
        Column("ttl", "int16", "Time to live, or IPv6 hop limit, as received.", "hops"),
        Column("tcp_flags", "int16", "TCP flags, FIN = 1 ... CWR = 128, NS = 256; 0 for other protocols."),
        Column("ip_len", "int32", "Length of the IP packet from its header.", "bytes"),
        Column("seq", "int64", f"TCP sequence number (ICMP echo: identifier, number): {_KEY}.", "", True),
        Column("ack", "int64", f"TCP acknowledgement number: {_KEY}.", "", True),
        Column("inner_src_ip", "address", "ICMP errors: source of the quoted packet.", "", True),
        Column("inner_dst_ip", "address", "ICMP errors: destination of the quoted packet, the victim.", "", True),
        Column("inner_src_port", "int32", "ICMP errors: source port of the quoted packet.", "", True),
        Column("inner_dst_port", "int32", "ICMP errors: destination port of the quoted packet.", "", True),
        Column("inner_protocol", "int16", "ICMP errors: protocol of the quoted packet.", "", True),
        Column("packet_count", "int64", "Packets in the row.", "packets"),
        Column("byte_count", "int64", "Sum of ip_len.", "bytes"),
        Column("first_seen", "ts", "Time of the first packet."),
        Column("last_seen", "ts", "Time of the last packet."),
        Column("tool", "string", "The tool and version class that made the packets (docs/fingerprints.md), or empty."),
        Column("class", "string", "What the packets are: scan, backscatter, misconfiguration, spoofed, other."),
        Column("rules_version", "int32", "Version of the rules that gave `tool` and `class`."),
        Column("ip_id", "int32", f"IPv4 identification: {_SHARED}.", "", True),
        Column("tcp_window", "int32", f"TCP window: {_SHARED}.", "", True),
        Column("tcp_options", "string", f"TCP options, as `M,N,W8,S`: {_SHARED}; empty without any.", "", True),
        Column("mss", "int32", f"TCP maximum segment size option: {_SHARED}.", "bytes", True),
        Column("df", "bool", f"IPv4 don't-fragment bit: {_SHARED}.", "", True),
        Column("seq_is_dst", "bool", f"The sequence number is the destination address (Mirai): {_SHARED}.", "", True),
        Column("masscan_xor", "bool", f"ip_id equals dst ^ dport ^ seq, low 16 bits (masscan): {_SHARED}.", "", True),
        Column("payload", "string", f"Name of what the payload is like: {_SHARED}; empty without any.", "", True),
        Column("offset", "int64", "Offset of the first packet's first byte in the decompressed source.", "bytes"),
        Column("run_id", "string", "The run that stored the row."),
    ),
)  # fmt: skip
