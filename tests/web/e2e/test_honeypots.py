"""Honeypots and a visit in a browser."""

from __future__ import annotations

from collections.abc import Callable


def test_looks(check_page: Callable[..., None]) -> None:
    check_page("/honeypots?range=all", "honeypots")


def test_a_visit(check_page: Callable[..., None]) -> None:
    check_page("/honeypots/session/a17ec31f1b9a", "session")
