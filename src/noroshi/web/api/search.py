"""Search: what a text can mean here, with counts; and texts that hold it as a word."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from noroshi.ask import keyword
from noroshi.ask.pivot import meant
from noroshi.model.canonical.software import is_known_advisory
from noroshi.model.errors import UsageError
from noroshi.model.finding import iso
from noroshi.model.observable import key64
from noroshi.web import answers, render, urls
from noroshi.web.viewer import AsViewer, Visit

router = APIRouter(tags=["search"])
LONGEST = 4000
LEAST_WORD, LONGEST_WORD = 3, 200
"""Characters of a word looked for in texts; a shorter one stands in nearly every text."""
SECONDS = 4.0
"""How long texts are looked through: somebody waits."""
LISTED = 50
_LABELS = ("malware", "actor")
_ROW = re.compile(r"[a-z]+:[0-9a-f]{6,64}:\d{1,18}|[0-9a-f]{12,32}:\d{1,18}", re.IGNORECASE)
_ID = re.compile(r"[0-9a-f][0-9a-f-]{7,63}", re.IGNORECASE)
_PORT = re.compile(r"(?P<host>\[[0-9a-f:.]+\]|[^\s:/]+):(?P<port>\d{1,5})", re.IGNORECASE)
_NUMBER = re.compile(r"\d{1,10}")


@dataclass(frozen=True)
class Meaning:
    """Something a text can mean."""

    kind: str
    """A kind of observable, or `finding`, `run`, `row`."""
    value: str
    """Canonical; of a credential, its keyed hash."""
    count: int | None
    """Observations; None where this view is not told."""
    path: str
    """The page of it."""

    def to_json(self) -> dict[str, Any]:
        """As JSON types."""
        return {"kind": self.kind, "value": self.value, "count": self.count, "path": self.path}


class MeaningModel(BaseModel):
    """Something a text can mean."""

    kind: str = Field(description="A kind of observable, or finding, run, row.")
    value: str
    count: int | None = Field(description="Observations; null where this view is not told.")
    path: str = Field(description="The page of it.")


class WordModel(BaseModel):
    """Rows of one table and run whose texts hold the word."""

    table: str
    column: str
    count: int
    first_seen: str
    last_seen: str
    sample: str
    run_id: str


class SearchModel(BaseModel):
    """What a text can mean, and where it stands as a word."""

    meanings: list[MeaningModel]
    words: list[WordModel]
    complete: bool = Field(description="False when not all texts could be looked through in time.")


class SearchQuestion(BaseModel):
    """What is looked for, in a body: for what belongs into no address."""

    q: str = Field(min_length=1, max_length=LONGEST)
    words: bool = False


@router.get("/search", response_model=SearchModel, name="search")
def search(
    visit: AsViewer,
    q: str = Query(
        min_length=1, max_length=LONGEST, description="Any value, defanged or not, an id, or a word."
    ),
    words: bool = Query(False, description="Look for it in texts too: slower."),
) -> Response:
    """What a text can mean. Do not write passwords here: the POST form is for that."""
    return answers.json(document(visit, q, words))


@router.post("/search", response_model=SearchModel, name="search_by_body")
def search_by_body(visit: AsViewer, question: SearchQuestion) -> Response:
    """The same, for credential pairs (`user:password`) too; only the keyed hash is answered."""
    return answers.json(document(visit, question.q, question.words))


def document(visit: Visit, text: str, words: bool) -> dict[str, Any]:
    """The answer as JSON types."""
    found, complete = standing_in(visit, text) if words else ([], True)
    return {
        "meanings": [m.to_json() for m in meanings(visit, text)], "complete": complete,
        "words": [
            {"table": f.table, "column": f.column, "count": f.count, "first_seen": iso(f.first_seen),
             "last_seen": iso(f.last_seen), "sample": render.visible(f.sample), "run_id": f.run_id}
            for f in found
        ],
    }  # fmt: skip


def meanings(visit: Visit, text: str) -> list[Meaning]:
    """What a text can mean: what stands here, most observed first; else what it would be if it stood here."""
    text = text.strip()[:LONGEST]
    if not text or "\0" in text:
        return []
    if _ROW.fullmatch(text):
        return [Meaning("row", text.lower(), None, f"/why/{urls.segment(text.lower())}")]
    ids = _ids(visit, text) if _ID.fullmatch(text) else []
    standing, likely = _observables(visit, text)
    if not (standing or likely) and (host := _PORT.fullmatch(text)) and int(host["port"]) < 65_536:
        standing, likely = _observables(visit, host["host"].strip("[]"))
    if not standing and not likely and ":" in text and visit.view.plain:
        standing = _pair(visit, text)
    return ids + sorted(standing, key=lambda m: -(m.count or 0)) if ids or standing else likely


def is_secret(text: str, found: list[Meaning]) -> bool:
    """True for what may be a password: a pair that means nothing else. It must stand in no address."""
    return ":" in text and all(m.kind == "credential" for m in found)


def _ids(visit: Visit, text: str) -> list[Meaning]:
    """Findings and runs whose ids begin so."""
    text = text.lower()
    out = [
        Meaning("finding", f.id, None, f"/findings/{urls.segment(f.id)}")
        for f in visit.seen.known.beginning(text)
    ]  # fmt: skip
    if visit.view.plain and visit.viewer.may("analyst"):
        out += [
            Meaning("run", r.run_id, None, f"/why/{r.run_id}")
            for r in visit.shot.runs() if r.run_id.startswith(text)
        ]  # fmt: skip
    return out[:LISTED]


def _observables(visit: Visit, text: str) -> tuple[list[Meaning], list[Meaning]]:
    """(what stands here, what a text is by its form); names of malware and actors, which any text could be, and ids
    of advisories of no known kind count only when they stand."""
    if not visit.view.plain:
        return [], [_meaning(kind, value, None) for kind, value in meant(text) if _by_form((kind, value))]
    pivots = visit.pivots()
    try:
        options = pivots.options(text)
    except UsageError:
        options = []
    if _NUMBER.fullmatch(text) and not options and int(text) < 1 << 32:
        options = [("asn", f"AS{int(text)}")]
    known = pivots.links.common([key64(*o) for o in options]) if options else {}
    counted = [
        _meaning(kind, value, pivots.head(kind, value).count)
        for kind, value in options if kind == "prefix" or key64(kind, value) in known
    ]  # fmt: skip
    standing = [m for m in counted if m.count]
    return standing, [_meaning(kind, value, 0) for kind, value in options if _by_form((kind, value))]


def _by_form(observable: tuple[str, str]) -> bool:
    kind, value = observable
    return kind not in _LABELS and (kind != "advisory" or is_known_advisory(value))


def _meaning(kind: str, value: str, count: int | None) -> Meaning:
    return Meaning(kind, value, count, render.entity_url(kind, value))


def _pair(visit: Visit, text: str) -> list[Meaning]:
    """The keyed hash of a pair, when it stands here."""
    user, _, password = text.partition(":")
    value = visit.tower.lake.credential(user, password)
    count = visit.pivots().head("credential", value).count
    return [_meaning("credential", value, count)] if count else []


def standing_in(visit: Visit, text: str) -> tuple[list[keyword.Found], bool]:
    """(rows whose texts hold it as a word, whether all were looked through); none for others than the own
    organisation, because texts name addresses of telescopes. Raises Forbidden where the view is masked."""
    word = " ".join(text.split())
    if not LEAST_WORD <= len(word) <= LONGEST_WORD or visit.view.outside or "\0" in word:
        return [], True
    found, complete = keyword.within(visit.shot, word, SECONDS)
    return sorted(found, key=lambda f: (-f.count, f.table, f.column, f.run_id))[:LISTED], complete
