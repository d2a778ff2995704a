"""The headers each kind of sender makes: one small function per tool.

Each takes the rows of its kind, the hash of (run, number) for per-packet values and the run's key for
values it keeps. Traits come from the tools' public definitions (docs/fingerprints.md names them); where a
tool keeps its source port, TTL and window for a run, `real` has already filled them in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.synth.rows import DF, ICMP, U64, UDP, Rows
from bench.synth.templates import OPTION, PAYLOAD, UDP_PROBE

Keys = npt.NDArray[np.uint32]
Header = Callable[[Rows, U64, Keys], None]


def low16(h: U64, shift: int = 0) -> npt.NDArray[np.uint64]:
    """16 of the 64 bits."""
    return (h >> np.uint64(shift)) & np.uint64(0xFFFF)


def _hops(key: Keys) -> npt.NDArray[np.uint32]:
    """8 to 23 hops, the same for a run."""
    return 8 + (key >> np.uint32(4)) % 16


def mirai(p: Rows, h: U64, key: Keys) -> None:
    """Sequence number = destination; no options; a random window for each packet; 23 and 2323 at 9:1."""
    p["seq"] = p["dst"]
    p["win"], p["sport"], p["ttl"] = low16(h), 1024 + low16(h, 16) % 64512, 64 - _hops(key)
    p["dport"] = np.where(low16(h, 32) % 10 == 0, 2323, 23)


def iot_bot(p: Rows, h: U64, key: Keys) -> None:
    """Through the Linux stack of a small device: no Mirai feature, old window, retransmits nothing."""
    p["opt"], p["win"], p["ttl"], p["frag"] = OPTION["linux"], 14600, 64 - _hops(key), DF
    p["sport"] = 32768 + low16(h, 16) % 28232


def stack(p: Rows, h: U64, key: Keys) -> None:
    """Ordinary connect() calls: Linux or Windows by the run's key."""
    windows = key % 4 == 0
    p["opt"] = np.where(windows, OPTION["windows"], OPTION["linux"])
    p["win"] = np.where(windows, 64240, np.where(key % 4 == 1, 29200, 64240))
    p["ttl"] = np.where(windows, 128, 64) - _hops(key)
    p["frag"] = DF
    p["sport"] = 32768 + low16(h, 16) % 28232


def _zmap(p: Rows, h: U64, key: Keys) -> None:
    p["win"], p["ttl"] = 65535, 255 - _hops(key)
    # ZMap's default source ports are 32768 to 61000, by validation bits.
    p["sport"] = 32768 + low16(h, 16) % 28233


def zmap_2(p: Rows, h: U64, key: Keys) -> None:
    """Before 3.0: identification 54321, no options."""
    _zmap(p, h, key)
    p["ip_id"] = 54321


def zmap_3(p: Rows, h: U64, key: Keys) -> None:
    """3.0 to 4.0: identification 54321, MSS only."""
    _zmap(p, h, key)
    p["ip_id"], p["opt"] = 54321, OPTION["mss"]


def zmap_4(p: Rows, h: U64, key: Keys) -> None:
    """Since 4.1: identification varies, the options of Windows by default, DF not set."""
    _zmap(p, h, key)
    p["opt"] = OPTION["windows"]


def masscan_1(p: Rows, h: U64, key: Keys) -> None:
    """Until 2023-11: no options, window 1024; identification = dst ^ dport ^ seq; one source port a run."""
    p["win"], p["ttl"] = 1024, 255 - _hops(key)
    p["ip_id"] = (p["dst"] ^ p["dport"] ^ p["seq"]) & 0xFFFF
    p["sport"] = 40000 + key % 20000


def masscan_2(p: Rows, h: U64, key: Keys) -> None:
    """Since 2023-11: MSS 1460, window 1025, same identity."""
    masscan_1(p, h, key)
    p["win"], p["opt"] = 1025, OPTION["mss"]


def nmap(p: Rows, h: U64, key: Keys) -> None:
    """-sS: MSS only, window 1024, initial TTL 37 to 59, two sequence numbers a run."""
    p["win"], p["opt"], p["ttl"] = 1024, OPTION["mss"], 37 + low16(h, 48) % 23 - 5
    p["sport"] = 33000 + key % 30000
    p["seq"] = key ^ np.where(low16(h, 32) % 1000 == 0, np.uint32(0x10001), np.uint32(0))


def unknown_tool(p: Rows, h: U64, key: Keys) -> None:
    """No known tool; hidden identities: seq = dst ^ key and identification = sport + dport + 0x5a17."""
    p["win"], p["ttl"], p["opt"] = 8192, 128 - _hops(key), OPTION["mss"]
    p["sport"] = 1024 + low16(h, 16) % 64512
    p["seq"] = p["dst"] ^ np.uint32(0x5A175A17)
    p["ip_id"] = (p["sport"].astype(np.uint32) + p["dport"] + 0x5A17) & 0xFFFF


def udp_scan(p: Rows, h: U64, key: Keys) -> None:
    """The protocol's usual question to each port, from one source port a run."""
    p["proto"], p["flags"], p["seq"], p["ttl"] = UDP, 0, 0, np.where(key % 2 == 0, 255, 64) - _hops(key)
    p["win"], p["sport"] = 0, 32768 + key % 28000
    p["pay"] = PAYLOAD["dns-any"]
    for port, name in UDP_PROBE.items():
        p["pay"][p["dport"] == port] = PAYLOAD[name]


def ping_scan(p: Rows, h: U64, key: Keys) -> None:
    """Echo requests, one identifier a run."""
    p["proto"], p["flags"], p["win"], p["sport"], p["dport"] = ICMP, 0, 0, 8, 0
    p["seq"] = (key & np.uint32(0xFFFF)) << np.uint32(16) | (p["seq"] & np.uint32(0xFFFF))
    p["pay"], p["ttl"] = PAYLOAD["echo"], 64 - _hops(key)


HEADERS: dict[str, Header] = {
    "mirai": mirai, "iot-bot": iot_bot, "campaign": iot_bot, "syn-stack": stack, "zmap-2": zmap_2,
    "zmap-3": zmap_3, "zmap-4": zmap_4, "masscan-1": masscan_1, "masscan-2": masscan_2, "nmap": nmap,
    "unknown-tool": unknown_tool, "udp-scan": udp_scan, "ping-scan": ping_scan,
}  # fmt: skip


def fill(rows: Rows, h: U64, key: Keys, kinds: dict[str, int]) -> None:
    """Applies every kind's header to its rows."""
    present = set(np.unique(rows["kind"]).tolist())
    for name, make in HEADERS.items():
        if kinds[name] not in present:
            continue
        where = np.flatnonzero(rows["kind"] == kinds[name])
        part: Any = rows[where]
        make(part, h[where], key[where])
        rows[where] = part
