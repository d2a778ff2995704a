"""Reports: the period, the scopes and the findings gathered, the pages written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from noroshi.lake.state import State
from noroshi.model.analyser import Scope
from noroshi.model.errors import LakeError
from noroshi.work.gate import exported, open_view
from noroshi.work.gate import recipient as named

if TYPE_CHECKING:
    from noroshi.config import Config
    from noroshi.lake.handle import Lake
    from noroshi.lake.snapshot import Snapshot
    from noroshi.share.anonymise.mask import Mask
    from noroshi.share.gate import View
    from noroshi.share.report.data import Ranked, ReportData, Told
    from noroshi.share.report.period import Period


class NothingToReport(LakeError):
    """Neither darknet traffic nor findings: no fault of a job that comes back tomorrow."""


YEARS_BACK = 10
"""Years of the series by year: what a person looks back on, and a bound on the days that are sized."""


def report(
    lake: Lake, *, config: Config, period: str = "", langs: Sequence[str] = ("en",), folder: Path,
    recipient: str = "own", now: datetime | None = None, state: State | None = None, who: str = "job",
    notices: bool = True,
) -> list[Path]:  # fmt: skip
    """Writes the report of `period` in each language to `folder`; the files, pages first.

    period: as `share.report.period` reads it, seen from the newest moment stored; empty for the month of
    that moment. recipient: only rows and findings they may see are counted, and only the organisation itself
    is shown which addresses it watches. who: for the audit log. notices: False when whoever asks may not see what
    was told to whom (`told` says what recipients see of it). Raises NothingToReport when there is nothing to
    report, UsageError when `period` is none.
    """
    from noroshi.share.report.write import write

    state, moment = state or State(lake.path), now or datetime.now(UTC)
    view = open_view(lake, config, named(recipient, state), now=moment, machine=not who.startswith("cli:"))
    data = gathered(view, config, period)
    if notices:
        data = with_notices(data, state, view)
    exported(state, who, view, "report", len(view.findings()), path=str(folder),
             period=data.period.label)  # fmt: skip
    files: list[Path] = []
    for n, lang in enumerate(dict.fromkeys(langs)):
        # The JSON has no language and is written once.
        files += write(data, folder, lang, ("html", "md", "json") if n == 0 else ("html", "md"))
    return sorted(files, key=lambda f: f.suffix != ".html")


def gathered(view: View, config: Config, period: str = "") -> ReportData:
    """The figures of `period` as a view has them. Raises NothingToReport, UsageError, ConfigError.

    What is counted is what may be seen, values not yet masked, or the counts would be wrong; every text that is
    printed beside a count is masked.
    """
    from noroshi.share.report.collect import build, newest
    from noroshi.share.report.period import parse

    query, shown = view.shot, view.findings()
    # Without captures the report is on what was found in other evidence.
    at = newest(query) or max((f.last_seen for f in shown), default=None)
    if at is None:
        raise NothingToReport(
            "there is nothing to report on: no capture is stored, and nothing was found in anything else",
            where=str(config.path or ""),
            todo="Store something (noroshi ingest FILE), then judge it: noroshi analyse",
        )
    span = parse(period or "month", at, config.timezone)
    data = build(
        query, view.counted(), scopes(query, span, config), span,
        now=view.now, shown=shown, telescopes=config.telescopes, own=config.own,
        country=_table(config, config.context.country), network=_table(config, config.context.network),
        timezone=config.timezone.key, reveal=not view.outside and view.plain,
    )  # fmt: skip
    if view.plain and not view.outside:
        return data
    data = _numbered(data)
    return data if view.plain else _masked(data, view.mask)


def with_notices(data: ReportData, state: State, view: View) -> ReportData:
    """The figures with what became of notices, and as strict as these are: unmarked for the organisation itself."""
    from noroshi.model.tlp import DEFAULT, strictest

    found = told(state, view, data.period)
    if not found:
        return data
    return replace(
        data, told=found, tlp=strictest([data.tlp, view.recipient.ceiling if view.outside else DEFAULT])
    )


def told(state: State, view: View, period: Period) -> tuple[Told, ...]:
    """What became of what was told, of what was seen in `period`, by channel.

    The own organisation reads of all of it. Others read of what was told to themselves: by the rows of the table of
    operators that name them as `recipient`; what is found and not yet told is not told by this.
    """
    from noroshi.lake.state.notices import STATES
    from noroshi.share.notify.curve import DAYS, at, half
    from noroshi.share.report.data import Mended, Told
    from noroshi.work.notify_status import channels

    items = [i for i in state.notices.items() if i.first_seen < period.end and i.last_seen >= period.start]
    if view.outside:
        mine = {o.name for o in state.operators.all() if o.recipient == view.recipient.name}
        items = [i for i in items if i.operator in mine and i.first_notified is not None]
    out = []
    for c in channels(state, items, view.now):
        days = []
        for day in DAYS:
            p = at(c.curve, day)
            days.append(Mended(day, p.fixed, p.low, p.high) if p else Mended(day, None, None, None))
        states = tuple((s, c.counts.get(s, 0)) for s in STATES)
        out.append(Told(c.channel, states, c.cases, c.back, half(c.curve), tuple(days)))
    return tuple(out)


def _numbered(data: ReportData) -> ReportData:
    """Telescopes with numbers in the place of their names, which say where they are: for readers outside, whatever
    their profile keeps, and for whoever is told masked values."""
    numbers = {t.name: f"telescope {n}" for n, t in enumerate(data.telescopes, 1)}
    return replace(
        data, telescopes=tuple(replace(t, name=numbers[t.name]) for t in data.telescopes),
        gaps=tuple(replace(g, telescope=numbers.get(g.telescope, "")) for g in data.gaps),
    )  # fmt: skip


def _masked(data: ReportData, mask: Mask) -> ReportData:
    """The figures with the texts of stored rows masked: names of tools and classes, organisations, why rows were
    rejected. Findings are masked already."""

    def ranked(rows: Sequence[Ranked]) -> tuple[Ranked, ...]:
        return tuple(replace(r, key=mask.text(r.key) or "") for r in rows)

    survey = data.investigation
    why = tuple(replace(r, reason=mask.text(r.reason) or "") for r in data.rejects)
    return replace(
        data, gaps=tuple(replace(g, reason=mask.text(g.reason) or "") for g in data.gaps),
        rejects=why, tools=ranked(data.tools), classes=ranked(data.classes),
        investigation=survey and replace(survey, organisations=ranked(survey.organisations)),
    )  # fmt: skip


def scopes(query: Snapshot, period: Period, config: Config) -> list[Scope]:
    """The telescopes as they were on every day with rows in `period` and the one before.

    A yearly report has a series by year as well: its scopes go `YEARS_BACK` years back. Others do not pay
    for days they never print.
    """
    from noroshi.analyse.darknet.telescope import build_scopes

    first, last = period.previous().start.date(), period.end.date() + timedelta(days=1)
    if period.kind == "year":
        first = min(first, date(max(1971, period.first.year - YEARS_BACK), 1, 1))
    days = [d for d in query.days("flows") if first <= d <= last]
    return [s for day in days for s in build_scopes(query, day, config.telescopes, config.own) if s.telescope]


def _table(config: Config, name: str) -> Path | None:
    """The path of a table of `[context]`, relative ones from the configuration's folder."""
    if not name:
        return None
    base = config.path.parent if config.path else Path()
    return base / Path(name).expanduser()
