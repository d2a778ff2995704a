"""Recipients: who may be given what, what each would receive now, their keys and their TAXII collections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from noroshi.model.errors import UsageError
from noroshi.model.finding import KINDS, iso
from noroshi.model.tlp import Tlp, parse
from noroshi.share.gate import View
from noroshi.share.marking import MOST, MOST_RANGES, MOST_TITLE, RECIPIENTS, USUAL, Recipient
from noroshi.web import answers
from noroshi.web.api.findings import FindingModel
from noroshi.web.api.works import WorkModel, accepted
from noroshi.web.errors import Forbidden, NotFound
from noroshi.web.longwork import Work
from noroshi.web.viewer import AsSharer, Visit
from noroshi.work import gate, recipients
from noroshi.work.preview import Pair, Preview, preview, sample

if TYPE_CHECKING:
    from pathlib import Path as File

    from noroshi.lake.state.tokens import Token

router = APIRouter(tags=["recipients"], prefix="/recipients")
Name = Annotated[str, Path(max_length=64, description="Name of the recipient.")]
Kind = Literal["person", "organisation", "sector", "community", "public"]
Mark = Annotated[
    str, Field(max_length=20, description="A marking of TLP 2.0: clear, green, amber, amber+strict, red.")
]
Wants = Annotated[list[Annotated[str, Field(max_length=40)]], Field(max_length=len(KINDS))]
Ranges = Annotated[list[Annotated[str, Field(max_length=60)]], Field(max_length=MOST_RANGES)]


class RecipientModel(BaseModel):
    """Somebody who is given findings, facts or reports."""

    name: str
    built_in: bool = Field(description="It comes with the package and stays as it is.")
    kind: str
    ceiling: str = Field(description="The strictest marking that may reach them.")
    title: str
    profile: str = Field(description="The anonymising profile named; empty for that of their name or kind.")
    wants: list[str] = Field(description="Kinds of finding they want; empty for all.")
    ranges: list[str] = Field(description="Prefixes they answer for.")
    mail: str
    lang: str
    tlp1: bool
    writes: bool


class NewRecipient(BaseModel):
    """A recipient to be added."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    kind: Kind
    ceiling: Mark | None = Field(None, description="Else that of their kind.")
    title: Annotated[str, Field(max_length=MOST_TITLE)] = ""
    profile: Annotated[str, Field(max_length=64)] = ""
    wants: Wants = []
    ranges: Ranges = []
    mail: Annotated[str, Field(max_length=254)] = ""
    lang: Literal["en", "ja"] = "en"
    tlp1: bool = False
    writes: bool = False


class RecipientChange(BaseModel):
    """What is changed; what is left out stays."""

    kind: Kind | None = None
    ceiling: Mark | None = None
    title: Annotated[str, Field(max_length=MOST_TITLE)] | None = None
    profile: Annotated[str, Field(max_length=64)] | None = None
    wants: Wants | None = None
    ranges: Ranges | None = None
    mail: Annotated[str, Field(max_length=254)] | None = None
    lang: Literal["en", "ja"] | None = None
    tlp1: bool | None = None
    writes: bool | None = None


class Removed(BaseModel):
    """Who was taken away."""

    name: str
    keys_ended: int


class PairModel(BaseModel):
    """A finding as we see it, and as the recipient does."""

    ours: FindingModel
    theirs: FindingModel | None = Field(description="null: the profile leaves it out.")


class PreviewModel(BaseModel):
    """What a recipient would be given now."""

    recipient: str
    profile: str
    ceiling: str
    findings: int = Field(description="Exactly what an export holds.")
    kinds: dict[str, int]
    tlp: dict[str, int]
    first_seen: datetime | None
    last_seen: datetime | None
    withheld: dict[str, int] = Field(
        description="Findings you see and they are not given, by reason: for you alone."
    )
    sample: list[PairModel]


class KeyModel(BaseModel):
    """A key, without its secret."""

    id: int
    shown: str = Field(description="Its first characters.")
    note: str
    made: datetime
    expires: datetime | None
    used: datetime | None
    revoked: datetime | None


class NewKey(BaseModel):
    """A key to be made."""

    note: Annotated[str, Field(max_length=200, description="Who or what has it.")] = ""
    expires: datetime | None = None


class KeyAndSecret(KeyModel):
    """A new key; its secret is told here once and kept nowhere."""

    secret: str


class CollectionModel(BaseModel):
    """A TAXII collection of a recipient."""

    recipient: str
    collection: str
    id: str
    objects: int
    last_added: str | None
    current: bool = Field(
        description="False: its recipient's rights changed, and it is to be published anew."
    )


def operator(visit: Visit) -> None:
    """Who decides what others are given sees all of it: raises Forbidden for who has the view of somebody outside."""
    if visit.view.outside or not visit.view.plain:
        raise Forbidden(
            f"who has the view of {visit.viewer.recipient.name} does not share for the organisation",
            todo="Ask an administrator for the view of `own`.",
        )


