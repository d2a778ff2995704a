"""Findings: the list with its filters, one with its evidence, and what people said of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Form
from starlette.responses import RedirectResponse, Response

from noroshi.ask import verdicts
from noroshi.model.finding import KINDS, Finding
from noroshi.model.tlp import Tlp
from noroshi.web import paging, render, urls
from noroshi.web.api import cases as cases_api
from noroshi.web.api.findings import chosen, one
from noroshi.web.api.verdicts import held, store
from noroshi.web.known import place
from noroshi.web.routes import Page
from noroshi.web.viewer import AsAnalyst, AsViewer, Visit
from noroshi.work.cases import may_see

router = APIRouter()
PAGE = Page("findings", "/findings", ranged=True)
SHOWN = 50
Ids = Annotated[list[str], Form(max_length=500)]
Text = Annotated[str, Form(max_length=4000)]


@router.get("/findings")
def show(
    visit: AsViewer, kind: str = "", q: str = "", tlp: str = "", confidence: int = 0, verdict: str = "",
    cursor: str = "",
) -> Response:  # fmt: skip
    """The list: filters in the URL, newest first."""
    judged = held(visit)
    found: Sequence[Finding] = chosen(visit, kind=kind, tlp=tlp, confidence=confidence, text=q)
    kinds = chosen(visit, tlp=tlp, confidence=confidence, text=q).kinds()
    if verdict:
        found = [f for f in found if (judged[f.id].verdict if f.id in judged else "none") == verdict]
    page, after = paging.cut(visit, found, place, cursor, SHOWN)
    return render.page(
        visit, "pages/findings.html", here="findings", ranged=True, findings=page, total=len(found), next=after,
        kinds=sorted(kinds.items(), key=lambda k: (-k[1], k[0])), kind=kind, q=q, tlp=tlp, confidence=confidence,
        verdict=verdict, verdicts=judged, marks=[t.value for t in Tlp], rules=_rules(visit),
        cases=_open_cases(visit), command="noroshi findings" + (f" --kind {kind}" if kind in KINDS else ""),
    )  # fmt: skip


@router.get("/findings/{finding}")
def detail(visit: AsViewer, finding: str) -> Response:
    """One finding: what was judged, from what, by which rule, and what people said."""
    found = one(visit, finding)
    runs = [r for r in visit.view.shot.runs() if r.run_id in found.runs]
    return render.page(
        visit, "pages/finding.html", here="findings", f=found, evidence=evidence(found), runs=runs,
        verdict=held(visit).get(found.id), cases=_open_cases(visit),
        within=[c for c in visit.tower.state.cases.holding("finding", found.id)
                if may_see(c, visit.viewer.recipient.ceiling)],
        command=f"noroshi why {found.id}",
    )  # fmt: skip


@router.post("/findings/judge")
def judge(
    visit: AsAnalyst, ids: Ids, verdict: Text, comment: Text = "", back: Text = "/findings"
) -> Response:
    """Triage: of one finding or of those chosen in the list."""
    store(visit, ids, verdict, comment)
    return RedirectResponse(_local(back), 303)


@router.post("/findings/case")
def into_case(visit: AsAnalyst, ids: Ids, case: Text = "", title: Text = "") -> Response:
    """Puts findings into a case: one there is, or a new one."""
    if case.isdecimal() and len(case) < 16:  # more digits than a number of the state has
        cases_api.filled(visit, int(case), ids, ())
        return RedirectResponse(f"/cases/{int(case)}", 303)
    made = cases_api.opened(visit, title, ids, ())
    return RedirectResponse(f"/cases/{made.id}", 303)


def evidence(finding: Finding) -> list[tuple[str, Any, str]]:
    """(name, value, how it is shown) of the evidence: numbers and short texts first, then lists and tables."""
    rows: list[tuple[str, Any, str]] = []
    for name, value in finding.evidence.items():
        if value in (None, "", [], {}):
            continue
        if isinstance(value, list) and isinstance(value[0], dict):
            rows.append((name, [r for r in value if isinstance(r, dict)][:50], "table"))
        elif isinstance(value, list):
            rows.append((name, value[:100], "list"))
        elif isinstance(value, dict):
            rows.append((name, value, "pairs"))
        else:
            rows.append(
                (
                    name,
                    value,
                    "number" if isinstance(value, int | float) and not isinstance(value, bool) else "text",
                )
            )
    order = ("number", "text", "pairs", "list", "table")
    return sorted(rows, key=lambda r: order.index(r[2]))


def _rules(visit: Visit) -> tuple[verdicts.Record, ...]:
    if not visit.view.plain:
        return ()
    return visit.seen.once("verdicts.records", lambda: verdicts.records(visit.view.shot))


def _open_cases(visit: Visit) -> list[tuple[str, str]]:
    if not visit.viewer.may("analyst"):
        return []
    found, _ = cases_api.chosen(visit, "active", "", 50)
    return [(str(c.id), f"{c.id}: {c.title[:60]}") for c in found]


def _local(back: str) -> str:
    return back if urls.is_local(back) else "/findings"
