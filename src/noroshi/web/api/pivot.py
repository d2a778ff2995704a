"""Pivot: everything about a value, when it was seen, and what stands beside it as a graph."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from noroshi.ask.pivot import Pivot
from noroshi.ask.timeline import BY, Timeline, timeline
from noroshi.ask.together import together
from noroshi.model.errors import UsageError
from noroshi.model.observable import CANONICAL
from noroshi.web import answers, render
from noroshi.web.api.findings import FindingModel
from noroshi.web.timerange import moment
from noroshi.web.viewer import AsViewer, Visit

router = APIRouter(tags=["pivot"])
COLUMNS = ("table", "role", "count", "days", "first_seen", "last_seen", "n_sources", "sample")
RELATED = ("kind", "value", "weight", "count", "sources", "where", "tables", "notes")
HISTOGRAM = ("day", "count", "tables")
LISTS = {"tables": COLUMNS, "related": RELATED, "histogram": HISTOGRAM}
LONGEST = 4000
"""Characters of a value: URLs in logs are rarely longer, and none may be much longer in a request."""
_KINDS = f"^({'|'.join(CANONICAL)})?$"
_HASHED = "hmac:"

ValueParam = Query(min_length=1, max_length=LONGEST, description="The value, defanged or not.")
KindParam = Query("", pattern=_KINDS, description="What it is, when that cannot be guessed.")
SinceParam = Query("", max_length=40, description="Whole UTC days from then on.")
UntilParam = Query("", max_length=40, description="Whole UTC days up to then, that one too.")
RowsParam = Query(50, ge=1, le=1000, description="Newest rows, about so many.")


class SourceModel(BaseModel):
    """Observations of one source."""

    source: str
    count: int


class StandModel(BaseModel):
    """A value in one role of one table."""

    table: str
    role: str
    count: int = Field(description="Observations; packets for flows.")
    first_seen: datetime
    last_seen: datetime
    sources: list[SourceModel] = Field(description="Those with the most observations.")
    n_sources: int
    days: int = Field(description="UTC days it stands on.")
    rows: list[dict[str, Any]] = Field(description="The newest rows; `row` is what `/api/v1/why/` takes.")
    sample: bool = Field(description="True when the rows are a sample of the newest days.")


class DayModel(BaseModel):
    """Observations of a UTC day."""

    day: date
    count: int
    tables: dict[str, int]


class RelatedModel(BaseModel):
    """A value that stands beside the one asked for."""

    kind: str
    value: str
    weight: float = Field(description="How much it means that the two stand together.")
    count: int = Field(description="Rows looked at in which they do.")
    sources: int = Field(description="Sources that name it anywhere.")
    where: list[str]
    tables: list[str]
    notes: list[str] = Field(description="Why it sank: warninglist, common, special-range.")


class OtherModel(BaseModel):
    """Another kind the text could be and stands as."""

    kind: str
    value: str
    count: int


class PivotModel(BaseModel):
    """Everything about a value; count 0 when nothing is stored about it."""

    kind: str
    value: str
    first_seen: datetime | None
    last_seen: datetime | None
    count: int
    tables: list[StandModel]
    histogram: list[DayModel]
    related: list[RelatedModel]
    related_total: int
    context: dict[str, Any] = Field(
        description="network, special, own, assets, warninglists, within, inside, announced: what there is of it."
    )
    links: list[dict[str, Any]] = Field(description="What follows; texts in English and Japanese.")
    findings: list[FindingModel]
    also: list[OtherModel]
    notes: list[str]
    addresses: dict[str, Any] | None = Field(None, description="Of a network: distinct, and top.")
    below: dict[str, Any] | None = Field(
        None, description="Of a domain, names below it: distinct, count, top."
    )


class SeriesModel(BaseModel):
    """One table, source or role over time."""

    name: str = Field(description="Empty for all others together.")
    title: str
    total: int
    values: list[int]


class TimelineModel(BaseModel):
    """Observations of a value over time."""

    x: list[date]
    step: int = Field(description="Days of a step.")
    unit: str
    series: list[SeriesModel]


class NodeModel(BaseModel):
    """A value of the graph."""

    kind: str
    value: str
    title: str
    href: str
    weight: float
    count: int
    notes: list[str]


class GraphModel(BaseModel):
    """The value (node 0) and what stands beside it."""

    nodes: list[NodeModel]
    edges: list[tuple[int, int, int]] = Field(
        description="Two nodes, and in how many rows they stand together."
    )
    total: int = Field(description="Values that stand beside it, told or not.")


class Question(BaseModel):
    """What is asked; in a body, so that a password stands in no address and no log."""

    value: str = Field(min_length=1, max_length=LONGEST, description="For a credential user:password.")
    kind: str = Field("", pattern=_KINDS)
    since: str = Field("", max_length=40)
    until: str = Field("", max_length=40)
    rows: int = Field(50, ge=1, le=1000)
    below: bool = False


@router.get(
    "/pivot",
    response_model=PivotModel,
    response_model_exclude_none=True,
    responses=answers.CSV_TOO,
    name="pivot",
)
def pivot(
    visit: AsViewer,
    value: str = ValueParam,
    kind: str = KindParam,
    since: str = SinceParam,
    until: str = UntilParam,
    rows: int = RowsParam,
    below: bool = Query(False, description="Of a domain, the names below it too: slower."),
    list: str = Query("tables", pattern="^(tables|related|histogram|rows)$", description="With CSV, which list."),
    format: str = answers.Format,
) -> Response:  # fmt: skip
    """First and last seen, counts by table, role, source and day, newest rows, values beside it, context, findings."""

    def make() -> answers.Answer:
        told = document(visit, asked(visit, value, kind, since, until, rows), since, below)
        if list == "rows" and answers.wants_csv(visit):
            return answers.table(visit, *_rows(told), "pivot-rows")
        found = told[list] if list in LISTS else []
        return answers.table(visit, found, LISTS.get(list, ()), f"pivot-{list}", lambda r: told)

    return answers.kept(visit, make)


@router.post("/pivot", response_model=PivotModel, response_model_exclude_none=True, name="pivot_by_body")
def pivot_by_body(visit: AsViewer, question: Question) -> Response:
    """The same; the only way to ask for a credential by its plain pair."""
    q = question
    if q.kind == "credential" and not q.value.strip().lower().startswith(_HASHED):
        user, colon, password = q.value.partition(":")
        if not colon:
            raise UsageError("a credential is a pair", where="value", todo="Write it as user:password.")
        q = q.model_copy(update={"value": visit.tower.lake.credential(user, password)})
    answer = asked(visit, q.value, q.kind, q.since, q.until, q.rows)
    return answers.json(document(visit, answer, q.since, q.below))


@router.get("/pivot/timeline", response_model=TimelineModel, responses=answers.CSV_TOO, name="pivot_timeline")
def pivot_timeline(
    visit: AsViewer,
    value: str = ValueParam,
    kind: str = KindParam,
    since: str = SinceParam,
    until: str = UntilParam,
    by: str = Query("table", pattern=f"^({'|'.join(BY)})$"),
    format: str = answers.Format,
) -> Response:
    """Observations of a value by day (of long times by week, month or year), and by table, source or role."""

    def make() -> answers.Answer:
        line = drawn(visit, value, kind, since, until, by)
        columns = ["day", *(p.name or visit.words("common.others") for p in line.parts)]
        rows = [
            dict(zip(columns, [day.isoformat(), *(p.values[i] for p in line.parts)], strict=True))
            for i, day in enumerate(line.days)
        ]
        return answers.table(visit, rows, columns, "pivot-timeline", lambda _: _drawing(visit, line, by))

    return answers.kept(visit, make)


@router.get(
    "/pivot/graph", response_model=GraphModel, responses={304: answers.CSV_TOO[304]}, name="pivot_graph"
)
def pivot_graph(
    visit: AsViewer, value: str = ValueParam, kind: str = KindParam, since: str = SinceParam, until: str = UntilParam,
) -> Response:  # fmt: skip
    """What stands beside a value, and which of that stands together."""
    return answers.kept(
        visit, lambda: answers.document(graph(visit, asked(visit, value, kind, since, until, 50)))
    )


def asked(
    visit: Visit, value: str, kind: str = "", since: str = "", until: str = "", rows: int = 50
) -> Pivot:
    """Everything about a value, as this viewer may see it. Raises Forbidden where the view is masked."""
    pivots = visit.pivots()
    if kind == "credential" and not value.strip().lower().startswith(_HASHED):
        raise UsageError(
            "a plain pair does not belong into an address", where="value",
            todo="Ask with POST, or by the keyed hash (hmac:...).",
        )  # fmt: skip
    if "\0" in value:
        raise UsageError("a value holds no NUL", where="value", todo="Leave it out.")
    answer = pivots.ask(
        value, kind or None, since=moment(since) if since else None, until=moment(until) if until else None,
        rows=rows,
    )  # fmt: skip
    told = (visit.view.told(f) for f in answer.findings)
    return replace(answer, findings=tuple(f for f in told if f is not None))


def document(visit: Visit, answer: Pivot, since: str = "", below: bool = False) -> dict[str, Any]:
    """The answer as JSON types; rows are named so that `why` finds them."""
    if below and answer.kind == "domain":
        from noroshi.ask.below import below as names_below

        answer = replace(
            answer, below=names_below(visit.shot, answer.value, moment(since).date() if since else None)
        )
    told = answer.to_json()
    for stand in told["tables"]:
        for row in stand["rows"]:
            row.setdefault("row", place(row))
    return told


def place(row: dict[str, Any]) -> str:
    """The name `why` takes of a row whose source's digest this view is not told: RUN:OFFSET."""
    if "row" in row:
        return str(row["row"])
    return f"{row['run_id']}:{row['offset']}" if "run_id" in row and "offset" in row else ""


