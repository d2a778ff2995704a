"""Findings: the list, and one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from noroshi.model.finding import KINDS, Finding
from noroshi.model.tlp import parse as parse_tlp
from noroshi.web import answers, paging
from noroshi.web.errors import NotFound
from noroshi.web.known import Chosen, place
from noroshi.web.viewer import AsViewer, Visit

router = APIRouter(tags=["findings"])
COLUMNS = ("id", "kind", "subject_kind", "subject", "first_seen", "last_seen", "confidence", "tlp", "summary_en",
           "summary_ja", "rule", "scope")  # fmt: skip


class SubjectModel(BaseModel):
    """What a finding is about."""

    kind: str
    value: str


class RuleModel(BaseModel):
    """The analyser and its version."""

    name: str
    version: int


class FindingModel(BaseModel):
    """A judgement."""

    id: str
    kind: str
    subject: SubjectModel
    first_seen: datetime
    last_seen: datetime
    modified: datetime | None
    confidence: int = Field(ge=0, le=100)
    tlp: str
    summary: dict[str, str]
    rule: RuleModel
    scope: str
    evidence: dict[str, Any]
    runs: list[str]


class FindingPage(BaseModel):
    """Findings, newest first."""

    total: int = Field(description="How many there are in all, of those asked for.")
    items: list[FindingModel]
    next: str = Field(description="The cursor of the next page; empty on the last.")


@router.get("/findings", response_model=FindingPage, responses=answers.CSV_TOO, name="list_findings")
def list_findings(
    visit: AsViewer, kind: str = "", subject: str = "", tlp: str = "", confidence: int = 0, q: str = "",
    limit: int = paging.Limit, cursor: str = paging.CursorParam, format: str = answers.Format,
) -> Response:  # fmt: skip
    """Findings last seen in the time range (all when none is given), newest first. kind: several with commas."""

    def make() -> answers.Answer:
        found = chosen(visit, kind=kind, subject=subject, tlp=tlp, confidence=confidence, text=q)
        page, after = paging.cut(visit, found, place, cursor, limit)
        wrap = lambda rows: {"total": len(found), "items": [f.to_json() for f in page], "next": after}  # noqa: E731
        return answers.table(visit, [flat(f) for f in page], COLUMNS, "findings", wrap, _next(after))

    return answers.kept(visit, make)


@router.get("/findings/{finding}", response_model=FindingModel, name="get_finding")
def get_finding(visit: AsViewer, finding: str) -> Response:
    """One finding, by its id or the beginning of it (8 digits at least)."""
    return answers.kept(visit, lambda: answers.document(one(visit, finding).to_json()))


def one(visit: Visit, finding: str) -> Finding:
    """The finding of that id, or whose id begins so. Raises NotFound."""
    if len(finding) >= 8:
        found = visit.seen.known.beginning(finding.lower())
        if len(found) == 1:
            return found[0]
    raise NotFound("there is no such finding", where=finding[:40], todo="`noroshi findings` lists them.")


def chosen(
    visit: Visit, *, kind: str = "", subject: str = "", tlp: str = "", confidence: int = 0, text: str = ""
) -> Chosen:
    """The findings asked for, newest first. Raises UsageError for a kind or marking there is not."""
    from noroshi.model.errors import UsageError

    kinds = [k for k in kind.split(",") if k]
    if unknown := [k for k in kinds if k not in KINDS]:
        raise UsageError(
            f"{unknown[0][:40]!r} is no kind of finding", where="kind", todo=f"Known: {', '.join(KINDS)}."
        )
    mark = parse_tlp(tlp) if tlp else None
    words, value = text.casefold().split(), _canonical(subject) if subject else ""
    ranged = any(visit.request.query_params.get(k) for k in ("range", "from", "to"))
    since, until = (visit.span.start, visit.span.end) if ranged else (None, None)
    return visit.seen.known.chosen(
        kinds=kinds, value=value, mark=mark, confidence=confidence, since=since, until=until, words=words
    )


def flat(f: Finding) -> dict[str, Any]:
    """As a row of CSV."""
    told = f.to_json()
    return told | {
        "subject_kind": f.subject.kind, "subject": f.subject.value, "summary_en": f.summary.get("en", ""),
        "summary_ja": f.summary.get("ja", ""), "rule": f"{f.rule.name} {f.rule.version}",
    }  # fmt: skip


def _canonical(subject: str) -> str:
    from noroshi.model import observable
    from noroshi.model.errors import UsageError

    try:
        return observable.guess(subject)[1]
    except UsageError:
        return subject.strip()


def _next(after: str) -> list[tuple[str, str]]:
    """CSV has no room for a cursor: it stands in a header."""
    return [("x-next-cursor", after)] if after else []
