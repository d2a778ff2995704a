"""The lake's page in a browser: the pattern of such tests."""

from __future__ import annotations

from collections.abc import Callable


def test_looks(check_page: Callable[..., None]) -> None:
    check_page("/lake", "lake")
