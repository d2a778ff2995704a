"""Exposure and a host in a browser."""

from __future__ import annotations

from collections.abc import Callable


def test_looks(check_page: Callable[..., None]) -> None:
    check_page("/exposure?range=all", "exposure")


def test_a_host(check_page: Callable[..., None]) -> None:
    check_page("/exposure/host/198.51.100.80", "host")
