"""Rows of `flows` from a small capture by way of dpkt: slow, plain, and independent of the real decoder."""

from __future__ import annotations

import io
import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import dpkt
import zstandard

from noroshi.model.tables import TABLES

REPLY_PORTS = {53: "dns-reply", 123: "ntp-reply", 161: "snmp-reply", 389: "cldap-reply", 1900: "ssdp-reply"}


def _address(raw: bytes) -> bytes:
    return bytes([4 if len(raw) == 4 else 6]) + raw


def _open(path: Path) -> BinaryIO:
    if path.suffix != ".zst":
        return path.open("rb")
    with path.open("rb") as f:
        return io.BytesIO(zstandard.ZstdDecompressor().stream_reader(f).read())


def rows(path: Path, **moved: str) -> list[dict[str, Any]]:
    """One row per minute and tuple. Unknown packets are left out. moved: {"dst": address} replaces it."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    with _open(path) as f:
        # By the magic number: files are not always what their names say.
        is_pcapng = f.read(4) == b"\x0a\x0d\x0d\x0a"
        f.seek(0)
        reader: Any = dpkt.pcapng.Reader(f) if is_pcapng else dpkt.pcap.Reader(f)
        for ts, frame in reader:
            facts = _facts(frame)
            if facts is None:
                continue
            if "dst" in moved:
                facts["dst_ip"] = _address(ipaddress.ip_address(moved["dst"]).packed)
            at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=round(float(ts) * 1e6))
            key = (int(float(ts) // 60), *facts.values())
            row = found.setdefault(key, {c.name: None for c in TABLES["flows"].columns} | facts | {
                "packet_count": 0, "byte_count": 0, "first_seen": at, "last_seen": at, "tool": "",
                "rules_version": 1, "offset": 24, "run_id": "run",
            })  # fmt: skip
            row["packet_count"] += 1
            row["byte_count"] += facts["ip_len"]
            row["first_seen"], row["last_seen"] = min(row["first_seen"], at), max(row["last_seen"], at)
    return list(found.values())


def _facts(frame: bytes) -> dict[str, Any] | None:
    try:
        ip = dpkt.ethernet.Ethernet(frame).data
    except dpkt.UnpackError:
        return None
    if not isinstance(ip, dpkt.ip.IP):
        return None
    facts: dict[str, Any] = {
        "src_ip": _address(ip.src), "dst_ip": _address(ip.dst), "src_port": 0, "dst_port": 0,
        "protocol": ip.p, "ttl": ip.ttl, "tcp_flags": 0, "ip_len": ip.len, "payload": "", "class": "other",
    }  # fmt: skip
    inner = ip.data
    if isinstance(inner, dpkt.tcp.TCP):
        facts |= {"src_port": inner.sport, "dst_port": inner.dport, "tcp_flags": inner.flags}
        reply = inner.flags & 4 or inner.flags & 18 == 18
        facts |= {"class": "backscatter" if reply else "scan", "seq": inner.seq, "ack": inner.ack}
    elif isinstance(inner, dpkt.udp.UDP):
        facts |= {
            "src_port": inner.sport,
            "dst_port": inner.dport,
            "payload": REPLY_PORTS.get(inner.sport, "other"),
        }
    elif isinstance(inner, dpkt.icmp.ICMP):
        facts |= {"src_port": inner.type, "dst_port": inner.code}
        quoted = getattr(inner.data, "data", None)
        if isinstance(quoted, dpkt.ip.IP):
            facts |= {"inner_src_ip": _address(quoted.src), "inner_dst_ip": _address(quoted.dst)}
            facts |= {"inner_protocol": quoted.p}
            if isinstance(quoted.data, dpkt.udp.UDP | dpkt.tcp.TCP):
                facts |= {"inner_src_port": quoted.data.sport, "inner_dst_port": quoted.data.dport}
    return facts
