"""What a small job costs: `noroshi --help`, and ingest of a 1,000-packet capture: python -m bench.startup.

Whole processes, alternated with the bare interpreter, tshark and nfpcapd on the same file; compiled code is
cached, as after the first run on any machine. The first run of all is told apart.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench import harness
from bench.harness import Cost


def main() -> None:
    """Runs all, alternated, and keeps the result."""
    p = argparse.ArgumentParser(prog="python -m bench.startup", description=__doc__.split("\n")[0])
    p.add_argument("--rounds", type=int, default=11)
    p.add_argument("--name", default="startup")
    a = p.parse_args()
    path = harness.capture(1000)
    with tempfile.TemporaryDirectory(dir=harness.DATA) as room:
        result = _measure(path, Path(room), a.rounds)
    rows = [
        (name, *(f"{t['wall_s'][k]:.3f}" for k in ("median", "min", "max")), f"{t['cpu_s']['median']:.2f}",
         f"{t['rss_mib']['max']:,.0f}")
        for name, t in result["jobs"].items()
    ]  # fmt: skip
    head = ("command", "median s", "min", "max", "CPU s", "peak MiB")
    first = f"{result['first_ingest_s']:.1f} s"
    text = f"{a.rounds} alternated rounds; the very first ingest, which compiles, took {first}."
    harness.write(a.name, result, f"{harness.table(head, rows)}\n\n{text}")


def _measure(path: Path, room: Path, rounds: int) -> dict[str, Any]:
    lake, flows = room / "lake", room / "nf"

    def ingest(env: dict[str, str] | None = None) -> Cost:
        shutil.rmtree(lake, ignore_errors=True)
        return harness.ok(
            harness.run([*harness.noroshi(lake), "ingest", str(path)], env=env), "noroshi ingest"
        )

    def nfpcapd() -> Cost:
        shutil.rmtree(flows, ignore_errors=True)
        flows.mkdir()
        return harness.ok(harness.run(["nfpcapd", "-r", str(path), "-w", str(flows)]), "nfpcapd")

    first = ingest({"NUMBA_CACHE_DIR": str(room / "numba")})
    ingest()
    tshark = ["tshark", "-n", "-r", str(path)]
    costs = harness.alternate(rounds, [
        ("noroshi --help", lambda: harness.ok(harness.run([*harness.noroshi(), "--help"]), "noroshi")),
        ("noroshi ingest, 1,000 packets", ingest),
        ("python -c pass", lambda: harness.ok(harness.run([sys.executable, "-c", "pass"]), "python")),
        ("tshark, 1,000 packets", lambda: harness.ok(harness.run(tshark), "tshark")),
        ("nfpcapd, 1,000 packets", nfpcapd),
    ])  # fmt: skip
    return {
        "rounds": rounds,
        "first_ingest_s": first.wall_s,
        "jobs": {k: harness.numbers(c) for k, c in costs.items()},
    }


if __name__ == "__main__":
    main()