@router.get("", response_model=list[RecipientModel], name="list_recipients")
def list_recipients(visit: AsSharer) -> Response:
    """All recipients: those that come with the package, then those added."""
    operator(visit)
    found = [recipients.as_json(r) for r in gate.everybody(visit.tower.state)]
    return answers.respond(visit, answers.document(found))


@router.post("", response_model=RecipientModel, status_code=201, name="add_recipient")
def add_recipient(visit: AsSharer, new: NewRecipient) -> Response:
    """Adds a recipient."""
    return answers.json(
        recipients.as_json(added(visit, new.name, new.model_dump(exclude={"name"}))), status=201
    )


@router.get("/collections", response_model=list[CollectionModel], name="list_collections")
def list_collections(visit: AsSharer, recipient: str = Query("", max_length=64)) -> Response:
    """TAXII collections: what is in them, since when, and whether they are of now."""
    return answers.respond(visit, answers.document(collections(visit, recipient)))


@router.post("/collections/publish", response_model=WorkModel, status_code=202, name="publish_collections")
def publish_collections(visit: AsSharer, recipient: str = Query("", max_length=64)) -> Response:
    """Brings the TAXII collections of a recipient, or of all, up to date."""
    return accepted(published(visit, recipient))


@router.get("/{name}", response_model=RecipientModel, name="get_recipient")
def get_recipient(visit: AsSharer, name: Name) -> Response:
    """One recipient."""
    return answers.respond(visit, answers.document(recipients.as_json(named(visit, name))))


@router.patch("/{name}", response_model=RecipientModel, name="change_recipient")
def change_recipient(visit: AsSharer, name: Name, change: RecipientChange) -> Response:
    """Changes a recipient."""
    return answers.json(recipients.as_json(changed(visit, name, change.model_dump(exclude_none=True))))


@router.delete("/{name}", response_model=Removed, name="remove_recipient")
def remove_recipient(visit: AsSharer, name: Name) -> Response:
    """Takes a recipient away; their keys end. What was given before cannot be taken back."""
    return answers.json({"name": name, "keys_ended": removed(visit, name)})


@router.get("/{name}/preview", response_model=PreviewModel, name="preview_recipient")
def preview_recipient(visit: AsSharer, name: Name) -> Response:
    """What a recipient would be given now: counts, what is withheld and why, and findings before and after the mask."""
    to = named(visit, name)
    view = theirs(visit, to)
    pairs = [
        {"ours": p.ours.to_json(), "theirs": p.theirs.to_json() if p.theirs else None}
        for p in sampled(visit, view)
    ]
    return answers.json({
        "recipient": to.name, "profile": view.mask.profile, "ceiling": view.recipient.ceiling.value,
        **counted(visit, to).to_json(), "withheld": withheld(visit, to), "sample": pairs,
    })  # fmt: skip


@router.get("/{name}/keys", response_model=list[KeyModel], name="list_recipient_keys")
def list_keys(visit: AsSharer, name: Name) -> Response:
    """The keys of a recipient, ended ones too; never their secrets."""
    found = visit.tower.state.tokens.of("recipient", named(visit, name).name)
    return answers.json([key(k) for k in found])


@router.post("/{name}/keys", response_model=KeyAndSecret, status_code=201, name="add_recipient_key")
def add_key(visit: AsSharer, name: Name, new: NewKey) -> Response:
    """Makes a key for the programs of a recipient; its secret is told in this answer and never again."""
    token, secret = keyed(visit, name, new.note, new.expires)
    return answers.json({**key(token), "secret": secret}, status=201, headers={"cache-control": "no-store"})


@router.delete("/{name}/keys/{number}", response_model=KeyModel, name="revoke_recipient_key")
def revoke_key(visit: AsSharer, name: Name, number: Annotated[int, Path(ge=1, le=2**31 - 1)]) -> Response:
    """Ends a key."""
    return answers.json(key(revoked(visit, name, number)))


def named(visit: Visit, name: str) -> Recipient:
    """The recipient of that name. Raises NotFound, Forbidden."""
    operator(visit)
    try:
        return gate.recipient(name, visit.tower.state)
    except UsageError:
        raise NotFound(
            "there is no such recipient", where=name[:80], todo="/api/v1/recipients lists them."
        ) from None


def added(visit: Visit, name: str, given: Mapping[str, Any]) -> Recipient:
    """Adds one, as this viewer. given: as NewRecipient."""
    operator(visit)
    kind = given["kind"] if given["kind"] in USUAL else "organisation"
    to = _with(Recipient(name, USUAL[kind], ""), given)
    return recipients.add(visit.tower.state, visit.viewer.actor, _opens(visit, to))


def changed(visit: Visit, name: str, given: Mapping[str, Any]) -> Recipient:
    """Changes one, as this viewer. given: as RecipientChange, without what stays."""
    to = named(visit, name)
    if "kind" in given and "ceiling" not in given and given["kind"] != to.kind:
        to = replace(to, ceiling=USUAL.get(given["kind"], to.ceiling))
    return recipients.change(visit.tower.state, visit.viewer.actor, _opens(visit, _with(to, given)))


