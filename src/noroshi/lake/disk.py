"""What must be on the disk before anything that names it, so that a power loss tears nothing apart."""

from __future__ import annotations

import os
from pathlib import Path


def synced(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk. Raises OSError."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
