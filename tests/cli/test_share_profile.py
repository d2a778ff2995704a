"""`noroshi share profile|risk|reveal` as typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from noroshi.lake.handle import Lake
from tests.cli.support import noroshi
from tests.support.findings import finding


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOROSHI_CONFIG", raising=False)
    monkeypatch.setenv("NOROSHI_KEYS", str(tmp_path / "keys"))
    monkeypatch.setenv("NOROSHI_LAKE", str(tmp_path / "lake"))
    (tmp_path / "noroshi.toml").write_text('own = ["203.0.113.0/24"]\n')
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "isac.toml").write_text('base = "sector"\n[fields]\nurl = "drop"\n')
    Lake.open(tmp_path / "lake").put_findings(
        [finding("infected-host", "203.0.113.7", evidence={"own": True})]
    )
    return tmp_path


def test_profiles_are_listed_shown_and_checked(place: Path) -> None:
    listed = noroshi("share", "profile", "list", "--json").json
    assert [p["name"] for p in listed][-1] == "isac"
    shown = noroshi("share", "profile", "show", "isac", "--json").json
    assert shown["fields"]["url"]["do"] == "drop"
    assert shown["fields"]["own-address"]["do"] == "prefix-preserving"
    assert "prefix-preserving" in noroshi("share", "profile", "show", "isac").out
    assert noroshi("share", "profile", "check").code == 0
    (place / "profiles" / "isac.toml").write_text('[fields]\nown-adress = "drop"\n')
    wrong = noroshi("share", "profile", "check")
    assert wrong.code == 1
    assert "Did you mean own-address?" in wrong.err
    assert noroshi("share", "profile", "show", "nobody").code == 2


def test_risk_says_what_it_is(place: Path) -> None:
    told = noroshi("share", "risk", "isac", "-n", "1", "--draws", "10")
    assert told.code == 0
    assert "pseudonymisation" in told.err
    assert "26.0" in told.out
    [one] = noroshi("share", "risk", "isac", "-n", "1", "--draws", "10", "--json").json["risks"]
    assert (one["field"], one["exposures"][0]["pairs"]) == ("own-address", 1)


def test_what_is_shared_is_masked_and_comes_back(place: Path) -> None:
    shared = noroshi("share", "stix", "--for", "community", "--out", "-")
    assert shared.code == 0
    assert "203.0.113.7" not in shared.out
    token = next(o["value"] for o in shared.json["objects"] if o["type"] == "ipv6-addr")
    back = noroshi("share", "reveal", token, "--for", "community", "--json")
    assert back.code == 0
    assert [o["value"] for o in back.json["originals"]] == ["203.0.113.7"]
    assert noroshi("share", "reveal", "100::1", "--for", "community").code == 1
    assert noroshi("share", "reveal", token, "--for", "nobody").code == 2
