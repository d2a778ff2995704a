"""A watchtower to measure: a lake of its own, `noroshi serve --open` on it as a process, new runs, memory, CPU time."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import harness

if TYPE_CHECKING:
    from noroshi.lake.handle import Lake

FINDINGS, SESSIONS = 20_000, 50_000
"""Laid into a lake that has none: what a telescope of a /20 gives in two months, and a decoy's visits."""
KINDS = ("scanner", "port-surge", "infected-host", "decoy-intrusion", "dos-victim", "known-attacker")


def copied(lake: Path, room: Path) -> Path:
    """The same lake in a folder of its own: data files are never changed once written, so links to them will do; what
    is written into the copy does not reach the original."""
    made = room / "lake"

    def one(source: str, target: str) -> None:
        name = Path(source)
        if name.suffix in (".parquet",):
            with contextlib.suppress(OSError):  # another file system
                os.link(source, target)
                return
        shutil.copy2(source, target)

    shutil.copytree(lake, made, copy_function=one, ignore=shutil.ignore_patterns("state.db*", "*.lock"))
    keys = lake.with_name(lake.name + ".keys")
    if keys.exists():
        shutil.copy2(keys, made.with_name(made.name + ".keys"))
    return made


def dress(lake: Lake, ips: list[str]) -> dict[str, int]:
    """Findings and decoys' visits for a lake that has only observations; how many of each."""
    out = {}
    if not lake.snapshot().count("findings"):
        lake.put_findings(list(_findings(ips)))
        out["findings"] = FINDINGS
    if not lake.snapshot().count("sessions"):
        _sessions(lake, ips)
        out["sessions"] = SESSIONS
    return out


def _findings(ips: list[str]) -> Iterator[Any]:
    from bench.pivot_lake import DAYS, START
    from noroshi.model.finding import Finding, Rule, Subject
    from noroshi.model.tlp import Tlp

    rng = random.Random(5)
    for i in range(FINDINGS):
        kind, at = KINDS[i % len(KINDS)], START + timedelta(seconds=rng.randrange(DAYS * 86_400))
        # A second as its scope: an address may have many of a kind, and ids must differ.
        yield Finding(
            kind, Subject("ip", ips[i % len(ips)]), Rule(kind, 1), at, at + timedelta(minutes=rng.randrange(1, 600)),
            rng.randrange(40, 100), {"en": f"{kind}, synthetic", "ja": f"{kind}（合成）"},
            {"packet_count": rng.randrange(100, 10**6), "ports": [rng.choice((22, 23, 445, 2323))], "n": i},
            scope=f"telescope-{i}", tlp=Tlp.GREEN,
        )  # fmt: skip


def _sessions(lake: Lake, ips: list[str]) -> None:
    from bench.pivot_lake import DAYS, START, _table
    from noroshi.model import address
    from noroshi.model.sensor import Batch
    from noroshi.model.tlp import Tlp

    rng, n = random.Random(6), SESSIONS
    begun = [START + timedelta(seconds=rng.randrange(DAYS * 86_400)) for _ in range(n)]
    rows: dict[str, Any] = {
        "session_id": [f"visit-{i}" for i in range(n)], "decoy": [f"decoy-{i % 4}" for i in range(n)],
        "src_ip": [address.pack(rng.choice(ips)) for _ in range(n)], "first_seen": begun,
        "last_seen": [at + timedelta(seconds=rng.randrange(1, 600)) for at in begun], "service": ["ssh"] * n,
        "src_port": [40_000] * n, "dst_port": [22] * n, "protocol": [6] * n,
        "login_count": [rng.randrange(1, 20) for _ in range(n)], "login_success": [i % 50 == 0 for i in range(n)],
        "command_count": [i % 7 for i in range(n)], "offset": list(range(n)),
    }  # fmt: skip
    with lake.writer() as writer:
        run = writer.begin(path="visits", source="decoys", format="cowrie", parser_version=1, tlp=Tlp.GREEN)
        run.write(Batch("sessions", _table("sessions", rows)))
        run.finish(sha256="d" * 64, size=1)


@dataclass
class Arriving:
    """New runs: each call writes one, of a few hundred rows, as a sensor would every minute."""

    where: Path
    rows: int = 300
    number: int = 0
    _lake: Any = None
    _world: Any = field(default=None, repr=False)

    def write(self) -> str:
        """Writes one; its id."""
        import numpy as np

        from bench.pivot_lake import MAKERS, RUNS, world
        from noroshi.lake.handle import Lake
        from noroshi.model.tlp import Tlp

        if self._lake is None:
            self._lake, self._world = Lake.open(self.where, create=False), world(20_000)
        self.number += 1
        rng = np.random.default_rng([99, self.number])
        with self._lake.writer() as writer:
            run = writer.begin(path=f"new/{self.number}-{os.getpid()}", source="sensor-new", format="pcap",
                               parser_version=1, tlp=Tlp.GREEN)  # fmt: skip
            for table in ("flows", "logins"):
                for batch in MAKERS[table](rng, self._world, self.rows, RUNS - 1, self.number * 10_000):
                    run.write(batch)
            run.finish(sha256=f"{self.number:032x}{os.getpid():032x}", size=self.rows)
        return str(run.run_id)


@dataclass
class Site:
    """A server that runs."""

    url: str
    pid: int
    ticks: int = os.sysconf("SC_CLK_TCK")

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        return int(self.url.rsplit(":", 1)[1])

    def rss_mib(self) -> float:
        """Resident memory now."""
        return self._status("VmRSS:") / 1024

    def peak_mib(self) -> float:
        """The most it had."""
        return self._status("VmHWM:") / 1024

    def _status(self, name: str) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1])
        raise SystemExit("the server has gone")

    def cpu_s(self) -> float:
        """Processor time it has used, in steps of a hundredth of a second."""
        after = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(after[11]) + int(after[12])) / self.ticks


@contextlib.contextmanager
def serving(lake: Path) -> Iterator[Site]:
    """`noroshi serve --open` on a free port of this machine, until the end of the block."""
    command = [*harness.noroshi(lake, as_json=True), "serve", "--open", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise SystemExit(f"the server did not start: status {process.wait(10)}")
            yield Site(json.loads(line)["url"], process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                print("the server did not end; it is killed", file=sys.stderr)
                process.kill()


def settle(seconds: float = 1.2) -> None:
    """Until a server has had reason to look for new commits: it looks once a second."""
    time.sleep(seconds)
