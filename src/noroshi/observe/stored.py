"""The stored bytes of a source: read, counted, and digested by a thread beside the reader.

The digest of a file is taken through a second file descriptor: its pages are in the page cache by then, which
costs less than handing buffers over, and the reader's buffers need not be kept until they are digested.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

from noroshi.model.errors import SourceError, UsageError

CHUNK: Final = 1 << 20
"""Bytes read from disk at once when unpacking or digesting; they stay in the processor's cache."""
LEAD: Final = 1 << 28
"""The digest runs at most this far ahead of the reader, so that both find a page in the cache."""
EARLIEST_US: Final = 631_152_000_000_000
"""1990-01-01: no row is older (DESIGN.md), so no source is."""


class Raw:
    """The stored bytes of a source and their digest."""

    problem = ""
    reason = ""
    date_us = 0

    def first(self) -> bytes:
        """Up to 6 bytes from the front, not consumed."""
        raise NotImplementedError

    def chunks(self) -> Iterator[bytes]:
        """The stored bytes, up to CHUNK at a time."""
        raise NotImplementedError

    def sha256(self) -> str:
        raise NotImplementedError

    def size(self) -> int:
        raise NotImplementedError

    def drain(self) -> None:
        """Digest what was not read."""

    def close(self) -> None:
        raise NotImplementedError


class Stdin(Raw):
    """Standard input: digested as it passes."""

    def __init__(self, stdin: BinaryIO, advance: Callable[[int], None] | None) -> None:
        if stdin.isatty():
            raise UsageError(
                "standard input is a terminal", todo="Pipe a capture into it: `zcat x.gz | ... -`."
            )
        self._stdin, self._digest, self._size = stdin, hashlib.sha256(), 0
        self._advance = advance or (lambda n: None)
        self._front = b""
        self.date_us = time.time_ns() // 1000

    def first(self) -> bytes:
        while len(self._front) < 6 and (more := self._read()):
            self._front += more
        return self._front[:6]

    def chunks(self) -> Iterator[bytes]:
        while piece := self._front or self._read():
            self._front = b""
            self._digest.update(piece)
            self._size += len(piece)
            self._advance(len(piece))
            yield piece

    def _read(self) -> bytes:
        try:
            # read1 returns what a pipe holds; a BytesIO has it too, a raw pipe has only read.
            return bytes(getattr(self._stdin, "read1", self._stdin.read)(CHUNK) or b"")
        except OSError as e:
            self.problem, self.reason = (
                f"reading failed after byte {self._size:,}: {e.strerror}",
                "read-error",
            )
            return b""

    def drain(self) -> None:
        for _ in self.chunks():
            pass

    def sha256(self) -> str:
        return self._digest.hexdigest()

    def size(self) -> int:
        return self._size

    def close(self) -> None:
        pass


class StoredFile(Raw):
    """A regular file, read up to the size it has when opened (a capture may be growing)."""

    def __init__(self, path: str, name: str, advance: Callable[[int], None] | None) -> None:
        self.name = name
        self.fd, status = _open_regular(path, name)
        self.limit = status.st_size
        # Copies made for reproducible builds carry a time near 1970, which dates nothing.
        dated = status.st_mtime_ns // 1000 > EARLIEST_US
        self.date_us = status.st_mtime_ns // 1000 if dated else time.time_ns() // 1000
        self._status = status
        self.advance = advance or (lambda n: None)
        self.lead = _Lead()
        self._hasher = _Hasher(path, self)
        self._hasher.start()

    def first(self) -> bytes:
        return self.read_at(0, 6)

    def read_at(self, at: int, most: int) -> bytes:
        """Up to `most` bytes at `at`, not counted as consumed."""
        try:
            return os.pread(self.fd, min(most, max(0, self.limit - at)), at)
        except OSError as e:
            self._failed(at, e)
            return b""

    def readinto(self, view: memoryview, at: int) -> int:
        """Fill `view` from `at` on; fewer bytes only at the end."""
        done, most = 0, min(len(view), max(0, self.limit - at))
        try:
            while done < most and (got := os.preadv(self.fd, [view[done:most]], at + done)):
                done += got
        except OSError as e:
            self._failed(at + done, e)
        self.lead.reached(at + done)
        self.advance(done)
        return done

    def chunks(self) -> Iterator[bytes]:
        at = 0
        while piece := self.read_at(at, CHUNK):
            at += len(piece)
            self.lead.reached(at)
            self.advance(len(piece))
            yield piece

    def _failed(self, at: int, e: OSError) -> None:
        self.problem, self.reason = f"reading failed at byte {at:,}: {e.strerror}", "read-error"

    def sha256(self) -> str:
        self.lead.reached(self.limit)
        self._hasher.join()
        if self._hasher.error:
            self._failed(self._hasher.done, self._hasher.error)
        now = os.fstat(self.fd)
        if not self.problem and (now.st_size, now.st_mtime_ns) != (
            self._status.st_size,
            self._status.st_mtime_ns,
        ):
            self.reason = "changed"
            self.problem = (
                f"the file changed while it was read; its first {self._hasher.done:,} bytes were taken. "
                "Read it again once it is finished."
            )
        return self._hasher.digest.hexdigest()

    def size(self) -> int:
        self.sha256()
        return self._hasher.done

    def close(self) -> None:
        self._hasher.stop = True
        self.lead.reached(self.limit)
        self._hasher.join()
        os.close(self.fd)


