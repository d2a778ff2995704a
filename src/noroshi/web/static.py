"""Files that pages load: all in the package, under a name that changes with any of them, kept for a year."""

from __future__ import annotations

import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from noroshi.share.report import tokens

FOLDER = Path(__file__).parent / "static"
_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml",
          ".json": "application/json", ".png": "image/png", ".woff2": "font/woff2", ".ico": "image/x-icon",
          ".txt": "text/plain; charset=utf-8", ".csv": "text/csv; charset=utf-8"}  # fmt: skip
MADE = "css/tokens.css"


@dataclass(frozen=True)
class File:
    """A file as it is sent."""

    body: bytes
    type: str


@cache
def files() -> dict[str, File]:
    """Every file by its name under static/; nothing else can be asked for, whatever the path."""
    found = {
        p.relative_to(FOLDER).as_posix(): File(p.read_bytes(), _type(p))
        for p in sorted(FOLDER.rglob("*"))
        if p.is_file() and p.suffix in _TYPES
    }
    return found | {MADE: File(tokens_css().encode(), _TYPES[".css"])}


def _type(path: Path) -> str:
    return _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"


@cache
def version() -> str:
    """Differs when any file does: scripts load each other by relative names, so all share one."""
    digest = hashlib.sha256()
    for name, file in files().items():
        digest.update(f"{name}\0{len(file.body)}\0".encode() + file.body)
    return digest.hexdigest()[:12]


def url(name: str) -> str:
    """The address of a file; KeyError when there is none."""
    if name not in files():
        raise KeyError(f"static/{name}")
    return f"/static/{version()}/{name}"


EXTRA: dict[str, dict[str, str]] = {
    "light": {
        "good": "#1f6f43",
        "warn": "#8a5a00",
        "bad": "#a61b1b",
        "select": "#fdeee4",
        "shade": "#eef1f4",
    },
    "dark": {"good": "#6fcf97", "warn": "#e8b84a", "bad": "#ff8f8f", "select": "#33231a", "shade": "#1d2731"},
    "print": {
        "good": "#000000",
        "warn": "#000000",
        "bad": "#000000",
        "select": "#ffffff",
        "shade": "#ffffff",
    },
}
"""What pages need beside the report's colours: states (never colour alone), the chosen row, shaded gaps."""
CATEGORIES = {
    "light": ("#2f5d8a", "#b4540a", "#3f7d54", "#8a3f7d", "#6b6b1f", "#4a4fa3", "#a33b4f", "#55636f"),
    "dark": ("#7fb2e5", "#f0a060", "#7fc99a", "#d79acb", "#c9c96a", "#a3a8f0", "#f09aa8", "#a2b1be"),
}
"""At most eight, fixed per meaning; told apart without colour by dash and label as well."""


def tokens_css() -> str:
    """Custom properties of both themes and of paper."""
    up, down = tokens.heat(), tokens.heat()[::-1]
    light = _theme(tokens.LIGHT | EXTRA["light"], up, CATEGORIES["light"])
    dark = _theme(tokens.DARK | EXTRA["dark"], down, CATEGORIES["dark"])
    paper = _theme(tokens.PRINT | EXTRA["print"], up, CATEGORIES["light"])
    marks = "".join(f'.tlp[data-tlp="{name}"]{{color:{colour}}}\n' for name, colour in tokens.TLP.items())
    return (
        f":root{{color-scheme:light;{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}\n"
        f"@media screen{{:root[data-theme=dark]{{color-scheme:dark;{dark}}}}}\n"
        f"@media print{{:root{{{paper}}}}}\n{marks}"
    )


def _theme(colours: dict[str, str], scale: list[str], categories: tuple[str, ...]) -> str:
    return tokens.css(colours, scale) + "".join(f";--c{i}:{c}" for i, c in enumerate(categories))