def drawn(visit: Visit, value: str, kind: str, since: str, until: str, by: str) -> Timeline:
    """The value's time line."""
    pivots = visit.pivots()
    what = pivots.options(value, kind or None)[0]
    start, end = moment(since) if since else None, moment(until) if until else None
    rows = pivots.links_about(*what, since=start, until=end)
    return timeline(
        rows, pivots.sources, by, first=start.date() if start else None, last=end.date() if end else None
    )


def graph(visit: Visit, answer: Pivot) -> dict[str, Any]:
    """The value and what stands beside it, as nodes and edges."""
    beside = answer.beside.values
    edges = [(0, i, r.count) for i, r in enumerate(beside, 1)]
    edges += [(i + 1, j + 1, n) for i, j, n in together(answer)]
    most = beside[0].weight if beside else 0.0
    nodes = [_node(visit, answer.kind, answer.value, most, answer.head.count, ())]
    nodes += [_node(visit, r.kind, r.value, r.weight, r.count, r.notes) for r in beside]
    return {"nodes": nodes, "edges": edges, "total": answer.beside.candidates}


def _node(
    visit: Visit, kind: str, value: str, weight: float, count: int, notes: tuple[str, ...]
) -> dict[str, Any]:
    return {
        "kind": kind, "value": render.plain(value), "title": visit.words.maybe(f"common.kind.{kind}", kind),
        "href": render.entity_url(kind, value), "weight": weight, "count": count, "notes": list(notes),
    }  # fmt: skip


def _drawing(visit: Visit, line: Timeline, by: str) -> dict[str, Any]:
    t = visit.words

    def title(name: str) -> str:
        if not name:
            return t("common.others")
        return t.maybe(f"entity.{by}.{name}", name) if by != "source" else render.plain(name)

    series = [
        {"name": p.name, "title": title(p.name), "total": p.total, "values": list(p.values)}
        for p in line.parts
    ]
    return {
        "x": [d.isoformat() for d in line.days], "step": line.step, "unit": t("entity.observations.unit"),
        "series": series,
    }  # fmt: skip


def _rows(told: dict[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
    """All newest rows as one table, with the columns of all."""
    rows = [
        {"table": s["table"], "role": s["role"], **{k: v for k, v in row.items() if k not in ("table", "role")}}
        for s in told["tables"] for row in s["rows"]
    ]  # fmt: skip
    columns = dict.fromkeys(["table", "role", "row", "source"])
    for row in rows:
        columns |= dict.fromkeys(row)
    return rows, list(columns)
