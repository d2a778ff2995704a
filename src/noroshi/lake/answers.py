"""Answers of SELECTs, kept while what they were read from stays as it is: for servers, who ask the same many times.

A view's text names its files, which never change, and its filter; so a question over the same texts has the same
answer, at whatever moment and for whoever asks. A commit to one table leaves the answers over the others.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import pyarrow as pa

KEPT_BYTES: Final = 64 << 20
"""Answers kept together: the pages of a lake of ten million rows are a third of it."""
KEPT_ONE: Final = 8 << 20
"""The largest that is kept."""
_EACH: Final = 4_000
"""Bytes an answer is counted as beside its columns: the text of the question, and what its columns and their buffers
take however short they are."""

Key = tuple[object, ...]


class Answers:
    """Safe to share between threads; of several who ask the same at once, one works and the others wait."""

    def __init__(self, most: int = KEPT_BYTES) -> None:
        self._most, self._size = most, 0
        self.fine: dict[str, frozenset[str]] = {}
        """Texts found to be one SELECT over the lake's tables, and the tables they name."""
        self._kept: OrderedDict[Key, pa.Table] = OrderedDict()
        self._making: dict[Key, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: Key, make: Callable[[], pa.Table]) -> pa.Table:
        """The answer under this key, else what `make` gives. What `make` raises is not kept."""
        with self._lock:
            found = self._found(key)
            if found is not None:
                return found
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                found = self._found(key)
            if found is not None:
                return found
            try:
                made = make()
                self._keep(key, made)
                return made
            finally:
                with self._lock:
                    self._making.pop(key, None)

    def _found(self, key: Key) -> pa.Table | None:
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def _keep(self, key: Key, made: pa.Table) -> None:
        if made.nbytes > KEPT_ONE:
            return
        with self._lock:
            self._kept[key] = made
            self._size += made.nbytes + _EACH
            while self._size > self._most:
                self._size -= self._kept.popitem(last=False)[1].nbytes + _EACH

    def __len__(self) -> int:
        return len(self._kept)
