"""Real captures as rows of `flows`, one row per packet, read with dpkt: a slow, obvious second reader."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dpkt
import pytest

from noroshi.model import address
from noroshi.model.tables import TABLES

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
_BACKSCATTER = {0, 3, 4, 5, 11, 12, 14, 16, 18}


def data(path: str) -> Path:
    """A file that may not be committed; skips, visibly, where it is not at hand."""
    root = os.environ.get("NOROSHI_DATA")
    if not root or not (Path(root) / path).exists():
        pytest.skip(f"NOROSHI_DATA/{path} is not here")
    return Path(root) / path


def read(path: Path) -> list[dict[str, Any]]:
    """One row of `flows` per IPv4 packet of a pcap or pcapng file with Ethernet frames."""
    rows: list[dict[str, Any]] = []
    with path.open("rb") as f:
        for ts, frame in dpkt.pcap.UniversalReader(f):
            ip = dpkt.ethernet.Ethernet(frame).data
            if isinstance(ip, dpkt.ip.IP):
                rows.append(_row(float(ts), ip))
    return rows


def days(rows: list[dict[str, Any]]) -> list[date]:
    """The UTC days of the rows."""
    return sorted({r["first_seen"].date() for r in rows})


def _row(ts: float, ip: dpkt.ip.IP) -> dict[str, Any]:
    at = datetime.fromtimestamp(ts, UTC)
    row: dict[str, Any] = {c.name: None for c in TABLES["flows"].columns}
    row |= {
        "src_ip": b"\x04" + ip.src, "dst_ip": b"\x04" + ip.dst, "src_port": 0, "dst_port": 0,
        "protocol": ip.p, "ttl": ip.ttl, "tcp_flags": 0, "ip_len": ip.len, "packet_count": 1,
        "byte_count": ip.len, "first_seen": at, "last_seen": at, "tool": "", "class": "other",
        "rules_version": 1, "offset": 0, "run_id": "run", "payload": "", "ip_id": ip.id,
        "df": bool(ip.df),
    }  # fmt: skip
    part = ip.data
    if isinstance(part, dpkt.tcp.TCP):
        row |= _tcp(ip, part)
    elif isinstance(part, dpkt.udp.UDP):
        row |= {"src_port": part.sport, "dst_port": part.dport, "class": "scan"}
    elif isinstance(part, dpkt.icmp.ICMP):
        row |= {"src_port": part.type, "dst_port": part.code}
        row["class"] = "backscatter" if part.type in _BACKSCATTER else "scan"
    assert address.is_packed(row["src_ip"])
    return row


def _tcp(ip: dpkt.ip.IP, tcp: dpkt.tcp.TCP) -> dict[str, Any]:
    dst = int.from_bytes(ip.dst, "big")
    masscan = ip.id == (dst ^ tcp.dport ^ tcp.seq) & 0xFFFF
    zmap = ip.id == 54321 and tcp.win == 65535
    syn = tcp.flags & 63 == 2
    return {
        "src_port": tcp.sport, "dst_port": tcp.dport, "tcp_flags": tcp.flags, "seq": tcp.seq, "ack": tcp.ack,
        "tcp_window": tcp.win, "tcp_options": "" if tcp.off == 5 else "M", "seq_is_dst": tcp.seq == dst,
        "masscan_xor": masscan,
        "tool": ("zmap" if zmap else "masscan" if masscan else "") if syn else "",
        "class": "scan" if syn else "backscatter" if tcp.flags & 0x14 == 0x14 or tcp.flags & 0x12 == 0x12
        or tcp.flags & 4 else "other",
    }  # fmt: skip
