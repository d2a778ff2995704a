"""`pivot`: everything about a value, over all kinds of evidence.

Read in this order, so that each step reads only what the one before points to: links (header, exact counts,
histogram), the newest and oldest rows of each table and role, what stands beside the value in them, context,
findings, and the joins over all of it. What a recipient may not see is left out before anything is counted: the
snapshot given is already restricted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from noroshi.ask.about import about, ordered
from noroshi.ask.context import Context, Own, context
from noroshi.ask.crosslinks import Case, CrossLink, all_of
from noroshi.ask.head import Head, Stand, head
from noroshi.ask.related import Answer as Beside
from noroshi.ask.related import related
from noroshi.ask.rows import LEAST, Found, Names, Value, newest
from noroshi.model import address
from noroshi.model.errors import UsageError
from noroshi.model.finding import Finding, iso
from noroshi.model.observable import CANONICAL, canonical, guesses, key64
from noroshi.model.tables import TABLES

if TYPE_CHECKING:
    import pyarrow as pa

    from noroshi.ask.below import Below
    from noroshi.lake.heads import Links
    from noroshi.lake.snapshot import Snapshot

ROWS = 50
OLDEST = 20
"""Oldest rows of tables without days looked at for what stands beside a value; they are not shown. Where there are
days, each would cost a file more, for a sample that differs little from the newest."""
MOST_RELATED = 20
TOP_ADDRESSES = 20
OFTEN = 3
"""Questions after which more are to be expected: a page or a service, not one command."""
HEAVY = 100_000
"""Link rows from which an answer calls its value heavy: counts stay exact, rows are samples."""
_SUMMED = ("table", "role", "run_id", "day", "count", "first_seen", "last_seen")
"""Columns of links a header sums."""
_SECRET = frozenset({"password"})

__all__ = ["Own", "Pivot", "Pivots"]


@dataclass(frozen=True)
class Pivot:
    """The answer. Times are UTC; rows stay Arrow tables until `to_json`."""

    kind: str
    value: str
    head: Head
    found: tuple[Found, ...]
    """The newest rows of each table and role."""
    beside: Beside
    context: Context
    links: tuple[CrossLink, ...]
    findings: tuple[Finding, ...]
    names: Names
    addresses: tuple[dict[str, Any], ...] = ()
    """Of a network, its addresses with the most observations."""
    n_addresses: int = 0
    also: tuple[tuple[str, int], ...] = ()
    """Other kinds the text could be and stands as, with the observations of each."""
    notes: tuple[str, ...] = field(default=())
    below: Below | None = None
    """Of a domain, the names below it, when they were asked for."""

    def to_json(self) -> dict[str, Any]:
        """The public form of DESIGN.md."""
        rows = {(f.table, f.role): f for f in self.found}
        first, last = self.head.first_seen, self.head.last_seen
        out: dict[str, Any] = {
            "kind": self.kind, "value": self.value,
            "first_seen": iso(first) if first else None, "last_seen": iso(last) if last else None,
            "count": self.head.count,
            "tables": [self._stand(s, rows.get((s.table, s.role))) for s in self.head.stands],
            "histogram": [
                {"day": d.isoformat(), "count": sum(t.values()), "tables": t} for d, t in self.head.histogram
            ],
            "related": [
                {"kind": r.kind, "value": r.value, "weight": r.weight, "count": r.count, "sources": r.sources,
                 "where": list(r.where), "tables": list(r.tables), "notes": list(r.notes)}
                for r in self.beside.values
            ],
            "related_total": self.beside.candidates,
            "context": self.context.to_json(),
            "links": [link.to_json() for link in self.links],
            "findings": [f.to_json() for f in self.findings],
            "also": [{"kind": k, "value": self.value, "count": n} for k, n in self.also],
            "notes": list(self.notes),
        }  # fmt: skip
        if self.kind == "prefix":
            out["addresses"] = {"distinct": self.n_addresses, "top": list(self.addresses)}
        if self.below is not None:
            out["below"] = self.below.to_json()
            out["notes"] = [n for n in out["notes"] if n != "names-below-not-counted"]
        return out

    def _stand(self, stand: Stand, found: Found | None) -> dict[str, Any]:
        return {
            "table": stand.table, "role": stand.role, "count": stand.count,
            "first_seen": iso(stand.first_seen), "last_seen": iso(stand.last_seen),
            "sources": [{"source": s, "count": n} for s, n in stand.sources], "n_sources": stand.n_sources,
            "days": len(stand.days), "rows": self.names.shown(found) if found else [],
            "sample": bool(found and not found.sure),
        }  # fmt: skip


class Pivots:
    """Answers about one snapshot; what many pivots share is kept. Safe to share between threads.

    own: what the configuration says is ours. restricted: the snapshot is for a recipient, who is shown no secrets.
    unseen: networks (telescopes) whose addresses the recipient is not told. through: what becomes of rows of links
    before anything is counted; a value that does not come through as it is, is one nobody knows. judged: findings about
    (kind, value), newest first, where somebody has them at hand; else they are read.
    """

    def __init__(
        self, shot: Snapshot, own: Own | None = None, *, restricted: bool = False, unseen: Sequence[str] = (),
        through: Callable[[pa.Table], pa.Table] | None = None,
        judged: Callable[[str, str], Sequence[Finding]] | None = None,
    ) -> None:  # fmt: skip
        from noroshi.lake.heads import Links

        self.shot, self.own = shot, own or Own()
        self.asked, self.through = 0, through
        self.judged = judged or (lambda kind, value: about(shot, kind, value))
        self.links: Links = Links(shot)
        runs = {r.run_id: r for r in shot.runs()}
        self.sources = {i: r.source for i, r in runs.items()}
        self.unseen = tuple(address.prefix_range(p) for p in unseen)
        self.names = Names(runs, _SECRET if restricted else frozenset(), self.unseen)

    def ask(
        self, text: str, kind: str | None = None, *, since: datetime | None = None, until: datetime | None = None,
        rows: int = ROWS,
    ) -> Pivot:  # fmt: skip
        """Everything about a value; one nobody knows has count 0.

        rows: about so many of the newest, and some of each table and role. since, until: only UTC days from then on,
        and up to then, a whole day being the smallest step of a count. Raises UsageError when the text is no value of
        `kind`, or any.
        """
        what, links, also = self._choose(text, kind, _Days.of(since, until))
        if self._is_unseen(what):
            links = links.slice(0, 0)
        stands = head(links, self.sources)
        found = self.rows(what, stands, rows)
        old = [s for s in stands.stands if _more(s, found)]
        oldest = newest(self.shot, what, old, OLDEST, oldest=True) if old else []
        beside = related(self.shot, self.links, what, [*found, *oldest], MOST_RELATED, self.unseen)
        self.asked += 1
        around = context(self.shot, self.links, what, self.own, often=self.asked > OFTEN)
        findings = [] if self._is_unseen(what) else ordered(self.judged(what.kind, what.value))
        case = Case(self.shot, self.links, what, stands, found, around, findings)
        top, distinct = _addresses(links) if what.kind == "prefix" else ((), 0)
        return Pivot(
            what.kind, what.value, stands, tuple(found), beside, around, tuple(all_of(case)), tuple(findings),
            self.names, top, distinct, also, tuple(_notes(stands, found, around)),
        )  # fmt: skip

    def _is_unseen(self, what: Value) -> bool:
        """True for what touches a network the recipient is not told of."""
        if what.kind not in ("ip", "prefix"):
            return False
        first, last = address.prefix_range(what.value)
        return any(first <= high and low <= last for low, high in self.unseen)

    def head(self, kind: str, value: str, since: date | None = None) -> Head:
        """The header alone: exact counts by table, role, source and day."""
        return head(self._links(Value(kind, value), _Days(since)), self.sources)

    def options(self, text: str, kind: str | None = None) -> list[tuple[str, str]]:
        """Everything a text can be, (kind, canonical value), the likeliest first. Raises UsageError for nothing."""
        return [(what.kind, what.value) for what in self._options(text, kind)]

    def links_about(
        self, kind: str, value: str, *, since: datetime | None = None, until: datetime | None = None
    ) -> pa.Table:
        """The rows of links about an observable; of a network, those of its addresses too; none when it may not be
        told of. since, until: whole UTC days."""
        what = Value(kind, canonical(kind, value))
        links = self._links(what, _Days.of(since, until))
        return links.slice(0, 0) if self._is_unseen(what) else links

    def rows(self, what: Value, stands: Head, limit: int = ROWS, least: int = LEAST) -> list[Found]:
        """The newest rows of all tables and roles, about `limit` of them and at least `least` of each."""
        return newest(self.shot, what, stands.stands, limit, least=least)

    def _choose(
        self, text: str, kind: str | None, days: _Days
    ) -> tuple[Value, pa.Table, tuple[tuple[str, int], ...]]:
        """What the text is: of several kinds it can be, the one with the most observations."""
        options = self._options(text, kind)
        keys = [key64(w.kind, w.value) for w in options]
        # What does not come through a mask must not decide either.
        quick = len(options) > 1 and self.through is None
        stands = self.links.common(keys) if quick else dict.fromkeys(keys)
        likely = [w for w, key in zip(options, keys, strict=True) if key in stands or w.keys]
        asked = [(what, self._links(what, days)) for what in likely or options[:1]]
        known = [(w, rows, _count(rows)) for w, rows in asked if rows.num_rows]
        if not known:
            return (*asked[0], ())
        known.sort(key=lambda k: -k[2])
        return known[0][0], known[0][1], tuple((w.kind, n) for w, _, n in known[1:])

    def _options(self, text: str, kind: str | None) -> list[Value]:
        if kind == "credential" and not text.strip().lower().startswith("hmac:"):
            user, colon, password = text.partition(":")
            if not colon:
                raise UsageError("a credential is a pair", todo="Write it as user:password.")
            return [Value(kind, self.shot._lake.credential(user, password), (user, password))]
        if kind:
            return [Value(kind, canonical(kind, text))]
        found = meant(text)
        if not found:
            raise UsageError(
                f"{text[:200]!r} is no value Noroshi knows", todo=f"Give its kind: {', '.join(CANONICAL)}."
            )
        return [Value(k, v) for k, v in found]

    def _links(self, what: Value, days: _Days) -> pa.Table:
        import pyarrow as pa
        import pyarrow.compute as pc

        some = None if what.keys or self.through else _SUMMED
        rows = self.links.of(what.kind, what.value, some)
        if self.through:
            rows = self.through(rows)
            rows = rows.filter(pc.equal(rows["value"], pa.scalar(what.value)))
        if what.keys:
            inside = self.links.between(*what.keys)
            rows = pa.concat_tables([rows, self.through(inside) if self.through else inside])
        if days.first is not None and rows.num_rows:
            rows = rows.filter(pc.greater_equal(rows["day"], pa.scalar(days.first)))
        if days.last is not None and rows.num_rows:
            rows = rows.filter(pc.less_equal(rows["day"], pa.scalar(days.last)))
        return rows


@dataclass(frozen=True)
class _Days:
    """UTC days asked for, both in it; None for no end."""

    first: date | None = None
    last: date | None = None

    @classmethod
    def of(cls, since: datetime | None, until: datetime | None) -> _Days:
        """The days of two times."""
        return cls(since.date() if since else None, until.date() if until else None)


def meant(text: str) -> list[tuple[str, str]]:
    """Every (kind, canonical value) a text can be, defanged or not, the likeliest first; empty when nothing fits."""
    found = guesses(_refanged(text))
    return [(k, v) for k, v in found if not (k == "prefix" and found[0][0] == "ip")]


def _refanged(text: str) -> str:
    """A value as intelligence writes it so that nobody clicks on it: 192.0.2[.]1, hxxp://example[.]com."""
    out = text.strip()
    for written, meant in (
        ("[.]", "."),
        ("(.)", "."),
        ("[:]", ":"),
        ("[@]", "@"),
        ("[dot]", "."),
        ("[at]", "@"),
    ):
        out = out.replace(written, meant)
    return "http" + out[4:] if out[:4].lower() == "hxxp" else out


