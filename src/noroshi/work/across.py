"""Analysis across kinds of evidence: judged over the whole lake whenever what it rests on has changed.

A join between kinds has no day: intelligence of today may explain traffic of last month. It reads `links`, which
are a small part of the facts, so that judging all of them again costs seconds at a hundred million observations.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from noroshi import registry
from noroshi.model.analyser import Analyser, Scope
from noroshi.model.finding import Finding
from noroshi.model.tables import TABLES
from noroshi.model.tlp import Tlp

if TYPE_CHECKING:
    from noroshi.config import Config
    from noroshi.lake.handle import Lake
    from noroshi.lake.runs import RunInfo
    from noroshi.lake.snapshot import Snapshot

WHOLE = date.min
"""The day under which the lake keeps what was judged without one."""
RUNS_TOLD = 200
"""Runs a finding names when its analyser names none: beyond that they say nothing any more."""


def across(
    lake: Lake, snapshot: Snapshot, *, config: Config, names: Sequence[str], again: bool, memory: int,
    tell: Callable[[str], None] = lambda name: None,
) -> list[tuple[Finding, str]]:  # fmt: skip
    """Runs the analysers of `names` that look at no single day; what is new, changed or withdrawn.

    One is run when a run with rows in its `context` tables, its version, its options or the own networks
    changed since, or when `again` holds. tell: called with the name of each before it runs.
    """
    analysers = [a for n in names if not (a := registry.analyser(n)).tables]
    before = {rule: text for (rule, _, day), text in lake.judged().items() if day == WHOLE}
    runs = snapshot.runs()
    day = _newest(runs)
    changes: list[tuple[Finding, str]] = []
    for analyser in analysers:
        rest_on = [r for r in runs if any(r.rows(t) for t in analyser.context)]
        basis = _basis(analyser, rest_on, config, day)
        if before.get(analyser.name, "") == basis and not again:
            continue
        tell(analyser.name)
        scope = Scope(
            day=day, telescope=None, size=0.0, own=config.own,
            options=dict(config.analyse.get(analyser.name, {})),
        )  # fmt: skip
        found = _judged(analyser, snapshot, rest_on, scope, memory)
        changes += lake.put_findings(found, judged=[(analyser.name, "", WHOLE)])
        lake.mark_judged({(analyser.name, "", WHOLE): basis})
    return changes


def _newest(runs: Sequence[RunInfo]) -> date:
    """The last UTC day anything was seen on: the only present the lake knows."""
    return max((r.last_seen for r in runs if r.last_seen), default=datetime(1970, 1, 1, tzinfo=UTC)).date()


def _basis(analyser: Analyser, runs: Sequence[RunInfo], config: Config, day: date) -> str:
    parts: dict[str, Any] = {
        "runs": sorted(r.run_id for r in runs),
        "own": config.own,
        "telescopes": config.telescope_prefixes,
        "version": analyser.version,
        "options": config.analyse.get(analyser.name, {}),
    }
    if getattr(analyser, "ages", False):
        parts["day"] = day.isoformat()
    return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()[:32]


def _judged(
    analyser: Analyser, snapshot: Snapshot, runs: Sequence[RunInfo], scope: Scope, memory: int
) -> list[Finding]:
    """The findings at each marking level, without those a lower level gave word for word."""
    if not runs:
        return []
    told: dict[str, Finding] = {}
    out: list[Finding] = []
    for level in _levels(snapshot, runs, analyser.context):
        seen = tuple(sorted(r.run_id for r in runs if r.tlp.rank <= level.rank))[:RUNS_TOLD]
        query = snapshot.restricted(tlp=level, memory=memory)
        for finding in analyser.judge(analyser.reduce(query, scope), scope):
            made = finding.marked(level, finding.runs or seen)
            old = told.get(made.id)
            if old is None or replace(made, tlp=old.tlp, runs=old.runs) != old:
                out.append(made)
                told[made.id] = made
    return out


def _levels(snapshot: Snapshot, runs: Sequence[RunInfo], tables: Sequence[str]) -> list[Tlp]:
    """The markings the runs have, and those that rows of marked tables have of their own, mildest first."""
    found = {r.tlp for r in runs}
    for name in tables:
        if TABLES[name].marked and any(r.rows(name) for r in runs):
            rows = snapshot.sql(f"SELECT DISTINCT tlp FROM {name}")  # noqa: S608 - a name of ours
            found |= {Tlp(t) for t in rows["tlp"].to_pylist() if t}
    return sorted(found, key=lambda t: t.rank)
