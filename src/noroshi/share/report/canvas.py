"""Drawing with matplotlib into inline SVG: the page's own colours and fonts, the same bytes every time.

Colours are sentinels that become CSS custom properties, so that one picture serves light, dark and print.
Text stays text. Ids are prefixed with the picture's name, since many stand in one page.
"""

from __future__ import annotations

import html
import io
import re
import warnings
from typing import TYPE_CHECKING, Any

from noroshi.share.report.tokens import HEAT_STEPS, LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAMES = (*LIGHT, *(f"h{i}" for i in range(HEAT_STEPS)))
COLOUR = {name: f"#{0xA1B000 + i:06x}" for i, name in enumerate(NAMES)}
"""What is drawn with, by the token it stands for."""

_BACK = {value: f"var(--{name})" for name, value in COLOUR.items()}
FONT_PX = 12.0


class Canvas:
    """One picture of width x height CSS pixels."""

    def __init__(self, name: str, width: int, height: int) -> None:
        from matplotlib.figure import Figure

        self.name, self.width, self.height = name, width, height
        self.titles: dict[str, str] = {}
        self.figure = Figure(figsize=(width / 72, height / 72), dpi=72)

    def axes(self, left: float, top: float, right: float, bottom: float, **more: Any) -> Axes:
        """Axes with margins in px from the picture's edges; no frame, no ticks, fine horizontal lines."""
        w, h = self.width, self.height
        axes: Axes = self.figure.add_axes(
            (left / w, bottom / h, (w - left - right) / w, (h - top - bottom) / h), **more
        )
        axes.set_facecolor("none")
        for side in axes.spines.values():
            side.set_visible(False)
        axes.tick_params(length=0, labelsize=FONT_PX, labelcolor=COLOUR["muted"], pad=4)
        return axes

    def title(self, artist: Any, key: str, text: str) -> None:
        """Say `text` when the pointer rests on an artist."""
        gid = f"t{len(self.titles)}-{re.sub(r'[^a-z0-9]', '', key.lower())}"
        artist.set_gid(gid)
        self.titles[gid] = text

    def svg(self, label: str) -> str:
        """The picture as an `<svg>` element whose description is `label`."""
        out = io.StringIO()
        with warnings.catch_warnings():
            # glyphs are the reader's fonts' business: nothing is drawn from ours
            warnings.filterwarnings("ignore", message=".*[Gg]lyph.*")
            self.figure.savefig(
                out, format="svg", transparent=True,
                metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
            )  # fmt: skip
        return _inline(out.getvalue(), self.name, self.width, self.height, label, self.titles)


def style(name: str) -> Any:
    """The context to draw a picture in: everything made in it has our sizes, colours and a fixed salt."""
    import matplotlib

    return matplotlib.rc_context(
        {
            "svg.fonttype": "none", "svg.hashsalt": name, "font.size": FONT_PX, "font.family": "DejaVu Sans",
            "text.color": COLOUR["ink"], "axes.edgecolor": COLOUR["line"], "axes.labelcolor": COLOUR["muted"],
            "hatch.linewidth": 0.6, "axes.unicode_minus": False, "text.parse_math": False,
            "path.simplify": False,
            "patch.edgecolor": COLOUR["ink"], "lines.color": COLOUR["ink"],
        }
    )  # fmt: skip


def _inline(text: str, name: str, width: int, height: int, label: str, titles: dict[str, str]) -> str:
    body = text[text.index("<svg") :]
    body = body[body.index(">") + 1 : body.rindex("</svg>")]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.S)
    body = re.sub(r"<!--.*?-->\s*", "", body, flags=re.S)  # matplotlib repeats every text in a comment
    body = re.sub(
        r"<defs>\s*<style.*?</style>\s*</defs>", "", body, flags=re.S
    )  # it would rule the whole page
    body = re.sub(r"font: [^;\"]*'DejaVu Sans'[^;\"]*", _font, body)
    body = re.sub(r"font-family: 'DejaVu Sans';? ?", "", body)
    body = re.sub(r' transform="rotate\(-0 [^)]*\)"', "", body)
    body = re.sub(r"<g/>\s*", "", body)
    body = re.sub(r' id="(?!t\d)[^"]*"(?=[^>]*>)', lambda m: _kept(m[0], body), body)
    body = re.sub(r' id="([^"]*)"', rf' id="{name}-\1"', body)
    body = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", body)
    body = body.replace("xlink:href", "href")
    for value, variable in _BACK.items():
        body = body.replace(value, variable)
    for gid, title in titles.items():
        body = body.replace(f'<g id="{name}-{gid}">', f"<g><title>{html.escape(title)}</title>", 1)
    body = re.sub(r"\s*\n\s*", "\n", body).strip()
    return (
        f'<svg class="picture" viewBox="0 0 {width} {height}" role="img" aria-label="{html.escape(label)}"'
        f' style="max-width:{width}px">\n{body}\n</svg>'
    )


def _font(match: re.Match[str]) -> str:
    """Keep size and weight of a `font:` shorthand; the family is the page's."""
    size = re.search(r"([\d.]+)px", match[0])
    bold = "; font-weight: 600" if re.search(r"bold|[6-9]00", match[0]) else ""
    return f"font-size: {size[1] if size else FONT_PX}px{bold}"


def _kept(attribute: str, body: str) -> str:
    """An id that something refers to stays; the others only cost space."""
    value = attribute[5:-1]
    return attribute if f"#{value}" in body else ""
