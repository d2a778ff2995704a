"""Words: both languages say everything, with the same braces; templates and pages ask for no others."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

from noroshi.web import render, wording
from noroshi.web.routes import pages

WEB = Path(wording.__file__).parent
ASKED = re.compile(r"""\bt(?:\.n)?\(\s*["']([a-z0-9_]+(?:\.[a-zA-Z0-9_+-]+)+)["']\s*[,)]""")
PAIRS = sorted({f.name.split(".")[0] for f in wording.FOLDER.glob("*.toml")})


def _braces(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("page", PAIRS)
def test_both_are_complete(page: str) -> None:
    en, ja = (wording.load(wording.FOLDER / f"{page}.{lang}.toml") for lang in wording.LANGS)
    assert en.keys() == ja.keys()
    for key, text in en.items():
        assert text.strip(), key
        assert ja[key].strip(), key
        # "One thing" needs no number in English; Japanese may name it.
        if not key.endswith(".one"):
            assert _braces(text) == _braces(ja[key]), key


@pytest.mark.parametrize("page", PAIRS)
def test_japanese_is_japanese(page: str) -> None:
    """Words that are the same in both are names and signs, not sentences left as they were."""
    en, ja = (wording.load(wording.FOLDER / f"{page}.{lang}.toml") for lang in wording.LANGS)
    same = [
        k
        for k in en
        if ".example" not in k and en[k] == ja[k] and len(re.findall(r"[A-Za-z]{3,}", en[k])) > 3
    ]
    assert not same


def test_what_is_asked_for_is_there() -> None:
    known = wording.words("en").known
    asked: dict[str, str] = {}
    for file in [*WEB.rglob("*.html"), *WEB.rglob("*.py")]:
        for key in ASKED.findall(file.read_text("utf-8")):
            asked[key] = file.name
    assert len(asked) > 50
    missing = {k: f for k, f in asked.items() if k not in known}
    assert not missing


def test_every_page_has_a_name() -> None:
    for lang in wording.LANGS:
        assert all(wording.words(lang).has(f"{p.name}.nav") for p in pages())


@pytest.mark.parametrize(
    ("asked", "kept", "accepted", "lang"),
    [
        ("ja", "en", "en", "ja"), ("", "ja", "en", "ja"), ("xx", "yy", "ja", "ja"), ("", "", "", "en"),
        ("", "", "fr, ja;q=0.4, en;q=0.3", "ja"), ("", "", "en-GB,ja;q=0.9", "en"), ("", "", "ja;q=nonsense", "en"),
    ],
)  # fmt: skip
def test_the_language(asked: str, kept: str, accepted: str, lang: str) -> None:
    assert wording.choose(asked, kept, accepted) == lang


def test_numbers() -> None:
    t = wording.words("en")
    assert t.n("common.ago.minutes", 1) == "a minute ago"
    assert t.n("common.ago.minutes", 1234) == "1,234 minutes ago"


def test_templates_compile_and_have_no_inline_code() -> None:
    environment = render.environment()
    for file in render.TEMPLATES.rglob("*.html"):
        text = file.read_text("utf-8")
        environment.get_template(file.relative_to(render.TEMPLATES).as_posix())
        assert not re.search(r"<[^>]*\sstyle=|<style|\son[a-z]+=|javascript:|hx-on", text), file.name
        assert not re.search(r"<script(?![^>]*\ssrc=)", text), file.name
        assert not re.search(r"\|\s*safe\b", text), f"{file.name}: nothing is exempt from escaping"
