"""Files of others are the ones VENDOR.md names, with their licences."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_nothing_was_changed() -> None:
    tool = runpy.run_path(str(ROOT / "tools/vendor.py"))
    for folder in tool["folders"]():
        assert (folder / "VENDOR.md").read_text() == tool["page"](folder)
        assert any("LICENSE" in p.name for p in folder.iterdir())
