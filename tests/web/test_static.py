"""Colours that can be read, and files that name each other rightly."""

from __future__ import annotations

import re

import pytest

from noroshi.share.report import tokens
from noroshi.web import static

THEMES = {"light": tokens.LIGHT | static.EXTRA["light"], "dark": tokens.DARK | static.EXTRA["dark"],
          "print": tokens.PRINT | static.EXTRA["print"]}  # fmt: skip
TEXTS = ("ink", "muted", "cool", "accent", "good", "warn", "bad")
GROUNDS = ("page", "panel", "select", "shade")


@pytest.mark.parametrize("theme", THEMES)
def test_text_has_the_contrast_of_aa(theme: str) -> None:
    colours = THEMES[theme]
    low = {(t, g): round(tokens.contrast(colours[t], colours[g]), 2) for t in TEXTS for g in GROUNDS
           if tokens.contrast(colours[t], colours[g]) < 4.5 and not (t == "cool" and g == "shade")}  # fmt: skip
    assert not low


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_marks_and_frames_have_the_contrast_of_aa(theme: str) -> None:
    colours = THEMES[theme]
    assert tokens.contrast(colours["gap"], colours["page"]) >= 3, "the frame of a field"
    for colour in static.CATEGORIES[theme]:
        assert tokens.contrast(colour, colours["page"]) >= 3
    assert len(set(static.CATEGORIES[theme])) == 8


def test_nothing_is_loaded_from_elsewhere() -> None:
    for name, file in static.files().items():
        if name.endswith((".css", ".js")) and not name.startswith("vendor/"):
            text = file.body.decode()
            found = re.findall(r"""(?:https?:)?//(?!www\.w3\.org/)[a-z0-9.-]+\.[a-z]{2,}""", text)
            assert not found, name
            assert "@import" not in text, name


def test_scripts_name_files_there_are() -> None:
    for name, file in static.files().items():
        if name.endswith(".js") and not name.startswith("vendor/"):
            folder = name.rpartition("/")[0]
            for target in re.findall(r"""(?:from|import)\s+["'](\.[^"']+)["']""", file.body.decode()):
                parts: list[str] = folder.split("/")
                for part in target.split("/"):
                    if part == "..":
                        parts.pop()
                    elif part != ".":
                        parts.append(part)
                assert "/".join(parts) in static.files(), f"{name} names {target}"


def test_colours_come_from_tokens() -> None:
    for name, file in static.files().items():
        if name.endswith(".css") and name != static.MADE and not name.startswith("vendor/"):
            strays = set(re.findall(r"#[0-9a-fA-F]{3,8}\b", file.body.decode())) - {"#000"}
            assert not strays, f"{name}: {strays}"


def test_a_file_that_is_none() -> None:
    with pytest.raises(KeyError):
        static.url("js/none.js")
