"""What a test needs from outside: skipped without it, failed where it must be there (NOROSHI_REQUIRE=1)."""

from __future__ import annotations

import os
import shutil

import pytest


def tool(name: str, package: str = "") -> str:
    """The path of a program; without it the test is skipped, or fails with NOROSHI_REQUIRE=1."""
    found = shutil.which(name)
    if found is None:
        say = pytest.fail if os.environ.get("NOROSHI_REQUIRE") == "1" else pytest.skip
        say(f"{name} is not installed. On Debian: apt-get install -y {package or name}")
    return found
