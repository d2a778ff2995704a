"""`pivot` for whoever asks: over everything, or through the view of a recipient, masked by its profile."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noroshi.ask.context import Context
from noroshi.ask.pivot import Own, Pivot, Pivots
from noroshi.share.gate import View

if TYPE_CHECKING:
    import pyarrow as pa

    from noroshi.ask.crosslinks import CrossLink
    from noroshi.ask.related import Answer
    from noroshi.config import Config
    from noroshi.lake.snapshot import Snapshot


def ask(
    of: Snapshot | View, config: Config, value: str, kind: str | None = None, *, since: datetime | None = None,
    rows: int = 50, names_below: bool = False,
) -> Pivot:  # fmt: skip
    """Everything about a value, as `ask.pivot` tells it.

    of: everything, or a view. Through a mask, a value that the recipient does not see as it is has count 0, like one
    nobody knows (else asking would undo the mask), and all that stands beside another is masked.
    names_below: of a domain, the names below it too; not through a mask.
    """
    pivots = opened(of, config)
    answer = pivots.ask(value, kind, since=since, rows=rows)
    if isinstance(of, View) and not of.plain:
        return masked(answer, of)
    if names_below and answer.kind == "domain":
        from noroshi.ask.below import below

        shot = of.shot if isinstance(of, View) else of
        return replace(answer, below=below(shot, answer.value, since.date() if since else None))
    return answer


def opened(of: Snapshot | View, config: Config) -> Pivots:
    """Pivots over everything or a view; of a masked one, answers still have to go through `masked`."""
    where = config.path.parent if config.path else Path()
    country, network = (str(where / p) if p else "" for p in (config.context.country, config.context.network))
    if isinstance(of, View) and of.outside:
        # Dark addresses stand in the configuration, which carries no marking: they are for the own organisation.
        own = Own(country=country, network=network)
    else:
        telescopes = tuple((t.name, tuple(t.prefixes)) for t in config.telescopes)
        own = Own(config.own, telescopes, country, network)
    if not isinstance(of, View):
        return Pivots(of, own)
    if of.plain:
        return Pivots(of.shot, own, restricted=True, unseen=of.telescopes)
    pivots = Pivots(
        of.shot, own, restricted=True, unseen=of.telescopes, through=lambda rows: _through(of, rows)
    )
    # What sources and runs are called is of this site.
    pivots.sources = {}
    pivots.names = replace(pivots.names, runs={})
    return pivots


def _through(view: View, rows: pa.Table) -> pa.Table:
    """Rows of links as the mask gives them; those whose value, time or count it drops are left out."""
    import pyarrow.compute as pc

    rows = view.mask.table("links", rows)
    for name in ("value", "first_seen", "last_seen", "day", "count", "role", "table"):
        rows = rows.filter(pc.is_valid(rows[name]))
    runs: Any = rows["run_id"]
    if runs.null_count:
        at = rows.column_names.index("run_id")
        rows = rows.set_column(at, rows.schema.field(at), pc.fill_null(runs, ""))
    return rows


def masked(answer: Pivot, view: View) -> Pivot:
    """The answer with everything beside the value masked; of what the site knows of its owner, nothing."""
    around = answer.context
    known = answer.head.count > 0
    kept = Context(
        network=around.network if known else {}, special=around.special, notes=around.notes,
        warninglists=around.warninglists if known else (),
        within=tuple(w for w in around.within if view.mask.value(w["kind"], w["value"]) == w["value"]),
    )  # fmt: skip
    if not known:
        kept = replace(kept, within=())
    told = (view.told(f) for f in answer.findings)
    found = tuple(replace(f, rows=view.mask.table(f.table, f.rows)) for f in answer.found)
    return replace(
        answer, found=found, beside=_beside(answer.beside, view), context=kept,
        links=tuple(_linked(link, view) for link in answer.links) if known else (),
        findings=tuple(f for f in told if f is not None and f.subject.value == answer.value),
    )  # fmt: skip


def _beside(beside: Answer, view: View) -> Answer:
    values = []
    for one in beside.values:
        value = view.mask.value(one.kind, one.value)
        if value is not None:
            values.append(replace(one, value=value))
    return replace(beside, values=tuple(values))


def _linked(link: CrossLink, view: View) -> CrossLink:
    """What follows, in words only: evidence may hold values in any form."""
    texts = {lang: view.mask.text(text) or "" for lang, text in link.text.items()}
    values = ((k, view.mask.value(k, v)) for k, v in link.values)
    return replace(link, text=texts, evidence={}, values=tuple((k, v) for k, v in values if v is not None))
