"""Notices to those who answer for a network: what would be sent, what was, what came of it; opt-outs."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path as File
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from noroshi.model.errors import UsageError
from noroshi.model.finding import iso
from noroshi.web import answers
from noroshi.web.api.recipients import operator, seen_reasons
from noroshi.web.api.works import WorkModel, accepted
from noroshi.web.errors import NotFound
from noroshi.web.longwork import Work
from noroshi.web.viewer import AsSharer, Visit
from noroshi.work import notify_optout, notify_send
from noroshi.work.notify_settings import settings
from noroshi.work.notify_told import document

if TYPE_CHECKING:
    from noroshi.lake.state.notices import NoticeRow
    from noroshi.lake.state.optouts import OptOut
    from noroshi.work.notify import Plan
    from noroshi.work.notify_status import Status

router = APIRouter(tags=["notices"])
Id = Annotated[
    str, Path(min_length=3, max_length=40, pattern="^(n-)?[0-9a-f]+$", description="Id of the notice.")
]
Channel = Literal["", "mail", "folder"]
Asked = Query("", description="mail or folder; else as configured (plan, send), or both (status).")


class StatusModel(BaseModel):
    """What became of what was told."""

    channels: list[dict[str, Any]] = Field(
        description="Items by state, and what was fixed by day with its interval."
    )
    items: list[dict[str, Any]]
    notices: list[dict[str, Any]]


class PlanModel(BaseModel):
    """What would be sent now."""

    channel: str
    notices: list[dict[str, Any]]
    held: list[dict[str, Any]] = Field(description="Operators who are not written to now, and why.")
    told_before: int
    unresolved: list[dict[str, Any]] = Field(description="Those nobody is named for.")
    opted_out: list[dict[str, Any]]
    withheld: dict[str, int] = Field(description="Findings operators are not told, by reason: for you alone.")


class ToSend(BaseModel):
    """Which notices of the plan are handed over."""

    only: Annotated[list[Annotated[str, Field(max_length=40)]], Field(max_length=500)] = Field(
        [], description="Ids of the plan you looked at."
    )
    all: bool = Field(False, description="All that are due, whatever they are by then.")
    channel: Channel = ""


class Note(BaseModel):
    """What they said."""

    note: Annotated[str, Field(max_length=1000)] = ""


class Answered(BaseModel):
    """What became of a notice."""

    id: str
    operator: str
    state: str
    items: int = Field(description="Items that moved on.")


class OptOutModel(BaseModel):
    """Somebody who asked not to be written to."""

    id: int
    kind: str
    value: str
    reason: str
    proof: str
    by: str
    at: datetime
    ended: datetime | None
    ended_why: str | None


class NewOptOut(BaseModel):
    """Write no more about a prefix or AS, or to a mail address."""

    value: Annotated[str, Field(min_length=1, max_length=254)]
    reason: Annotated[str, Field(min_length=1, max_length=2000)]
    proof: Annotated[str, Field(max_length=64 << 10, description="What shows that they may ask.")] = ""


class Why(BaseModel):
    """Why it no longer holds."""

    reason: Annotated[str, Field(min_length=1, max_length=2000)]


@router.get("/notices", response_model=StatusModel, name="list_notices")
def list_notices(
    visit: AsSharer, channel: Channel = Asked, operator: str = Query("", max_length=200)
) -> Response:
    """What became of what was told: items by state and channel, and the notices."""
    from noroshi.work.notify_status import document as told

    return answers.json(told(status(visit, channel, operator)))


@router.get("/notices/plan", response_model=PlanModel, name="plan_notices")
def plan_notices(visit: AsSharer, channel: Channel = Asked) -> Response:
    """What would be sent now. Connects nowhere and records nothing."""
    return answers.json({**document(planned(visit, channel)), "withheld": withheld(visit)})


@router.get(
    "/notices/plan/{notice}", response_class=Response, name="get_planned_notice",
    responses={200: {"content": {"message/rfc822": {"schema": {"type": "string", "format": "binary"}}},
                     "description": "The message as it would be handed over."}},
)  # fmt: skip
def get_planned(visit: AsSharer, notice: Id, channel: Channel = Asked) -> Response:
    """A notice of the plan, as it would be handed over, byte for byte but for its Date."""
    made = planned(visit, channel)
    return message(text_of(made, notice), notice)


@router.post("/notices/send", response_model=WorkModel, status_code=202, name="send_notices")
def send_notices(visit: AsSharer, what: ToSend) -> Response:
    """Hands over what the plan shows, each notice once; only where the server is configured to."""
    if bool(what.only) == what.all:
        raise UsageError(
            "say which notices: `only`, or `all`", where="only", todo="Take the ids from the plan."
        )
    return accepted(sent(visit, what.only, what.channel))


@router.post("/notices/{notice}/ack", response_model=Answered, name="acknowledge_notice")
def acknowledge(visit: AsSharer, notice: Id, said: Note) -> Response:
    """Keeps that the operator took it."""
    return answers.json(answered(visit, notice, "ack", said.note))


@router.post("/notices/{notice}/return", response_model=Answered, name="return_notice")
def give_back(visit: AsSharer, notice: Id, said: Note) -> Response:
    """Keeps that it came back: nobody got it."""
    return answers.json(answered(visit, notice, "return", said.note))


@router.post("/notices/{notice}/cancel", response_model=Answered, name="cancel_notice")
def cancel(visit: AsSharer, notice: Id, said: Note) -> Response:
    """Takes back what is planned and not sent."""
    return answers.json(answered(visit, notice, "cancel", said.note))


@router.get("/optouts", response_model=list[OptOutModel], name="list_optouts")
def list_optouts(visit: AsSharer, ended: bool = Query(False, description="Ended ones too.")) -> Response:
    """Who asked not to be written to, with reason and proof."""
    return answers.json([optout_told(o) for o in optouts(visit, ended)])


@router.post("/optouts", response_model=OptOutModel, status_code=201, name="add_optout")
def add_optout(visit: AsSharer, new: NewOptOut) -> Response:
    """Writes no more about a prefix or AS, or to a mail address, from now on."""
    return answers.json(optout_told(opted_out(visit, new.value, new.reason, new.proof)), status=201)


@router.post("/optouts/{number}/end", response_model=OptOutModel, name="end_optout")
def end_optout(visit: AsSharer, number: Annotated[int, Path(ge=1, le=2**31 - 1)], why: Why) -> Response:
    """Ends an opt-out; it stays written down."""
    return answers.json(optout_told(ended(visit, number, why.reason)))


def configured(visit: Visit) -> bool:
    """True when the configuration says who writes and where to."""
    entry = visit.tower.config.notify
    return entry is not None and bool(entry.server if entry.to == "mail" else entry.folder)


def status(visit: Visit, channel: str = "", operator_: str = "") -> Status:
    """What became of what was told."""
    from noroshi.work.notify_status import status as look

    operator(visit)
    return look(visit.tower.state, channel=channel, operator=operator_, now=visit.now)


def planned(visit: Visit, channel: str = "") -> Plan:
    """What would be sent now. Raises ConfigError without [notify]."""
    from noroshi.work.notify import plan

    operator(visit)
    _asked(visit)
    tower = visit.tower
    return plan(
        tower.lake, tower.config, tower.state, now=visit.now, channel=channel, shot=tower.reader.shot()
    )


def withheld(visit: Visit) -> dict[str, int]:
    """Findings operators are not told, by reason, but for what this viewer may not know of."""
    from noroshi.work.notify import withheld as counted

    return seen_reasons(visit, counted(visit.tower.lake, visit.tower.config, now=visit.now))


def text_of(made: Plan, number: str) -> bytes:
    """The message of a notice of a plan. Raises NotFound."""
    start = number if number.startswith("n-") else f"n-{number}"
    found = [n for n in made.notices if n.id.startswith(start)]
    if len(found) != 1:
        raise NotFound("there is no such notice in the plan", where=number[:40],
                       todo="Its id changes with what it tells: look at the plan again.")  # fmt: skip
    return found[0].dated(made.now)


def message(body: bytes, number: str) -> Response:
    """A message, as something to be saved."""
    return Response(body, 200, {"content-disposition": f'attachment; filename="{number}.eml"',
                                "cache-control": "no-store"}, "message/rfc822")  # fmt: skip


def sent(visit: Visit, only: list[str], channel: str = "") -> Work:
    """Sending begun by this viewer. Raises UsageError when the server is not configured to."""
    operator(visit)
    _asked(visit)
    if not configured(visit):
        entry = settings(visit.tower.config)
        lacks = "server" if entry.to == "mail" else "folder"
        raise UsageError(
            f"[notify] names no {lacks}", where="noroshi.toml", todo="docs/notify.md says what it needs."
        )
    tower, who, now = visit.tower, visit.viewer.actor, visit.now

    def do(work: Work, folder: File) -> None:
        done = notify_send.send(
            tower.lake, tower.config, tower.state, who, now=now, channel=channel, only=only,
            stopped=work.ending.is_set,
        )  # fmt: skip
        work.count = len(done.sent)
        work.result = {
            "sent": done.sent, "items": done.items, "problems": done.problems, "unclear": done.unclear,
            "cancelled": done.cancelled,
        }  # fmt: skip

    return tower.longwork.begin(visit.viewer, "notices", do, only=only, channel=channel)


def answered(visit: Visit, number: str, what: str, note: str) -> dict[str, Any]:
    """What somebody said of a notice, kept as said by this viewer."""
    operator(visit)
    state, who = visit.tower.state, visit.viewer.actor
    row: NoticeRow
    if what == "cancel":
        row, moved = notify_send.cancel(state, who, number, note), 0
    else:
        act = notify_send.acknowledge if what == "ack" else notify_send.give_back
        row, moved = act(state, who, number, note)
    now = state.notices.get(row.id) or row
    return {"id": row.id, "operator": row.operator, "state": now.state, "items": moved}


def optouts(visit: Visit, ended: bool = False) -> list[OptOut]:
    """Opt-outs in force, or all."""
    operator(visit)
    return visit.tower.state.optouts.all(ended=ended)


def opted_out(visit: Visit, value: str, reason: str, proof: str) -> OptOut:
    """An opt-out kept by this viewer."""
    operator(visit)
    return notify_optout.add(visit.tower.state, visit.viewer.actor, value, reason, proof, None)[0]


def ended(visit: Visit, number: int, reason: str) -> OptOut:
    """An opt-out ended by this viewer. Raises NotFound."""
    if number not in {o.id for o in optouts(visit)}:
        raise NotFound("no such opt-out is in force", where=str(number), todo="/api/v1/optouts lists them.")
    return notify_optout.end(visit.tower.state, visit.viewer.actor, number, reason)


def optout_told(o: OptOut) -> dict[str, Any]:
    """An opt-out in JSON types."""
    return {
        "id": o.id, "kind": o.kind, "value": o.value, "reason": o.reason, "proof": o.proof, "by": o.actor,
        "at": iso(o.at), "ended": iso(o.ended) if o.ended else None, "ended_why": o.ended_why or None,
    }  # fmt: skip


def _asked(visit: Visit) -> None:
    """Raises UsageError when nobody said who writes: no fault of the server's."""
    if visit.tower.config.notify is None:
        raise UsageError("there is no [notify]", where="noroshi.toml",
                         todo="Say who writes and where to (docs/notify.md).")  # fmt: skip
