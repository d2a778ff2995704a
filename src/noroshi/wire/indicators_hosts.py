"""What of a text is the name of a host, and what only looks like one: files, versions, names of code."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Final

from noroshi.model.canonical.names import domain
from noroshi.model.errors import UsageError

OUTSIDE: Final = frozenset(("onion", "i2p", "bit", "bazar", "emc", "lib", "coin", "loki"))
"""Top-level names outside of the DNS that malware reaches: Tor, I2P, Namecoin, EmerDNS, OpenNIC, Lokinet."""
FILES: Final = frozenset(
    ("zip", "mov", "py", "sh", "rs", "md", "ps", "so", "pm", "pl", "mm", "ms", "hiv", "target")
)
"""Top-level domains that end the names of files too: of two labels, nothing tells which is meant."""
ARCHIVES: Final = frozenset(("zip", "mov"))
"""Those that end names of files of any number of labels: update.v2.zip."""
_OLD: Final = frozenset(("com", "net", "org", "info", "biz"))
_REVERSED: Final = frozenset(
    ("com", "org", "net", "io", "edu", "gov", "android", "androidx", "java", "javax", "kotlin", "jp", "de")
)
"""First labels of packages of code (com.example.app), which are names the wrong way round."""
_WORDS: Final = (
    "this self window document console process event user obj args request response req res data system java asp "
    "vb ado ml socket string object math array config settings module exports app file path os sys e"
)
_CODE: Final = frozenset(_WORDS.split())
"""First labels of two that stand in code: System.Net, this.name, socket.io."""
_VERSION_BEFORE: Final = re.compile(
    r"(?i)(?:\b(?:versions?|ver|v|release[sd]?|firmware|build|update|patch(?:ed)?|rev|fixed in|upgrade to)\b"
    r"|バージョン|版|ビルド)"
    r"[\s.:=#(]*(?:(?:[0-9][0-9.x*]*|and|or|to|through|before|prior|from|up|than|earlier|later|[-–,/&~<>=]"
    r"|から|以前|未満)\s*){0,12}$"
)


@lru_cache(maxsize=1)
def tlds() -> frozenset[str]:
    """Every top-level domain, as A-labels. Source: data/SOURCE.md."""
    text = (Path(__file__).parent / "data" / "tlds.txt").read_text("ascii")
    return frozenset(text.split()) | OUTSIDE


def name(text: str) -> str | None:
    """The canonical domain name, when it is one under a top-level domain that exists."""
    try:
        found = domain(text)
    except UsageError:
        return None
    return found if found.rpartition(".")[2] in tlds() else None


def is_meant(text: str, start: int, end: int) -> bool:
    """True when `text[start:end]`, a domain name nobody defanged, is likely one and no file or code."""
    before, after = text[start - 1 : start], text[end : end + 1]
    if before in ("/", "\\", "$", "%", "#", "&") or after in ("(", "\\", "=", "["):
        return False
    labels = text[start:end].split(".")
    last = labels[-1]
    if not last.islower():  # System.Net, DYEPACK.FOX, and sentences without a space between: "it.In addition"
        old = last.lower() in _OLD or len(last) == 2
        if not (
            last.isupper() and text[start:end].isupper() and old and (len(labels) > 2 or len(labels[0]) > 3)
        ):
            return False
    first = labels[0].lower()
    if last in ARCHIVES or first in _REVERSED:
        return False
    return len(labels) > 2 or (last not in FILES and first not in _CODE and len(first) > 1)


def is_version(text: str, start: int) -> bool:
    """True when four numbers that begin at `start` are the version of something: after the word, or Chrome/1.2.3.4."""
    if text[start - 1 : start] == "/" and text[max(0, start - 2) : start - 1].isalpha():
        return True
    return _VERSION_BEFORE.search(text, max(0, start - 80), start) is not None
