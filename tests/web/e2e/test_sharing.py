"""Sharing in a browser: from adding a recipient to what they would be given, a key, an export, notices, a report."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.lake.state.operators import OperatorRow
from noroshi.lake.state.recipients import RecipientRow
from noroshi.lake.state.users import User
from tests.web import site
from tests.web.e2e.look import Look

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def look(browser: object, lake: Lake, state: State, shots: Path, tmp_path: Path) -> Iterator[Look]:
    """A server with two recipients, operators and a folder for notices."""
    state.recipients.add(
        RecipientRow(
            "isac-energy", "sector", "green", "", HOSTILE, (), ("198.51.100.0/24",), "desk@isac.example", "ja"
        )
    )
    state.operators.load("table", "operators.csv", [OperatorRow("0.0.0.0/1", HOSTILE, ("abuse@isp.example",), "ja"),
                                                    OperatorRow("128.0.0.0/1", "B", ("b@isp.example",))])  # fmt: skip
    state.audit.tell("cli:<b>x", "export", recipient="isac-energy", count=12, format="stix", profile="sector",
                     withheld={"TLP:AMBER is stricter": 3})  # fmt: skip
    state.watches.add("ip", "162.142.125.10", HOSTILE)
    state.releases.add("domain", "cdn.example", HOSTILE, "cli:<b>x")
    state.audit.tell("cli:<b>x", "downgrade", count=1, what="run", id="0123456789ab", reason=HOSTILE, rows=12, kept=0,
                     **{"from": "amber", "to": "green"})  # fmt: skip
    state.users.add(User("ana@example.org", "analyst", "own", ""))
    with site.served(lake, state, site.notifying(tmp_path)) as address:
        found = Look(browser, address, shots)
        with (
            found.page() as page
        ):  # the first look at a lake takes longest: not to be waited for by each test
            for name in ("public", "community", "own", "isac-energy"):
                page.request.get(f"{address}/sharing?part=counts&name={name}", timeout=60_000)
        yield found


def test_sharing_looks(look: Look) -> None:
    look.check("/sharing", "sharing")


def test_a_recipient_looks(look: Look) -> None:
    look.check("/sharing/isac-energy", "recipient")


@pytest.mark.parametrize(
    "page", ["audit", "reports", "watches", "users", "users/ana@example.org", "operators", "releases"]
)
def test_others_look(look: Look, page: str) -> None:
    from tests.web.e2e.look import LOOKS

    look.check(f"/{page}", page.replace("/", "-"), looks=LOOKS[1:3])


def test_notices_look(look: Look) -> None:
    def wait(page: Any) -> None:
        page.wait_for_selector("#plan, #plan-now .state:not(.loading)", timeout=20_000)

    look.check("/notices", "notices", act=wait)


def test_from_a_recipient_to_a_file(look: Look) -> None:
    with look.page() as page:
        page.goto(look.address + "/sharing")
        page.get_by_text("Open the form").click()
        page.get_by_label("Name").fill("isp-a")
        page.get_by_label("Who they are").fill(HOSTILE)
        page.get_by_label("ranges").fill("192.0.2.0/24")
        page.get_by_role("button", name="Add a recipient").click()
        page.wait_for_url("**/sharing/isp-a")
        page.get_by_role("button", name="Make a key").click()
        secret = page.locator("#secret").inner_text()
        assert secret.startswith("nrs_")
        assert "nrs_" not in page.url
        page.goto(look.address + "/sharing/isp-a")
        assert secret not in page.content()
        page.locator("#e-format").select_option("jsonl")
        page.get_by_role("button", name="Export now").click()
        page.wait_for_url("**/works/*")
        link = page.locator("#work a[download]")
        link.wait_for(timeout=20_000)
        with page.expect_download() as saved:
            link.click()
        lines = Path(saved.value.path()).read_text().splitlines()
        page.goto(look.address + "/sharing/isp-a")
        told = re.search(r"receive ([\d,]+) findings", page.locator(".sentence").inner_text())
        assert told
        assert len(lines) == int(told[1].replace(",", "")) > 100
        page.screenshot(path=look.shots / "recipient-exported.png", full_page=True)
        page.get_by_role("button", name="Remove").click()
        page.locator("#confirm-remove button.primary").click()
        page.wait_for_url("**/sharing")
        assert not page.wrong


def test_a_report_opens(look: Look) -> None:
    with look.page(lang="ja") as page:
        page.goto(look.address + "/reports")
        page.locator("button.primary").click()
        page.wait_for_url("**/works/*")
        link = page.locator("#work a.primary")
        link.wait_for(timeout=30_000)
        href = link.get_attribute("href")
        page.screenshot(path=look.shots / "report-done.png", full_page=True)
        assert not page.wrong
        answer = page.goto(look.address + href)
        assert "sandbox" in answer.headers["content-security-policy"]
        assert not [w for w in page.wrong if "foreign" in w or "style" in w.lower()]
        page.screenshot(path=look.shots / "report.png", full_page=True)
        page.pdf(path=look.shots / "report.pdf", format="A4")


def test_sending_asks_first(browser: object, state: State, shots: Path, tmp_path: Path) -> None:
    lake = site.infected(tmp_path / "lake")
    state.operators.load(
        "table", "o.csv", [OperatorRow("203.0.113.0/24", "Example", ("abuse@isp.example",), "ja")]
    )
    with (
        site.served(lake, state, site.notifying(tmp_path)) as address,
        Look(browser, address, shots).page() as page,
    ):
        page.goto(address + "/notices")
        page.wait_for_selector("#plan")
        page.locator("#plan td a").click()
        assert "203.0.113.7" in page.locator(".letter").first.inner_text()
        page.screenshot(path=shots / "notice.png", full_page=True)
        page.go_back()
        page.get_by_role("button", name="Send …").click()
        assert not (tmp_path / "out").exists()
        page.screenshot(path=shots / "confirm.png")
        page.locator("#confirm-send button.primary").click()
        page.wait_for_url("**/works/*")
        page.wait_for_selector("#work .state:not(.loading)")
        assert not page.wrong
    assert len(list((tmp_path / "out").rglob("*.eml"))) == 1
