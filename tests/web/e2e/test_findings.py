"""Findings and cases in a browser, from choosing to a case."""

from __future__ import annotations

from collections.abc import Callable

from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from tests.web import site
from tests.web.e2e.look import Look


def test_the_list_looks(check_page: Callable[..., None]) -> None:
    check_page("/findings?range=all&kind=dos-victim", "findings")


def test_one_looks(check_page: Callable[..., None], lake: Lake) -> None:
    found = next(f for f in lake.findings() if f.kind == "dos-victim")
    check_page(f"/findings/{found.id}", "finding")


def test_cases_look(check_page: Callable[..., None]) -> None:
    check_page("/cases", "cases")


def test_from_choosing_to_a_closed_case(browser: object, lake: Lake, state: State, shots: object) -> None:
    with (
        site.served(lake, state) as address,
        Look(browser, address, shots).page("en", "light", {"width": 1280, "height": 900}) as page,
    ):  # type: ignore[arg-type]
        page.goto(address + "/findings?range=all&kind=decoy-intrusion")
        page.locator("input[name=ids]").first.check()
        page.locator("input[name=title]").fill("<img src=x onerror=alert(1)>")
        page.get_by_role("button", name="Put into case").click()
        page.wait_for_url("**/cases/*")
        assert page.locator("h1").inner_text() == "<img src=x onerror=alert(1)>"
        page.locator("#f-text").fill("seen\x1b[2J")
        page.get_by_role("button", name="Comment").click()
        page.wait_for_selector(".said li")
        page.locator("#c-state").select_option("closed")
        page.get_by_role("button", name="Save").click()
        page.wait_for_selector("text=closed")
        assert not page.wrong
    assert [c.state for c in state.cases.all()] == ["closed"]