def removed(visit: Visit, name: str) -> int:
    """Takes one away, as this viewer; how many keys ended."""
    return recipients.remove(visit.tower.state, visit.viewer.actor, named(visit, name).name)


def keyed(visit: Visit, name: str, note: str, expires: datetime | None) -> tuple[Token, str]:
    """(a new key, its secret), made by this viewer. Raises UsageError."""
    from datetime import UTC

    if expires is not None:
        expires = expires.replace(tzinfo=UTC) if expires.tzinfo is None else expires
        if expires <= visit.now:
            raise UsageError("the key would have ended already", where="expires", todo="Give a day to come.")
    return recipients.add_key(visit.tower.state, visit.viewer.actor, named(visit, name).name, note, expires)


def revoked(visit: Visit, name: str, number: int) -> Token:
    """A key that has ended by this viewer. Raises NotFound."""
    to = named(visit, name)
    if number not in {t.id for t in visit.tower.state.tokens.of("recipient", to.name)}:
        raise NotFound("they have no such key", where=str(number), todo="The list of their keys shows them.")
    return recipients.revoke_key(visit.tower.state, visit.viewer.actor, to.name, number)


def collections(visit: Visit, name: str = "") -> list[dict[str, Any]]:
    """TAXII collections of a recipient, or of all."""
    from noroshi.work.publish import status

    operator(visit)
    tower = visit.tower
    return status(tower.lake, tower.state, [named(visit, name).name] if name else (), tower.config)


def published(visit: Visit, name: str = "") -> Work:
    """Publishing begun by this viewer."""
    from noroshi.work.publish import publish

    operator(visit)
    tower, who = visit.tower, visit.viewer.actor
    names = [named(visit, name).name] if name else []

    def do(work: Work, folder: File) -> None:
        def progress(to: str, n: int) -> None:
            work.step(n)

        done = publish(tower.lake, tower.config, tower.state, names=names, who=who, progress=progress)
        work.result = {"collections": [d.to_json() for d in done]}
        work.count = sum(d.changes.added + d.changes.changed + d.changes.removed for d in done)
        tower.reader.renew()

    return tower.longwork.begin(visit.viewer, "publish", do, recipient=name)


def theirs(visit: Visit, to: Recipient) -> View:
    """What a recipient would be given by this server: what goes out by hand at the command line may be more (RED)."""
    return visit.tower.reader.view(to, visit.now)


def counted(visit: Visit, to: Recipient) -> Preview:
    """How much they would be given."""
    view = theirs(visit, to)
    return visit.tower.reader.lasting("preview", (view,), lambda: preview(view))


def withheld(visit: Visit, to: Recipient) -> dict[str, int]:
    """Findings this viewer sees and the recipient is not given, by reason; never for the recipient."""
    view, own = theirs(visit, to), visit.view
    return visit.tower.reader.lasting("withheld", (view, own), lambda: gate.withheld(view, own.shot))


def sampled(visit: Visit, view: View) -> list[Pair]:
    """Findings before and after the mask, of each kind the newest."""
    return sample(view, visit.view)


def seen_reasons(visit: Visit, reasons: Mapping[str, Any]) -> dict[str, Any]:
    """Reasons why something was withheld, but for what this viewer may not know of either."""
    if visit.viewer.recipient.may_see(Tlp.RED):
        return dict(reasons)
    return {why: n for why, n in reasons.items() if not why.startswith(Tlp.RED.label)}


def key(token: Token) -> dict[str, Any]:
    """A key as it may be shown."""
    times = {k: getattr(token, k) for k in ("made", "expires", "used", "revoked")}
    return {"id": token.id, "shown": token.shown, "note": token.note,
            **{k: iso(v) if v else None for k, v in times.items()}}  # fmt: skip


_FIELDS = {"kind": "kind", "title": "doc", "wants": "kinds", "ranges": "ranges", "profile": "profile", "mail": "mail",
           "lang": "lang", "tlp1": "tlp1", "writes": "writes"}  # fmt: skip


def _with(to: Recipient, given: Mapping[str, Any]) -> Recipient:
    new: dict[str, Any] = {
        _FIELDS[k]: tuple(v) if isinstance(v, list) else v for k, v in given.items() if k in _FIELDS
    }
    if given.get("ceiling"):
        new["ceiling"] = parse(given["ceiling"])
    return replace(to, **new)


def _opens(visit: Visit, to: Recipient) -> Recipient:
    """The same, when there is a profile for it: else it could be given nothing, and nobody would know why."""
    from noroshi.share import profile
    from noroshi.share.marking import checked
    from noroshi.work.masks import folder

    fine = checked(to)
    if fine.profile != gate.PLAIN:
        profile.for_recipient(fine, folder(visit.tower.config))
    return fine


__all__ = ["MOST", "RECIPIENTS", "Kind", "operator", "router"]
