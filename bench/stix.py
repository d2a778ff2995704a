"""Findings to STIX 2.1: Noroshi beside the stix2 library, the same objects from both, in one run.

    python -m bench.stix [-n 2000] [--rounds 5]

Ours: from findings in memory to written objects (`share.stix.emit.from_findings`). The library: from the properties
of the same objects (without the ids of observables, which it computes itself) to their JSON. Every object is compared
before anything is timed: ids of observables, and each object's properties. CPU time of one thread.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import metadata
from typing import Any

import stix2

from bench import harness
from noroshi.model.finding import Finding, Rule, Subject
from noroshi.model.tlp import Tlp
from noroshi.share.stix.emit import from_findings
from noroshi.share.stix.imported import OBSERVABLES

BEGAN = datetime(2024, 4, 1, 12, 0, 0, 123456, tzinfo=UTC)


def findings(n: int) -> list[Finding]:
    """Scanners, infected hosts and victims as analysers make them, in the shares a telescope's day has."""
    out = []
    for k in range(n):
        kind = ("scanner", "scanner", "scanner", "infected-host", "dos-victim")[k % 5]
        first = BEGAN + timedelta(seconds=k % 40_000)
        address = f"{11 + k % 90}.{k // 65536 % 256}.{k // 256 % 256}.{k % 256}"
        evidence: dict[str, Any] = {
            "packet_count": 100 + k, "dst_ip_nunique": 90, "dst_port_nunique": 3, "sessions": 2, "active_s": 31.25,
            "top_ports": [{"port": f"tcp/{p}", "packet_count": p + k, "dst_ip_nunique": 9} for p in (23, 2323, 80)],
            "tool": "zmap", "tool_share": 0.98, "confidence_reason": "many addresses in little time",
        }  # fmt: skip
        out.append(Finding(
            kind, Subject("ip", address), Rule(kind, 1), first, first + timedelta(hours=2), 80,
            {"en": f"{address} sent {100 + k:,} packets to 90 addresses.", "ja": f"{address} が90個のアドレスへ送信。"},
            evidence, "campus", tlp=Tlp.GREEN, modified=BEGAN + timedelta(days=1),
        ))  # fmt: skip
    return out


def library(given: list[dict[str, Any]]) -> list[str]:
    """The same objects by the library: built, checked and serialised by it."""
    return [stix2.parse(one, allow_custom=False, version="2.1").serialize() for one in given]


def built(given: list[dict[str, Any]]) -> list[str]:
    """The same, by its classes without its parser's detection of the type."""
    return [stix2.registry.class_for_type(one["type"], "2.1")(**one).serialize() for one in given]


def same(ours: list[dict[str, Any]], theirs: list[str]) -> int:
    """How many objects were compared; stops when one differs."""
    for one, text in zip(ours, theirs, strict=True):
        other = json.loads(text)
        # A default the library leaves out is the same thing.
        if one.get("is_active") is False:
            other.setdefault("is_active", False)
        if other != one:
            raise SystemExit(f"they differ:\n{json.dumps(one)}\n{text}")
    return len(ours)


def timed(work: Callable[[], Any]) -> float:
    """CPU seconds of this thread."""
    began = time.thread_time()
    work()
    return time.thread_time() - began


def main() -> None:
    """Compares, then measures in turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "-n", type=int, default=2000, help="findings for the library; ours gets ten times as many"
    )
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    few, many = findings(asked.n), findings(asked.n * 10)
    ours = [json.loads(e.json) for e in from_findings(few)]
    given = [{k: v for k, v in o.items() if k != "id" or o["type"] not in OBSERVABLES} for o in ours]
    compared = same(ours, library(given))
    total = sum(1 for _ in from_findings(many))
    rates: dict[str, list[float]] = {"noroshi": [], "stix2.parse": [], "stix2 classes": []}
    for _ in range(asked.rounds):
        rates["noroshi"].append(total / timed(lambda: sum(1 for _ in from_findings(many))))
        rates["stix2.parse"].append(len(given) / timed(lambda: library(given)))
        rates["stix2 classes"].append(len(given) / timed(lambda: built(given)))
    spread = {name: harness.spread(values) for name, values in rates.items()}
    rows = [
        (
            name,
            *(f"{s[k]:,.0f}" for k in ("median", "min", "max")),
            f"{spread['noroshi']['median'] / s['median']:.1f}",
        )
        for name, s in spread.items()
    ]
    table = harness.table(("objects a second of CPU", "median", "min", "max", "Noroshi is faster by"), rows)
    table += (
        f"\n\n{compared:,} objects of {asked.n:,} findings were the same from both; rounds: {asked.rounds}; "
        f"stix2 {metadata.version('stix2')}, msgspec {metadata.version('msgspec')}. The library also checks what it "
        "builds. Other programs ran on the machine at the same time (load_at_end in the JSON)."
    )
    harness.write("stix", {"rates": rates, "spread": spread, "compared": compared, "objects": total}, table)


if __name__ == "__main__":
    main()
