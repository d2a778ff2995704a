"""Who somebody is: by session cookie, by API key, or because they sit at this machine (`serve --open`)."""

from __future__ import annotations

from starlette.requests import Request

from noroshi.lake.state import State
from noroshi.lake.state.users import User
from noroshi.model.errors import UsageError
from noroshi.share.marking import Recipient
from noroshi.web.options import Options
from noroshi.web.viewer import Viewer
from noroshi.work.gate import recipient

LOCAL = "local"
"""The name of whoever uses `serve --open`."""


class Doorkeeper:
    """Knows people by what their requests carry."""

    def __init__(self, state: State, options: Options) -> None:
        self._state, self._options = state, options
        self.session_name = "__Host-noroshi" if options.tls else "noroshi"
        self.form_name = "__Host-noroshi-form" if options.tls else "noroshi-form"

    def who(self, request: Request) -> tuple[Viewer | None, str]:
        """(who asks or None, the cookie a form's token belongs to or nothing)."""
        secret = key_of(request)
        form = request.cookies.get(self.form_name, "")[:100]
        if self._options.open:
            # Any key is taken: programs that insist on having one work unchanged.
            by = "key" if secret else "open"
            return Viewer(LOCAL, "admin", recipient("own"), "local", by), form
        if secret:
            return self._by_key(secret), ""
        cookie = request.cookies.get(self.session_name, "")
        session = self._state.sessions.find(cookie) if cookie else None
        user = self._state.users.get(session.user) if session else None
        if user is None or user.disabled:
            return None, form
        return self._viewer(user, "session"), cookie

    def _by_key(self, secret: str) -> Viewer | None:
        token = self._state.tokens.verify(secret)
        if token is None:
            return None
        if token.owner_kind == "user":
            user = self._state.users.get(token.owner)
            return None if user is None or user.disabled else self._viewer(user, "key")
        to = self._recipient(token.owner)
        return None if to is None else Viewer(to.name, "viewer", to, "recipient", "key")

    def _viewer(self, user: User, by: str) -> Viewer | None:
        to = self._recipient(user.recipient)
        return None if to is None else Viewer(user.name, user.role, to, "user", by)

    def _recipient(self, name: str) -> Recipient | None:
        """Nobody, when the recipient whose view they had is gone: they must not get another's."""
        try:
            return recipient(name, self._state)
        except UsageError:
            return None


def key_of(request: Request) -> str:
    """The API key a request carries: `Authorization: Bearer`, or `X-API-Key`."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return secret.strip()[:300]
    return request.headers.get("x-api-key", "").strip()[:300]
