"""The findings one recipient sees, ready to be asked for: newest first, by subject, by kind, by time.

Made once for as long as they stay the same: to walk through twenty thousand for each request costs as much as all else
a page does.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

from noroshi.model.finding import Finding
from noroshi.model.tlp import Tlp

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def place(f: Finding) -> tuple[float, str, str]:
    """Where a finding stands in a list, newest first."""
    return -f.last_seen.timestamp(), f.kind, f.id


class Known:
    """Findings, as `View.findings` gave them. Safe to share between threads."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.oldest: tuple[Finding, ...] = tuple(findings)
        """In the order of the view."""
        self.newest: tuple[Finding, ...] = tuple(sorted(findings, key=place))

    @cached_property
    def by_subject(self) -> dict[tuple[str, str], list[Finding]]:
        """Those about a value, by (kind, value), newest first."""
        out: dict[tuple[str, str], list[Finding]] = defaultdict(list)
        for f in self.newest:
            out[f.subject.kind, f.subject.value].append(f)
        return dict(out)

    @cached_property
    def stored(self) -> tuple[Finding, ...]:
        """By when they were stored, the last first."""
        return tuple(
            sorted(self.newest, key=lambda f: (f.modified or f.last_seen, f.last_seen, f.id), reverse=True)
        )

    def beginning(self, text: str) -> list[Finding]:
        """Those whose id begins so."""
        return [self.newest[i] for i, id_ in enumerate(self._ids) if id_.startswith(text)]

    def chosen(
        self, *, kinds: Sequence[str] = (), value: str = "", mark: Tlp | None = None, confidence: int = 0,
        since: datetime | None = None, until: datetime | None = None, words: Sequence[str] = (),
    ) -> Chosen:  # fmt: skip
        """Those for which all that is given holds.

        since, until: last seen from then on, first seen before then. words: casefolded, each stands in what is said.
        """
        import numpy as np

        take = np.ones(len(self.newest), bool)
        if kinds:
            take &= np.isin(self._kinds, [self._names.index(k) for k in kinds if k in self._names])
        if mark is not None:
            take &= self._ranks == mark.rank
        if confidence > 0:
            take &= self._confidence >= confidence
        if since is not None:
            take &= self._last >= since.timestamp()
        if until is not None:
            take &= self._first < until.timestamp()
        at = np.flatnonzero(take)
        if value or words:
            same = [
                i for i in at.tolist()
                if (not value or self.newest[i].subject.value == value) and all(w in self._said[i] for w in words)
            ]  # fmt: skip
            at = np.array(same, np.int64)
        return Chosen(self, at)

    def _array(self, values: list[Any], kind: str) -> npt.NDArray[Any]:
        import numpy as np

        return np.array(values, kind)

    @cached_property
    def _ids(self) -> list[str]:
        return [f.id for f in self.newest]

    @cached_property
    def _names(self) -> list[str]:
        return sorted({f.kind for f in self.newest})

    @cached_property
    def _kinds(self) -> npt.NDArray[np.int64]:
        numbers = {name: i for i, name in enumerate(self._names)}
        return self._array([numbers[f.kind] for f in self.newest], "int64")

    @cached_property
    def _ranks(self) -> npt.NDArray[np.int64]:
        return self._array([f.tlp.rank for f in self.newest], "int64")

    @cached_property
    def _confidence(self) -> npt.NDArray[np.int64]:
        return self._array([f.confidence for f in self.newest], "int64")

    @cached_property
    def _first(self) -> npt.NDArray[np.float64]:
        return self._array([f.first_seen.timestamp() for f in self.newest], "float64")

    @cached_property
    def _last(self) -> npt.NDArray[np.float64]:
        return self._array([f.last_seen.timestamp() for f in self.newest], "float64")

    @cached_property
    def _said(self) -> list[str]:
        return [
            " ".join((f.subject.value, f.kind, f.scope, *f.summary.values())).casefold() for f in self.newest
        ]


class Chosen(Sequence[Finding]):
    """Some of them, newest first; looked up only where somebody looks."""

    def __init__(self, known: Known, at: npt.NDArray[np.int64]) -> None:
        self._known, self._at = known, at

    def __len__(self) -> int:
        return len(self._at)

    @overload
    def __getitem__(self, at: int) -> Finding: ...
    @overload
    def __getitem__(self, at: slice) -> list[Finding]: ...
    def __getitem__(self, at: int | slice) -> Finding | list[Finding]:
        if isinstance(at, slice):
            return [self._known.newest[i] for i in self._at[at].tolist()]
        return self._known.newest[int(self._at[at])]

    def kinds(self) -> Counter[str]:
        """How many of each kind."""
        import numpy as np

        names = self._known._names
        counts = np.bincount(self._known._kinds[self._at], minlength=len(names)).tolist()
        return Counter({name: n for name, n in zip(names, counts, strict=True) if n})
