"""Why: where a finding, a run or a row came from, down to the raw line."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field
from starlette.responses import Response

from noroshi.lake.render import row_id
from noroshi.model.errors import UsageError
from noroshi.web import answers
from noroshi.web.api.findings import FindingModel
from noroshi.web.errors import NotFound
from noroshi.web.viewer import AsAnalyst, Visit
from noroshi.work import why as provenance
from noroshi.work.why import Why

router = APIRouter(tags=["why"])
NamePath = Path(max_length=200, description="TABLE:DIGEST:OFFSET, RUN:OFFSET, or the id of a finding or run.")


class RunModel(BaseModel):
    """What was read once."""

    run_id: str
    path: str
    source: str
    format: str
    parser_version: int | str
    sha256: str | None = Field(description="Of the source; null where this view is not told.")
    tlp: str
    first_seen: str | None
    last_seen: str | None


class WhyModel(BaseModel):
    """Where something came from."""

    finding: FindingModel | None
    rows: list[dict[str, Any]]
    runs: list[RunModel]
    sql: str = Field(description="A SELECT that shows the rows behind it.")
    raw: str = Field(description="The text it was read from, its first 4 KiB at most.")
    raw_from: str = Field(description="`source`, `kept`, or why there is none.")


@router.get("/why/{name}", response_model=WhyModel, name="why")
def get_why(visit: AsAnalyst, name: str = NamePath) -> Response:
    """Run, format, parser, digest, offset, the rows read there, and the raw text if it can still be had."""
    return answers.json(found(visit, name).to_json())


def found(visit: Visit, name: str) -> Why:
    """Where it came from, as far as this viewer may see. Raises NotFound, and Forbidden where the view is masked."""
    _ = visit.shot  # a masked view is refused
    try:
        return provenance.why(visit.tower.lake, name, visit.view)
    except UsageError as e:
        raise NotFound(
            e.what, where=name[:100], todo="Pages and `noroshi pivot` show what rows are called."
        ) from None


def named(rows: list[dict[str, Any]], runs: list[dict[str, Any]]) -> str:
    """TABLE:DIGEST:OFFSET of the row found, or nothing when the digest is not told."""
    digests = {r["run_id"]: r["sha256"] for r in runs}
    for row in rows:
        if digest := digests.get(row.get("run_id", "")):
            return row_id(row["table"], digest, row["offset"])
    return ""
