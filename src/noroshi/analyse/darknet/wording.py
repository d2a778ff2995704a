"""Numbers and time spans in sentences, English and Japanese."""

from __future__ import annotations

_UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def quantity(value: float) -> str:
    """Three significant digits and a unit prefix, with the space before the unit: `410 k`, `1.02 M`, `7.5
    `."""
    for size, unit in _UNITS:
        if value >= size * 0.9995:
            return f"{_three(value / size)} {unit}"
    return f"{_three(value)} "


def quantity_range(low: float, high: float) -> tuple[str, str]:
    """Both ends, the lower without a unit when it is the same: (`392`, `427 k`)."""
    a, b = quantity(low), quantity(high)
    return (a.split(" ")[0] if a.split(" ")[1] == b.split(" ")[1] else a.strip()), b


def _three(value: float) -> str:
    text = f"{value:.3g}"
    return f"{float(text):.0f}" if "e" in text else text


def duration(seconds: float, lang: str) -> str:
    """`0.15 s`, `43 s`, `12 min`, `11 h 59 min`, or the same in Japanese."""
    total = round(seconds)
    second, minute, hour = ("秒", "分", "時間") if lang == "ja" else (" s", " min", " h")
    join = "" if lang == "ja" else " "
    if seconds < 9.95:
        return f"{seconds:.2g}{second}"
    if total < 60:
        return f"{total}{second}"
    if total < 3600:
        return f"{total // 60}{minute}"
    rest = total % 3600 // 60
    return f"{total // 3600}{hour}" + (f"{join}{rest}{minute}" if rest else "")


def when_many(count: int) -> tuple[str, str]:
    """What to append when there were `count` attacks that day."""
    if count < 2:
        return "", ""
    return f"; {count} attacks that day, the largest described", f"（同日に{count}件、うち最大のもの）"
