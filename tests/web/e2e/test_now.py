"""The page of now in a browser: the picture moves, and stands still where motion is not wanted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def test_looks(check_page: Callable[..., None]) -> None:
    def wait(page: Any) -> None:
        page.wait_for_selector("[data-list] li:nth-child(4)")

    check_page("/now", "now", act=wait)