class _Lead:
    """Holds the digest back to LEAD bytes before the reader."""

    def __init__(self) -> None:
        self._at, self._moved = 0, threading.Condition()

    def reached(self, at: int) -> None:
        with self._moved:
            self._at = max(self._at, at)
            self._moved.notify()

    def wait(self, at: int) -> None:
        """Return once the reader is at most LEAD bytes behind `at`."""
        with self._moved:
            self._moved.wait_for(lambda: self._at + LEAD >= at)


class _Hasher(threading.Thread):
    """Digests a file up to its limit."""

    def __init__(self, path: str, file: StoredFile) -> None:
        super().__init__(name="digest", daemon=True)
        self._path, self._file = path, file
        self.digest, self.done, self.stop = hashlib.sha256(), 0, False
        self.error: OSError | None = None

    def run(self) -> None:
        # Its own open file, so that the kernel's read-ahead sees two sequential readers.
        try:
            fd, status = _open_regular(self._path, "")
            if not os.path.samestat(status, os.fstat(self._file.fd)):
                os.close(fd)
                fd = os.dup(self._file.fd)
        except OSError:
            fd = os.dup(self._file.fd)
        buffer = memoryview(bytearray(CHUNK))
        try:
            while not self.stop and self.done < self._file.limit:
                self._file.lead.wait(self.done)
                got = os.preadv(fd, [buffer[: self._file.limit - self.done]], self.done)
                if not got:
                    break
                self.digest.update(buffer[:got])
                self.done += got
        except OSError as e:
            self.error = e
        finally:
            os.close(fd)


def _open_regular(path: str, name: str) -> tuple[int, os.stat_result]:
    """A descriptor and the status of a regular file. Raises SourceError; never waits for a pipe's writer."""
    try:
        before = os.stat(path)
        if not stat.S_ISREG(before.st_mode):
            raise SourceError(f"is {kind_of(before.st_mode)}, not a file", where=name, todo=_TODO)
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except SourceError:
        raise
    except (OSError, ValueError) as e:
        raise SourceError(_why(e), where=name, todo=_TODO) from e
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):  # exchanged between stat and open
        os.close(fd)
        raise SourceError(f"is {kind_of(status.st_mode)}, not a file", where=name, todo=_TODO)
    return fd, status


_TODO = "Name a file or a folder; what comes through a pipe is read with `-`."


def kind_of(mode: int) -> str:
    """What a file that is none is, in words."""
    kinds = {
        stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device", stat.S_IFBLK: "a device", stat.S_IFLNK: "a link",
    }  # fmt: skip
    return kinds.get(stat.S_IFMT(mode), "something else")


def _why(e: OSError | ValueError) -> str:
    known = {
        errno.ENOENT: "there is no such file",
        errno.EACCES: "may not be read (permission denied)",
        errno.EPERM: "may not be read (permission denied)",
        errno.ELOOP: "is a link that leads back to itself",
    }
    number = getattr(e, "errno", None)
    return known.get(number or 0) or f"cannot be opened: {getattr(e, 'strerror', None) or e}"
