"""Findings appended to a file, one JSON object a line: for log shippers and scripts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from noroshi.model.finding import Finding
from noroshi.share.deliver.target import DeliveryError, as_json


class FileSender:
    """Appends to `path`, which only this user may read when it is made here."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def send(self, findings: Sequence[Finding]) -> None:
        """One write for all lines, so that lines of two processes do not mix; synced to the disk."""
        lines = b"".join(as_json(f.to_json()) + b"\n" for f in findings)
        try:
            fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                data = memoryview(lines)
                while data:
                    data = data[os.write(fd, data) :]
                os.fsync(fd)
            finally:
                os.close(fd)
        except OSError as e:
            raise DeliveryError(
                f"cannot be written: {e.strerror}", where=str(self.path),
                todo="Give this user the right to write there, or make room.",
            ) from e  # fmt: skip
