"""Who asks, what they may do, and what a route is given of them: a Visit.

A route declares the role it needs by the type of its parameter:

    @router.get("/lake")
    def show(visit: AsViewer) -> Response: ...

`app.make` refuses to start with a route that declares none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, cast

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from noroshi.lake.state.users import ROLES
from noroshi.share.marking import Recipient
from noroshi.web import timerange, wording
from noroshi.web.errors import Forbidden, SignIn
from noroshi.web.security import csrf

if TYPE_CHECKING:
    from noroshi.ask.pivot import Pivots
    from noroshi.lake.snapshot import Snapshot
    from noroshi.share.gate import View
    from noroshi.web.reader import Seen
    from noroshi.web.tower import Tower

RANK = {"anybody": 0, **{name: i for i, name in enumerate(ROLES, 1)}}


@dataclass(frozen=True)
class Viewer:
    """Somebody who asks."""

    name: str
    role: str
    recipient: Recipient
    """Whose view they have."""
    kind: str = "user"
    """user, recipient (a recipient's own key), local (`serve --open`)."""
    by: str = "session"
    """session, key or open: how they are known."""

    def may(self, role: str) -> bool:
        """True when they may do what needs that role."""
        return RANK[self.role] >= RANK[role]

    @property
    def actor(self) -> str:
        """As the audit log names them."""
        return f"{'recipient' if self.kind == 'recipient' else 'user'}:{self.name}"


@dataclass
class Visit:
    """One request: who asks, in which language, over which time, and what they may see."""

    request: Request
    tower: Tower
    known: Viewer | None
    cookie: str = ""
    """The cookie a form's token belongs to."""
    new_cookie: bool = False
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def viewer(self) -> Viewer:
        """Who asks. Raises SignIn when nobody is signed in."""
        if self.known is None:
            raise SignIn("nobody is signed in", todo="Sign in, or send an API key.")
        return self.known

    @cached_property
    def seen(self) -> Seen:
        """What they see of the moment this request is answered from."""
        return self.tower.reader.seen(self.viewer.recipient)

    @cached_property
    def view(self) -> View:
        """The gate's view with the clock of this request: the way to findings, rows and objects."""
        from dataclasses import replace

        return replace(self.seen.view, now=self.now)

    @property
    def shot(self) -> Snapshot:
        """The restricted snapshot, for questions of `ask`. Raises Forbidden when the view is masked."""
        return self.seen.shot

    def pivots(self) -> Pivots:
        """Pivots over this moment. Raises Forbidden when the view is masked."""
        return self.seen.pivots()

    @cached_property
    def span(self) -> timerange.Range:
        """The time range in the URL. Raises UsageError when it is none."""
        query = self.request.query_params
        return timerange.parse(
            query.get("range", ""),
            query.get("from", ""),
            query.get("to", ""),
            now=self.now,
            held=self.seen.days(),
        )

    @cached_property
    def lang(self) -> str:
        """en or ja."""
        asked, kept = self.request.query_params.get("lang", ""), self.request.cookies.get("lang", "")
        return wording.choose(asked, kept, self.request.headers.get("accept-language", ""))

    @property
    def theme(self) -> str:
        """light, dark, or empty for what the system says."""
        asked = self.request.query_params.get("theme") or self.request.cookies.get("theme", "")
        return asked if asked in ("light", "dark") else ""

    @property
    def words(self) -> wording.Words:
        """The words of that language."""
        return wording.words(self.lang)

    @property
    def csrf(self) -> str:
        """The token a form of this page carries."""
        return csrf.token(self.tower.key, self.cookie)

    def tell(self, action: str, *, recipient: str = "", count: int | None = None, **detail: Any) -> None:
        """Keeps in the audit log that they did something; a change is only made when this could be kept."""
        self.tower.state.audit.tell(self.viewer.actor, action, recipient=recipient, count=count, **detail)


def role(least: str) -> Any:
    """A dependency that gives the Visit of somebody who has that role at least."""
    needed = RANK[least]

    async def visit(request: Request) -> Visit:
        tower = cast("Tower", request.app.state.tower)
        known, cookie = await run_in_threadpool(tower.doorkeeper.who, request)
        by_key = known is not None and known.by == "key"
        found = Visit(request, tower, known, cookie or csrf.fresh(), not cookie)
        if known is None and needed:
            raise SignIn("nobody is signed in", todo="Sign in, or send an API key (Authorization: Bearer ...).",
                         headers={"www-authenticate": 'Bearer realm="noroshi"'})  # fmt: skip
        if known is not None and RANK[known.role] < needed:
            raise Forbidden(f"this needs the role {least}, and {known.name} is {known.role}",
                            todo="Ask an administrator.")  # fmt: skip
        if request.method not in csrf.SAFE and not by_key:
            await csrf.check(request, tower.key, cookie)
        request.state.visit = found
        return found

    cast(Any, visit).noroshi_role = least
    return Depends(visit)


Check = Callable[[Request], Awaitable[Visit]]
Anybody = Annotated[Visit, role("anybody")]
AsViewer = Annotated[Visit, role("viewer")]
AsAnalyst = Annotated[Visit, role("analyst")]
AsSharer = Annotated[Visit, role("sharer")]
AsAdmin = Annotated[Visit, role("admin")]
