"""A value: everything the lake holds of it, what stands beside it, what was judged, and where each row came from."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import APIRouter, Form
from starlette.responses import RedirectResponse, Response

from noroshi.ask import verdicts
from noroshi.ask.rows import observables
from noroshi.ask.timeline import BY
from noroshi.model.errors import UsageError
from noroshi.model.finding import Finding
from noroshi.model.observable import CANONICAL, canonical
from noroshi.model.tables import TABLES
from noroshi.web import render, timerange, urls
from noroshi.web.api import pivot as api
from noroshi.web.api import verdicts as verdicts_api
from noroshi.web.api import why as why_api
from noroshi.web.errors import NotFound
from noroshi.web.routes import Page
from noroshi.web.viewer import AsAnalyst, AsViewer, Visit
from noroshi.work.cases import may_see

if TYPE_CHECKING:
    from noroshi.ask.pivot import Pivot
    from noroshi.ask.rows import Found

router = APIRouter()
PAGE = Page("entity", "/entity", nav=False, ranged=True)
ROWS = 40
"""Newest rows asked for: what a page shows of them is less."""
SHOWN = 8
"""Rows shown of each table and role."""
LISTED = 12
"""Entries shown of a list within a row."""
_LEFT_OUT = ("run_id", "offset", "row", "source", "day", "document")
"""Columns that the row's link to its provenance says better."""
_TIMES = ("ts", "first_seen", "last_seen", "time")
_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6"}
Text = Annotated[str, Form(max_length=api.LONGEST)]


@dataclass(frozen=True)
class Cell:
    """What stands in a column of a row."""

    how: str
    """entities, time, number, list, text."""
    value: Any = None
    entities: tuple[tuple[str, str], ...] = ()
    more: int = 0
    """Entries of a list that are not shown."""


@dataclass(frozen=True)
class Stand:
    """A table and role the value stands in, with its newest rows."""

    table: str
    role: str
    count: int
    first_seen: datetime
    last_seen: datetime
    days: int
    sources: tuple[tuple[str, int], ...]
    n_sources: int
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, str, tuple[Cell | None, ...]], ...] = ()
    """(what `why` takes, source, cells)."""
    sample: bool = False
    held: int = 0
    """Rows there were to show."""


@dataclass(frozen=True)
class Around:
    """What people and the program said of a value, beside the rows."""

    findings: Sequence[Finding]
    verdicts: dict[str, verdicts.Verdict]
    cases: Sequence[Any]
    watch: Any = None


@router.get("/entity")
def nothing(visit: AsViewer) -> Response:
    """Without a value there is only the search."""
    return RedirectResponse("/search", 303)


@router.get("/entity/{kind}/{value:path}")
def show(visit: AsViewer, kind: str, value: str, part: str = "", by: str = "table") -> Response:
    """The page; part=below gives the names below a domain alone."""
    known = known_value(kind, value)
    if known != value:
        return RedirectResponse(urls.with_query(render.entity_url(kind, known), _query(visit)), 303)
    if part == "below":
        return names_below(visit, known)
    if not visit.view.plain:
        return masked(visit, kind, known)
    since, until, span = asked_time(visit)
    answer = api.asked(visit, known, kind, since, until, ROWS)
    query = urls.query({"value": known, "kind": kind} | ({"since": since, "until": until} if since else {}))
    return render.page(
        visit, "pages/entity.html", here="entity", ranged=True, span=span, kind=kind, value=known, a=answer,
        stands=[stand(s, answer) for s in answer.head.stands], flags=flags(answer), query=query,
        by=by if by in BY else "table", choices=BY, graph=_graph(visit, answer),
        around=around(visit, kind, known, answer.findings), place=vars(answer.context),
        command=f"noroshi pivot {shlex.quote(known)} --kind {kind}", ranged_by_choice=bool(since),
    )  # fmt: skip


@router.post("/entity/watch")
def watch(visit: AsAnalyst, kind: Text, value: Text, note: Text = "") -> Response:
    """Watches a value: people are told when it appears again."""
    known = known_value(kind, value)
    visit.tell("watch added", kind=kind)
    visit.tower.state.watches.add(kind, known, note.strip()[:300])
    return RedirectResponse(render.entity_url(kind, known), 303)


@router.post("/entity/unwatch")
def unwatch(visit: AsAnalyst, kind: Text, value: Text) -> Response:
    """Ends that."""
    known = known_value(kind, value)
    held = watched(visit, kind, known)
    if held is None:
        raise NotFound("nobody watches it", todo="The page of a value says whether it is watched.")
    visit.tell("watch removed", kind=kind)
    visit.tower.state.watches.remove(held.id)
    return RedirectResponse(render.entity_url(kind, known), 303)


@router.get("/why/{name}")
def provenance(visit: AsAnalyst, name: str) -> Response:
    """Where a row came from: run, format, parser, digest, offset, and the raw line."""
    if len(name) > 200:
        raise UsageError(
            "this is no name of a row", todo="Pages and `noroshi pivot` show what rows are called."
        )
    found = why_api.found(visit, name)
    if found.finding:
        return RedirectResponse(f"/findings/{urls.segment(found.finding.id)}", 303)
    return render.page(
        visit, "pages/why.html", here="entity", name=name, w=found, row=why_api.named(found.rows, found.runs),
        rows=[(r["table"], fields(r)) for r in found.rows], command=f"noroshi why {shlex.quote(name)}",
    )  # fmt: skip


