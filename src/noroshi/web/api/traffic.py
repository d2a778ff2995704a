"""What reached the telescope: over time, by port and hour, what changed, where from, who."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from noroshi.ask import traffic
from noroshi.ask.traffic import Series
from noroshi.model.finding import iso
from noroshi.web import answers
from noroshi.web.viewer import AsViewer, Visit

router = APIRouter(tags=["traffic"], prefix="/traffic")
PORTS = 30
"""Rows of the matrix of ports."""
LIVE = timedelta(minutes=15)
"""Data this young is live."""
_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp6"}
By = Query(
    "",
    pattern="^(|port|protocol|tool|class)$",
    description="What the lines are: port, protocol, tool or class.",
)
Top = Query(6, ge=1, le=PORTS, description="Lines; what is left is summed up as `other`.")
Table = Query(
    "flows", pattern="^[a-z]{1,20}$", description="flows (packets), connections, sessions, logins or alerts."
)


class LineModel(BaseModel):
    """One line."""

    name: str
    total: int
    values: list[int | None] = Field(description="A number a bin; null where the telescope was out.")


class GapModel(BaseModel):
    """A time without observation."""

    from_: str = Field(alias="from")
    to: str
    reason: str


class SeriesModel(BaseModel):
    """Lines over the same bins."""

    x: list[datetime] = Field(description="Beginning of each bin.")
    step_s: int
    unit: str
    series: list[LineModel]
    gaps: list[GapModel]


class MatrixModel(BaseModel):
    """Numbers by port and time."""

    x: list[datetime]
    y: list[str]
    values: list[list[int | None]]
    unit: str
    step_s: int


class ChangeModel(BaseModel):
    """A port beside the span before."""

    port: str
    count: int
    before: int
    ratio: float | None
    share: float


class SpaceModel(BaseModel):
    """Sources and packets per IPv4 /16."""

    networks: list[tuple[int, int, int]] = Field(
        description="(first two octets as a number, sources, packets)"
    )


class LandModel(BaseModel):
    """A country."""

    code: str
    sources: int
    packets: int


class LandsModel(BaseModel):
    """Countries, and whether there is a table that knows them."""

    known: bool
    items: list[LandModel]


class TalkerModel(BaseModel):
    """A source."""

    ip: str
    packets: int
    ports: int
    targets: int
    tool: str
    first_seen: datetime
    last_seen: datetime


class ArrivalsModel(BaseModel):
    """A replay: what arrived, slice by slice."""

    start: datetime
    end: datetime
    slices: int
    known: bool = Field(description="True when there is a table of countries.")
    live: bool = Field(description="True when the newest of it is younger than a quarter of an hour.")
    events: list[tuple[int, int, int, str | None, str, int]] = Field(
        description="(slice, first two octets of the network, packets, country, the source that sent most, port)"
    )


@router.get("/arrivals", response_model=ArrivalsModel, name="traffic_arrivals")
def arrivals(visit: AsViewer) -> Response:
    """What arrived in the newest hour with data, or in the time range, for a replay."""
    from noroshi.ask.lands import codes_of

    def make() -> answers.Answer:
        start, end = newest_hour(visit)
        found = traffic.arrivals(visit.shot, start, end)
        lands = codes_of(visit.shot, visit.pivots().own, [a.ip for a in found])
        events = [
            (a.slice, a.network, a.packets, land, a.ip, a.port)
            for a, land in zip(found, lands or [None] * len(found), strict=True)
        ]
        return answers.document(
            {"start": iso(start), "end": iso(end), "slices": traffic.SLICES, "known": lands is not None,
             "live": visit.now - end < LIVE, "events": events}
        )  # fmt: skip

    return answers.kept(visit, make)


def newest_hour(visit: Visit) -> tuple[datetime, datetime]:
    """The time a replay shows: as chosen, else the newest hour with packets."""
    if any(visit.request.query_params.get(k) for k in ("range", "from", "to")):
        return visit.span.start, visit.span.end
    held = traffic.extent(visit.shot)
    return (held[1] - timedelta(hours=1), held[1]) if held else (visit.span.start, visit.span.end)


@router.get("/series", response_model=SeriesModel, responses=answers.CSV_TOO, name="traffic_series")
def series(
    visit: AsViewer, by: str = By, top: int = Top, table: str = Table, format: str = answers.Format
) -> Response:
    """Observations (packets for flows) per bin of the time range."""

    def make() -> answers.Answer:
        found = over_time(visit, by, top, table)
        rows = [
            {"time": t} | {line.name or "all": v for line, v in zip(found.lines, vs, strict=True)}
            for t, vs in zip(
                map(iso, found.starts), zip(*(x.values for x in found.lines), strict=True), strict=True
            )
        ]
        head = ["time", *(line.name or "all" for line in found.lines)]
        return answers.table(visit, rows, head, "traffic", lambda _: chart(visit, found, table))

    return answers.kept(visit, make)


@router.get("/matrix", response_model=MatrixModel, responses=answers.CSV_TOO, name="traffic_matrix")
def matrix(visit: AsViewer, table: str = Table, format: str = answers.Format) -> Response:
    """The ports most was sent to, by time."""

    def make() -> answers.Answer:
        span = visit.span
        step = next((s for s in traffic.STEPS if span.seconds / s <= 96), traffic.STEPS[-1])
        found = traffic.over_time(
            visit.shot, span.start, span.end, by="port", top=PORTS, step_s=max(step, 3600), table=table
        )
        lines = [line for line in found.lines if line.name != "other"]
        rows = [
            {"port": line.name} | dict(zip(map(iso, found.starts), line.values, strict=True))
            for line in lines
        ]
        told = {"x": [iso(t) for t in found.starts], "y": [line.name for line in lines],
                "values": [list(line.values) for line in lines], "unit": _unit(table), "step_s": found.step_s,
                "log": True}  # fmt: skip
        return answers.table(visit, rows, ["port", *map(iso, found.starts)], "ports", lambda _: told)

    return answers.kept(visit, make)


@router.get("/changes", response_model=list[ChangeModel], responses=answers.CSV_TOO, name="traffic_changes")
def changes(visit: AsViewer, top: int = Top, table: str = Table, format: str = answers.Format) -> Response:
    """The ports most was sent to, beside the span of the same length before."""

    def make() -> answers.Answer:
        rows = changed(visit, top, table)
        return answers.table(visit, rows, ["port", "count", "before", "ratio", "share"], "ports")

    return answers.kept(visit, make)


@router.get("/space", response_model=SpaceModel, name="traffic_space")
def space(visit: AsViewer) -> Response:
    """Sources and packets per IPv4 /16, for a map of the address space."""

    def make() -> answers.Answer:
        found = traffic.space(visit.shot, visit.span.start, visit.span.end)
        return answers.document({"networks": [(s.network, s.sources, s.packets) for s in found]})

    return answers.kept(visit, make)


@router.get("/countries", response_model=LandsModel, responses=answers.CSV_TOO, name="traffic_countries")
def countries(visit: AsViewer, format: str = answers.Format) -> Response:
    """Sources and packets by country; `known` is false when no table of countries was given."""
    from noroshi.ask.lands import lands

    def make() -> answers.Answer:
        found = lands(visit.shot, visit.pivots().own, visit.span.start, visit.span.end)
        rows = [{"code": x.code, "sources": x.sources, "packets": x.packets} for x in found or ()]
        wrap = lambda items: {"known": found is not None, "items": list(items)}  # noqa: E731
        return answers.table(visit, rows, ["code", "sources", "packets"], "countries", wrap)

    return answers.kept(visit, make)


@router.get("/talkers", response_model=list[TalkerModel], responses=answers.CSV_TOO, name="traffic_talkers")
def talkers(
    visit: AsViewer, port: int = Query(-1, ge=-1, le=65535, description="Only what went there; -1 for all."),
    limit: int = Query(20, ge=1, le=200), format: str = answers.Format,
) -> Response:  # fmt: skip
    """The sources that sent most packets."""

    def make() -> answers.Answer:
        rows = most(visit, port, limit)
        return answers.table(visit, rows, list(TalkerModel.model_fields), "sources")

    return answers.kept(visit, make)


def most(visit: Visit, port: int = -1, limit: int = 20) -> list[dict[str, Any]]:
    """The sources that sent most, as rows; port: only what went there, -1 for all."""
    only = port if 0 <= port <= 65535 else None
    found = traffic.talkers(visit.shot, visit.span.start, visit.span.end, limit=limit, port=only)
    return [
        {"ip": t.ip, "packets": t.packets, "ports": t.ports, "targets": t.targets, "tool": t.tool,
         "first_seen": iso(t.first_seen), "last_seen": iso(t.last_seen)} for t in found
    ]  # fmt: skip


def over_time(visit: Visit, by: str, top: int, table: str = "flows") -> Series:
    """Lines over the time range of the page."""
    return traffic.over_time(visit.shot, visit.span.start, visit.span.end, by=by, top=top, table=table)


def changed(
    visit: Visit, top: int, table: str = "flows", span: tuple[datetime, datetime] | None = None
) -> list[dict[str, Any]]:
    """Ports with their change, as rows; over the time range of the page, or another span."""
    start, end = span or (visit.span.start, visit.span.end)
    found = traffic.changes(visit.shot, start, end, top=top, table=table)
    return [
        {"port": f"{_PROTOCOLS.get(c.protocol, f'ip/{c.protocol}')}/{c.port}", "count": c.count, "before": c.before,
         "ratio": round(c.ratio, 2) if c.ratio is not None else None, "share": round(c.count / c.total, 4)}
        for c in found
    ]  # fmt: skip


def chart(visit: Visit, found: Series, table: str = "flows") -> dict[str, Any]:
    """As pictures take it: what lies wholly in an outage of every telescope is a gap, never a zero."""
    gaps = outages(visit) if table == "flows" else []
    width = timedelta(seconds=found.step_s)
    out = [any(a <= t and t + width <= b for a, b, _ in gaps) for t in found.starts]
    return {
        "x": [iso(t) for t in found.starts], "step_s": found.step_s, "unit": _unit(table),
        "series": [
            {"name": line.name or _unit(table), "total": line.total,
             "values": [None if gap and not v else v for v, gap in zip(line.values, out, strict=True)]}
            for line in found.lines
        ],
        "gaps": [{"from": iso(a), "to": iso(b), "reason": why} for a, b, why in gaps],
    }  # fmt: skip


def outages(visit: Visit) -> list[tuple[datetime, datetime, str]]:
    """Times in which no telescope looked, as far as the configuration tells and this viewer may know."""
    if visit.view.telescopes or len(visit.tower.config.telescopes) != 1:
        return []  # with several, one that is out leaves the others; the report tells of each
    (telescope,) = visit.tower.config.telescopes
    span = visit.span
    return [(max(a, span.start), min(b, span.end), "outage") for a, b in telescope.outages
            if a < span.end and b > span.start]  # fmt: skip


def _unit(table: str) -> str:
    return "packets" if table == "flows" else table
