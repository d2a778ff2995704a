"""The page of a value and the search in a browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.web.render import entity_url
from tests.web import site
from tests.web.e2e.look import LOOKS, Look, serious

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


MANY = [f"host-{n:03}.example" for n in range(90)]


def many(route: Any) -> None:
    """An answer with more values than a graph can show."""
    nodes = [{"kind": "domain", "value": v, "title": "Domain", "href": f"/entity/domain/{v}", "weight": 1 / (n + 1),
              "count": n, "notes": []} for n, v in enumerate(MANY)]  # fmt: skip
    edges = [[0, n, n] for n in range(1, len(MANY))] + [[1, 2, 7]]
    route.fulfill(json={"nodes": nodes, "edges": edges, "total": len(MANY)})


def test_more_than_a_graph_shows_is_a_matrix(browser: object, address: str, shots: Path) -> None:
    """It comes by itself, is filtered, is used with the keyboard alone, and cannot be made a graph again."""
    with Look(browser, address, shots).page("en", "light", WIDE) as page:
        page.route("**/api/v1/pivot/graph?*", many)
        page.goto(address + entity_url("ip", ATTACKER), timeout=60_000)
        drawn(page)
        before = page.locator("#graph .node").count()
        assert page.locator("#graph [data-as=graph]").get_attribute("aria-pressed") == "true"
        page.locator("#graph .node").nth(1).press("Enter")
        page.wait_for_selector("#graph .matrix table")
        assert page.locator("#graph svg.plot").count() == 0
        assert page.locator("#graph [data-as=graph]").is_disabled()
        assert "More than 60" in page.locator("#graph .chosen-node").inner_text()
        rows = page.locator("#graph .matrix tbody tr:not(.group)")
        assert rows.count() == before - 1 + len(MANY)
        assert len(set(page.locator("#graph .matrix .group").all_inner_texts())) > 1
        domains = page.locator("#graph .matrix tbody", has_text=MANY[5]).locator("td:nth-child(2)")
        assert [float(w) for w in domains.all_inner_texts()] == sorted(
            (float(w) for w in domains.all_inner_texts()), reverse=True
        )
        page.screenshot(path=shots / "matrix-many.png", full_page=True)
        assert not serious(page, ())
        page.locator("#graph .find-value").focus()
        page.keyboard.type("HOST-04")
        assert rows.count() == 10
        assert "10 of" in page.locator("#graph .told").inner_text()
        page.keyboard.type("nothing like it")
        assert rows.count() == 0
        page.keyboard.press("Control+a")
        page.keyboard.press("Delete")
        page.locator("#graph .of-matrix select").select_option("domain")
        assert rows.count() >= len(MANY)
        opened = page.locator("#graph .matrix thead .across").count()
        page.locator("#graph .matrix .open:enabled").first.press("Enter")
        page.wait_for_function(
            f"document.querySelectorAll('#graph .matrix thead .across').length >= {opened}"
        )
        assert page.evaluate("document.activeElement.closest('.matrix') !== null"), "the focus is kept"
        assert not page.wrong


def test_a_matrix_by_choice(browser: object, address: str, shots: Path) -> None:
    look = Look(browser, address, shots)
    for n, (lang, theme, size) in enumerate(LOOKS):
        with look.page(lang, theme, size) as page:
            page.goto(address + entity_url("ip", ATTACKER), timeout=60_000)
            drawn(page)
            values = page.locator("#graph .node").count()
            page.locator("#graph [data-as=matrix]").press("Enter")
            page.wait_for_url("**beside=matrix*")
            assert page.locator("#graph .matrix tbody tr:not(.group)").count() == values - 1
            assert page.locator("#graph .matrix td.num[class*=heat]").count() >= values - 1
            page.reload()
            page.wait_for_selector("#graph .matrix table")
            page.locator("#related").scroll_into_view_if_needed()
            page.locator("#related").screenshot(path=shots / f"matrix-{n}.png")
            over = page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert over <= 0
            assert not serious(page, ())
            page.locator("#graph [data-as=graph]").press("Enter")
            drawn(page)
            assert "beside" not in page.url
            assert not page.wrong


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
