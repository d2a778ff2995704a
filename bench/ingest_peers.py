"""From a capture to committed tables, beside the tools people use: python -m bench.ingest_peers.

What is timed for Noroshi is what its users get: `noroshi ingest FILE` into a new lake, from process start to
exit: digest, tags, `flows`, `links` and `runs` committed. Peers do less, each in its own way: tracestats only
counts, nfpcapd and argus write flow files, softflowd sends flows to loopback, tshark and dpkt print eight to
eleven fields of each packet (on an extract: they would need an hour).
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import harness
from bench.harness import Cost

EXTRACT = 200_000
FIELDS = ("frame.time_epoch", "ip.src", "ip.dst", "ip.proto", "ip.ttl", "ip.len", "ip.id", "tcp.srcport",
          "tcp.dstport", "tcp.flags", "tcp.seq_raw")  # fmt: skip
DPKT = """
import sys, dpkt
n = 0
with open(sys.argv[1], "rb") as f:
    for ts, frame in dpkt.pcap.Reader(f):
        ip = dpkt.ethernet.Ethernet(frame).data
        l4 = ip.data
        row = (ts, ip.src, ip.dst, ip.p, ip.ttl, ip.len, getattr(l4, "sport", 0), getattr(l4, "dport", 0))
        n += 1
print(n)
"""


class Peers:
    """The jobs, each checked: exit status and the number of packets it says it saw."""

    def __init__(self, path: Path, packets: int, room: Path) -> None:
        self.path, self.packets, self.room = path, packets, room
        self.flows: dict[str, int] = {}

    def _counted(self, what: str, cost: Cost, count: int, expected: int = 0) -> Cost:
        wanted = expected or self.packets
        if count != wanted:
            raise SystemExit(f"{what} counted {count:,} packets of {wanted:,}")
        return cost

    def _empty(self, name: str) -> Path:
        place = self.room / name
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        return place

    def noroshi(self) -> Cost:
        """`noroshi ingest FILE` into a new lake."""
        place = self._empty("lake")
        cost = harness.ok(
            harness.run([*harness.noroshi(place, as_json=True), "ingest", str(self.path)]), "noroshi"
        )
        sql = "SELECT sum(packet_count)::BIGINT AS packets, count(*)::BIGINT AS flows FROM flows"
        asked = harness.ok(harness.run([*harness.noroshi(place, as_json=True), "sql", sql]), "noroshi sql")
        (row,) = json.loads(asked.out)
        self.flows["noroshi"] = row["flows"]
        return self._counted("noroshi", cost, row["packets"])

    def tracestats(self) -> Cost:
        """Counts packets that match a filter."""
        cost = harness.ok(harness.run(["tracestats", "-f", "tcp", f"pcapfile:{self.path}"]), "tracestats")
        match = re.search(r"Total:\s+(\d+)", cost.out + cost.err)
        return self._counted("tracestats", cost, int(match[1]) if match else -1)

    def nfpcapd(self) -> Cost:
        """Writes NetFlow files, five minutes each."""
        place = self._empty("nfpcapd")
        cost = harness.ok(harness.run(["nfpcapd", "-r", str(self.path), "-w", str(place)]), "nfpcapd")
        totals = harness.ok(harness.run(["nfdump", "-R", str(place), "-I"]), "nfdump").out
        found = {k: int(v) for k, v in re.findall(r"^(Flows|Packets): (\d+)", totals, re.M)}
        self.flows["nfpcapd"] = found["Flows"]
        return self._counted("nfpcapd", cost, found["Packets"])

    def softflowd(self) -> Cost:
        """Sends NetFlow to a socket that takes and forgets it."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:
            sink.bind(("127.0.0.1", 0))
            port = sink.getsockname()[1]
            cost = harness.run(["softflowd", "-d", "-r", str(self.path), "-n", f"127.0.0.1:{port}"])
        text = harness.ok(cost, "softflowd").out + cost.err
        match = re.search(r"Packets processed: (\d+)", text)
        flows = re.search(r"Flows exported: (\d+)", text)
        self.flows["softflowd"] = int(flows[1]) if flows else -1
        return self._counted("softflowd", cost, int(match[1]) if match else -1)

    def argus(self) -> Cost:
        """Writes bidirectional flows."""
        out = self._empty("argus") / "out"
        cost = harness.ok(harness.run(["argus", "-r", str(self.path), "-w", str(out)]), "argus")
        totals = harness.ok(harness.run(["racount", "-r", str(out)]), "racount").out.split()
        self.flows["argus"] = int(totals[totals.index("sum") + 1])
        return self._counted("argus", cost, int(totals[totals.index("sum") + 2]))

    def extract(self) -> tuple[Path, int]:
        """The first packets of the capture as a file of their own."""
        part = self.room / "extract.pcap"
        count = min(EXTRACT, self.packets)
        if not part.exists():
            with self.path.open("rb") as f, part.open("wb") as to:
                to.write(f.read(24))
                for _ in range(count):
                    head = f.read(16)
                    to.write(head + f.read(int.from_bytes(head[8:12], "little")))
        return part, count

    def tshark(self) -> Cost:
        """Eleven fields of each packet of the extract."""
        part, count = self.extract()
        fields = [a for name in FIELDS for a in ("-e", name)]
        cost = harness.ok(harness.run(["tshark", "-n", "-r", str(part), "-T", "fields", *fields]), "tshark")
        return self._counted("tshark", cost, cost.out.count("\n"), count)

    def dpkt(self) -> Cost:
        """Eight fields of each packet of the extract, in Python."""
        part, count = self.extract()
        cost = harness.ok(harness.run([sys.executable, "-c", DPKT, str(part)]), "dpkt")
        return self._counted("dpkt", cost, int(cost.out), count)


