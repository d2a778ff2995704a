"""Your account in a browser: found in the menu; password, sessions and keys; nothing wrong in any look."""

from __future__ import annotations

from pathlib import Path

from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from tests.web import site
from tests.web.e2e.look import LOOKS, Look, serious


def test_an_account(browser: object, lake: Lake, state: State, shots: Path) -> None:
    site.add_user(state, "ana", "viewer")
    with site.served(lake, state, open=False) as address:
        look = Look(browser, address, shots)
        for n, (lang, theme, size) in enumerate(LOOKS):
            other = state.sessions.begin("ana", "192.0.2.1")
            with look.page(lang, theme, size) as page:
                page.goto(address + "/signin?next=/account", timeout=60_000)
                page.locator("#f-name").fill("ana")
                page.locator("#f-password").fill(site.PASSWORD)
                page.locator("main form button").click()
                page.wait_for_url("**/account")
                page.locator("details.menu summary").click()
                assert page.locator("details.menu a[href='/account']").is_visible()
                page.keyboard.press("Escape")
                page.screenshot(path=shots / f"account-{lang}-{theme}-{n}.png", full_page=True)
                assert not serious(page, ())
                over = page.evaluate(
                    "document.documentElement.scrollWidth - document.documentElement.clientWidth"
                )
                assert over <= 0
                page.locator("#keys form.act button").click()
                assert page.locator("#secret").inner_text().startswith("nrs_")
                page.locator("#f-old").fill(site.PASSWORD)
                page.locator("#f-new").fill(site.PASSWORD + "!")
                page.locator("#f-again").fill(site.PASSWORD + "!")
                page.locator("#password button.primary").click()
                page.wait_for_url("**/account?done=password")
                assert state.sessions.find(other) is None
                assert page.locator("#sessions tbody tr").count() == 1
                assert not serious(page, ())
                assert not page.wrong
            state.users.change("ana", password=site._hash())
