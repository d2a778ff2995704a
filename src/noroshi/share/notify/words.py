"""The words of notices, in English and Japanese (`words.LANG.toml`; a test holds both complete)."""

from __future__ import annotations

import functools
import tomllib
from pathlib import Path
from typing import Any

LANGS = ("en", "ja")


@functools.cache
def words(lang: str) -> dict[str, Any]:
    """All words of a language."""
    path = Path(__file__).with_name(f"words.{lang}.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))
