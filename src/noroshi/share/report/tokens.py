"""Colours by meaning, for light, dark and paper; pictures carry the names and the page gives the values."""

from __future__ import annotations

LIGHT: dict[str, str] = {
    "page": "#ffffff",
    "panel": "#f5f7f9",
    "ink": "#16202b",
    "muted": "#55636f",
    "line": "#d6dde3",
    "fill": "#c3ced8",
    "cool": "#3b566e",
    "accent": "#c2410c",
    "gap": "#8595a3",
}
DARK: dict[str, str] = {
    "page": "#0f151b",
    "panel": "#171f27",
    "ink": "#e7ecf0",
    "muted": "#a2b1be",
    "line": "#2d3945",
    "fill": "#3d4f60",
    "cool": "#9db6cb",
    "accent": "#ff8a3d",
    "gap": "#748596",
}
PRINT: dict[str, str] = {
    "page": "#ffffff",
    "panel": "#ffffff",
    "ink": "#000000",
    "muted": "#3a3a3a",
    "line": "#b5b5b5",
    "fill": "#c8c8c8",
    "cool": "#3a3a3a",
    "accent": "#000000",
    "gap": "#777777",
}

TLP: dict[str, str] = {
    "red": "#ff2b2b",
    "amber": "#ffc000",
    "amber+strict": "#ffc000",
    "green": "#33ff00",
    "clear": "#ffffff",
}
"""Text colours of TLP 2.0 on black, as FIRST fixes them: the same in both themes."""

HEAT_STEPS = 8

# Ends of the heat scale in OKLab (lightness, green-red, blue-yellow), by way of a green blue in the middle:
# lightness alone carries the order, so it survives print and every kind of colour blindness.
_HEAT_PATH = ((0.960, -0.010, 0.030), (0.620, -0.070, -0.040), (0.280, 0.000, -0.100))


def heat(steps: int = HEAT_STEPS) -> list[str]:
    """`steps` colours of evenly falling lightness, light first: what is little on paper; reversed on dark."""
    return [_hex(_at(i / (steps - 1))) for i in range(steps)]


def _at(x: float) -> tuple[float, float, float]:
    low, mid, high = _HEAT_PATH
    a, b, t = (low, mid, x * 2) if x < 0.5 else (mid, high, x * 2 - 1)
    return a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t


def _hex(lab: tuple[float, float, float]) -> str:
    """OKLab to sRGB. Source: B. Ottosson, "A perceptual color space for image processing" (2020)."""
    lightness, a, b = lab
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )
    return "#" + "".join(f"{round(255 * _gamma(min(1.0, max(0.0, c)))):02x}" for c in linear)


def _gamma(c: float) -> float:
    return 12.92 * c if c <= 0.0031308 else 1.055 * float(c ** (1 / 2.4)) - 0.055


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb`, 0..1 (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.04045 else float(((c + 0.055) / 1.055) ** 2.4) for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(a: str, b: str) -> float:
    """Contrast ratio of two colours, 1..21 (WCAG 2.2)."""
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def css(theme: dict[str, str], scale: list[str]) -> str:
    """Custom properties of a theme."""
    named = [f"--{k}:{v}" for k, v in theme.items()]
    return ";".join(named + [f"--h{i}:{c}" for i, c in enumerate(scale)])
