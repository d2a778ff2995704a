"""A real Chromium on a real server: `check_page` looks at a page as people would."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from tests.web import site
from tests.web.e2e.look import Look

SHOTS = "NOROSHI_SHOTS"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those with a browser are seen by their mark."""
    for item in items:
        if "/e2e/" in str(item.path):
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def address(lake: Lake, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server on the samples, open."""
    state = State(tmp_path_factory.mktemp("state"))
    with site.served(lake, state) as found:
        yield found


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    """Debian's Chromium, driven by Playwright."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        chromium = None
    if chromium is None:
        say = pytest.fail if os.environ.get("NOROSHI_REQUIRE") == "1" else pytest.skip
        say(
            "Chromium or Playwright is missing. On Debian: apt-get install -y chromium; pip install playwright"
        )
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        found = playwright.chromium.launch(
            executable_path=chromium, args=[*arguments, "--force-color-profile=srgb"]
        )
        yield found
        found.close()


@pytest.fixture(scope="session")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go: a temporary folder, kept for the last three runs by pytest."""
    return tmp_path_factory.mktemp("screenshots")


@pytest.fixture
def check_page(browser: object, address: str, shots: Path) -> Callable[..., None]:
    """check_page("/lake", "lake"): both languages, light and dark, wide and narrow; nothing wrong, screenshots."""
    return Look(browser, address, shots).check
