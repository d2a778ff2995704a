"""Guessed telescopes as TOML to paste."""

from __future__ import annotations

from pathlib import Path

from noroshi import config
from noroshi.lake.handle import Lake
from noroshi.work.telescope import guess, toml
from tests.support.memory import flow
from tests.work import lakes
from tests.work.lakes import store

lake = lakes.lake


def test_a_covered_prefix_is_proposed_until_it_is_configured(lake: Lake, tmp_path: Path) -> None:
    rows = [flow(f"198.51.100.{n % 40}", f"192.0.2.{n}", at=n) for n in range(256)]
    store(lake, rows)
    found = guess(lake, config=config.load(None))
    assert [p.prefix for p in found.proposals] == ["192.0.2.0/24"]
    assert found.to_json()[0]["evidence"]["hit"] == 256
    path = tmp_path / "noroshi.toml"
    path.write_text(toml(found.proposals[0], "telescope-1"))
    loaded = config.load(path)
    assert loaded.telescopes[0].prefixes == ("192.0.2.0/24",)
    assert guess(lake, config=loaded).proposals == ()
