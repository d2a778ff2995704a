"""What a recipient may know of and what does not hold any more: its objects are taken back, not only left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Final

from noroshi.share.gate import View

if TYPE_CHECKING:
    from noroshi.model.finding import Finding
    from noroshi.share.stix.emit import Emitted

_SHARED: Final = ("identity", "marking-definition", "extension-definition")
"""Types of objects that belong to no one finding."""


@dataclass(frozen=True)
class Withdrawn(View):
    """A view whose findings are those whose newest revision, of those the recipient may see, takes them back."""

    @classmethod
    def of(cls, view: View) -> Withdrawn:
        """The same recipient, moment and mask."""
        return cls(**{f.name: getattr(view, f.name) for f in fields(view)})

    def counted(
        self,
        *,
        kinds: Sequence[str] = (),
        since: datetime | None = None,
        wanted: bool = True,
        mine: bool = False,
    ) -> list[Finding]:
        """See View.counted; `since` and `mine` mean nothing here."""
        from noroshi.lake.findings import from_row

        own = set(self.recipient.kinds) if wanted and self.recipient.kinds else None
        text = (
            "SELECT * FROM (SELECT * FROM findings_history QUALIFY row_number() OVER"
            " (PARTITION BY id, tlp ORDER BY modified DESC) = 1) WHERE withdrawn ORDER BY id, tlp"
        )
        found = (from_row(row) for row in self.shot.sql(text).to_pylist())
        mine_ = (f for f in found if (not kinds or f.kind in kinds) and (own is None or f.kind in own))
        return [seen for f in mine_ if (seen := self._seen(f)) is not None]


def ids(view: View, emit: Callable[[View], Iterable[Emitted]]) -> set[str]:
    """Ids of the objects a view's withdrawn findings were given as."""
    return {e.id for e in emit(Withdrawn.of(view)) if e.type not in _SHARED}
