"""Makes a small lake with the program as it was at some commit: what tests/lake/old keeps of every release.

    git worktree add /tmp/old v0.1.0
    python tools/make_old_lake.py /tmp/old tests/lake/old/0.1.0
    git worktree remove /tmp/old

Uses the small captures among that commit's own samples. Some runs are compacted, some are not, one was forgotten;
`expected.json` beside the lake says what the old program answered, for the test to compare. Do this once for each
release, when it is tagged, and never change a lake that is there. The interpreter needs the old program's
dependencies; host names and folders of the machine do not get into the lake.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# Runs inside the old program.
CHILD = """
import json, sys
from pathlib import Path

import noroshi.lake.owner, noroshi.lake.runs, noroshi.lake.writer

def me():
    return "example 1 1"

for module in (noroshi.lake.owner, noroshi.lake.runs, noroshi.lake.writer):
    module.me = me

from noroshi.cli.main import run
from noroshi.lake.handle import Lake

first, second = sys.argv[1].split(","), sys.argv[2].split(",")

def noroshi(*words):
    if code := run(["--lake", "lake", *words]):
        raise SystemExit(f"noroshi {' '.join(words)} ended with {code}")

noroshi("ingest", "--tlp", "green", *first)
noroshi("lake", "compact")
for name in second:
    noroshi("ingest", "--tlp", "amber", name)
lake = Lake.open("lake")
noroshi("analyse")
lake.forget(lake.snapshot().runs()[-1].run_id)
lake.vacuum(1)
shot = lake.snapshot()
values = shot.sql("SELECT kind, value, sum(count)::BIGINT AS n, count(*) AS rows FROM links GROUP BY ALL ORDER BY ALL")
rows = shot.sql("SELECT * EXCLUDE (run_id, src_ip, dst_ip), ip_text(src_ip) AS src FROM flows ORDER BY ALL")
told = {
    "rows": {name: shot.count(name) for name in lake.stores},
    "runs": [[r.run_id, r.path, r.tlp.value] for r in shot.runs()],
    "links": values.to_pylist(),
    "flows": [{k: str(v) for k, v in r.items()} for r in rows.slice(0, 4).to_pylist()],
    "findings": sorted(f.id for f in lake.findings()),
    "tables": {name: [c.name for c in store.table.columns] for name, store in lake.stores.items()},
}
Path("expected.json").write_text(json.dumps(told, indent=1, sort_keys=True, default=str))
"""
LARGEST = 4_000
"""Bytes of the captures that are used: the whole lake is to stay below 150 kB."""


def main() -> None:
    """Makes the lake."""
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    checkout, out = Path(sys.argv[1]).absolute(), Path(sys.argv[2]).absolute()
    samples = sorted(p for p in (checkout / "samples").rglob("*.pcap") if p.stat().st_size < LARGEST)
    with tempfile.TemporaryDirectory() as folder:
        for path in samples:
            shutil.copy2(path, folder)
        names = [p.name for p in samples]
        env = os.environ | {"PYTHONPATH": str(checkout / "src"), "HOME": folder}
        for given in ("NOROSHI_LAKE", "NOROSHI_CONFIG", "NOROSHI_KEYS"):
            env.pop(given, None)
        words = [sys.executable, "-c", CHILD, ",".join(names[:3]), ",".join(names[3:])]
        subprocess.run(words, cwd=folder, env=env, check=True)
        out.mkdir(parents=True)
        lake = Path(folder) / "lake"
        shutil.rmtree(lake / ".cache", ignore_errors=True)
        shutil.rmtree(lake / ".tmp", ignore_errors=True)
        for log in lake.glob("*/_delta_log/*.json"):
            log.write_text(log.read_text().replace(folder, ""))
        shutil.copytree(lake, out / "lake")
        shutil.copy(Path(folder) / "expected.json", out / "expected.json")


if __name__ == "__main__":
    main()
