"""Exposure: what surveys saw open, in groups and one by one, and every look at a host."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from noroshi.ask import exposure
from noroshi.model import address
from noroshi.web import paging, render, urls
from noroshi.web.api import services as api
from noroshi.web.routes import Page
from noroshi.web.viewer import AsViewer

router = APIRouter()
PAGE = Page("exposure", "/exposure", ranged=True)
BY = ("port", "service", "product", "version", "device", "network", "country", "org", "asn", "scanner")
SHOWN = 50
BARS = 20
FIRST = ("net", "port", "product", "cve", "text")
"""Filters one sees; the others are a click away."""
MORE = ("service", "version", "device", "country", "org", "asn", "scanner")


@router.get("/exposure")
def show(visit: AsViewer, only: api.Filters, by: str = "port", cursor: str = "") -> Response:
    """The page; by: what the bars are; the filters hold for all of it."""
    by = by if by in BY else "port"
    span = visit.span
    asked_for = (span.start, span.end, *sorted((k, str(v)) for k, v in only.items()))
    found = visit.seen.recall(("exposure", by, *asked_for), lambda: api.grouped(visit, by, only, BARS))
    rows, after = visit.seen.recall(
        ("exposure.rows", paging.question(visit), cursor, *asked_for),
        lambda: api.page_of(visit, only, cursor, SHOWN),
    )
    judged = api.judged(visit)
    asked = {k: v for k in ("range", "from", "to") if (v := visit.request.query_params.get(k))}
    held = span.query() or {"from": render.iso(span.start), "to": render.iso(span.end)}
    return render.page(
        visit, "pages/exposure.html", here="exposure", ranged=True, by=by, choices=BY, only=only, first=FIRST,
        more=MORE, found=found, groups=api.groups(visit, by, only, found), rows=[_row(r, judged) for r in rows],
        next=after, kinds=Counter(f.kind for fs in judged.values() for f in fs), judged=api.JUDGED,
        newest=None if found.services else exposure.newest(visit.shot), query=urls.query(held | only),
        ranging=asked, held=urls.query(held), command="" if only else _command(span.start, span.end),
    )  # fmt: skip


def _row(row: dict[str, Any], judged: dict[str, Any]) -> dict[str, Any]:
    about = [f for f in judged.get(row["ip"], ()) if api.concerns(f, row)]
    return row | {"place": api.place(row), "findings": about}


def _command(start: datetime, end: datetime) -> str:
    """The same services without filters: what somebody typed into a filter is not put into a shell."""
    query = (
        "SELECT * FROM (SELECT ip_text(ip) AS host, * EXCLUDE (ip) FROM services WHERE port > 0"  # noqa: S608 - shown
        f" AND ts >= '{render.iso(start)}' AND ts < '{render.iso(end)}' QUALIFY row_number() OVER"
        " (PARTITION BY ip, port, protocol ORDER BY ts DESC) = 1) WHERE state IN ('open', '')"
    )
    return f'noroshi sql "{query}"'


@router.get("/exposure/host/{ip}")
def host(visit: AsViewer, ip: str) -> Response:
    """Every look at a host, port by port, with what changed from look to look; findings about it."""
    name = address.text(address.pack(ip))
    looks = exposure.host(visit.shot, name, api.LOOKS)
    found = visit.seen.known.by_subject.get(("ip", name), [])
    return render.page(
        visit, "pages/host.html", here="exposure", status=200 if looks or found else 404, ip=name,
        ports=by_port(looks), n_looks=len(looks), cut=len(looks) >= api.LOOKS, about=_about(looks), findings=found,
        command=f"noroshi pivot {name}",
    )  # fmt: skip


def by_port(looks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The looks at each port, newest first; ports that are open first, then by number."""
    ports: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for look in looks:
        ports.setdefault((look["port"], look["protocol"]), []).append(look)
    out = [
        {"place": api.place(rows[0]) if rows[0]["port"] else "", "looks": rows, "newest": rows[0],
         "open": rows[0]["state"] in ("open", ""), "changes": sum(bool(r["changed"]) for r in rows)}
        for rows in ports.values()
    ]  # fmt: skip
    return sorted(out, key=lambda p: (not p["open"], p["newest"]["port"], p["newest"]["protocol"]))


def _about(looks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the newest looks say of the host as a whole."""
    out: dict[str, Any] = {
        name: next((r[name] for r in looks if r[name]), "")
        for name in ("org", "asn", "country", "os", "device")
    }
    names = dict.fromkeys(n for r in looks for n in r["hostnames"] or ())
    return out | {"hostnames": list(names)[:20], "first": looks[-1]["ts"] if looks else None,
                  "last": looks[0]["ts"] if looks else None}  # fmt: skip
