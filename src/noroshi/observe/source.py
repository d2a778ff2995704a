"""Where bytes come from: files, folders and standard input, found, opened, unpacked, digested.

A source is read once by its sensor while a second thread digests it as stored on disk (hashlib lets go of
the interpreter lock) and, when it is compressed, a third unpacks it. The digest of a file is taken through
a second file descriptor: its pages are in the page cache by then, which costs less than handing buffers
over, and the reader's buffers need not be kept until they are digested.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import queue
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final, cast

from noroshi.model.errors import SourceError, UsageError
from noroshi.observe import unpack

HEAD: Final = 4096
"""Bytes a sensor sniffs at."""
CHUNK: Final = 1 << 20
"""Bytes read from disk at once when unpacking or digesting; they stay in the processor's cache."""
LEAD: Final = 1 << 28
"""The digest runs at most this far ahead of the reader, so that both find a page in the cache."""
AHEAD: Final = 8
"""Unpacked pieces of CHUNK bytes that may wait for the reader."""
EARLIEST_US: Final = 631_152_000_000_000
"""1990-01-01: no row is older (DESIGN.md), so no source is."""
STDIN: Final = "-"


def printable(path: str | os.PathLike[str]) -> str:
    """The path as text for messages and tables: undecodable and control bytes as `\\xNN`."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class Opened:
    """One source, open: `stream` gives its unpacked bytes, front to back. A context manager.

    path: a file's path, or `-` for `stdin` (default: standard input).
    advance: called, from any thread, with the number of stored bytes consumed.
    Raises SourceError when there is nothing to read there: missing, forbidden, a folder, a device, a pipe.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        stdin: BinaryIO | None = None,
        advance: Callable[[int], None] | None = None,
    ) -> None:
        self.path = os.fspath(path)
        self.name = printable(self.path)
        self._raw: _Raw
        if self.path == STDIN:
            self._raw = _Stdin(stdin or sys.stdin.buffer, advance)
        else:
            self._raw = _File(self.path, self.name, advance)
        self._stream: _Plain | _Unpacked
        try:
            first = self._raw.first()
            self.compression = unpack.kind(first)
            if isinstance(self._raw, _File) and not self.compression:
                self._stream = _Plain(self._raw)
            else:
                self._stream = _Unpacked(self._raw, self.compression)
            self.head = self._stream.peek(HEAD)
        except BaseException:
            self.close()
            raise

    @property
    def stream(self) -> BinaryIO:
        """The unpacked bytes; `readinto` fills the buffer it is given unless the source ends.

        It ends early, without raising, where the source breaks: `problem` then says why.
        """
        return cast("BinaryIO", self._stream)

    @property
    def position(self) -> int:
        """Unpacked bytes handed out so far."""
        return self._stream.position

    @property
    def problem(self) -> str:
        """Why the source could not be read to its end (what, where); empty when it could."""
        return self._stream.problem or self._raw.problem

    @property
    def problem_reason(self) -> str:
        """The short code of `problem` for a reject: `compression`, `read-error` or `changed`."""
        if self._stream.problem:
            return self._stream.reason
        return self._raw.reason if self._raw.problem else ""

    @property
    def source_date_us(self) -> int:
        """The file's modification time, or now for standard input, in µs since 1970."""
        return self._raw.date_us

    def sha256(self) -> str:
        """The digest of the whole source as stored, in hex; waits for its end, reading what is left."""
        self._stream.finish()
        return self._raw.sha256()

    def size(self) -> int:
        """Bytes of the source as stored; waits as `sha256` does."""
        self._stream.finish()
        return self._raw.size()

    def close(self) -> None:
        """Let go of everything, finished or not."""
        if hasattr(self, "_stream"):
            self._stream.stop()
        self._raw.close()

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class _Raw:
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


class _Stdin(_Raw):
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


class _File(_Raw):
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

    def __init__(self, path: str, file: _File) -> None:
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


class _Plain(io.RawIOBase):
    """A file that is not compressed: straight into the caller's buffer."""

    problem = ""
    reason = ""

    def __init__(self, file: _File) -> None:
        super().__init__()
        self._file, self.position = file, 0

    def peek(self, size: int) -> bytes:
        return self._file.read_at(0, size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        got = self._file.readinto(memoryview(buffer).cast("B"), self.position)  # type: ignore[arg-type]
        self.position += got
        return got

    def finish(self) -> None:
        pass

    def stop(self) -> None:
        pass


class _Unpacked(io.RawIOBase):
    """A compressed source or a pipe, read and unpacked in a thread of its own."""

    def __init__(self, raw: _Raw, kind: str) -> None:
        super().__init__()
        self._raw, self._kind = raw, kind
        self.problem, self.reason, self.position = "", "", 0
        self._queue: queue.Queue[list[bytes] | None] = queue.Queue(AHEAD)
        self._pieces: list[memoryview] = []
        self._ended = self._skip = self._stopped = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._pump, name="unpack", daemon=True)
        self._thread.start()

    def _pump(self) -> None:
        batch: list[bytes] = []
        held = 0
        raw = self._raw.chunks()
        try:
            for piece in unpack.unpack(self._kind, raw):
                batch.append(piece)
                held += len(piece)
                if held >= CHUNK:
                    if not self._put(batch):
                        break
                    batch, held = [], 0
        except unpack.Broken as e:
            self.reason = "compression"
            self.problem = (
                f"the compressed data breaks off at byte {e.position:,}: {e.what}; what stood before was kept"
            )
        except BaseException as e:  # noqa: BLE001  raised again in the reader's thread
            self._failure = e
        if batch:
            self._put(batch)
        self._put(None)
        if not self._stopped and isinstance(self._raw, _Stdin):
            self._raw.drain()

    def _put(self, item: list[bytes] | None) -> bool:
        """False when nobody reads on."""
        while not (self._skip or self._stopped):
            try:
                self._queue.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def _fill(self) -> bool:
        """True when a piece is at hand, False at the end."""
        while not self._pieces and not self._ended:
            batch = self._queue.get()
            if batch is None:
                self._ended = True
                if self._failure is not None:
                    raise self._failure
            else:
                self._pieces = [memoryview(p) for p in reversed(batch)]
        return bool(self._pieces)

    def peek(self, size: int) -> bytes:
        """The first bytes, only before anything was read."""
        head: list[memoryview] = []
        have = 0
        while have < size and self._fill():
            piece = self._pieces.pop()
            head.append(piece)
            have += len(piece)
        self._pieces.extend(reversed(head))
        return b"".join(head)[:size]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        done = 0
        while done < len(view) and self._fill():
            piece = self._pieces.pop()
            n = min(len(piece), len(view) - done)
            view[done : done + n] = piece[:n]
            if n < len(piece):
                self._pieces.append(piece[n:])
            done += n
        self.position += done
        return done

    def finish(self) -> None:
        self._skip = True
        self._thread.join()

    def stop(self) -> None:
        self._stopped = True
        if not isinstance(self._raw, _Stdin):  # a pipe may never give another byte
            self._thread.join()


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
        raise SourceError(_why(e), where=name) from e
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