def _count(rows: pa.Table) -> int:
    import pyarrow.compute as pc

    return int(pc.sum(rows["count"]).as_py() or 0)


def _more(stand: Stand, found: Sequence[Found]) -> bool:
    """True when the newest rows are not all there are."""
    held = next((f.rows.num_rows for f in found if (f.table, f.role) == (stand.table, stand.role)), 0)
    return 0 < held < stand.count and held >= 10 and not TABLES[stand.table].partitioned


def _addresses(rows: pa.Table) -> tuple[tuple[dict[str, Any], ...], int]:
    """The addresses of a network with the most observations, and how many there are."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = rows.filter(pc.equal(rows["kind"], pa.scalar("ip")))
    if not rows.num_rows:
        return (), 0
    sums = rows.group_by("value", use_threads=False).aggregate(
        [("count", "sum"), ("first_seen", "min"), ("last_seen", "max")]
    )
    top = sums.sort_by([("count_sum", "descending"), ("value", "ascending")]).slice(0, TOP_ADDRESSES)
    return tuple(
        {"value": r["value"], "count": r["count_sum"], "first_seen": iso(r["first_seen_min"]),
         "last_seen": iso(r["last_seen_max"])}
        for r in top.to_pylist()
    ), sums.num_rows  # fmt: skip


def _notes(stands: Head, found: Sequence[Found], around: Context) -> list[str]:
    notes = list(around.notes)
    if stands.link_rows > HEAVY:
        notes.append("heavy")
    if any(not f.sure for f in found):
        notes.append("rows-are-samples")
    return notes
