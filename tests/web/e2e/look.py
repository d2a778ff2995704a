"""How a page is looked at: what the console says, where requests go, what axe-core finds, how it fits a phone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text(encoding="utf-8")
"""axe-core 4.14.1, Deque Systems, MPL-2.0 (axe/LICENSE); it runs in tests only and is in no package."""
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
LOOKS = (("en", "light", WIDE), ("ja", "dark", WIDE), ("ja", "light", PHONE), ("en", "dark", PHONE))
"""Each language in each theme and on each width, in four looks."""
SERIOUS = ("serious", "critical")


@dataclass
class Look:
    """Looks at pages of one server."""

    browser: Any
    address: str
    shots: Path

    def check(
        self, path: str, name: str, *, act: Callable[[Any], None] | None = None, status: int = 200,
        looks: tuple[Any, ...] = LOOKS, ignore: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        """Fails when a page is wrong in any look; leaves a screenshot of each.

        act: done on each page before it is judged (opens a menu, waits for a picture). ignore: ids of axe's rules
        that do not hold here; say why where you give them.
        """
        for lang, theme, size in looks:
            with self.page(lang, theme, size) as page:
                answer = page.goto(self.address + path)
                assert answer.status == status, f"{path} answers {answer.status}"
                settle(page)
                if act:
                    act(page)
                    settle(page)
                narrow = size["width"] < 600
                page.screenshot(
                    path=self.shots / f"{name}-{lang}-{theme}{'-phone' if narrow else ''}.png", full_page=True
                )
                assert page.evaluate("document.documentElement.lang") == lang
                over = page.evaluate(
                    "document.documentElement.scrollWidth - document.documentElement.clientWidth"
                )
                assert over <= 0, f"{path} in {lang} is {over} px too wide at {size['width']}"
                assert not page.wrong, f"{path} in {lang}, {theme}: {page.wrong}"
                assert not (found := serious(page, ignore)), (
                    f"{path} in {lang}, {theme}, {size['width']}: {found}"
                )

    @contextlib.contextmanager
    def page(
        self, lang: str = "en", theme: str = "light", size: dict[str, int] | None = None
    ) -> Iterator[Any]:
        """A fresh page; `page.wrong` gathers console errors, faults, failed and foreign requests."""
        # bypass_csp would hide what the policy forbids; axe is evaluated by the driver, which the policy allows.
        context = self.browser.new_context(
            viewport=size or WIDE, locale="ja-JP" if lang == "ja" else "en-GB", color_scheme=theme,
            timezone_id="Asia/Tokyo", reduced_motion="reduce",
        )  # fmt: skip
        page = context.new_page()
        page.set_default_timeout(8000)
        wrong: list[str] = []
        page.wrong = wrong
        page.on(
            "console",
            lambda m: wrong.append(f"console: {m.text}") if m.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda e: wrong.append(f"fault: {e}"))
        page.on(
            # What a page had asked for when it was left is given up by the browser: nothing failed.
            "requestfailed",
            lambda r: (
                None
                if "/events" in r.url or "ERR_ABORTED" in (r.failure or "")
                else wrong.append(f"failed: {r.url}")
            ),
        )
        page.on("request", lambda r: wrong.append(f"foreign: {r.url}") if self._foreign(r.url) else None)
        try:
            yield page
        finally:
            context.close()

    def _foreign(self, url: str) -> bool:
        return not url.startswith((self.address + "/", "data:", "blob:"))


def settle(page: Any) -> None:
    """Waits until pictures are drawn and htmx has its parts."""
    page.wait_for_load_state("load")
    page.wait_for_function(
        "() => ![...document.querySelectorAll('figure[data-chart][data-src]')].some(f => !f.dataset.ready"
        " && !f.querySelector('.picture .state:not(.loading)')) && !document.querySelector('.htmx-request')"
    )


def serious(page: Any, ignore: tuple[str, ...] = ()) -> list[str]:
    """What axe-core calls serious or critical, in words."""
    page.evaluate(AXE)
    found = page.evaluate(
        "async () => (await axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa',"
        " 'best-practice']})).violations"
    )
    return [
        f"{v['id']} ({v['impact']}): {v['help']}: {[n['html'][:160] for n in v['nodes'][:3]]}"
        for v in found
        if v["impact"] in SERIOUS and v["id"] not in ignore
    ]
