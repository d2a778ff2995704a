"""Colours: contrast by WCAG 2.2, and a heat scale whose order is its lightness."""

from __future__ import annotations

from itertools import pairwise

import pytest

from noroshi.share.report.tokens import DARK, LIGHT, PRINT, TLP, contrast, heat, luminance

THEMES = {"light": LIGHT, "dark": DARK, "print": PRINT}


@pytest.mark.parametrize("name", THEMES)
@pytest.mark.parametrize("ink", ["ink", "muted", "accent"])
@pytest.mark.parametrize("ground", ["page", "panel"])
def test_text_is_readable(name: str, ink: str, ground: str) -> None:
    assert contrast(THEMES[name][ink], THEMES[name][ground]) >= 4.5


@pytest.mark.parametrize("name", THEMES)
@pytest.mark.parametrize("mark", ["cool", "accent", "ink"])
def test_marks_stand_out_from_the_page(name: str, mark: str) -> None:
    assert contrast(THEMES[name][mark], THEMES[name]["page"]) >= 3


@pytest.mark.parametrize("name", THEMES)
def test_lines_stand_out_from_the_area_under_them(name: str) -> None:
    assert contrast(THEMES[name]["ink"], THEMES[name]["fill"]) >= 3


@pytest.mark.parametrize("name", TLP)
def test_markings_are_readable_on_black(name: str) -> None:
    assert contrast(TLP[name], "#000000") >= 4.5


def test_themes_have_the_same_tokens() -> None:
    assert set(LIGHT) == set(DARK) == set(PRINT)


def test_heat_scale_falls_evenly() -> None:
    """In lightness (CIE L*), so that its order survives print and every colour vision."""
    lightness = [116 * luminance(c) ** (1 / 3) - 16 for c in heat()]
    steps = [a - b for a, b in pairwise(lightness)]
    assert min(steps) > 5
    assert max(steps) < 2 * min(steps)


def test_contrast_of_black_and_white() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
