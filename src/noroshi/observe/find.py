"""Which sources a path stands for: a file, standard input, or everything in a folder, in a fixed order."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from noroshi.observe.source import STDIN, printable
from noroshi.observe.stored import kind_of

PathLike = str | os.PathLike[str]
_Identity = tuple[int, int]
"""Device and inode."""


@dataclass(frozen=True)
class Found:
    """Something found: a file to read, or why it cannot be one."""

    path: str
    size: int = 0
    mtime_ns: int = 0
    ctime_ns: int = 0
    reason: str = ""
    """Short code for a reject, empty for what can be read."""
    problem: str = ""
    """The same in words."""

    @property
    def name(self) -> str:
        """The path as text."""
        return printable(self.path)


def find(paths: Iterable[PathLike | Found], exclude: Iterable[PathLike] = ()) -> Iterator[Found]:
    """Every source under `paths`: folders with all they hold, by name; `-`, files and what was found as is.

    Nothing is passed over in silence but folders in `exclude` (the lake itself): devices, pipes, sockets,
    broken links, loops and what may not be looked at come back with a reason. Links are followed; a folder,
    and a file in a folder, is found once, however many links lead to it.
    """
    walk = _Walk({i for p in exclude if (i := _identity(p))})
    for path in paths:
        if isinstance(path, Found):
            yield path
            continue
        text = os.fspath(path)
        if text == STDIN:
            yield Found(STDIN)
        else:
            yield from walk.visit(text)


@dataclass(frozen=True)
class _Step:
    """A path to look at, and the folders it stands in."""

    path: str
    above: _Above | None


@dataclass(frozen=True)
class _Above:
    identity: _Identity
    above: _Above | None

    def holds(self, identity: _Identity) -> bool:
        here: _Above | None = self
        while here is not None:
            if here.identity == identity:
                return True
            here = here.above
        return False


class _Walk:
    def __init__(self, exclude: set[_Identity]) -> None:
        self._seen = exclude

    def visit(self, path: str) -> Iterator[Found]:
        """Depth first, without recursion: a hostile tree may be deeper than Python's stack."""
        stack = [_Step(path, None)]
        while stack:
            step = stack.pop()
            try:
                status = os.stat(step.path)
            except (OSError, ValueError) as e:
                yield _unreadable(step.path, e, named=step.above is None)
                continue
            identity = (status.st_dev, status.st_ino)
            if stat.S_ISDIR(status.st_mode):
                yield from self._enter(step, identity, stack)
            elif not stat.S_ISREG(status.st_mode):
                what = f"is {kind_of(status.st_mode)}, not a file; what comes through a pipe is read with `-`"
                yield Found(step.path, reason="not-a-file", problem=what)
            elif step.above is None or identity not in self._seen:  # a file that was named is read as named
                self._seen.add(identity)
                yield Found(step.path, status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    def _enter(self, step: _Step, identity: _Identity, stack: list[_Step]) -> Iterator[Found]:
        if step.above is not None and step.above.holds(identity):
            yield Found(step.path, reason="folder-loop", problem="is a link back to a folder it stands in")
            return
        if identity in self._seen:
            return
        self._seen.add(identity)
        try:
            names = sorted(os.listdir(step.path), key=os.fsencode, reverse=True)
        except OSError as e:
            yield _unreadable(step.path, e)
            return
        above = _Above(identity, step.above)
        stack.extend(_Step(os.path.join(step.path, n), above) for n in names)


def _identity(path: PathLike) -> _Identity | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _unreadable(path: str, e: OSError | ValueError, named: bool = False) -> Found:
    try:
        status = os.lstat(path)
        link, ctime_ns = stat.S_ISLNK(status.st_mode), status.st_ctime_ns
    except (OSError, ValueError):
        link, ctime_ns = False, 0
    if isinstance(e, PermissionError):
        reason, problem = "permission", "may not be read (permission denied)"
    elif link:
        reason, problem = "broken-link", "is a link that leads nowhere"
    elif isinstance(e, FileNotFoundError):
        reason, problem = "vanished", "there is no such file" if named else "was gone when it was to be read"
    else:
        reason, problem = "unreadable", f"cannot be looked at: {getattr(e, 'strerror', None) or e}"
    return Found(path, ctime_ns=ctime_ns, reason=reason, problem=problem)
