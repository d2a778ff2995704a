"""`noroshi lake retain` as a person types it."""

from __future__ import annotations

from pathlib import Path

from noroshi.lake.handle import Lake
from tests.cli.support import noroshi
from tests.lake.support import flows, some, store


def test_retain(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake")
    store(lake, "a", flows(some(10, days=3)))
    assert "no [retention]" in noroshi("--lake", lake.path, "lake", "retain").err
    (lake.path / "noroshi.toml").write_text('[retention]\nflows = "1d"\n')
    plan = noroshi("--lake", lake.path, "lake", "retain", "--dry-run", "--json").json
    assert plan["rows"]["flows"] == 10
    assert plan["dry_run"]
    assert lake.snapshot().count("flows") == 10
    ran = noroshi("--lake", lake.path, "lake", "retain")
    assert ran.code == 0
    assert "10" in ran.out
    assert lake.snapshot().count("flows") == 0
    assert noroshi("--lake", lake.path, "lake", "verify").code == 0
    (lake.path / "noroshi.toml").write_text('[retention]\nruns = "1d"\n')
    assert noroshi("--lake", lake.path, "lake", "retain").code == 2
