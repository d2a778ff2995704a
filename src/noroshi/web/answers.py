"""Answers of the API: JSON or CSV, tagged, made once for each moment."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
from fastapi import Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from noroshi.web.reader import Answer as Answer
from noroshi.web.reader import answer
from noroshi.web.viewer import Visit

FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Problem(BaseModel):
    """What went wrong, where, and what to do."""

    what: str = Field(description="What happened, in a sentence.")
    where: str = Field(description="Where exactly; empty when the request as a whole is meant.")
    todo: str = Field(description="What to do about it.")


ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": text, "content": {"application/problem+json": {
        "schema": {"$ref": "#/components/schemas/Problem"}}}}
    for status, text in (
        (400, "The question is wrong."), (401, "Nobody is signed in."), (403, "They may not."),
        (404, "There is none, or none they may see."), (413, "Too much was sent."),
        (422, "A parameter is of the wrong kind."), (429, "Too many requests."), (503, "The lake cannot answer now."),
    )
}  # fmt: skip
"""For `responses=` of every router of the API."""
CSV_TOO: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"text/csv": {"schema": {"type": "string"}}},
        "description": "JSON, or CSV with `format=csv`.",
    },
    304: {"description": "Nothing has changed since the `ETag` in `If-None-Match`."},
}

Format = Query(
    "", pattern="^(json|csv)?$", description="json (default) or csv; `Accept: text/csv` does the same."
)


def wants_csv(visit: Visit) -> bool:
    """True when they asked for CSV."""
    asked = visit.request.query_params.get("format", "")
    return asked == "csv" or (not asked and visit.request.headers.get("accept", "").startswith("text/csv"))


def json(document: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A document that is not kept: it depends on more than the lake (state, the clock)."""
    return Response(msgspec.json.encode(document), status, headers, "application/json")


def kept(visit: Visit, make: Callable[[], Answer], *more: str) -> Response:
    """The answer to this URL from what they see now, made once a moment; 304 when they have it already.

    make: depends on the view and the URL alone. more: what else it depends on.
    """
    request = visit.request
    span = visit.span
    key = (
        request.url.path, str(sorted(request.query_params.multi_items())), str(wants_csv(visit)), visit.lang,
        span.start.isoformat(), span.end.isoformat(), visit.viewer.role, *more,
    )  # fmt: skip
    return respond(visit, visit.seen.remember(key, make))


def respond(visit: Visit, made: Answer) -> Response:
    """The answer, or 304 when they have it already."""
    headers = {
        "etag": made.etag,
        "vary": "Accept, Accept-Language, Authorization, Cookie",
        **dict(made.headers),
    }
    tags = [
        t.strip().removeprefix("W/") for t in visit.request.headers.get("if-none-match", "")[:2000].split(",")
    ]
    if made.etag in tags or "*" in tags:
        return Response(status_code=304, headers=headers)
    return Response(made.body, 200, headers, made.type)


def document(value: Any, headers: Iterable[tuple[str, str]] = ()) -> Answer:
    """JSON."""
    return answer(msgspec.json.encode(value), "application/json", tuple(headers))


def table(
    visit: Visit, rows: Sequence[dict[str, Any]], columns: Sequence[str], name: str,
    wrap: Callable[[Sequence[dict[str, Any]]], Any] | None = None, headers: Iterable[tuple[str, str]] = (),
) -> Answer:  # fmt: skip
    """Rows as CSV with these columns, or as JSON: `wrap(rows)`, else the rows."""
    if wants_csv(visit):
        saved = ("content-disposition", f'attachment; filename="noroshi-{name}.csv"')
        return answer(to_csv(rows, columns), "text/csv; charset=utf-8", (saved, *headers))
    return document(wrap(rows) if wrap else list(rows), headers)


def to_csv(rows: Iterable[dict[str, Any]], columns: Sequence[str]) -> bytes:
    """RFC 4180 in UTF-8 with its mark; what a spreadsheet would take for a formula gets a leading apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([cell(row.get(c)) for c in columns])
    return ("\ufeff" + out.getvalue()).encode("utf-8", "replace")


def cell(value: Any) -> Any:
    """A value as it may stand in a spreadsheet."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return value
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return f"'{text}" if text.startswith(FORMULA) else text
