"""`noroshi key` tells fingerprints and never keys."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from noroshi.keys import load
from noroshi.lake.handle import Lake
from tests.cli.support import noroshi


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("NOROSHI_KEYS", raising=False)
    return Lake.open(tmp_path / "lake").path


def test_show_rotate_export(lake: Path, tmp_path: Path) -> None:
    assert noroshi("--lake", lake, "key", "show").code == 3
    first = load(lake)
    text = first.path.read_text()
    secrets = [k["secret"] for k in json.loads(text)["keys"]]
    said = [noroshi("--lake", lake, "key", "show"), noroshi("--lake", lake, "key", "show", "--json")]
    assert said[1].json["keys"][0]["fingerprint"] == first.newest.id
    said.append(noroshi("--lake", lake, "key", "rotate"))
    assert "back up" in said[-1].err
    both = load(lake)
    assert [k.id for k in both.keys][1:] == [first.newest.id]
    copy = tmp_path / "copy.keys"
    said.append(noroshi("--lake", lake, "key", "export", copy))
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert json.loads(copy.read_text()) == json.loads(both.path.read_text())
    assert noroshi("--lake", lake, "key", "export", copy).code == 2
    secrets += [k["secret"] for k in json.loads(both.path.read_text())["keys"]]
    for ran in said:
        assert ran.code == 0
        assert not any(s in ran.out + ran.err for s in secrets)
