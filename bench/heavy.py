"""The heavy tests, and what came of them: python -m bench.heavy writes bench/results/test-heavy.txt."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from pathlib import Path

from bench import harness


def lines(report: Path) -> list[str]:
    """One line a test: outcome, minutes, name; then their counts."""
    (suite,) = ET.parse(report).getroot().iter("testsuite")
    shown = []
    for case in suite.iter("testcase"):
        bad = next((c.tag for c in case if c.tag in ("failure", "error", "skipped")), "passed")
        name = f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}"
        shown.append(f"{bad:8} {float(case.get('time', 0)) / 60:6.1f} min  {name}")
    told = ("tests", "failures", "errors", "skipped")
    return [*shown, "", ", ".join(f"{name} {suite.get(name)}" for name in told)]


def main() -> int:
    """Runs `pytest -m heavy` with what else is on the command line; its exit status."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-m", "heavy", f"--junitxml={report}", *sys.argv[1:]]
        started = time.monotonic()
        status = subprocess.run(command, cwd=harness.ROOT, check=False).returncode
        minutes = (time.monotonic() - started) / 60
        if not report.exists():
            return status
        found = lines(report)
    head = [
        f"make test-heavy, ended {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())} with status {status}",
        f"{minutes:.1f} minutes in all; load at the end {os.getloadavg()[0]:.1f}",
        "machine: " + ", ".join(f"{k} {v}" for k, v in harness.machine().items()),
        "versions: " + ", ".join(f"{k} {v}" for k, v in harness.versions().items()),
    ]
    path = harness.RESULTS / "test-heavy.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*head, "", *found]) + "\n")
    print(f"kept as {path.relative_to(harness.ROOT)}")
    return status


if __name__ == "__main__":
    sys.exit(main())
