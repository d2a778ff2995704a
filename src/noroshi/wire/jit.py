"""Numba, with its cache where it can be written: NUMBA_CACHE_DIR, the XDG cache, the lake, else in memory."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Function = Callable[..., Any]


def _version() -> str:
    """A digest of every kernel's source: numba does not notice that a function called from another file changed."""
    digest = hashlib.sha256()
    package = Path(__file__).parents[1]
    for path in sorted([*package.glob("wire/*.py"), *package.glob("observe/darknet/*.py")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _usable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _choose() -> bool:
    """Point numba at a writable cache folder; False when there is none and code is compiled in memory."""
    if os.environ.get("NUMBA_CACHE_DIR"):
        return _usable(Path(os.environ["NUMBA_CACHE_DIR"]))
    xdg = os.environ.get("XDG_CACHE_HOME")
    home = os.environ.get("HOME")
    places = [Path(xdg)] if xdg else [Path(home) / ".cache"] if home else []
    if os.environ.get("NOROSHI_LAKE"):
        places.append(Path(os.environ["NOROSHI_LAKE"]) / ".cache")
    for place in places:
        folder = place / "noroshi" / f"numba-{_version()}"
        fresh = not folder.is_dir()
        if _usable(folder):
            os.environ["NUMBA_CACHE_DIR"] = str(folder)
            if fresh:
                _remove_older(folder)
            return True
    return False


def _remove_older(folder: Path) -> None:
    """Delete what earlier versions compiled, unless it was used in the last month (by another installation)."""
    for other in folder.parent.glob("numba-*"):
        try:
            if other != folder and time.time() - other.stat().st_mtime > 30 * 86_400:
                shutil.rmtree(other)
        except OSError:
            continue  # someone else's, or in use: it costs a few megabytes and nothing else


CACHED = _choose()
CHECKED = os.environ.get("NOROSHI_BOUNDSCHECK") == "1"
"""Kernels check every index: slow, for the fuzz tests."""

import numba  # noqa: E402  (its cache folder must be chosen first)

# _nrt=False: kernels allocate nothing, so their array arguments need no reference counts.
_OPTIONS: dict[str, Any] = {"nogil": True, "_nrt": False}


def kernel(function: Function) -> Function:
    """Compile a hot loop: no GIL, no bounds checks, cached. Whoever writes one bounds every index itself.

    NOROSHI_BOUNDSCHECK=1 compiles with bounds checks, for the fuzz tests.
    """
    compiled: Function = numba.njit(cache=CACHED and not CHECKED, boundscheck=CHECKED, **_OPTIONS)(function)
    return compiled


def helper(function: Function) -> Function:
    """Compile a small function that is always inlined into a kernel."""
    # Said here too: a callee does not take its bounds checks from the kernel.
    compiled: Function = numba.njit(boundscheck=CHECKED, **_OPTIONS)(function)
    return compiled