def known_value(kind: str, value: str) -> str:
    """The canonical value. Raises NotFound for a kind there is not, UsageError for what is no value of it."""
    if kind not in CANONICAL:
        raise NotFound(f"{kind[:40]!r} is no kind of value", todo=f"Known: {', '.join(CANONICAL)}.")
    if len(value) > api.LONGEST or "\0" in value:
        raise UsageError(
            "this is no value", where=kind, todo=f"A value has at most {api.LONGEST:,} characters and no NUL."
        )
    try:
        return canonical(kind, value)
    except UsageError as e:
        from noroshi.ask.pivot import meant

        for other, known in meant(value):
            if other == kind:
                return known
        raise UsageError(e.what[:300], where=kind, todo=e.todo) from None


def asked_time(visit: Visit) -> tuple[str, str, timerange.Range]:
    """(since, until, the range shown): all there is, unless a range was chosen."""
    if visit.span.chosen in ("", "all"):
        return "", "", timerange.parse("all", "", "", now=visit.now, held=visit.seen.days())
    last = visit.span.end - timedelta(microseconds=1)
    return visit.span.first_day.isoformat(), last.date().isoformat(), visit.span


def masked(visit: Visit, kind: str, value: str) -> Response:
    """What an anonymised view is told of a value: findings, as the mask gives them."""
    findings = visit.seen.known.by_subject.get((kind, value), [])
    return render.page(
        visit, "pages/entity-masked.html", here="entity", kind=kind, value=value,
        around=Around(findings, {}, ()), status=200,
    )  # fmt: skip


def names_below(visit: Visit, domain: str) -> Response:
    """The names below a domain, for htmx."""
    from noroshi.ask.below import below

    return render.part(visit, "parts/entity-below.html", below=below(visit.shot, domain), value=domain)


def around(visit: Visit, kind: str, value: str, findings: Sequence[Finding]) -> Around:
    """Findings, verdicts, cases and the watch of a value."""
    held = verdicts_api.held(visit) if findings else {}
    cases = [
        c for c in visit.tower.state.cases.holding(kind, value) if may_see(c, visit.viewer.recipient.ceiling)
    ]
    return Around(findings, held, cases, watched(visit, kind, value) if visit.viewer.may("analyst") else None)


def watched(visit: Visit, kind: str, value: str) -> Any:
    """The watch of a value; None when nobody watches it."""
    return next((w for w in visit.tower.state.watches.all() if (w.kind, w.value) == (kind, value)), None)


def flags(answer: Pivot) -> list[str]:
    """own, listed: what one should know before anything else."""
    out = ["own"] if answer.context.own or answer.context.assets else []
    return [*out, "listed"] if answer.context.warninglists else out


def stand(head: Any, answer: Pivot) -> Stand:
    """A table and role with its newest rows, ready to be shown."""
    found = next((f for f in answer.found if (f.table, f.role) == (head.table, head.role)), None)
    columns, rows = shown(found, answer) if found else ((), ())
    return Stand(
        head.table, head.role, head.count, head.first_seen, head.last_seen, len(head.days), head.sources,
        head.n_sources, columns, rows, bool(found and not found.sure), found.rows.num_rows if found else 0,
    )  # fmt: skip


def shown(found: Found, answer: Pivot) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """(columns that hold anything, rows): times first, then values, then the rest."""
    rows = answer.names.shown(found, SHOWN)
    held = [c for c in found.rows.column_names if c not in _LEFT_OUT and any(c in r for r in rows)]
    linked, first = _linked(found.table), TABLES[found.table].time
    held.sort(key=lambda c: (c != first, c not in _TIMES, c not in linked))
    out = [
        (api.place(row), row.get("source", ""), tuple(cell(found.table, c, row) for c in held))
        for row in rows
    ]
    return tuple(held), tuple(out)


def cell(table: str, column: str, row: dict[str, Any]) -> Cell | None:
    """What stands in a column, by what it is."""
    value = row.get(column)
    if value in (None, "", []):
        return None
    link = _linked(table).get(column)
    if link is not None and link.kind != "credential":
        found = _entities(table, link, row)
        if found:
            return Cell("entities", entities=tuple(found[:LISTED]), more=max(0, len(found) - LISTED))
    if TABLES[table].column(column).type == "ts" and isinstance(value, str):
        return Cell("time", datetime.fromisoformat(value))
    if isinstance(value, bool):
        return Cell("text", str(value).lower())
    if column == "protocol" and value in _PROTOCOLS:
        return Cell("text", _PROTOCOLS[value])
    if isinstance(value, int | float):
        return Cell("code" if column.endswith("port") or column in ("protocol", "id") else "number", value)
    if isinstance(value, list):
        return Cell("list", value[:LISTED], more=max(0, len(value) - LISTED))
    return Cell("text", value if isinstance(value, str) else msgspec.json.encode(value).decode())


def fields(row: dict[str, Any]) -> list[tuple[str, Cell]]:
    """All columns of a row that hold anything, for the page of its provenance."""
    table = row["table"]
    names = [c.name for c in TABLES[table].columns]
    out = [(n, cell(table, n, row)) for n in names if n in row]
    return [(n, c) for n, c in out if c is not None]


def _entities(table: str, link: Any, row: dict[str, Any]) -> list[tuple[str, str]]:
    value = row[link.column]
    if TABLES[table].column(link.column).type == "address":
        return [("ip", value)]
    found = observables(table, link, [value], [row.get(link.kind_from)] if link.kind_from else [])
    return list(dict.fromkeys(o for o in found if o))


@cache
def _linked(table: str) -> dict[str, Any]:
    from noroshi.ask.rows import links_of

    return {link.column: link for link in links_of(table)}


def _graph(visit: Visit, answer: Pivot) -> str:
    return msgspec.json.encode(api.graph(visit, answer)).decode() if answer.beside.values else ""


def _query(visit: Visit) -> dict[str, str]:
    return {k: v for k, v in visit.request.query_params.multi_items() if len(k) + len(v) < 200}
