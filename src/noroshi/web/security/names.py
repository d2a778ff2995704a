"""Names of users: what stands in logs, URLs and commands without being quoted."""

from __future__ import annotations

import re

from noroshi.model.errors import UsageError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")


def checked(name: str) -> str:
    """The name. Raises UsageError when it cannot be one."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name[:64]!r} cannot be a name", todo="Use letters, digits, dots, @, - and _; at most 64."
        )
    return name
