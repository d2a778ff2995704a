"""The darknet's page in a browser."""

from __future__ import annotations

from collections.abc import Callable


def test_looks(check_page: Callable[..., None]) -> None:
    check_page("/darknet?range=all", "darknet")
