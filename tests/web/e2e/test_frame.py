"""What all pages share, in a browser: signing in, settings, keys, the clipboard, hostile texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from tests.web import site
from tests.web.e2e.look import LOOKS, WIDE, Look


def test_a_missing_page_looks_like_one(browser: object, address: str, shots: Path) -> None:
    look = Look(browser, address, shots)
    with look.page() as page:
        assert page.goto(address + "/nothing-here").status == 404
        assert page.get_by_role("heading", level=1).inner_text() == "Not here"
        # The browser itself tells of the 404 in the console: nothing else may be there.
        assert [w for w in page.wrong if "404" not in w] == []


def test_signing_in(browser: object, lake: Lake, state: State, shots: Path) -> None:
    site.add_user(state, "ana", "analyst")
    with site.served(lake, state, open=False) as address:
        look = Look(browser, address, shots)
        look.check("/signin", "signin", looks=LOOKS[:3])
        with look.page() as page:
            page.goto(address + "/lake?source=synthetic-day")
            page.get_by_label("Name").fill("ana")
            page.get_by_label("Password").fill(site.PASSWORD)
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url("**/lake?source=synthetic-day")
            page.locator("details.menu summary").click()
            page.screenshot(path=shots / "menu.png")
            page.get_by_role("button", name="Sign out").click()
            page.wait_for_url("**/signin")
            assert not page.wrong


def test_setup(browser: object, lake: Lake, state: State, shots: Path) -> None:
    with site.served(lake, state, open=False) as address:
        look = Look(browser, address, shots)
        token = _setup_token(address, state)
        look.check(f"/setup?token={token}", "setup", looks=LOOKS[:2])


def _setup_token(address: str, state: State) -> str:
    import gc

    from noroshi.web.tower import Tower

    return next(t.setup for t in gc.get_objects() if isinstance(t, Tower) and t.state is state)


def test_keys_and_settings(browser: object, address: str, shots: Path) -> None:
    with Look(browser, address, shots).page() as page:
        page.goto(address + "/lake")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("/")
        assert page.evaluate("document.activeElement.id") == "q"
        page.keyboard.press("Escape")
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("?")
        assert page.locator("#help").is_visible()
        page.keyboard.press("Escape")
        before = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.keyboard.press("t")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
        page.reload()
        assert page.evaluate("document.documentElement.dataset.theme") == "dark", "it is kept"
        page.locator("details.menu summary").click()
        page.get_by_role("link", name="日本語").click()
        page.wait_for_function("document.documentElement.lang === 'ja'")
        page.goto(address + "/lake")
        assert page.evaluate("document.documentElement.lang") == "ja", "it is kept"
        assert not page.wrong


def test_copying(browser: object, address: str, shots: Path) -> None:
    with Look(browser, address, shots).page() as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.goto(address + "/lake")
        page.locator("footer .copy").click()
        page.wait_for_function("document.getElementById('said').textContent !== ''")
        assert page.evaluate("navigator.clipboard.readText()") == "noroshi lake status"


@pytest.mark.parametrize("script", ["inline", "eval", "foreign"])
def test_the_policy_holds(browser: object, address: str, shots: Path, script: str) -> None:
    """What a hostile text could bring into a page does not run, even if it were not escaped."""
    code = {
        "inline": "const s = document.createElement('script'); s.textContent = 'window.ran = 1';"
                  " document.body.append(s)",
        "eval": "const a = document.createElement('a'); a.setAttribute('onclick', 'window.ran = 1');"
                " document.body.append(a); a.click()",
        "foreign": "const i = new Image(); i.src = 'http://127.0.0.1:9/x'; document.body.append(i)",
    }[script]  # fmt: skip
    with Look(browser, address, shots).page() as page:
        page.goto(address + "/lake")
        page.evaluate(f"() => {{ {code} }}")
        page.wait_for_timeout(100)
        assert page.evaluate("window.ran") is None
        if script == "foreign":
            assert any("Content Security Policy" in w for w in page.wrong)


def test_pictures(browser: object, address: str, shots: Path) -> None:
    """Each kind of picture is drawn, has a table, can be saved, and a brushed range becomes that of the page."""
    look = Look(browser, address, shots)
    with look.page(size=WIDE) as page:
        page.goto(address + "/lake")
        page.add_style_tag(url=f"{address}/static/x/vendor/uPlot.min.css")
        page.add_script_tag(url=f"{address}/static/x/vendor/uPlot.iife.min.js")
        page.evaluate(_DRAW)
        page.wait_for_function("document.querySelectorAll('figure[data-ready]').length === 3")
        page.screenshot(path=shots / "pictures.png", full_page=True)
        for name in ("line", "heat", "bars"):
            assert page.locator(f"#{name} table tr").count() > 3
            for kind in ("svg", "png"):
                with page.expect_download() as saved:
                    page.evaluate(
                        "async ([id, kind]) => (await import(document.querySelector('script[type=module]').src"
                        ".replace('app.js', 'charts.js'))).save(document.getElementById(id), kind)", [name, kind]
                    )  # fmt: skip
                assert Path(saved.value.path()).stat().st_size > 500
        over = page.locator("#line .u-over").bounding_box()
        page.mouse.move(over["x"] + over["width"] * 0.3, over["y"] + 40)
        page.mouse.down()
        page.mouse.move(over["x"] + over["width"] * 0.6, over["y"] + 60, steps=5)
        page.mouse.up()
        page.wait_for_url("**from=2026-04-0*")


_DRAW = """async () => {
  const charts = await import(document.querySelector('script[type=module]').src.replace('app.js', 'charts.js'));
  const hours = Array.from({length: 48}, (_, i) => new Date(Date.UTC(2026, 3, 1, i)).toISOString().replace('.000', ''));
  const data = {
    line: {x: hours, unit: 'packets', gaps: [{from: hours[20], to: hours[24], reason: 'outage'}], series: [
      {name: 'mirai', values: hours.map((_, i) => i >= 20 && i < 24 ? null : 900 + 300 * Math.sin(i / 4))},
      {name: 'zmap', values: hours.map((_, i) => i >= 20 && i < 24 ? null : 400 + 10 * i)}]},
    heat: {x: hours, y: ['23/tcp', '22/tcp', '445/tcp', '8080/tcp'], unit: 'packets', log: true,
           values: [0, 1, 2, 3].map(k => hours.map((_, i) => Math.round(Math.exp((i % 12) / 2 + k))))},
    bars: {unit: 'packets', items: [{label: '23/tcp', value: 4200, low: 4000, high: 4400, hot: true},
           {label: '22/tcp', value: 900}, {label: '日本語の名前', value: 300}, {label: '445/tcp', value: 20}]},
  };
  const main = document.getElementById('main');
  main.replaceChildren();
  for (const kind of Object.keys(data)) {
    const f = Object.assign(document.createElement('figure'), {id: kind, className: 'chart'});
    Object.assign(f.dataset, {chart: kind, title: kind, empty: 'nothing', failed: 'failed'});
    f.innerHTML = '<div class="picture"></div><details data-table open><summary>table</summary>'
      + '<div class="scroll"></div></details>';
    main.append(f);
    charts.show(f, data[kind]);
  }
}"""
