"""Precision and recall of every kind of finding on synthetic days: python -m bench.accuracy.

A day is drawn by the generator (profile `real`), read and analysed as a user would, and compared with its truth
file. For each kind three figures are given, all with Wilson's 95 % interval over the pooled sources:

- **precision**: findings whose subject is what the finding says, among all findings;
- **recall**: of all subjects that are so in truth, however little of them reached the telescope;
- **recall, visible**: of those that showed what the rule's definition asks for (counted from the stored flows,
  not by the analyser: ten destinations of a scanner, a rate above the floor of a victim, and so on).

Every false positive and every miss is told by the truth's kind and the reason (`errors`). Sources of one day share
a generator and are alike, so the intervals hold for such days, not for the Internet: the base rates, printed
beside, are the generator's. `port-surge` needs weeks of history and is not judged here.

Seeds: DEVELOPMENT ones may be looked at while rules are changed; REPORTED ones were fixed beforehand and are only
counted. The bundled day (samples/synthetic, seed 2026) is seen by everybody, its errors too: it is listed as
`sample` and proves nothing by itself. The generator and the fingerprints follow the same published definitions, so
`scanner: tool` says that the way from packet to finding loses nothing, not that tools in the wild keep to them.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import sqrt
from pathlib import Path
from typing import Any

from bench import harness

DEVELOPMENT = tuple(range(1, 7))
REPORTED = tuple(range(101, 113))
SAMPLE = 2026
SIZES = ((22, 52_000, 0.15), (20, 150_000, 0.10))
"""(prefix length, packets, share of the light sources): the bundled day's, and a four times larger telescope.
Even seeds draw the first, odd ones the second."""
OWN = "198.51.100.0/24"

TOOLS = {
    "zmap-2": "zmap-2", "zmap-3": "zmap-3", "zmap-4": "zmap-4", "masscan-1": "masscan-1.0",
    "masscan-2": "masscan-1.3", "nmap": "nmap", "mirai": "mirai",
}  # fmt: skip
"""Kind in the truth -> how the tag of its tool begins."""
SCANS = (*TOOLS, "iot-bot", "syn-stack", "unknown-tool", "udp-scan", "ping-scan", "campaign")
IOT_ONLY = (23, 2323, 5555, 7547, 9530, 37215, 52869, 60001)
"""Ports that hardly anybody but IoT malware asks for; who tried two addresses there is visible as such."""
MIN_DST, MIN_PORTS, PER_ADDRESS = 10, 30, 1.03
KINDS = (
    "scanner", "scanner: tool", "investigation-scanner", "dos-victim", "dos-victim: interval", "reflection-abuse",
    "misconfiguration", "inside-talker", "infected-host", "infected-host: mirai",
    "infected-host: iot-without-mirai",
)  # fmt: skip


@dataclass
class Day:
    """A drawn day, what was found, and what the telescope saw of each source."""

    truth: dict[str, Any]
    sources: dict[str, dict[str, str]]
    findings: list[Any]
    seen: dict[str, dict[str, Any]]
    base: int

    def of(self, *kinds: str) -> set[str]:
        """Sources that the truth says are of these kinds."""
        return {ip for ip, row in self.sources.items() if row["kind"] in kinds}

    def found(self, kind: str, label: str = "") -> dict[str, Any]:
        """Findings of a kind (and class) by subject."""
        return {
            f.subject.value: f
            for f in self.findings
            if f.kind == kind and (not label or f.evidence.get("class") == label)
        }

    def kind(self, ip: str) -> str:
        """What the truth says of a source."""
        return self.sources[ip]["kind"] if ip in self.sources else "forged or unknown"


@dataclass
class Count:
    """Right, wrong and missed subjects of one kind, over any number of days."""

    right: int = 0
    wrong: int = 0
    missed: int = 0
    visible: int = 0
    visible_found: int = 0
    days: list[list[int]] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    def add(
        self, found: set[str], true: set[str], visible: set[str], why: Callable[[str, bool], str]
    ) -> None:
        """Compares the findings of a day; `why(subject, is_wrong)` tells the reason of an error."""
        right, wrong, missed = found & true, found - true, true - found
        self.right += len(right)
        self.wrong += len(wrong)
        self.missed += len(missed)
        self.visible += len(visible & true)
        self.visible_found += len(visible & right)
        self.days.append([len(right), len(wrong), len(missed)])
        self.errors.update(f"wrong: {why(s, True)}" for s in wrong)
        self.errors.update(
            f"missed{' though visible' if s in visible else ''}: {why(s, False)}" for s in missed
        )

    def document(self) -> dict[str, Any]:
        """As it is kept."""
        return {
            "right": self.right, "wrong": self.wrong, "missed": self.missed,
            "precision": share(self.right, self.right + self.wrong),
            "recall": share(self.right, self.right + self.missed),
            "visible": self.visible, "recall_visible": share(self.visible_found, self.visible),
            "days_right_wrong_missed": self.days, "errors": dict(sorted(self.errors.items())),
        }  # fmt: skip


def wilson(k: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's score interval of k out of n; (0, 1) of none."""
    if n == 0:
        return 0.0, 1.0
    p, d = k / n, 1 + z * z / n
    middle, half = (p + z * z / (2 * n)) / d, z / d * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def share(k: int, n: int) -> dict[str, Any]:
    """k of n with its interval; null of none."""
    low, high = wilson(k, n)
    return {"value": round(k / n, 4) if n else None, "n": n, "low": round(low, 4), "high": round(high, 4)}


