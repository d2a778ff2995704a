"""Makes a synthetic darknet capture and its truth: python -m bench.generate FILE -n 20000000.

FILE may end in .gz or .zst; FILE.truth.json and FILE.truth.tsv stand beside it. Two profiles: `flat`, the
worst case behind the published comparisons, and `real`, with runs, sweeps, attacks and the skew of real
telescopes (docs/limits.md says what it does not have).
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

from bench.synth.encode import FORMATS, LINKS, Container
from bench.synth.make import generate
from bench.synth.plan import Plan


def _span(text: str) -> tuple[float, float]:
    low, _, high = text.partition("-")
    return float(low), float(high)


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    p = argparse.ArgumentParser(prog="python -m bench.generate", description=__doc__.split("\n")[0])
    p.add_argument("file", type=Path)
    p.add_argument("-n", "--packets", type=int, default=1_000_000)
    p.add_argument("--profile", choices=("flat", "real"), default="flat")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--start", type=datetime.fromisoformat, default=datetime(2026, 4, 1, tzinfo=UTC))
    p.add_argument("--hours", type=float, help="default: 1 (flat), 24 (real)")
    p.add_argument("--telescope", default="198.18.0.0/16")
    p.add_argument("--own", default="", help="prefix of the own network: an infected host is put there")
    p.add_argument(
        "--light", type=float, default=0.03, metavar="SHARE", help="of packets, from the light sources"
    )
    p.add_argument(
        "--outage", type=_span, action="append", default=[], metavar="FROM-TO", help="hours after start"
    )
    for name in ("vlan", "ipv6", "fragments", "duplicates", "reorder"):
        p.add_argument(f"--{name}", type=float, default=0.0, metavar="SHARE")
    p.add_argument("--link", choices=tuple(LINKS), default="ethernet")
    p.add_argument("--format", choices=FORMATS, default="pcap")
    p.add_argument("--big-endian", action="store_true")
    p.add_argument("--nanoseconds", action="store_true")
    p.add_argument("--snaplen", type=int, default=65_535)
    p.add_argument("--cut", type=int, default=0, metavar="BYTES", help="leave these out at the end")
    return p


def main(argv: list[str] | None = None) -> None:
    """Makes the capture and says how fast."""
    a = parser().parse_args(argv)
    start = a.start if a.start.tzinfo else a.start.replace(tzinfo=UTC)
    plan = Plan(
        a.packets, a.seed, start, a.hours or (1.0 if a.profile == "flat" else 24.0), a.profile, a.telescope,
        a.own, a.light, tuple(a.outage), a.vlan, a.ipv6, a.fragments, a.duplicates, a.reorder,
    )  # fmt: skip
    container = Container(a.link, a.format, a.big_endian, a.nanoseconds, a.snaplen)
    done = generate(plan, a.file, container, a.cut)
    parts = ", ".join(f"{k} {v:.1f} s" for k, v in done["spent"].items())
    print(
        f"{a.file}: {done['packets']:,} packets, {done['capture_bytes']:,} bytes in {done['seconds']:.1f} s "
        f"({done['packets'] / done['seconds'] / 1e6:.2f} Mpkt/s; {parts})"
    )


if __name__ == "__main__":
    main()
