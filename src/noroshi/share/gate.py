"""The gate: what one recipient may see of one moment, masked by its profile.

Every way out is given a View, nothing else.

Nothing behind a view tells of what it hides: the snapshot is restricted before anything is read or counted, and what
is masked is masked before any format is written. `work.gate` opens views.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from noroshi.model.address import prefix_range
from noroshi.model.tlp import DEFAULT
from noroshi.share.anonymise.mask import Mask, Plain
from noroshi.share.marking import Recipient, reason, within

if TYPE_CHECKING:
    import pyarrow as pa

    from noroshi.lake.snapshot import Snapshot
    from noroshi.model.finding import Finding


@dataclass(frozen=True)
class View:
    """A recipient's sight of the lake; safe to share between threads."""

    recipient: Recipient
    shot: Snapshot
    """Restricted to what they may see: for questions (`ask`) whose answers are not masked, so only where
    `plain` holds, or for counting."""
    now: datetime
    """The clock, held: whatever an export says about now, it says from this."""
    mask: Mask = field(default_factory=Plain)
    telescopes: tuple[str, ...] = ()
    """Prefixes told to the own organisation only; empty when the recipient may know them."""
    own: tuple[str, ...] = ()
    """Own prefixes the recipient may know."""

    @property
    def plain(self) -> bool:
        """True when nothing is masked."""
        return isinstance(self.mask, Plain)

    @property
    def outside(self) -> bool:
        """True when the recipient is not of the own organisation: what only the configuration tells is not for them."""
        return not self.recipient.may_see(DEFAULT)

    def findings(
        self,
        *,
        kinds: Sequence[str] = (),
        since: datetime | None = None,
        wanted: bool = True,
        mine: bool = False,
    ) -> list[Finding]:
        """The findings that hold, masked, of one id the view that may tell the most; by time, kind, subject, id.

        wanted: only kinds the recipient asked for. mine: only about the ranges they answer for.
        """
        found = self.counted(kinds=kinds, since=since, wanted=wanted, mine=mine)
        masked = [m for f in found if (m := self.mask.finding(f)) is not None]
        return sorted(masked, key=_place)

    def counted(
        self,
        *,
        kinds: Sequence[str] = (),
        since: datetime | None = None,
        wanted: bool = True,
        mine: bool = False,
    ) -> list[Finding]:
        """The same, not masked: to be counted or matched with rows, never to be written."""
        from noroshi.lake.findings import standing

        asked, ranges = set(kinds) or None, list(map(prefix_range, self.recipient.ranges))
        own = set(self.recipient.kinds) if wanted and self.recipient.kinds else None
        out = []
        for finding in standing(self.shot):
            if (asked and finding.kind not in asked) or (own and finding.kind not in own):
                continue
            if since and finding.last_seen < since:
                continue
            seen = self._seen(finding)
            if seen is not None and (not mine or within(finding, ranges)):
                out.append(seen)
        return sorted(out, key=_place)

    def told(self, finding: Finding) -> Finding | None:
        """A stored finding as the recipient may see it; None when they may not."""
        seen = self._seen(finding)
        return None if seen is None else self.mask.finding(seen)

    def _seen(self, finding: Finding) -> Finding | None:
        """A finding they may see, not masked; None when they may not."""
        if reason(finding, self.recipient, self.telescopes):
            return None
        # Names of telescopes stand in the configuration, which carries no marking.
        return replace(finding, scope="") if self.outside and finding.scope else finding

    def rows(
        self, table: str, columns: Sequence[str] = (), where: str = "true", params: dict[str, Any] | None = None,
        order: str = "", limit: int | None = None,
    ) -> pa.Table:  # fmt: skip
        """Rows of a table, masked; addresses stay binary. where, order: SQL over the table's columns, by us.

        Rows that `order` leaves equal are told apart by time, run, offset and then all else, never by file.
        """
        from noroshi.model.tables import TABLES

        spec = TABLES[table]
        names = [c.name for c in spec.columns]
        first = [n for n in (spec.time, "run_id", "offset") if n in names]
        ties = ", ".join(f'"{n}"' for n in dict.fromkeys([*first, *names]) if n is not None)
        chosen = ", ".join(f'"{c}"' for c in columns) or "*"
        text = f"SELECT {chosen} FROM {table} WHERE {where}"  # noqa: S608 - ours, values are parameters
        text += f" ORDER BY {order + ', ' if order else ''}{ties}"
        text += f" LIMIT {limit:d}" if limit is not None else ""
        return self.mask.table(table, self.shot.sql(text, params))

    def objects(self, types: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
        """Imported intelligence objects as they were read (unknown properties included), masked, by id."""
        import msgspec

        where = "type IN (SELECT unnest($types))" if types else "true"
        found = self.shot.sql(
            f'SELECT json FROM objects WHERE {where} ORDER BY object_id, ts, run_id, "offset", json',  # noqa: S608
            {"types": list(types)} if types else None,
        )
        for row in found.to_pylist():
            masked = self.mask.object(msgspec.json.decode(row["json"]))
            if masked is not None:
                yield masked


def _place(finding: Finding) -> tuple[datetime, str, str, str]:
    """Where a finding stands in a list: nothing the store knows beside it decides."""
    return finding.first_seen, finding.kind, finding.subject.value, finding.id
