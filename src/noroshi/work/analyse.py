"""Analysis: which days changed since they were last judged, and what the analysers say about them now.

A day is judged once for each marking level it has: from the rows at or below that level, so that one strict
source does not silence the others. A finding that a lower level gives word for word is not repeated.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from noroshi import registry
from noroshi.model.analyser import Analyser, Query, Scope, Telescope
from noroshi.model.finding import Finding, iso
from noroshi.model.tlp import Tlp
from noroshi.work.across import WHOLE, across
from noroshi.work.options import check as check_options

if TYPE_CHECKING:
    import pyarrow as pa

    from noroshi.config import Config
    from noroshi.lake.handle import Lake
    from noroshi.lake.runs import RunInfo

Change = tuple[Finding, str]
"""A finding and what became of it: new, changed or withdrawn."""
FACTS = "flows"
FINDINGS_AT_ONCE = 20_000
"""Findings gathered before they are stored: some 40 MB, and few commits."""
DAYS_AT_ONCE = 30 * 8
"""States of days gathered before they are stored: a month of the analysers there are."""


RETAGS_TOLD = 5
"""Changes of tag that are told one by one: a rule or two change at a time."""

MEMORY = 500_000_000
"""Bytes the engine may hold for an analyser, so that with the rest the program stays below 1 GiB."""


@dataclass
class Outcome:
    """What one run of analysis brought."""

    changes: list[Change] = field(default_factory=list)
    days: int = 0
    """Days that were judged."""
    retagged: int = 0
    """Rows whose tool or class is another by newer rules."""
    notes: list[str] = field(default_factory=list)
    """What the person should know: telescopes that are missing, rules that changed."""


def analyse(
    lake: Lake, *, config: Config, names: Sequence[str] = (), again: bool = False,
    advance: Callable[[int, int], None] = lambda done, days: None,
) -> Outcome:  # fmt: skip
    """Judges every day that changed since it was last judged, and stores what is new or changed.

    names: analysers to run; all when empty. again: judge every day. advance: called after each day with how
    many of how many are done. Raises ConfigError when `[analyse]` holds what no analyser knows.
    """
    check_options(config)
    changed = retag(lake)
    outcome = Outcome(retagged=changed.total())
    if changed:
        outcome.notes.append(_retold(changed))
    job = _Job(lake, config, tuple(names or registry.ANALYSERS), again)
    days = job.days()
    for n, day in enumerate(days, 1):
        if job.judge(day):
            outcome.days += 1
            if len(job.found) >= FINDINGS_AT_ONCE or len(job.states) >= DAYS_AT_ONCE:
                outcome.changes += job.store()
        advance(n, len(days))
    outcome.changes += job.store()
    outcome.changes += across(
        lake,
        lake.snapshot(),  # with the findings of the days judged just now
        config=config,
        names=names or tuple(registry.ANALYSERS),
        again=again,
        memory=MEMORY,
    )
    outcome.changes = _told_once(outcome.changes)
    outcome.notes += [_missing(names, unsized) for unsized, names in job.unsized_days()]
    if job.uncovered:
        outcome.notes.append(_outside(job.uncovered))
    return outcome


Tag = tuple[str, str]
"""Tool and class of a row."""


def retag(lake: Lake) -> Counter[tuple[Tag, Tag]]:
    """Sets tool and class again on rows tagged by older rules; how many rows went from which tag to which.

    Rows whose tag stays only get the version of the rules and are not counted.
    """
    from noroshi.observe.darknet import rules

    changed: Counter[tuple[Tag, Tag]] = Counter()

    def change(rows: pa.Table) -> pa.Table:
        # A file that somebody rewrites meanwhile is done, and counted, again: rare, and only the words err.
        made = rules.retag(rows)
        changed.update(_tag_changes(rows, made))
        return made

    lake.rewrite(FACTS, f"rules_version < {int(rules.RULES_VERSION)}", change)
    return changed


def _tag_changes(before: pa.Table, after: pa.Table) -> dict[tuple[Tag, Tag], int]:
    import pyarrow as pa

    columns = [t[name].cast(pa.string()) for t in (before, after) for name in ("tool", "class")]
    pairs = pa.table(columns, names=list("abcd")).group_by(list("abcd")).aggregate([([], "count_all")])
    counted = {((r["a"], r["b"]), (r["c"], r["d"])): r["count_all"] for r in pairs.to_pylist()}
    return {(old, new): n for (old, new), n in counted.items() if old != new}


def _retold(changed: Counter[tuple[Tag, Tag]]) -> str:
    def name(tag: Tag) -> str:
        return f"{tag[0] or 'no tool'} ({tag[1]})"

    most = changed.most_common(RETAGS_TOLD)
    parts = [f"{n:,} from {name(old)} to {name(new)}" for (old, new), n in most]
    if len(changed) > len(most):
        parts.append(f"{changed.total() - sum(n for _, n in most):,} others")
    rows = f"{changed.total():,} stored row" + ("s" if changed.total() > 1 else "")
    return f"Newer fingerprint rules changed the tags of {rows}: {', '.join(parts)}."


@dataclass(frozen=True)
class _State:
    """What one analyser judged on one day: from what, and in which scopes."""

    basis: str
    """A digest of all a judgement depends on: rows, telescopes, own prefixes, rules and options."""
    scopes: tuple[str, ...] = ()
    unsized: bool = False
    """The telescope it needs was missing, which is to be told each time."""

    def text(self) -> str:
        """As the lake keeps it; names of telescopes hold no bar."""
        return "|".join((self.basis, "unsized" if self.unsized else "", *self.scopes))

    @classmethod
    def parse(cls, text: str) -> _State:
        """From what the lake kept."""
        basis, unsized, *scopes = [*text.split("|"), "", ""][: max(2, text.count("|") + 1)]
        return cls(basis, tuple(scopes), bool(unsized))


class _Job:
    """One run of analysis over one snapshot."""

    def __init__(self, lake: Lake, config: Config, names: tuple[str, ...], again: bool) -> None:
        self.lake, self.config, self.again = lake, config, again
        self.snapshot = lake.snapshot()
        chosen = [registry.analyser(n) for n in registry.ANALYSERS if n in names]
        self.analysers: list[Analyser] = [a for a in chosen if a.tables]
        self.runs: dict[date, list[RunInfo]] = {}
        for run in self.snapshot.runs():
            for day in run.days if run.rows(FACTS) else ():
                self.runs.setdefault(day, []).append(run)
        self.before = {
            (rule, day): _State.parse(text) for (rule, _, day), text in lake.judged().items() if day != WHOLE
        }
        self.queries: dict[Tlp, Query] = {}
        self.unsized: dict[str, set[date]] = {}
        self.uncovered: dict[date, int] = {}
        self.found: list[Finding] = []
        self.states: dict[tuple[str, date], _State] = {}

    def days(self) -> list[date]:
        """Days with rows, and days that had rows when they were judged."""
        return sorted({day for _, day in self.before} | set(self.snapshot.days(FACTS)))

    def judge(self, day: date) -> bool:
        """Judges one day by every analyser for which something changed; false when there is none."""
        stale = {}
        for analyser in self.analysers:
            basis = self._basis(analyser, day)
            was = self.before.get((analyser.name, day))
            if self.again or was is None or was.basis != basis:
                stale[analyser.name] = basis
            elif was.unsized:
                self.unsized.setdefault(analyser.name, set()).add(day)
        analysers = [a for a in self.analysers if a.name in stale]
        scopes: set[str] = set()
        told: dict[str, list[Finding]] = {name: [] for name in stale}
        for level in self._levels(day) if stale else []:
            scopes |= self._judge_level(analysers, day, level, told)
        if any(scopes):
            self._count_uncovered(day)
        for name, basis in stale.items():
            self.found += told[name]
            missing = day in self.unsized.get(name, ())
            self.states[name, day] = _State(basis, tuple(sorted(scopes)), missing)
        return bool(stale)

    def _count_uncovered(self, day: date) -> None:
        """Of a day that a telescope saw: the packets that reached none of them, which nothing judges."""
        from noroshi.analyse.darknet.telescope import uncovered

        if packets := uncovered(self.snapshot, day, self.config.telescopes):
            self.uncovered[day] = packets

    def store(self) -> list[Change]:
        """Stores the findings and states gathered so far; what changed."""
        judged = [
            (rule, scope, day)
            for (rule, day), state in self.states.items()
            for scope in {*state.scopes, *self.before.get((rule, day), state).scopes}
        ]
        changes = self.lake.put_findings(self.found, judged=judged)
        self.lake.mark_judged({(rule, "", day): state.text() for (rule, day), state in self.states.items()})
        self.found, self.states = [], {}
        return changes

    def unsized_days(self) -> list[tuple[tuple[date, ...], list[str]]]:
        """Analysers that found no telescope, by the days on which they did not."""
        groups: dict[tuple[date, ...], list[str]] = {}
        for name, days in self.unsized.items():
            groups.setdefault(tuple(sorted(days)), []).append(name)
        return sorted(groups.items())

    def _levels(self, day: date) -> list[Tlp]:
        return sorted({r.tlp for r in self.runs.get(day, [])}, key=lambda t: t.rank)

    def _seen(self, analyser: Analyser, day: date, level: Tlp) -> tuple[str, ...]:
        """Runs at or below `level` with rows on `day`, or on the days before that the analyser looks at."""
        back = getattr(analyser, "lookback_days", 0)
        days = (day - timedelta(days=n) for n in range(back + 1))
        return tuple(
            sorted({r.run_id for d in days for r in self.runs.get(d, []) if r.tlp.rank <= level.rank})
        )

    def _basis(self, analyser: Analyser, day: date) -> str:
        parts = {
            "runs": {level.value: self._seen(analyser, day, level) for level in Tlp},
            "telescopes": [_telescope(t) for t in self.config.telescopes],
            "own": self.config.own,
            "version": analyser.version,
            "options": self.config.analyse.get(analyser.name, {}),
            "rules": _rules_version(),
        }
        return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()[:32]

    def _judge_level(
        self, analysers: list[Analyser], day: date, level: Tlp, told: dict[str, list[Finding]]
    ) -> set[str]:
        """Adds to `told` what each analyser finds in the rows at or below `level`, unless a lower level said
        so already; the scopes looked at."""
        from noroshi.analyse.darknet.telescope import build_scopes

        known: dict[str, list[Finding]] = {}
        for finding in (f for found in told.values() for f in found):
            known.setdefault(finding.id, []).append(finding)
        query = self._query(level)
        scopes = build_scopes(query, day, self.config.telescopes, self.config.own)
        for analyser in analysers:
            runs = self._seen(analyser, day, level)
            for scope in scopes:
                for finding in self._findings(analyser, query, scope):
                    if not any(_same(finding, other) for other in known.get(finding.id, ())):
                        told[analyser.name].append(finding.marked(level, runs))
        return {s.telescope.name if s.telescope else "" for s in scopes}

    def _query(self, level: Tlp) -> Query:
        """The rows at or below `level`, of all days, with a memo of what was asked of them before."""
        from noroshi.analyse.darknet.memo import Remembering

        if level not in self.queries:
            self.queries[level] = Remembering(self.snapshot.restricted(tlp=level, memory=MEMORY))
        return self.queries[level]

    def _findings(self, analyser: Analyser, query: Query, scope: Scope) -> list[Finding]:
        if analyser.needs_telescope and scope.telescope is None:
            self.unsized.setdefault(analyser.name, set()).add(scope.day)
            return []
        scope = replace(scope, options=dict(self.config.analyse.get(analyser.name, {})))
        return analyser.judge(analyser.reduce(query, scope), scope)


def _missing(names: list[str], days: Sequence[date]) -> str:
    verb = "needs" if len(names) == 1 else "need"
    return (
        f"{', '.join(names)} {verb} a telescope that covers the data of {_span(days)}: add [[telescope]] to "
        "noroshi.toml, or run `noroshi telescope guess`. The facts are stored; no finding was made."
    )


def _outside(uncovered: dict[date, int]) -> str:
    packets, days = sum(uncovered.values()), sorted(uncovered)
    return (
        f"{packets:,} packets of {_span(days)} reached none of the telescopes and were not judged; "
        "`noroshi telescope guess` proposes what they might have reached."
    )


def _span(days: Sequence[date]) -> str:
    return str(days[0]) if len(days) == 1 else f"{len(days)} days from {days[0]} to {days[-1]}"


def _rules_version() -> int:
    from noroshi.observe.darknet import rules

    return int(rules.RULES_VERSION)


def _telescope(t: Telescope) -> dict[str, Any]:
    return {
        "name": t.name,
        "prefixes": t.prefixes,
        "live": [[iso(a), iso(b) if b else None] for a, b in t.live],
        "outages": [[iso(a), iso(b)] for a, b in t.outages],
    }


def _same(a: Finding, b: Finding) -> bool:
    """The same judgement, marking, runs and revision aside."""
    return a.id == b.id and replace(a, tlp=b.tlp, runs=b.runs, modified=b.modified) == b


def _told_once(changes: Iterable[Change]) -> list[Change]:
    """One change per finding: that of its strictest level, which has seen the most; a withdrawal only when no
    level holds the finding any more."""
    best: dict[str, Change] = {}
    for finding, change in changes:
        known = best.get(finding.id)
        rank = (change != "withdrawn", finding.tlp.rank)
        if known is None or rank > (known[1] != "withdrawn", known[0].tlp.rank):
            best[finding.id] = (finding, change)
    return sorted(best.values(), key=lambda c: (c[0].first_seen, c[0].kind, c[0].subject.value, c[0].id))
