"""Passwords: hashed with argon2id, and as slow to check for a name nobody has."""

from __future__ import annotations

import threading
from functools import cache
from typing import TYPE_CHECKING

from noroshi.model.errors import UsageError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST, LONGEST = 12, 200
"""NIST SP 800-63B asks for 8 at least, and 15 where nothing else protects; length is the only rule."""
_AT_ONCE = threading.BoundedSemaphore(2)
"""A check takes 64 MB and a tenth of a second: who tries many must not take the machine."""


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher()  # argon2id with RFC 9106's second recommendation: 64 MiB, 3 passes, 4 lanes


@cache
def _nobody() -> str:
    return _hasher().hash("no one has this password")


def hashed(password: str) -> str:
    """The hash to keep. Raises UsageError for a password that is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise UsageError(
            f"a password has {SHORTEST} to {LONGEST} characters", todo="Several words make a good one."
        )
    with _AT_ONCE:
        return _hasher().hash(password)


def matches(kept: str, password: str) -> bool:
    """True when it is the one. kept: the hash, empty when there is none, which takes as long."""
    from argon2.exceptions import InvalidHashError, VerificationError

    if len(password) > LONGEST:
        return False
    with _AT_ONCE:
        try:
            return _hasher().verify(kept or _nobody(), password) and bool(kept)
        except (VerificationError, InvalidHashError):
            return False


def outdated(kept: str) -> bool:
    """True when it was made with weaker settings than are used now."""
    return _hasher().check_needs_rehash(kept)
