"""Memory that is used again: pages touched for the first time cost more than the arithmetic done on them.

Decoding into freshly allocated columns took five times as long as into reused ones.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import numpy.typing as npt


class Pool:
    """Pieces of `size` bytes, lent out and taken back."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._free: list[npt.NDArray[np.uint8]] = []
        self._lock = threading.Lock()

    def lend(self, at_least: int = 0) -> Lease:
        """A piece for as long as anything holds the lease; a larger one when asked for more than `size`."""
        if at_least > self.size:
            return Lease(np.empty(at_least, np.uint8), None)
        with self._lock:
            raw = self._free.pop() if self._free else np.empty(self.size, np.uint8)
        return Lease(raw, self)

    def take_back(self, raw: npt.NDArray[np.uint8]) -> None:
        """Called by a lease that nobody holds any more."""
        with self._lock:
            self._free.append(raw)


class Lease:
    """A piece of memory, cut into arrays front to back. Whoever uses an array of it holds the lease too."""

    def __init__(self, raw: npt.NDArray[np.uint8], pool: Pool | None) -> None:
        self.raw, self._pool, self._used = raw, pool, -raw.ctypes.data % 64

    def array(self, shape: int | tuple[int, ...], dtype: Any) -> Any:
        """The next uninitialised array; MemoryError when the piece is used up."""
        kind = np.dtype(dtype)
        size = int(np.prod(shape)) * kind.itemsize
        if self._used + size > len(self.raw):
            raise MemoryError(f"a piece of {len(self.raw):,} bytes has no room for {size:,} more")
        made = self.raw[self._used : self._used + size].view(kind).reshape(shape)
        self._used += (size + 63) // 64 * 64
        return made

    def __del__(self) -> None:
        if self._pool is not None:
            self._pool.take_back(self.raw)
