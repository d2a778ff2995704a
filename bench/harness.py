"""Runs programs and tells what they cost: wall and CPU time, peak memory, exit status; and where that was.

This module imports nothing heavy: Linux carries the peak memory of a parent over vfork into its child's
record, so a driver with NumPy in it would lend its own hundreds of MiB to a tool that needs six.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "bench" / "data"
RESULTS = ROOT / "bench" / "results"
PACKAGES = ("libtrace-tools", "nfdump", "softflowd", "argus-server", "tshark")
MODULES = ("numba", "numpy", "pyarrow", "duckdb", "deltalake", "dpkt")


@dataclass(frozen=True)
class Cost:
    """What one run of a program cost."""

    wall_s: float
    cpu_s: float
    """User and system time of the program and all it waited for."""
    rss_mib: float
    """Peak resident memory of its largest process."""
    exit_status: int
    out: str
    err: str


def run(command: Sequence[str], *, env: dict[str, str] | None = None, timeout_s: float = 1800) -> Cost:
    """Runs a command to its end; its output goes to files so that no pipe holds it up."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env={**os.environ, **(env or {})}
        )
        deadline = time.monotonic() + timeout_s
        _, status, usage = _wait(process.pid, deadline)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        return Cost(
            wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, process.returncode,
            out.read().decode(errors="replace"), err.read().decode(errors="replace"),
        )  # fmt: skip


def _wait(pid: int, deadline: float) -> tuple[int, int, Any]:
    """wait4 with a deadline: a watcher kills exactly this process when it passes."""
    import threading

    over = threading.Timer(max(0.0, deadline - time.monotonic()), os.kill, (pid, 9))
    over.start()
    try:
        return os.wait4(pid, 0)
    finally:
        over.cancel()


def ok(cost: Cost, what: str) -> Cost:
    """The same; stops the benchmark when the program failed."""
    if cost.exit_status != 0:
        raise SystemExit(f"{what} ended with {cost.exit_status}:\n{cost.err[-2000:]}")
    return cost


def noroshi(lake: Path | None = None, *, as_json: bool = False) -> list[str]:
    """The command line of the installed program beside this interpreter."""
    command = [str(Path(sys.executable).parent / "noroshi")]
    if lake:
        command += ["--lake", str(lake)]
    return [*command, "--json"] if as_json else command


def capture(packets: int, profile: str = "flat") -> Path:
    """The capture of that size under bench/data, made if it is not there."""
    path = DATA / f"{profile}-{packets}.pcap"
    if not Path(f"{path}.truth.json").is_file():
        DATA.mkdir(parents=True, exist_ok=True)
        print(f"making {path}", file=sys.stderr)
        command = [
            sys.executable,
            "-m",
            "bench.generate",
            str(path),
            "-n",
            str(packets),
            "--profile",
            profile,
        ]
        subprocess.run(command, cwd=ROOT, check=True)
    return path


def truth(path: Path) -> dict[str, Any]:
    """What the capture holds."""
    found: dict[str, Any] = json.loads(Path(f"{path}.truth.json").read_text())
    return found


def warm(path: Path) -> None:
    """Reads the file once, so that all find it in the page cache."""
    with path.open("rb", buffering=0) as f:
        buffer = bytearray(8 << 20)
        while f.readinto(buffer):
            pass


def spread(values: Iterable[float]) -> dict[str, float]:
    """Median, minimum and maximum."""
    found = sorted(values)
    return {"median": statistics.median(found), "min": found[0], "max": found[-1]}


def machine() -> dict[str, Any]:
    """The machine in a few words."""
    info: dict[str, Any] = {
        "python": platform.python_version(),
        "kernel": platform.release(),
        "cores": os.cpu_count(),
    }
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    info["cpu"] = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "?")
    memory = Path("/proc/meminfo").read_text().split()[1]
    info["memory_gib"] = round(int(memory) / 2**20, 1)
    release = dict(
        line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line
    )
    info["system"] = release.get("PRETTY_NAME", "?").strip('"')
    return info


def versions() -> dict[str, str]:
    """Versions of Noroshi, what it stands on, and its peers."""
    found = {name: metadata.version(name) for name in ("noroshi", *MODULES)}
    query = ["dpkg-query", "-W", "-f", "${Package} ${Version}\\n", *PACKAGES]
    for line in subprocess.run(query, capture_output=True, text=True, check=False).stdout.splitlines():
        name, _, version = line.partition(" ")
        found[name] = version
    revision = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
    )
    found["revision"] = revision.stdout.strip()
    return found


def write(name: str, result: dict[str, Any], table: str) -> None:
    """Keeps a result as bench/results/NAME.json and NAME.md, and prints the table."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    whole: dict[str, Any] = {
        "name": name,
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine(),
    }
    whole |= {"versions": versions(), "load_at_end": os.getloadavg()[0], **result}
    (RESULTS / f"{name}.json").write_text(json.dumps(whole, indent=1) + "\n")
    place = ", ".join(f"{k} {v}" for k, v in whole["machine"].items())
    used = ", ".join(f"{k} {v}" for k, v in whole["versions"].items())
    text = f"# {name}\n\n{table}\n\nMachine: {place}.\n\nVersions: {used}.\n\nMeasured {whole['when']}.\n"
    (RESULTS / f"{name}.md").write_text(text)
    print(text)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first are right-aligned."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def alternate(rounds: int, jobs: Sequence[tuple[str, Callable[[], Cost]]]) -> dict[str, list[Cost]]:
    """Each job once a round, the order turned by one each time, so that drift hits all alike."""
    costs: dict[str, list[Cost]] = {name: [] for name, _ in jobs}
    for k in range(rounds):
        turn = k % len(jobs)
        for name, job in [*jobs[turn:], *jobs[:turn]]:
            costs[name].append(job())
            last = costs[name][-1]
            print(f"  round {k + 1} {name}: {last.wall_s:.2f} s, CPU {last.cpu_s:.2f} s", file=sys.stderr)
    return costs


def numbers(costs: list[Cost]) -> dict[str, Any]:
    """The runs of one program, without their output."""
    keep = ("wall_s", "cpu_s", "rss_mib")
    runs = [{k: round(v, 4) for k, v in asdict(c).items() if k in keep} for c in costs]
    return {"runs": runs, **{k: spread(r[k] for r in runs) for k in keep}}
