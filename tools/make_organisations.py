"""Makes src/noroshi/analyse/darknet/data/organisations.tsv.gz from public lists of scanning organisations.

    python tools/make_organisations.py FOLDER

FOLDER holds maltrail_mass_scanner.txt.gz (MIT), misp-warninglists/*.json (CC0) and openfilters-cidr/*_v4.txt
(Unlicense). See data/SOURCE.md for where they come from and what is left out. Same folder, same bytes.
"""

from __future__ import annotations

import gzip
import ipaddress
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

OUT = Path(__file__).resolve().parents[1] / "src/noroshi/analyse/darknet/data/organisations.tsv.gz"
MALTRAIL_TAKEN, OPENFILTERS_TAKEN, MISP_TAKEN = "2026-08-23", "2026-06-22", "2026-08-14"

# The same organisation under the names the lists use: file names, and names in reverse DNS.
NAMES = {
    "alphastrike-research": "alphastrike", "ant": "isi", "anssi": "anssi", "bufferover": "bufferoverrun",
    "circl-security": "circl", "circl-ssh": "circl", "coalition-signals-intelligence": "coalition",
    "internet-census": "bitsight", "internetcensus": "bitsight", "ipv4-internet-census": "bitsight",
    "internetcleanup": "internetcleanup", "netsecscan": "netsecscan", "paloaltonetworks": "paloalto",
    "quadmetrics": "quadmetrics", "research-scanner": "researchscanner", "strechoid": "stretchoid",
    "umich": "university-of-michigan", "berkeley": "university-of-california-berkeley",
    "rwth-aachen": "rwth-aachen-university", "colostate": "colorado-state-university",
    "netsystemsresearch": "netsystems",
    "nyu osiris laboratory": "new-york-university", "sba-research": "sba-research", "cortex": "paloalto",
    "expanse": "paloalto", "kudelskisecurity": "kudelski", "censys-scanner": "censys",
}  # fmt: skip
# Whole files that are no list of one organisation's scanners.
SKIP = {
    "adscore",  # tells bots from people among visitors of web pages; it does not survey the network
}


def name(text: str) -> str:
    """The organisation's short name."""
    text = text.strip().lower()
    return NAMES.get(text, re.sub(r"[^a-z0-9]+", "-", text).strip("-"))


def from_comment(comment: str) -> str:
    """The organisation in a maltrail comment, which is a host name or a word; empty when unknown."""
    text = re.sub(r"\(.*\)", "", comment).strip().rstrip(".").lower()
    if not text or re.fullmatch(r"[\d.:a-f]+", text):
        return ""
    labels = text.split()[-1].split(".") if "." in text else [text]
    if len(labels) > 1:
        cut = -3 if labels[-2] in {"ac", "co", "edu"} and len(labels) > 2 else -2
        return name(labels[cut])
    return name(text)


def maltrail(folder: Path) -> Iterator[tuple[str, str, str, str]]:
    """Single addresses. mass_scanner_cidr.txt is left out: it widens each to its /24, clouds included."""
    for line in gzip.decompress((folder / "maltrail_mass_scanner.txt.gz").read_bytes()).decode().splitlines():
        entry, _, comment = line.partition("#")
        entry = entry.strip()
        if re.fullmatch(r"[\d.]+(/\d+)?", entry):
            yield entry, from_comment(comment) or "unnamed", "maltrail", MALTRAIL_TAKEN


def misp(folder: Path) -> Iterator[tuple[str, str, str, str]]:
    """Prefixes by file, with the date the list itself states."""
    for path in sorted((folder / "misp-warninglists").glob("*.json")):
        data = json.loads(path.read_text(encoding="utf-8"))
        stated = re.search(r"analysis on (\d{4})/(\d\d)/(\d\d)", data["description"])
        version = re.fullmatch(r"(?:20)?(2\d)(\d\d)(\d\d)\d{0,2}", str(data["version"]))
        taken = "-".join(stated.groups()) if stated else MISP_TAKEN
        if not stated and version:
            taken = f"20{version[1]}-{version[2]}-{version[3]}"
        who = name(re.sub(r"(-nt)?-(scanning|scanner)$", "", path.stem))
        for entry in data["list"]:
            yield entry, who, "misp-warninglists", taken


def openfilters(folder: Path) -> Iterator[tuple[str, str, str, str]]:
    """Prefixes by file."""
    for path in sorted((folder / "openfilters-cidr").glob("*_v4.txt")):
        who = path.stem.removesuffix("_v4")
        if who not in SKIP:
            for line in path.read_text(encoding="utf-8").split():
                yield line, {"other": "unnamed"}.get(who, name(who)), "openfilters", OPENFILTERS_TAKEN


def main(folder: Path) -> None:
    """Writes the table, sorted, one line per prefix, organisation and list."""
    rows = set()
    for source in (maltrail, misp, openfilters):
        for prefix, who, listed, taken in source(folder):
            net = ipaddress.ip_network(prefix, strict=False)
            if net.prefixlen >= 16 and net.is_global:
                rows.add((net.version, int(net.network_address), net.prefixlen, str(net), who, listed, taken))
    lines = ["# prefix\torganisation\tlist\ttaken"] + ["\t".join(r[3:]) for r in sorted(rows)]
    OUT.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode(), 9, mtime=0))
    print(f"{OUT}: {len(rows)} lines, {OUT.stat().st_size} bytes")  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))
