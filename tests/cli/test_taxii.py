"""`noroshi taxii`: publishes, shows, and says what is wrong."""

from __future__ import annotations

from pathlib import Path

from noroshi.lake.handle import Lake
from tests.cli.support import noroshi
from tests.support.findings import finding


def test_publish_and_status(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake")
    lake.put_findings([finding()])
    said = noroshi("--lake", lake.path, "taxii", "publish", "--for", "public", "--json")
    assert said.code == 0
    one, two = said.json
    assert (one["recipient"], one["collection"], two["collection"]) == ("public", "findings", "intelligence")
    assert one["added"] > 3
    told = noroshi("--lake", lake.path, "taxii", "status", "--for", "public", "--json").json
    assert [(c["objects"], c["current"]) for c in told] == [(one["added"], True), (two["added"], True)]
    assert one["id"] in noroshi("--lake", lake.path, "taxii", "status", "--for", "public").out
    again = noroshi("--lake", lake.path, "taxii", "publish", "--for", "public")
    assert "findings" in again.out
    wrong = noroshi("--lake", lake.path, "taxii", "publish", "--for", "nobody")
    assert wrong.code == 2
    assert "nobody" in wrong.err
