"""Makes the map of the world that pages draw: python tools/make_world.py ATLAS NAMES OUT

ATLAS: folder of the npm package `world-atlas` 2.0.2 (ISC; made from Natural Earth, public domain). NAMES: folder of
`i18n-iso-countries` 7.14.0 (MIT). OUT: world.json, per country its code, names and outlines in tenths of a degree.
Countries too small for the coarse outline have none, only a point.
"""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

LEAST = 4
"""Corners of the smallest outline kept."""


def rings(topology: dict[str, Any], shape: dict[str, Any]) -> list[list[list[float]]]:
    """The outer rings of a shape as (longitude, latitude)."""
    polygons = {"Polygon": lambda s: [s["arcs"]], "MultiPolygon": lambda s: s["arcs"]}.get(shape.get("type"))
    out = []
    for polygon in polygons(shape) if polygons else []:
        ring: list[list[float]] = []
        for number in polygon[0]:
            arc = decoded(topology, number if number >= 0 else ~number)
            ring += (arc if number >= 0 else arc[::-1])[1 if ring else 0 :]
        out.append(unwrapped(ring))
    return out


def unwrapped(ring: list[list[float]]) -> list[list[float]]:
    """A ring that crosses the date line goes on beyond 180 degrees; one around a pole stays as it is."""
    out, turn = [ring[0]], 0
    for (before, _), (x, y) in pairwise(ring):
        turn += 360 if before - x > 180 else -360 if x - before > 180 else 0
        out.append([x + turn, y])
    return ring if turn else out


def decoded(topology: dict[str, Any], number: int) -> list[list[float]]:
    """An arc: deltas of whole numbers, to be scaled (TopoJSON specification, 2.1.4)."""
    (sx, sy), (tx, ty) = topology["transform"]["scale"], topology["transform"]["translate"]
    x = y = 0
    out = []
    for dx, dy in topology["arcs"][number]:
        x, y = x + dx, y + dy
        out.append([x * sx + tx, y * sy + ty])
    return out


def area(ring: list[list[float]]) -> float:
    """Of a ring, by the shoelace formula; signed."""
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(ring, ring[1:] + ring[:1], strict=True)) / 2


def centre(shapes: list[list[list[float]]]) -> list[int]:
    """Where a dot for the country goes: the centroid of its largest part, tenths of a degree."""
    ring = max(shapes, key=lambda r: abs(area(r)))
    pairs = list(zip(ring, ring[1:] + ring[:1], strict=True))
    whole = area(ring)
    if abs(whole) < 1e-9:
        return [round(ring[0][0] * 10), round(ring[0][1] * 10)]
    x = sum((a[0] + b[0]) * (a[0] * b[1] - b[0] * a[1]) for a, b in pairs) / (6 * whole)
    y = sum((a[1] + b[1]) * (a[0] * b[1] - b[0] * a[1]) for a, b in pairs) / (6 * whole)
    return [round(x * 10), round(y * 10)]


def outline(ring: list[list[float]]) -> list[int]:
    """x, y, x, y, ... in tenths of a degree, without points that fall together."""
    out: list[int] = []
    for x, y in ring:
        point = [round(x * 10), round(y * 10)]
        if out[-2:] != point:
            out += point
    return out


def main() -> int:
    atlas, names, target = map(Path, sys.argv[1:4])
    codes = {numeric: alpha2 for alpha2, _, numeric, _ in json.loads((names / "codes.json").read_text())}
    words = {
        lang: json.loads((names / f"langs/{lang}.json").read_text())["countries"] for lang in ("en", "ja")
    }
    coarse, fine = (json.loads((atlas / f"countries-{m}.json").read_text()) for m in ("110m", "50m"))
    shapes = {str(s.get("id")): rings(coarse, s) for s in coarse["objects"]["countries"]["geometries"]}
    out: dict[str, Any] = {}
    nameless: list[list[int]] = []
    for shape in fine["objects"]["countries"]["geometries"]:
        numeric = str(shape.get("id"))
        code = codes.get(numeric)
        drawn = [o for o in map(outline, shapes.pop(numeric, [])) if len(o) >= 2 * LEAST]
        if code is None:
            nameless += drawn
            continue
        told = [words[lang].get(code, code) for lang in ("en", "ja")]
        en, ja = (t[0] if isinstance(t, list) else t for t in told)
        out[code] = {"en": en, "ja": ja, "at": centre(rings(fine, shape)), "shape": drawn}
    nameless += [o for left in shapes.values() for o in map(outline, left) if len(o) >= 2 * LEAST]
    body = {"countries": dict(sorted(out.items())), "other": nameless}
    target.write_text(json.dumps(body, ensure_ascii=False, separators=(",", ":")) + "\n")
    sys.stdout.write(f"{len(out)} countries, {target.stat().st_size:,} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
