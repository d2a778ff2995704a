"""Exporters and pages are given views: nobody else restricts a snapshot, opens one, or asks for findings as stored."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "noroshi"
FORBIDDEN = re.compile(r"\.restricted\(|\blake\.(?:findings|snapshot)\(|\bshot\.(?:_files|_runs|_limits)\b")
ALLOWED = {
    "web/reader.py",  # makes the views pages and API are given
}


@pytest.mark.parametrize("room", ["share", "web"])
def test_nothing_behind_the_gate_opens_the_lake(room: str) -> None:
    found = [
        f"{path.relative_to(SOURCE)}:{number}: {line.strip()}"
        for path in sorted((SOURCE / room).rglob("*.py"))
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if FORBIDDEN.search(line) and str(path.relative_to(SOURCE)) not in ALLOWED
    ]
    assert not found, "take a View of share.gate:\n" + "\n".join(found)
