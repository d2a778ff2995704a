"""A source, open: its bytes unpacked, while they are digested as stored.

A source is read once by its sensor while a second thread digests it (hashlib lets go of the interpreter
lock) and, when it is compressed, a third unpacks it.
"""

from __future__ import annotations

import io
import os
import queue
import sys
import threading
from collections.abc import Callable
from typing import BinaryIO, Final, cast

from noroshi.observe import unpack
from noroshi.observe.stored import CHUNK, Raw, Stdin, StoredFile

HEAD: Final = 4096
"""Bytes a sensor sniffs at."""
AHEAD: Final = 8
"""Unpacked pieces of CHUNK bytes that may wait for the reader."""
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
        self._raw: Raw
        if self.path == STDIN:
            self._raw = Stdin(stdin or sys.stdin.buffer, advance)
        else:
            self._raw = StoredFile(self.path, self.name, advance)
        self._stream: _Plain | _Unpacked
        try:
            first = self._raw.first()
            self.compression = unpack.kind(first)
            if isinstance(self._raw, StoredFile) and not self.compression:
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

    def begin_at(self, start: int) -> None:
        """Hand out the bytes from `start` on; only for a plain file, before anything was read."""
        if not isinstance(self._stream, _Plain):
            raise ValueError("only a plain file can be read from the middle")
        self._stream.begin_at(start)

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


class _Plain(io.RawIOBase):
    """A file that is not compressed: straight into the caller's buffer."""

    problem = ""
    reason = ""

    def __init__(self, file: StoredFile) -> None:
        super().__init__()
        self._file, self.position = file, 0

    def peek(self, size: int) -> bytes:
        return self._file.read_at(0, size)

    def begin_at(self, start: int) -> None:
        self.position = start
        self._file.lead.reached(start)
        self._file.advance(start)

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

    def __init__(self, raw: Raw, kind: str) -> None:
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
        if not self._stopped and isinstance(self._raw, Stdin):
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
        if not isinstance(self._raw, Stdin):  # a pipe may never give another byte
            self._thread.join()
