"""Every claim of speed, one after the other: python -m bench.all [-n PACKETS]."""

from __future__ import annotations

import shutil
import subprocess
import sys

from bench import harness

NEEDED = {
    "tracestats": "libtrace-tools", "nfpcapd": "nfdump", "softflowd": "softflowd", "argus": "argus-server",
    "racount": "argus-client", "tshark": "tshark",
}  # fmt: skip
CLAIMS = (
    ("bench.startup", False),
    ("bench.decode", True),
    ("bench.ingest_peers", True),
    ("bench.point_query", True),
    ("bench.ingest_logs", False),
    ("bench.ingest_decoys", False),
    ("bench.ingest_intel", False),
    ("bench.rollups", False),
    ("bench.web", False),
)
"""(module, takes -n)."""


def main() -> None:
    """Runs each as a process of its own and stops at the first that fails."""
    missing = sorted({package for tool, package in NEEDED.items() if not shutil.which(tool)})
    if missing:
        raise SystemExit(f"Peers are missing. On Debian: apt-get install -y {' '.join(missing)}")
    for module, sized in CLAIMS:
        command = [sys.executable, "-m", module, *(sys.argv[1:] if sized else [])]
        subprocess.run(command, cwd=harness.ROOT, check=True)


if __name__ == "__main__":
    main()
