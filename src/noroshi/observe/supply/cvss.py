"""CVSS base scores of vectors: versions 2.0, 3.0 and 3.1.

A vector of version 4.0 has no formula: its score is looked up in a table of equivalence classes. It is kept without
a score unless the source gives one. Sources: FIRST, CVSS v2.0 section 3.2.1; CVSS v3.0 and v3.1, section 7.1 and
appendix A.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, Final

_V3: Final[dict[str, dict[str, float]]] = {
    "AV": {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2},
    "AC": {"L": 0.77, "H": 0.44},
    "UI": {"N": 0.85, "R": 0.62},
    "S": {"U": 0.0, "C": 1.0},
    "PR": {"N": 0.85, "L": 0.62, "H": 0.27},
    "C": {"H": 0.56, "L": 0.22, "N": 0.0},
    "I": {"H": 0.56, "L": 0.22, "N": 0.0},
    "A": {"H": 0.56, "L": 0.22, "N": 0.0},
}
_PR_CHANGED: Final = {"N": 0.85, "L": 0.68, "H": 0.5}
_V2: Final[dict[str, dict[str, float]]] = {
    "AV": {"L": 0.395, "A": 0.646, "N": 1.0},
    "AC": {"H": 0.35, "M": 0.61, "L": 0.71},
    "Au": {"M": 0.45, "S": 0.56, "N": 0.704},
    "C": {"N": 0.0, "P": 0.275, "C": 0.66},
    "I": {"N": 0.0, "P": 0.275, "C": 0.66},
    "A": {"N": 0.0, "P": 0.275, "C": 0.66},
}


def bounded(value: Any) -> float | None:
    """A score as given when it is a number from 0 to 10."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= 10 else None


def version(vector: str | None) -> float:
    """2.0, 3.0, 3.1 or 4.0; 0.0 when it is no vector."""
    if not vector:
        return 0.0
    for one in (4.0, 3.1, 3.0):
        if vector.startswith(f"CVSS:{one}/"):
            return one
    return 2.0 if vector.lstrip("(").startswith("AV:") else 0.0


@lru_cache(maxsize=20_000)
def score(vector: str | None) -> float | None:
    """The base score of a vector; None when it is none, or of a version without formula."""
    kind = version(vector)
    if not vector or kind in (0.0, 4.0):
        return None
    given = dict(p.partition(":")[::2] for p in vector.strip("()").split("/"))
    table = _V2 if kind == 2.0 else _V3
    try:
        values = {name: options[given[name]] for name, options in table.items()}
    except KeyError:
        return None
    return _score2(values) if kind == 2.0 else _score3(values, given, kind)


def _score2(v: dict[str, float]) -> float:
    impact = 10.41 * (1 - (1 - v["C"]) * (1 - v["I"]) * (1 - v["A"]))
    exploitability = 20 * v["AV"] * v["AC"] * v["Au"]
    factor = 0.0 if impact == 0 else 1.176
    return math.floor((0.6 * impact + 0.4 * exploitability - 1.5) * factor * 10 + 0.5) / 10


def _score3(v: dict[str, float], given: dict[str, str], kind: float) -> float:
    changed = given["S"] == "C"
    base = 1 - (1 - v["C"]) * (1 - v["I"]) * (1 - v["A"])
    impact = 7.52 * (base - 0.029) - 3.25 * (base - 0.02) ** 15 if changed else 6.42 * base
    if impact <= 0:
        return 0.0
    privileges = _PR_CHANGED[given["PR"]] if changed else v["PR"]
    total = impact + 8.22 * v["AV"] * v["AC"] * privileges * v["UI"]
    total = min(1.08 * total if changed else total, 10.0)
    if kind == 3.0:
        return math.ceil(round(total * 10, 6)) / 10
    whole = round(total * 100_000)  # appendix A of 3.1: rounding that is the same on every machine
    return whole / 100_000 if whole % 10_000 == 0 else (whole // 10_000 + 1) / 10
