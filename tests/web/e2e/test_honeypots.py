"""Honeypots and a visit in a browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from tests.web.e2e.look import WIDE, Look


def test_looks(check_page: Callable[..., None]) -> None:
    check_page("/honeypots?range=all", "honeypots")


def test_pictures_speak_japanese(browser: object, address: str, shots: Path) -> None:
    """Units and series are named by scripts, from answers that are the same in all languages."""
    with Look(browser, address, shots).page("ja", "light", WIDE) as page:
        for path, word in (("/honeypots", "接続"), ("/darknet", "その他")):
            page.goto(f"{address}{path}?range=all", timeout=60_000)
            page.wait_for_selector("figure.chart[data-ready] .u-legend")
            said = " ".join(page.locator("figure.chart .u-legend, figure.chart .key").all_inner_texts())
            assert word in said
            assert not re.search(r"packets|sessions|logins|other", said), said


def test_a_visit(check_page: Callable[..., None]) -> None:
    check_page("/honeypots/session/a17ec31f1b9a", "session")
