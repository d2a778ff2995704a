"""From the errors of the file system and the engine to messages a person can act on."""

from __future__ import annotations

import errno
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from noroshi.model.errors import LakeError


class Conflict(LakeError):
    """Another process changed the same files first: look again, then repeat."""


def disk(error: BaseException, where: str | Path) -> LakeError:
    """What to tell when writing to or reading from the store failed."""
    text = str(error)
    if getattr(error, "errno", None) == errno.ENOSPC or "os error 28" in text or "No space left" in text:
        return LakeError(
            "the disk is full; nothing of the unfinished run has become visible",
            where=str(where),
            todo="Free some space (`noroshi lake vacuum` deletes what is not used) and run it again.",
        )
    if isinstance(error, PermissionError) or "os error 13" in text:
        return LakeError(f"no permission: {text}", where=str(where), todo="Check who owns the lake's folder.")
    return LakeError(
        text, where=str(where), todo="Check the disk; `noroshi lake verify` says what is damaged."
    )


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds a lock between processes of this machine; nothing but smoothness may depend on it."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def telling(where: str | Path) -> Iterator[None]:
    """Turns OSError and engine errors of the block into a LakeError about `where`."""
    from deltalake.exceptions import DeltaError

    try:
        yield
    except LakeError:
        raise
    except (OSError, DeltaError) as e:
        raise disk(e, where) from e
