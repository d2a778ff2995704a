"""A report written to files, one per format."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

from noroshi.model.errors import NoroshiError, UsageError
from noroshi.share.report import compose, data, html, markdown
from noroshi.share.report.words import words

FORMATS = ("html", "md", "json")


def write(
    report: data.ReportData, out_dir: Path, lang: str = "en", formats: Iterable[str] = FORMATS
) -> list[Path]:
    """The paths written: `noroshi-2009-03-15.en.html`, `….en.md` and `….json`, which has no language.

    Each file replaces an older one at once or not at all. Raises UsageError for an unknown language or
    format, NoroshiError when the folder cannot be written.
    """
    wanted = list(dict.fromkeys(formats))
    unknown = [f for f in wanted if f not in FORMATS]
    if unknown:
        raise UsageError(f"no report as {unknown[0]!r}", todo=f"Formats: {', '.join(FORMATS)}.")
    w = words(lang, report.period.tz, report.timezone)
    stem = "noroshi-" + report.period.label.replace("..", "--")
    page = compose.view(report, w) if {"html", "md"} & set(wanted) else None
    texts: list[tuple[str, str]] = []
    for fmt in wanted:
        if fmt == "json":
            texts.append(
                (f"{stem}.json", json.dumps(data.to_json(report), ensure_ascii=False, indent=1) + "\n")
            )
        elif page is not None:
            text = html.render(page) if fmt == "html" else markdown.render(page)
            texts.append((f"{stem}.{lang}.{fmt}", text))
    return [_put(out_dir / name, text) for name, text in texts]


def _put(path: Path, text: str) -> Path:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # a file name with a byte that is no UTF-8 arrives as a lone surrogate
        part.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
        part.replace(path)
    except OSError as e:
        with contextlib.suppress(OSError):
            part.unlink()
        raise NoroshiError(
            f"the report cannot be written: {e.strerror}", where=str(path),
            todo="Give a folder with room that you may write to: --out DIR.",
        ) from e  # fmt: skip
    return path