WHOLE = ("noroshi", "tracestats", "nfpcapd", "softflowd", "argus")
PARTIAL = ("tshark", "dpkt")


def main() -> None:
    """Runs all, alternated, and keeps the result."""
    p = argparse.ArgumentParser(prog="python -m bench.ingest_peers", description=__doc__.split("\n")[0])
    p.add_argument("-n", "--packets", type=int, default=20_000_000)
    p.add_argument("--profile", default="flat")
    p.add_argument("--capture", type=Path, help="default: bench/data, made if missing")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--tools", nargs="+", default=[*WHOLE, *PARTIAL])
    p.add_argument("--name", default="ingest_peers")
    a = p.parse_args()
    path = a.capture or harness.capture(a.packets, a.profile)
    known = harness.truth(path)
    with tempfile.TemporaryDirectory(dir=harness.DATA if harness.DATA.exists() else None) as room:
        peers = Peers(path, known["packets"], Path(room))
        harness.warm(path)
        if "noroshi" in a.tools:
            _warm_up(peers)
        jobs: list[tuple[str, Callable[[], Cost]]] = [(name, getattr(peers, name)) for name in a.tools]
        costs = harness.alternate(a.rounds, jobs)
    result: dict[str, Any] = {
        "capture": {k: known[k] for k in ("file", "packets", "capture_bytes", "capture_sha256", "plan")},
        "rounds": a.rounds,
        "flows": peers.flows,
        "tools": {name: harness.numbers(c) for name, c in costs.items()},
    }
    result["ratios"] = _ratios(result["tools"], known["packets"])
    harness.write(a.name, result, _table(result, known["packets"]))


def _warm_up(peers: Peers) -> None:
    """One ingest of a few packets: compiled code is cached, as on every machine after its first run."""
    part, _ = peers.extract()
    harness.ok(harness.run([*harness.noroshi(peers.room / "warm"), "ingest", str(part)]), "noroshi")


def _packets(name: str, whole: int) -> int:
    return min(EXTRACT, whole) if name in PARTIAL else whole


def _ratios(tools: dict[str, Any], whole: int) -> dict[str, float]:
    """How many times the speed of each peer Noroshi has, in packets a second of wall time."""
    if "noroshi" not in tools:
        return {}
    ours = whole / tools["noroshi"]["wall_s"]["median"]
    return {
        name: round(ours / (_packets(name, whole) / t["wall_s"]["median"]), 3)
        for name, t in tools.items()
        if name != "noroshi"
    }


def _table(result: dict[str, Any], whole: int) -> str:
    head = (
        "tool",
        "packets",
        "wall s (min-max)",
        "CPU s",
        "peak MiB",
        "Mpkt/s",
        "flows",
        "Noroshi's speed: times",
    )
    rows = []
    for name, t in result["tools"].items():
        n, wall = _packets(name, whole), t["wall_s"]
        rows.append((
            name, f"{n:,}", f"{wall['median']:.2f} ({wall['min']:.2f}-{wall['max']:.2f})",
            f"{t['cpu_s']['median']:.2f}", f"{t['rss_mib']['max']:,.0f}", f"{n / wall['median'] / 1e6:.3f}",
            f"{result['flows'][name]:,}" if name in result["flows"] else "",
            f"{result['ratios'][name]:.2f}" if name in result["ratios"] else "",
        ))  # fmt: skip
    note = f"Median of {result['rounds']} alternated rounds, page cache warm, exit status 0, counts equal."
    return f"{harness.table(head, rows)}\n\n{note}"


if __name__ == "__main__":
    main()