def draw(seed: int, folder: Path, length: int, packets: int, light: float) -> Day:
    """One generated day through ingest and analysis."""
    from bench.synth.make import generate
    from bench.synth.plan import Plan
    from noroshi.config import Config, File, TelescopeEntry
    from noroshi.lake.handle import Lake
    from noroshi.work.analyse import analyse
    from noroshi.work.ingest import ingest

    net = f"198.18.0.0/{length}"
    plan = Plan(packets, seed, hours=24.0, profile="real", telescope=net, own=OWN, light=light)
    capture = folder / "day.pcap"
    generate(plan, capture)
    config = Config(File(own=[OWN], telescope=[TelescopeEntry("bench", [net])]), None)
    lake = Lake.open(folder / "lake", create=True)
    ingest(lake, [capture], config=config)
    findings = [f for f, _ in analyse(lake, config=config).changes]
    truth = json.loads(Path(f"{capture}.truth.json").read_text())
    with Path(f"{capture}.truth.tsv").open() as f:
        sources = {row["src_ip"]: row for row in csv.DictReader(f, delimiter="\t")}
    inside = [ip for ip, row in sources.items() if row["kind"] == "inside-talker"]
    return Day(truth, sources, findings, _seen(lake, inside), plan.base)


def _seen(lake: Any, inside: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What reached the dark addresses, by source: plain counts of the stored flows."""
    ports = ", ".join(map(str, IOT_ONLY))
    iot = f"protocol = 6 AND dst_port IN ({ports})"
    live = " OR ".join(f"dst_ip = ip('{ip}')" for ip in inside) or "false"
    text = f"""SELECT src_ip, sum(packet_count) AS n,
        count(DISTINCT dst_ip) FILTER (NOT ({live})) AS dst,
        count(DISTINCT protocol * 65536 + dst_port) FILTER (protocol IN (6, 17)) AS ports,
        count(DISTINCT dst_ip) FILTER ({iot} AND NOT ({live})) AS iot_dst FROM flows GROUP BY ALL"""
    from noroshi.model import address

    return {address.text(r["src_ip"]): r for r in lake.snapshot().sql(text).to_pylist()}


def compare(day: Day, counts: dict[str, Count]) -> None:
    """Adds a day to the counts."""
    _scanners(day, counts)
    _victims(day, counts)
    _infected(day, counts)
    stray = day.of("misconfiguration")
    counts["misconfiguration"].add(
        set(day.found("misconfiguration")), stray, {s for s in stray if day.seen[s]["n"] >= 5},
        lambda s, _: f"{day.kind(s)}, {min(day.seen[s]['n'], 5)}{'+' * (day.seen[s]['n'] >= 5)} packets",
    )  # fmt: skip
    inside = day.of("inside-talker")
    counts["inside-talker"].add(set(day.found("inside-talker")), inside, inside, lambda s, _: day.kind(s))
    targets = {_address(day.base + n) for n in (77, 78)}
    counts["reflection-abuse"].add(
        set(day.found("reflection-abuse")),
        targets,
        targets,
        lambda s, _: "target" if s in targets else "other",
    )


def _scanners(day: Day, counts: dict[str, Count]) -> None:
    found, scans = day.found("scanner"), day.of(*SCANS)
    wide = {s for s in scans if day.seen[s]["dst"] >= MIN_DST}
    counts["scanner"].add(
        set(found), scans, wide,
        lambda s, wrong: day.kind(s) + ("" if wrong or s in wide else f", under {MIN_DST} destinations"),
    )  # fmt: skip
    # a tool is right when the tag is that of the truth; a source whose truth is no tool should have none
    named = {s for s in found if _tag(found[s])}
    right = {s for s in found if day.kind(s) in TOOLS}
    false_tags = {s for s in named & right if not _tag(found[s]).startswith(TOOLS[day.kind(s)])}
    counts["scanner: tool"].add(
        {f"{s} wrong" if s in false_tags else s for s in named}, right, right,
        lambda s, _: f"{day.kind(s.split()[0])} called {_tag(found[s.split()[0]]) or 'nothing'}",
    )  # fmt: skip
    groups = day.truth["groups"]
    members = {ip for name, ips in groups.items() if name.startswith("organisation") for ip in ips}
    listed = {ip for name, ips in groups.items() if name.startswith("organisation:") for ip in ips
              if "unlisted" not in name}  # fmt: skip
    size = 2 ** (32 - int(day.truth["plan"]["telescope"].split("/")[1]))
    loud = {
        s for s in members if day.seen[s]["ports"] >= MIN_PORTS and day.seen[s]["n"] >= PER_ADDRESS * size
    }
    counts["investigation-scanner"].add(
        set(day.found("investigation-scanner")), members, listed | loud,
        lambda s, wrong: f"{day.kind(s)}, {'unlisted' if s not in listed else 'listed'}"
        + ("" if wrong else f", {day.seen[s]['n'] / size:.1f} packets an address"),
    )  # fmt: skip


def _tag(finding: Any) -> str:
    """The tool a finding names; tags of stacks and of odd headers name none."""
    tool = str(finding.evidence["tool"])
    return tool if tool.startswith(("zmap", "masscan", "nmap", "mirai", "unicornscan", "hajime")) else ""


def _victims(day: Day, counts: dict[str, Count]) -> None:
    found = day.found("dos-victim")
    attacks = {a["victim"]: a for a in day.truth["attacks"]}
    clear = {v for v, a in attacks.items() if _above_floor(day, a)}
    counts["dos-victim"].add(
        set(found), set(attacks), clear,
        lambda v, wrong: day.kind(v) if wrong else
        f"{'below the floor, ' * (v not in clear)}{'under 10' if attacks[v]['packets'] < 10 else '10+'} packets",
    )  # fmt: skip
    rated = {v for v, f in found.items() if v in attacks and f.evidence["rate_pps"] is not None}
    held = {
        v for v in rated
        if found[v].evidence["rate_low"] <= attacks[v]["rate_pps"] <= found[v].evidence["rate_high"]
    }  # fmt: skip
    counts["dos-victim: interval"].add(held, rated, rated, lambda v, _: attacks[v]["vector"])


def _above_floor(day: Day, attack: dict[str, Any]) -> bool:
    """The printed floor for its duration lies below its rate, and its list is as long as that asks for."""
    from noroshi.analyse.darknet.dos_victim import MIN_DST as LEAST
    from noroshi.analyse.darknet.dos_victim import MIN_REPLIES
    from noroshi.analyse.darknet.stats import mean_for_detection

    size = 2 ** (32 - int(day.truth["plan"]["telescope"].split("/")[1]))
    mean = mean_for_detection(MIN_REPLIES, LEAST, size)
    return bool(attack["expected"] >= mean and (not attack["tuples"] or attack["tuples"] >= mean))


def _infected(day: Day, counts: dict[str, Count]) -> None:
    mirai, bots = day.of("mirai"), day.of("iot-bot")
    marked = {s for s in mirai if day.seen[s]["n"] >= 2}
    plain = {s for s in bots if day.seen[s]["iot_dst"] >= 2}

    def why(s: str, wrong: bool) -> str:
        hits = day.seen[s]["iot_dst"] if s in day.seen else 0
        ports = (
            "no port of IoT malware only" if not hits else f"IoT ports at {min(hits, 2)}{'+' * (hits >= 2)}"
        )
        return f"{day.kind(s)}, {ports}"

    counts["infected-host"].add(set(day.found("infected-host")), mirai | bots, marked | plain, why)
    counts["infected-host: mirai"].add(set(day.found("infected-host", "mirai")), mirai, marked, why)
    counts["infected-host: iot-without-mirai"].add(
        set(day.found("infected-host", "iot-without-mirai")), bots, plain, why
    )


def _address(n: int) -> str:
    return ".".join(str(n >> s & 255) for s in (24, 16, 8, 0))


def measure(seeds: Iterable[int], sizes: Sequence[tuple[int, int, float]] = SIZES) -> dict[str, Any]:
    """Counts over the days of these seeds, and the base rates they had."""
    counts = {kind: Count() for kind in KINDS}
    kinds: Counter[str] = Counter()
    used = []
    for seed in seeds:
        length, packets, light = sizes[0] if seed == SAMPLE else sizes[seed % len(sizes)]
        with tempfile.TemporaryDirectory() as folder:
            day = draw(seed, Path(folder), length, packets, light)
        compare(day, counts)
        kinds.update(row["kind"] for row in day.sources.values())
        used.append(
            {"seed": seed, "telescope": f"/{length}", "packets": packets, "findings": len(day.findings)}
        )
        print(f"  seed {seed}: {len(day.findings):,} findings", file=sys.stderr)
    return {
        "days": used, "sources_by_kind": dict(kinds.most_common()),
        "kinds": {kind: count.document() for kind, count in counts.items()},
    }  # fmt: skip


def _cell(figure: dict[str, Any]) -> str:
    if figure["value"] is None:
        return "-"
    return f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"


def table(figures: dict[str, Any]) -> str:
    """The figures of one split as Markdown."""
    head = ("kind", "right", "wrong", "missed", "precision", "recall", "visible", "recall, visible")
    rows = [
        (kind, str(f["right"]), str(f["wrong"]), str(f["missed"]), _cell(f["precision"]), _cell(f["recall"]),
         str(f["visible"]), _cell(f["recall_visible"]))
        for kind, f in figures["kinds"].items()
    ]  # fmt: skip
    return harness.table(head, rows)


def errors(figures: dict[str, Any]) -> str:
    """Every error of one split with its reason."""
    rows = [
        (f"{kind}: {why}", str(n)) for kind, f in figures["kinds"].items() for why, n in f["errors"].items()
    ]
    return harness.table(("error", "sources"), rows)


def main(argv: list[str] | None = None) -> None:
    """Measures and keeps the result; with --development only prints that split."""
    parser = argparse.ArgumentParser(prog="python -m bench.accuracy", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--development", action="store_true", help="the development seeds only; nothing is kept"
    )
    parser.add_argument("--seeds", type=int, nargs="+", help="these only; nothing is kept")
    a = parser.parse_args(argv)
    if a.development or a.seeds:
        figures = measure(a.seeds or DEVELOPMENT)
        print(f"{table(figures)}\n\n{errors(figures)}")
        return
    began = time.perf_counter()
    reported, sample = measure(REPORTED), measure((SAMPLE,))
    result = {
        "command": "python -m bench.accuracy", "development_seeds": list(DEVELOPMENT),
        "reported": reported, "sample": sample, "seconds": round(time.perf_counter() - began, 1),
    }  # fmt: skip
    n = len(REPORTED)
    harness.write(
        "accuracy", result,
        f"{n} reported days (seeds {REPORTED[0]} to {REPORTED[-1]}); rules were changed on seeds "
        f"{DEVELOPMENT[0]} to {DEVELOPMENT[-1]} only.\n\n{table(reported)}\n\n{errors(reported)}\n\n"
        f"The bundled day (seed {SAMPLE}):\n\n{table(sample)}\n\n{errors(sample)}",
    )  # fmt: skip


if __name__ == "__main__":
    main()
