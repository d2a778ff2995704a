"""What a server says when it does not do what was asked, in one shape: what, where, what to do."""

from __future__ import annotations

from typing import Any

from noroshi.model.errors import ConfigError, LakeError, NoroshiError, SourceError, UsageError


class Refused(NoroshiError):
    """A request that is answered with a status of its own."""

    status = 400

    def __init__(
        self, what: str, *, where: str = "", todo: str = "", headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(what, where=where, todo=todo)
        self.headers = headers or {}


class SignIn(Refused):
    """Nobody is signed in."""

    status = 401


class Forbidden(Refused):
    """They may not."""

    status = 403


class NotFound(Refused):
    """There is no such thing, or none they may see: the two are the same to them."""

    status = 404


class Conflicting(Refused):
    """Somebody else has changed it meanwhile."""

    status = 409


class TooLarge(Refused):
    """More than is read."""

    status = 413


class TooMany(Refused):
    """More requests than are answered."""

    status = 429


def status(error: NoroshiError) -> int:
    """The HTTP status of an error."""
    if isinstance(error, Refused):
        return error.status
    if isinstance(error, ConfigError):
        return 500
    if isinstance(error, UsageError):
        return 400
    if isinstance(error, LakeError | SourceError):
        return 503
    return 500


def problem(what: str, where: str = "", todo: str = "") -> dict[str, Any]:
    """The one shape of an error in the API."""
    return {"what": what[:2000], "where": where[:500], "todo": todo[:1000]}
