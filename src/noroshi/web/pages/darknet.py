"""Darknet: what reaches the telescope over time, by port, tool and class; surveys, and who was under attack."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.responses import Response

from noroshi.ask import traffic
from noroshi.ask.rollups import unique_sources
from noroshi.web import render, urls
from noroshi.web.api.traffic import changed
from noroshi.web.routes import Page
from noroshi.web.viewer import AsViewer, Visit

if TYPE_CHECKING:
    from noroshi.model.finding import Finding

router = APIRouter()
PAGE = Page("darknet", "/darknet", ranged=True)
SHOWN = 20
BY = ("port", "protocol", "tool", "class")
RISE = 2.0
"""A port is said to have risen from this ratio on; below, a busy week differs as much from a calm one."""
RISE_LEAST = 100
"""Packets a rise needs: three times of five is nothing."""


@router.get("/darknet")
def show(visit: AsViewer, by: str = "port") -> Response:
    """The page; by: what the lines of the first picture are."""
    span = visit.span
    ports, total, sources = visit.seen.recall(("darknet", span.start, span.end), lambda: (
        changed(visit, SHOWN),
        traffic.over_time(visit.shot, span.start, span.end, by="", top=1, step_s=_step(span.seconds)),
        unique_sources(visit.shot, "flows", span.start, span.end),
    ))  # fmt: skip
    found = _findings(visit)
    return render.page(
        visit, "pages/darknet.html", here="darknet", ranged=True, by=by if by in BY else "port", choices=BY,
        packets=sum(line.total for line in total.lines), sources=sources, ports=ports, risen=_risen(ports),
        surveys=surveys(found), victims=victims(found), n_victims=sum(f.kind == "dos-victim" for f in found),
        surges=[f for f in found if f.kind == "port-surge"][:SHOWN], gaps=_gaps(visit),
        query=urls.query(span.query() or {"from": render.iso(span.start), "to": render.iso(span.end)}),
        command=f"noroshi top ports --since {span.start:%Y-%m-%d} --until {span.end + timedelta(days=1):%Y-%m-%d}",
    )  # fmt: skip


def _step(seconds: float) -> int:
    """Wide bins: only the sum is used, and hours are read from sums."""
    return next((s for s in traffic.STEPS if s >= 3600 and seconds / s <= traffic.BINS), traffic.STEPS[-1])


def _findings(visit: Visit) -> list[Finding]:
    kinds = ("dos-victim", "investigation-scanner", "port-surge")
    return list(visit.seen.known.chosen(kinds=kinds, since=visit.span.start, until=visit.span.end))


def _risen(ports: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The port that rose most, when one did."""
    risen = [p for p in ports if p["ratio"] and p["ratio"] >= RISE and p["count"] >= RISE_LEAST]
    return max(risen, key=lambda p: p["ratio"], default=None)


def _gaps(visit: Visit) -> int:
    from noroshi.web.api.traffic import outages

    return len(outages(visit))


def surveys(found: list[Finding]) -> list[dict[str, Any]]:
    """Investigation scanners by organisation: addresses, packets, ports at most."""
    grouped: dict[str, list[Finding]] = defaultdict(list)
    for f in found:
        if f.kind == "investigation-scanner":
            grouped[str(f.evidence.get("organisation") or "")].append(f)
    rows: list[dict[str, Any]] = [
        {"organisation": name, "addresses": len({f.subject.value for f in fs}), "findings": len(fs),
         "packets": sum(int(f.evidence.get("packet_count") or 0) for f in fs),
         "ports": max(int(f.evidence.get("dst_port_nunique") or 0) for f in fs),
         "last_seen": max(f.last_seen for f in fs), "known": bool(name)}
        for name, fs in grouped.items()
    ]  # fmt: skip
    return sorted(rows, key=lambda r: (-r["packets"], r["organisation"]))[:SHOWN]


def victims(found: list[Finding]) -> list[dict[str, Any]]:
    """Victims of denial of service by estimated rate, with the interval and what the telescope could not have seen."""
    rows: list[dict[str, Any]] = []
    for f in found:
        if f.kind != "dos-victim":
            continue
        e = f.evidence
        rows.append(
            {"finding": f, "ports": [str(p) for p in e.get("ports") or ()][:4], "low": e.get("rate_low"),
             "rate": e.get("rate_pps"), "high": e.get("rate_high"), "floor": e.get("floor_pps"),
             "bound": bool(e.get("rate_is_lower_bound")), "duration_s": e.get("duration_s") or 0}
        )  # fmt: skip
    return sorted(rows, key=lambda r: (-(r["rate"] or 0), r["finding"].id))[:SHOWN]


@router.get("/darknet/talkers")
def talkers(visit: AsViewer, port: int = -1) -> Response:
    """The sources that sent most, as a part: it reads the rows, which may take longer than the rest."""
    from noroshi.web.api.traffic import most

    key = ("darknet.talkers", visit.span.start, visit.span.end, port)
    found = visit.seen.lately(key, lambda: most(visit, port))
    return render.part(visit, "parts/talkers.html", talkers=found, port=port)
