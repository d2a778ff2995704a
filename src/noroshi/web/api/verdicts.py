"""Verdicts on findings: said by analysts, stored as a source, and how rules fared."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from noroshi.ask import verdicts
from noroshi.web import answers
from noroshi.web.api.findings import one
from noroshi.web.viewer import AsAnalyst, AsViewer, Visit
from noroshi.work import triage

router = APIRouter(tags=["verdicts"], prefix="/verdicts")


class VerdictModel(BaseModel):
    """The word that holds on a finding."""

    finding_id: str
    verdict: str
    who: str
    ts: datetime
    comment: str


class RuleRecord(BaseModel):
    """How a rule was judged."""

    rule: str
    true: int
    false: int
    unsure: int
    precision: list[float] | None = Field(
        description="Share of true and its 95 % interval; null when none was judged."
    )


class Judgement(BaseModel):
    """What an analyst says of findings."""

    findings: Annotated[
        list[Annotated[str, Field(min_length=8, max_length=36)]], Field(min_length=1, max_length=500)
    ]
    verdict: Literal["true", "false", "unsure"]
    comment: Annotated[str, Field(max_length=triage.COMMENT)] = ""


class Judged(BaseModel):
    """What was stored."""

    run_id: str
    findings: list[str]


@router.get("", response_model=list[VerdictModel], responses=answers.CSV_TOO, name="list_verdicts")
def list_verdicts(visit: AsViewer, format: str = answers.Format) -> Response:
    """The verdict on every finding that has one, newest first."""

    def make() -> answers.Answer:
        held = sorted(verdicts.newest(visit.shot).values(), key=lambda v: (v.ts, v.finding_id), reverse=True)
        return answers.table(visit, [v.to_json() for v in held], list(VerdictModel.model_fields), "verdicts")

    return answers.kept(visit, make)


@router.get("/rules", response_model=list[RuleRecord], responses=answers.CSV_TOO, name="list_rule_records")
def list_rules(visit: AsViewer, format: str = answers.Format) -> Response:
    """How each rule was judged; of what people looked at, which is no random sample."""

    def make() -> answers.Answer:
        rows = [
            {"rule": r.rule, "true": r.true, "false": r.false, "unsure": r.unsure,
             "precision": list(r.precision) if r.precision else None}
            for r in verdicts.records(visit.shot)
        ]  # fmt: skip
        return answers.table(visit, rows, list(RuleRecord.model_fields), "rules")

    return answers.kept(visit, make)


@router.post("", response_model=Judged, status_code=201, name="judge_findings")
def judge(visit: AsAnalyst, said: Judgement) -> Response:
    """Says of findings that they are true or false, or that one cannot tell; the newest word holds."""
    return answers.json(store(visit, said.findings, said.verdict, said.comment), status=201)


def held(visit: Visit) -> dict[str, verdicts.Verdict]:
    """The verdicts that hold, by finding. None for who has a masked view: a verdict tells who works here."""
    if not visit.view.plain:
        return {}
    return visit.seen.once("verdicts", lambda: verdicts.newest(visit.view.shot))


def store(visit: Visit, ids: list[str], verdict: str, comment: str) -> dict[str, object]:
    """Stores a verdict on findings this viewer may see, and shows it at once. Raises NotFound."""
    found = [one(visit, i) for i in dict.fromkeys(ids)]
    visit.tell("verdict", count=len(found), verdict=verdict, findings=[f.id for f in found][:50])
    run = triage.judge(
        visit.tower.lake, found, verdict, who=visit.viewer.actor, comment=comment, now=visit.now
    )
    visit.tower.reader.renew()
    return {"run_id": run, "findings": [f.id for f in found]}
