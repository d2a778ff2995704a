"""The page of a value and the search in a browser."""

from __future__ import annotations

from collections.abc import Callable

import httpx

from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.web.render import entity_url
from tests.web import site
from tests.web.e2e.look import Look

ATTACKER = "198.51.100.23"
WIDE = {"width": 1280, "height": 900}


def drawn(page: object) -> None:
    """Waits for the graph, which is drawn from what the page holds."""
    page.wait_for_selector("#graph[data-ready] svg.plot .node")  # type: ignore[attr-defined]


def test_an_attacker_looks(check_page: Callable[..., None], address: str) -> None:
    # The first question opens the lake, which on a busy machine takes longer than a browser waits.
    assert httpx.get(
        address + entity_url("ip", ATTACKER), headers={"accept": "text/html"}, timeout=60
    ).is_success
    check_page(entity_url("ip", ATTACKER), "entity", act=drawn)


def test_an_unknown_value_and_the_search_look(check_page: Callable[..., None]) -> None:
    check_page("/search", "search")
    check_page(entity_url("domain", "nobody.example"), "entity-unknown")


def test_from_a_typed_pair_to_the_raw_line(browser: object, lake: Lake, state: State, shots: object) -> None:
    with site.served(lake, state) as address, Look(browser, address, shots).page("en", "light", WIDE) as page:  # type: ignore[arg-type]
        page.goto(address + "/search")
        page.locator("#q").fill("198.51.100[.]23")
        page.locator("#q").press("Enter")
        page.wait_for_url(f"**/entity/ip/{ATTACKER}")
        drawn(page)
        before = page.locator("#graph .node").count()
        page.locator("#graph .node").nth(1).press("Enter")
        page.wait_for_function(f"document.querySelectorAll('#graph .node').length >= {before}")
        page.wait_for_selector("#graph .node.chosen")
        page.locator("#timeline").scroll_into_view_if_needed()
        box = page.locator("#timeline svg.plot").bounding_box()
        page.mouse.move(box["x"] + 100, box["y"] + 60)
        page.mouse.down()
        page.mouse.move(box["x"] + 400, box["y"] + 60, steps=4)
        page.mouse.up()
        page.wait_for_url("**from=*")
        page.goto(address + entity_url("ip", ATTACKER))
        page.locator("#rows a", has_text="why").first.click()
        page.wait_for_url("**/why/*")
        assert "Where it came from" in page.locator("h1").inner_text()
        page.goto(address + "/search")
        page.locator("#q").fill("nobody:such a password")
        page.locator("#q").press("Enter")
        page.wait_for_selector("text=not stored")
        assert "password" not in page.url.split("?")[-1]
        assert page.url == address + "/search"
        assert not page.wrong
