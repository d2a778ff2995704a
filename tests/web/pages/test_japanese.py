"""Pages in Japanese say nothing in English: every page of a lake with something of everything is read for words
that our English pages use and our Japanese ones do not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from starlette.testclient import TestClient

from noroshi.lake.state import State
from noroshi.lake.state.operators import OperatorRow
from noroshi.lake.state.recipients import RecipientRow
from noroshi.model.finding import KINDS
from noroshi.model.tables import TABLES
from noroshi.share.gate import View
from noroshi.share.marking import RECIPIENTS, reason
from noroshi.web import reasons, wording
from tests.web import site

WORD = re.compile(r"[A-Za-z][A-Za-z'-]*[A-Za-z]")
VALUE = re.compile(
    r"https?:\S+|pkg:\S+?(?=は|\s|$)|\bn-[0-9a-f]+|[\w-]+(?:\.[\w-]+)+|^noroshi .*|Customers with cameras",
    re.ASCII,
)
"""What is a value wherever it stands: URLs, packages, numbers of notices, names, commands."""
SHOWN = (
    "aria-label",
    "title",
    "placeholder",
    "data-title",
    "data-empty",
    "data-failed",
    "data-log",
    "data-packets",
)
"""Attributes people read or hear."""
DATA = {"mono", "hostile", "entity", "evidence", "pairs", "letter", "command", "detail", "where-in", "item"}
"""Classes of what holds data: values, rows, evidence, messages as they are sent."""
ALLOWED = {
    "english",  # the link to the other language
    "local",  # who sits at the machine, by name
    # Names of recipients and profiles:
    "community", "public", "own", "sector", "isac-energy", "plain", "organisation", "person",
    "no", "esc", "acme", "portal", "example", "networks", "host", "customer", "customers",  # names in the samples
    *KINDS, *TABLES,
}  # fmt: skip
"""Words that stand in our English pages too and are data, names or signs here."""


class Seen(HTMLParser):
    """The texts of a page that are not data."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._open: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        classes = set((given.get("class") or "").split())
        data = tag in ("script", "style", "code", "bdi", "kbd", "datalist") or bool(classes & DATA)
        data = data or "data-copy" in given or given.get("lang") == "en"
        if not (data or any(d for _, d in self._open)):
            self.texts += [v for k, v in attrs if k in SHOWN and v]
        if tag not in ("meta", "link", "input", "img", "br", "hr", "path", "rect", "circle"):
            self._open.append((tag, data))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if data.strip() and not any(d for _, d in self._open):
            self.texts.append(data.strip())


def ours() -> set[str]:
    """Words of English pages that no Japanese one has."""
    en, ja = (
        {w.lower() for text in wording.words(lang).known.values() for w in WORD.findall(text)}
        for lang in wording.LANGS
    )
    return en - ja - ALLOWED


def english(page: str) -> list[str]:
    """Texts of a page with English words of ours; findings' own sentences name tables and tools, which are data."""
    seen, known = Seen(), ours()
    seen.feed(page)
    return [t for t in seen.texts if known & {w.lower() for w in WORD.findall(VALUE.sub("", t))}]


PATHS = (
    "/now", "/findings?range=all", "/cases", "/cases/1", "/darknet?range=all", "/exposure?range=all",
    "/exposure/host/198.51.100.23", "/honeypots?range=all", "/honeypots/session/a17ec31f1b9a", "/sharing",
    "/sharing?part=counts&name=community", "/sharing/isac-energy", "/sharing/community", "/notices",
    "/notices?part=plan", "/operators", "/operators?q=nothing", "/releases", "/audit", "/reports", "/works",
    "/watches", "/users", "/users/ana", "/account", "/lake",
    "/search", "/entity/ip/198.51.100.23?range=all", "/entity/domain/nobody.example", "/no-such-page",
)  # fmt: skip


@pytest.fixture(scope="module")
def japanese(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client that reads Japanese, on a lake and a state with something on every page."""
    folder = tmp_path_factory.mktemp("japanese")
    lake, state = site.build(folder / "lake"), State(folder)
    state.recipients.add(
        RecipientRow("isac-energy", "sector", "green", "", "", ("dos-victim",), ("198.51.100.0/24",))
    )
    state.operators.load("table", "o.csv", [OperatorRow("0.0.0.0/1", "ISP A", ("a@isp.example",), "ja"),
                                            OperatorRow("128.0.0.0/1", "ISP B", lang="ja")])  # fmt: skip
    withheld = {"TLP:AMBER is stricter than TLP:GREEN, the most that isac-energy (x) is given": 3}
    state.audit.tell("cli:x", "export", recipient="isac-energy", count=12, format="stix", withheld=withheld)
    state.watches.add("ip", "162.142.125.10", "見張る")
    site.add_user(state, "ana", "admin")
    with site.client(lake, state, site.notifying(folder)) as client:
        client.headers.update({"accept": "text/html", "accept-language": "ja", "x-api-key": "any"})
        assert client.post("/cases", data={"title": "事案", "values": "192.0.2.2"}).status_code == 303
        yield client


@pytest.mark.parametrize("path", PATHS)
def test_a_page_in_japanese_is_japanese(japanese: TestClient, path: str) -> None:
    page = japanese.get(path)
    assert page.status_code == (404 if path == "/no-such-page" else 200), page.text[:300]
    assert not english(page.text), path
    assert not re.search(r">\s*\d+ (d|h|min|s)\b", page.text), "lengths of time have Japanese units"


def test_it_would_find_english(japanese: TestClient) -> None:
    page = japanese.get("/lake", headers={"accept-language": "en"}).text
    assert len(english(page)) > 10


def test_reasons_are_what_the_program_says(japanese: TestClient) -> None:
    """The patterns fit what is really said: a reason that is worded anew fails here and not on a page."""
    tower = japanese.app.state.tower  # type: ignore[attr-defined]
    ja, en = wording.words("ja"), wording.words("en")
    view: View = tower.reader.view(RECIPIENTS["own"])
    finding = view.findings()[0]
    strict = replace(finding, tlp=type(finding.tlp).AMBER)
    from noroshi.work.gate import open_view, recipient, withheld

    shot = tower.reader.shot()
    said = {reason(strict, RECIPIENTS["public"])}
    for name in ("isac-energy", "community", "public"):
        to = open_view(tower.lake, tower.config, recipient(name, tower.state), shot=shot)
        said |= set(withheld(to, shot)) | set(withheld(to, shot, mine=True))
    assert len(said) > 3
    for text in said:
        assert reasons.said(en, text) == text
        assert not WORD.search(re.sub(r"TLP:\S+|isac-energy|community|public", "", reasons.said(ja, text))), (
            text
        )


def test_a_reason_nobody_knows_stays() -> None:
    ja = wording.words("ja")
    for text in ("", "<b>new</b>", "x" * 5000, "TLP:RED is stricter than", "{name}"):
        assert reasons.said(ja, text) == text
    assert reasons.said(ja, "the profile {words.known} leaves it out").count("{words.known}") == 1
