"""What was judged from what: a small file beside the tables.

Losing it, or the last entries in a crash, only means that days are judged again, which gives nothing new.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path

from noroshi.lake.errors import locked, telling

_NAME = "judged.json"


def basis(version: int, runs: Iterable[str], *more: str) -> str:
    """A short text that changes when the rule's version, the runs of the day or anything in `more` does."""
    digest = hashlib.sha256("\0".join([str(version), *sorted(runs), "", *more]).encode())
    return digest.hexdigest()[:16]


def load(lake: Path) -> dict[tuple[str, str, date], str]:
    """All entries; an unreadable file counts as empty."""
    try:
        raw = json.loads((lake / _NAME).read_text(encoding="utf-8"))
        return {(rule, scope, date.fromisoformat(day)): text for rule, scope, day, text in raw}
    except (FileNotFoundError, ValueError, TypeError):
        return {}


def drop(lake: Path, before: date) -> None:
    """Forgets what was judged of earlier days: their rows are going."""
    from noroshi.lake.handle import write_atomically

    with telling(lake), locked(lake / f".{_NAME}.lock"):
        rows = [[r, s, d.isoformat(), text] for (r, s, d), text in sorted(load(lake).items()) if d >= before]
        write_atomically(lake / _NAME, json.dumps(rows))


def mark(lake: Path, entries: Mapping[tuple[str, str, date], str]) -> None:
    """Adds and replaces entries, safe against other processes and crashes."""
    from noroshi.lake.handle import write_atomically

    with telling(lake), locked(lake / f".{_NAME}.lock"):
        whole = load(lake) | dict(entries)
        rows = [[rule, scope, day.isoformat(), text] for (rule, scope, day), text in sorted(whole.items())]
        write_atomically(lake / _NAME, json.dumps(rows))
