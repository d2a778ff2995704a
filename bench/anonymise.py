"""Masking addresses: Crypto-PAn in batches beside yacryptopan, in one run and with equal results; findings and texts.

    python -m bench.anonymise [ADDRESSES]

CPU time of one thread (`time.thread_time`), the median of the rounds and their span.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

from bench.harness import table, write

ROUNDS = 5
KEY = bytes(range(32))


def main(count: int = 1_000_000) -> None:
    """Measures and writes bench/results/anonymise.{json,md}."""
    import numpy as np
    import yacryptopan

    from noroshi.share.anonymise.cryptopan import CryptoPan

    rng = np.random.default_rng(1)
    pan, other = CryptoPan(KEY), yacryptopan.CryptoPAn(KEY)
    four = rng.integers(0, 1 << 32, count, dtype=np.uint32)
    few = np.repeat(rng.integers(0, 1 << 32, max(1, count // 100), dtype=np.uint32), 100)
    six = rng.integers(0, 1 << 63, (count // 5, 2), dtype=np.uint64)
    same = six.copy()
    same[:, 0] = same[0, 0]
    sample = [int(a) for a in four[:2_000]]
    sample6 = [int(a) << 64 | int(b) for a, b in six[:500]]
    rows: list[dict[str, Any]] = []

    def put(what: str, n: int, work: Callable[[], object]) -> None:
        rates = []
        for _ in range(ROUNDS):
            begun = time.thread_time()
            work()
            rates.append(n / (time.thread_time() - begun))
        rows.append(
            {"what": what, "n": n, "median": statistics.median(rates), "low": min(rates), "high": max(rates)}
        )

    put("IPv4, random, in batches", len(four), lambda: pan.mask4_many(four))
    put("IPv4, each 100 times", len(few), lambda: pan.mask4_many(few))
    put("IPv4, one by one", len(sample), lambda: [pan.mask4(a) for a in sample])
    put("IPv4, yacryptopan", len(sample), lambda: [other.anonymize_bin(a, 4) for a in sample])
    put("IPv6, random, in batches", len(six), lambda: pan.mask6_many(six))
    put("IPv6, one /64, in batches", len(same), lambda: pan.mask6_many(same))
    put("IPv6, yacryptopan", len(sample6), lambda: [other.anonymize_bin(a, 6) for a in sample6])
    masked, masked6 = pan.mask4_many(four), pan.mask6_many(six)
    equal = all(int(masked[i]) == other.anonymize_bin(a, 4) for i, a in enumerate(sample))
    equal6 = all(
        int(masked6[i, 0]) << 64 | int(masked6[i, 1]) == other.anonymize_bin(a, 6)
        for i, a in enumerate(sample6)
    )
    if not (equal and equal6):
        raise SystemExit("the two do not agree")
    mask, findings = _findings(2_000)
    put("findings, profile community", len(findings), lambda: [mask.finding(f) for f in findings])
    text = "hxxp://evil[.]example/a.sh from 198.51.100.9 (AS64500), mail a@b.example, "
    text += "d41d8cd98f00b204e9800998ecf8427e. "
    long = "".join(text.replace("198.51.100.9", f"198.51.{i % 250}.{i % 249}") for i in range(500))
    put("characters of text full of indicators", len(long), lambda: mask.scrubber.text(long))
    _write(rows, count)


def _findings(count: int) -> tuple[Any, list[Any]]:
    from noroshi.keys import Key, Keys
    from noroshi.model.finding import Finding, Rule, Subject
    from noroshi.share.anonymise.masking import masker
    from noroshi.share.anonymise.site import Site
    from noroshi.share.profile import load

    keys = Keys(Path("keys"), (Key("id", "2026", KEY),))
    site = Site(("203.0.113.0/24",), ("192.0.2.0/24",), ("example.ac.jp",), ("campus",))
    at = datetime(2026, 10, 1, tzinfo=UTC)
    mask = masker(load("community"), keys=lambda: keys, recipient="isac", site=site, now=at)
    out = []
    for i in range(count):
        ip = f"198.51.{i >> 8}.{i & 255}"
        out.append(
            Finding(
                "scanner", Subject("ip", ip), Rule("scanner", 3), at, at + timedelta(hours=1), 80,
                {"en": f"{ip} scanned {i:,} monitored addresses for tcp/1433 (horizontal scan) with stack-windows.",
                 "ja": f"{ip}が観測アドレス{i:,}件に対し、1433/TCPを宛先とする水平スキャンを行った。"},
                {"active_s": 74814.61, "assumes": "uniform over IPv4", "dst_ip_nunique": i, "ports": ["tcp/1433"],
                 "global_pps": 562.0, "tools": ["stack-windows=562"], "confidence_reason": "a known tool's headers"},
                scope="campus",
            )
        )  # fmt: skip
    return mask, out


def _write(rows: list[dict[str, Any]], count: int) -> None:
    known = {name: metadata.version(name) for name in ("cryptography", "yacryptopan", "pycryptodomex")}
    shown = [(r["what"], *(f"{r[k]:,.0f}" for k in ("median", "low", "high")), f"{r['n']:,}") for r in rows]
    words = (
        f"\n\nA second of CPU time of one thread; {ROUNDS} rounds; other work on the machine. Both gave "
        "the same addresses in this run. Random addresses are the worst case: real ones share prefixes.\n\n"
        "Peers: " + ", ".join(f"{k} {v}" for k, v in known.items()) + "."
    )
    head = ("what", "per second, median", "min", "max", "n")
    write(
        "anonymise",
        {"addresses": count, "rounds": ROUNDS, "rows": rows, "peers": known},
        table(head, shown) + words,
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
