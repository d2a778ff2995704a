"""What is in the file: exact counts, kept while it is written, and the table of its sources."""

from __future__ import annotations

import ipaddress
import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.synth.rows import ICMP, TCP, UDP, Rows
from bench.synth.templates import OPTIONS, PAYLOADS

KINDS = (
    "mirai", "iot-bot", "syn-stack", "zmap-2", "zmap-3", "zmap-4", "masscan-1", "masscan-2", "nmap",
    "unknown-tool", "udp-scan", "ping-scan", "backscatter-synack", "backscatter-rst", "backscatter-icmp",
    "spoofed-flood", "misconfiguration", "inside-talker", "campaign", "reflector",
)  # fmt: skip
KIND = {name: i for i, name in enumerate(KINDS)}
FLAGS = "FSRPAUEC"

_OPT_LEN = np.array([len(o) for o in OPTIONS.values()], np.int64)
_PAY_LEN = np.array([len(p) for p in PAYLOADS.values()], np.int64)


def ip_lengths(rows: Rows) -> npt.NDArray[np.int64]:
    """Length of each row's IP packet as its header says, bytes."""
    head = np.where(rows["v6"] != 0, 40, 20)
    icmp = np.where(rows["iproto"] != 0, 36, 8)
    l4 = np.where(rows["proto"] == TCP, 20 + _OPT_LEN[rows["opt"]], np.where(rows["proto"] == UDP, 8, icmp))
    l4 = np.where((rows["frag"] & 0x1FFF) != 0, 0, l4)
    return np.asarray(head + l4 + _PAY_LEN[rows["pay"]], np.int64)


@dataclass
class Sources:
    """The source table: one entry per address that keeps a kind."""

    address: npt.NDArray[np.uint32]
    kind: npt.NDArray[np.uint8]
    note: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Index -> what else is known: organisation, campaign, ports."""


class Truth:
    """Counts over all blocks; `write` leaves FILE.truth.json and FILE.truth.tsv."""

    def __init__(self, sources: Sources) -> None:
        n = sources.address.size
        self.sources = sources
        self.packets = np.zeros(n, np.int64)
        self.first = np.full(n, np.iinfo(np.int64).max)
        self.last = np.zeros(n, np.int64)
        self.kinds: Counter[str] = Counter()
        self.protocols: Counter[str] = Counter()
        self.flags: Counter[str] = Counter()
        self.ports: Counter[str] = Counter()
        self.attacks: Counter[int] = Counter()
        self.ip_bytes = 0
        self.fragments = self.ipv6 = self.vlan = self.inside = 0
        self.total = 0
        self.span = [np.iinfo(np.int64).max, 0]

    def add(self, rows: Rows) -> None:
        """Counts one block, as it is written."""
        self.total += rows.size
        known = rows[rows["sid"] >= 0]
        self.packets += np.bincount(known["sid"], minlength=self.packets.size)
        np.minimum.at(self.first, known["sid"], known["ts"])
        np.maximum.at(self.last, known["sid"], known["ts"])
        for i, n in enumerate(np.bincount(rows["kind"], minlength=len(KINDS))):
            if n:
                self.kinds[KINDS[i]] += int(n)
        for i, n in enumerate(np.bincount(rows["proto"])):
            if n:
                self.protocols[{TCP: "tcp", UDP: "udp", ICMP: "icmp"}[i]] += int(n)
        first_piece = (rows["frag"] & 0x1FFF) == 0
        tcp = rows[(rows["proto"] == TCP) & first_piece]
        for i, n in enumerate(np.bincount(tcp["flags"])):
            if n:
                self.flags["".join(c for b, c in enumerate(FLAGS) if i >> b & 1)] += int(n)
        for name, proto in (("tcp", TCP), ("udp", UDP)):
            for port, n in enumerate(np.bincount(rows["dport"][(rows["proto"] == proto) & first_piece])):
                if n:
                    self.ports[f"{name}/{port}"] += int(n)
        hit = rows["attack"][rows["attack"] >= 0]
        for i, n in enumerate(np.bincount(hit)):
            if n:
                self.attacks[i] += int(n)
        self.ip_bytes += int(ip_lengths(rows).sum())
        self.fragments += int((~first_piece).sum())
        self.ipv6 += int((rows["v6"] != 0).sum())
        self.vlan += int((rows["vlan"] != 0).sum())
        self.span = [min(self.span[0], int(rows["ts"].min())), max(self.span[1], int(rows["ts"].max()))]

    def heaviest(self, share: float) -> float:
        """The share of packets the heaviest `share` of the sources seen send."""
        seen = np.sort(self.packets[self.packets > 0])[::-1]
        return float(seen[: max(1, round(seen.size * share))].sum() / max(1, self.total))

    def document(self, **more: Any) -> dict[str, Any]:
        """The JSON document; `more` comes first."""
        return {
            **more,
            "packets": self.total,
            "ip_bytes": self.ip_bytes,
            "first_seen": _iso(self.span[0]),
            "last_seen": _iso(self.span[1]),
            "sources_seen": int((self.packets > 0).sum()),
            "top_1_percent_share": round(self.heaviest(0.01), 4),
            "kinds": dict(self.kinds.most_common()),
            "protocols": dict(self.protocols.most_common()),
            "tcp_flags": dict(self.flags.most_common()),
            "top_ports": dict(self.ports.most_common(20)),
            "fragments": self.fragments,
            "ipv6": self.ipv6,
            "vlan": self.vlan,
        }

    def write(self, beside: Path, document: dict[str, Any]) -> None:
        """Writes FILE.truth.json and FILE.truth.tsv."""
        text = json.dumps(document, indent=1, ensure_ascii=False)
        Path(f"{beside}.truth.json").write_text(text + "\n", encoding="utf-8")
        with Path(f"{beside}.truth.tsv").open("w", encoding="utf-8") as f:
            f.write("src_ip\tkind\tpacket_count\tfirst_seen\tlast_seen\tnote\n")
            for i in np.flatnonzero(self.packets):
                note = self.sources.note.get(int(i))
                f.write(
                    f"{ipaddress.IPv4Address(int(self.sources.address[i]))}\t{KINDS[self.sources.kind[i]]}\t"
                    f"{self.packets[i]}\t{_iso(int(self.first[i]))}\t{_iso(int(self.last[i]))}\t"
                    f"{json.dumps(note, sort_keys=True) if note else ''}\n"
                )


def _iso(ns: int) -> str:
    return datetime.fromtimestamp(ns // 1000 / 1e6, UTC).isoformat().replace("+00:00", "Z")
