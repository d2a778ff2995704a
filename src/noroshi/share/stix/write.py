"""Bundles on disk: written as objects come, in bounded memory, and there whole or not at all."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

from noroshi.model.errors import UsageError
from noroshi.share.stix.emit import Emitted
from noroshi.share.stix.ids import object_id

LEAST = 100
"""Objects of the smallest part: definitions, which stand in every part, are about ten."""
CHUNK = 1 << 20
"""Bytes handed to the file at a time."""
MOST = 100_000
"""Files of one export."""
_HEAD = b'{"type":"bundle","id":"%b","objects":['
_EMPTY = object_id("bundle", "").encode()
_DEFINITIONS = ("marking-definition", "extension-definition")


class Bundle:
    """One bundle being written to a seekable file. Its id is made from its objects, so it is filled in at the end."""

    def __init__(self, out: IO[bytes]) -> None:
        self.out, self.count, self.size = out, 0, 0
        self._digest = hashlib.sha256()
        self._held: list[bytes] = [_HEAD % _EMPTY]
        self._bytes = len(self._held[0])

    def add(self, json: bytes) -> None:
        """One object."""
        if self.count:
            self._held.append(b",")
        self._held.append(json)
        self.count += 1
        self._bytes += len(json) + 1
        if self._bytes >= CHUNK:
            self._flush()

    def close(self) -> None:
        """Ends it, with an id made from its objects."""
        self._flush()
        self.out.write(b"]}\n")
        self.size = self.out.tell()
        self.out.seek(0)
        self.out.write(_HEAD % object_id("bundle", self._digest.hexdigest()).encode())
        self.out.seek(self.size)

    def _flush(self) -> None:
        body = b"".join(self._held)
        self._digest.update(body)
        self.out.write(body)
        self._held, self._bytes = [], 0


class Staged:
    """Bundles written beside where they shall stand; `publish` puts them there."""

    def __init__(self, path: Path, split: int = 0) -> None:
        if split and split < LEAST:
            raise UsageError(
                f"{split} objects a file are too few", todo=f"Give {LEAST} or more, or no --split."
            )
        if split and str(path) == "-":
            raise UsageError(
                "standard output takes one bundle", todo="Give --out a file, or leave out --split."
            )
        self.path, self.split = path, split
        self.parts: list[IO[bytes]] = []
        self.size = 0
        self._repeated: list[bytes] = []
        self._bundle: Bundle | None = None

    def write(self, emitted: Iterable[Emitted]) -> None:
        """Writes the objects; definitions of markings and extensions stand in every part, and so does the first
        identity, who made it."""
        for one in emitted:
            bundle = self._bundle
            if bundle is None or (self.split and bundle.count >= self.split):
                bundle = self._next()
            bundle.add(one.json)
            if self.split and (
                one.type in _DEFINITIONS or (one.type == "identity" and not self._repeated)
            ) and len(self._repeated) < LEAST // 2:  # fmt: skip
                self._repeated.append(one.json)
        self._end(self._bundle or self._next())

    def publish(self) -> list[Path]:
        """Puts the files in their place, or the one bundle on standard output; returns where they are."""
        for part in self.parts:
            part.flush()
        if str(self.path) == "-":
            import sys

            self.parts[0].seek(0)
            shutil.copyfileobj(self.parts[0], sys.stdout.buffer, CHUNK)
            sys.stdout.buffer.flush()
            return []
        umask = os.umask(0)
        os.umask(umask)
        for part in self.parts:
            os.fsync(part.fileno())
            os.chmod(part.name, 0o666 & ~umask)
        places = [self._place(n) for n in range(1, len(self.parts) + 1)]
        for part, place in zip(self.parts, places, strict=True):
            os.replace(part.name, place)
        self._tidy(len(places))
        return places

    def discard(self) -> None:
        """Removes what was not published."""
        for part in self.parts:
            part.close()
            if str(self.path) != "-":
                Path(part.name).unlink(missing_ok=True)

    def _next(self) -> Bundle:
        if self._bundle:
            self._end(self._bundle)
        if len(self.parts) >= MOST:
            raise UsageError(f"that would be more than {MOST:,} files", todo="Give --split a larger number.")
        if str(self.path) == "-":
            out: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by discard
        else:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            out = tempfile.NamedTemporaryFile(  # noqa: SIM115
                dir=self.path.parent, prefix=f".{self.path.name}.", delete=False
            )
        self.parts.append(out)
        self._bundle = Bundle(out)
        for json in self._repeated:
            self._bundle.add(json)
        return self._bundle

    def _end(self, bundle: Bundle) -> None:
        bundle.close()
        self.size += bundle.size

    def _place(self, number: int) -> Path:
        return (
            self.path.with_name(f"{self.path.stem}.{number:04d}{self.path.suffix}")
            if self.split
            else self.path
        )

    def _tidy(self, last: int) -> None:
        """Parts of an earlier, longer export go: whoever reads the folder would take them for this one's."""
        if not self.split:
            return
        name = re.compile(rf"{re.escape(self.path.stem)}\.(\d{{4,6}}){re.escape(self.path.suffix)}")
        for other in self.path.parent.iterdir():
            if (found := name.fullmatch(other.name)) and int(found[1]) > last:
                other.unlink()


@contextmanager
def staged(path: Path, emitted: Iterable[Emitted], split: int = 0) -> Iterator[Staged]:
    """The objects written beside `path`; nothing stands there before `publish`, and nothing is left without it.

    split: objects in a file at most; the files are then called NAME.0001.json, ... Raises UsageError for a number
    that is too small, OSError when the disk is full.
    """
    stage = Staged(path, split)
    try:
        stage.write(emitted)
        yield stage
    finally:
        stage.discard()


def to_file(emitted: Iterable[Emitted], out: BinaryIO) -> int:
    """Writes one bundle to a seekable file; returns its objects."""
    bundle = Bundle(out)
    for one in emitted:
        bundle.add(one.json)
    bundle.close()
    return bundle.count
