"""Sections of a report about hosts, and about the report itself: victims, infections, provenance."""

from __future__ import annotations

from noroshi.share.report import figures, people
from noroshi.share.report.data import ReportData, TelescopeRow
from noroshi.share.report.sections import num
from noroshi.share.report.view import Cell, Column, Section, Table, visible
from noroshi.share.report.words import Words

SHOWN_INFECTED = 20
"""Hosts of other networks listed; own hosts are listed all."""
SHOWN_GAPS = 50


def victims(data: ReportData, w: Words, command: str) -> Section:
    """DoS victims with intervals, and what a telescope of this size cannot see."""
    title = w.t("section.victims")
    floors = [t for t in data.telescopes if t.floor_pps is not None]
    notes = [
        w.t(
            "victims.floor",
            name=t.name,
            size=w.n(t.size),
            hour=w.pps(t.floor_pps),
            day=w.pps(t.floor_day_pps),
        )
        for t in floors
    ]
    if not floors:
        notes.append(w.t("victims.no_floor"))
    if not data.victims:
        return Section("victims", title, (w.t("victims.none"),), notes=tuple(notes), command=command)
    top = max(data.victims, key=lambda v: v.rate or 0.0)
    lead = [w.t("victims.lead", n=len(data.victims))]
    if top.rate is not None:
        lead.append(
            w.t(
                "victims.top", subject=visible(top.subject), rate=w.pps(top.rate),
                low=w.pps(top.rate_low), high=w.pps(top.rate_high),
            )
        )  # fmt: skip
    columns: tuple[Column, ...] = (
        Column(w.t("col.victim"), "mono"), Column(w.t("col.victim_port")), Column(w.t("col.when")),
        Column(w.t("col.rate"), "num"), Column(w.t("col.interval"), "num"), Column(w.t("col.replies"), "num"),
        Column(w.t("col.floor"), "num"), Column(w.t("col.confidence"), "num"),
    )  # fmt: skip
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            Cell(visible(v.subject), mark="own" if v.own else ""), Cell(ports(w, v.ports)),
            Cell(w.span(v.first_seen, v.last_seen)),
            Cell(w.pps(v.rate), raw=_raw(v.rate)),
            Cell(f"{w.pps(v.rate_low)} – {w.pps(v.rate_high)}",
            raw=f"{_raw(v.rate_low)} {_raw(v.rate_high)}"),
            num(w, v.replies), Cell(w.pps(v.floor), raw=_raw(v.floor)), Cell(w.n(v.confidence),
            bar=v.confidence / 100),
        )
        for v in data.victims
    )  # fmt: skip
    table = Table("victims", w.t("table.victims"), columns, rows)
    notes.append(w.t("victims.note"))
    return Section("victims", title, tuple(lead), figures.victims(data, w), (table,), tuple(notes), command)


def _raw(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def ports(w: Words, text: str) -> str:
    """Ports of an evidence entry as the field writes them; other text as it is, made visible."""
    parts = [p.strip() for p in text.split(",")]
    shown = [w.port(p) if "/" in p and p.partition("/")[2].isdigit() else visible(p) for p in parts if p]
    return ", ".join(shown) or "–"


def infected(data: ReportData, w: Words, command: str) -> Section:
    """Hosts that scan as infected ones do; those of own networks first."""
    title = w.t("section.infected")
    notes = []
    if data.own:
        notes.append(w.t("infected.own_prefixes", prefixes=", ".join(data.own)))
    else:
        notes.append(w.t("infected.no_own"))
    if not data.infected:
        return Section("infected", title, (w.t("infected.none"),), notes=tuple(notes), command=command)
    lead = [w.t("infected.lead", n=data.infected_hosts)]
    if data.own:
        key = "infected.own" if data.infected_own else "infected.own_none"
        lead.append(w.t(key, n=data.infected_own))
    shown = data.infected[: data.infected_own + SHOWN_INFECTED]
    columns: tuple[Column, ...] = (
        Column(w.t("col.host"), "mono"), Column(w.t("col.own")), Column(w.t("col.family")),
        Column(w.t("col.ports")),
        Column(w.t("col.packets"), "num"), Column(w.t("col.when")), Column(w.t("col.confidence"), "num"),
    )  # fmt: skip
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            Cell(visible(i.subject)), Cell(w.t("yes") if i.own else "–", mark="own" if i.own else ""),
            Cell(w.name("family", visible(i.family))), Cell(ports(w, i.ports)), num(w, i.packets),
            Cell(w.span(i.first_seen, i.last_seen)), Cell(w.n(i.confidence), bar=i.confidence / 100),
        )
        for i in shown
    )  # fmt: skip
    rest = data.infected_hosts - len(shown)
    more = w.t("table.more", n=rest) if rest > 0 else ""
    table = Table(
        "infected", w.t("table.infected"), columns, rows, open=data.infected_own > 0 or rest <= 0, more=more
    )
    notes.append(w.t("infected.note"))
    if data.infected_capped_days:
        notes.append(w.t("infected.capped", n=data.infected_capped_days))
    return Section("infected", title, tuple(lead), figures.infected(data, w), (table,), tuple(notes), command)


def notices(data: ReportData, w: Words) -> Section:
    """The other findings, and how many of each kind."""
    title = w.t("section.findings")
    if not data.kinds:
        return Section("findings", title, (w.t("findings.none"),), command="noroshi findings")
    total = sum(n for _, n in data.kinds)
    counts = Table(
        "findings-by-kind", w.t("table.kinds"), (Column(w.t("col.kind")), Column(w.t("col.count"), "num")),
        tuple((Cell(w.name("kind", k), raw=k), num(w, n)) for k, n in data.kinds),
    )  # fmt: skip
    tables = [counts]
    if data.notices:
        columns: tuple[Column, ...] = (
            Column(w.t("col.when")), Column(w.t("col.kind")), Column(w.t("col.subject"), "mono"),
            Column(w.t("col.says"), "long"), Column(w.t("col.confidence"), "num"),
        )  # fmt: skip
        rows: tuple[tuple[Cell, ...], ...] = tuple(
            (
                Cell(w.span(n.first_seen, n.last_seen)), Cell(w.name("kind", n.kind), raw=n.kind),
                Cell(visible(n.subject)), Cell(visible(n.ja if w.lang == "ja" else n.en)),
                Cell(w.n(n.confidence), bar=n.confidence / 100),
            )
            for n in data.notices
        )  # fmt: skip
        rest = sum(n for k, n in data.kinds if k not in people.OWN_SECTIONS) - len(rows)
        more = w.t("table.more", n=rest) if rest > 0 else ""
        tables.append(Table("findings", w.t("table.findings"), columns, rows, more=more))
    return Section(
        "findings", title, (w.t("findings.lead", n=total),), tables=tuple(tables), command="noroshi findings"
    )


def years(data: ReportData, w: Words) -> Section:
    """The series by calendar year."""
    columns: tuple[Column, ...] = (
        Column(w.t("col.year")), Column(w.t("col.packets"), "num"), Column(w.t("col.size"), "num"),
        Column(w.t("col.per_address"), "num"), Column(w.t("col.annual"), "num"),
        Column(w.t("col.observed"), "num"),
    )  # fmt: skip
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            Cell(str(y.year)), num(w, y.packets), num(w, y.size), num(w, y.packets_per_address),
            num(w, y.annual), Cell(w.length(y.observed_s), raw=f"{y.observed_s:.0f}"),
        )
        for y in data.years
    )  # fmt: skip
    table = Table("years", w.t("table.years"), columns, rows)
    notes = (w.t("years.note", date=w.at(data.as_of)),)
    return Section("years", w.t("section.years"), (), (), (table,), notes)


def observed(data: ReportData) -> tuple[TelescopeRow, ...]:
    """The telescopes that saw something in the period; all of them when none did."""
    return tuple(t for t in data.telescopes if t.observed_s or t.packets) or data.telescopes


def telescopes(data: ReportData, w: Words) -> Section:
    """What was observed, and when nothing was."""
    title = w.t("section.telescopes")
    tables, lead = [], []
    if data.telescopes:
        columns: tuple[Column, ...] = (
            Column(w.t("col.telescope")), Column(w.t("col.prefixes"), "wrap"), Column(w.t("col.nominal"),
            "num"),
            Column(w.t("col.size"), "num"), Column(w.t("col.observed"), "num"),
            Column(w.t("col.packets"), "num"),
            Column(w.t("col.per_address"), "num"), Column(w.t("col.annual"), "num"),
        )  # fmt: skip
        rows: tuple[tuple[Cell, ...], ...] = tuple(
            (
                Cell(t.name), Cell(", ".join(t.prefixes) or "–"), num(w, t.nominal), num(w, t.size, 1),
                Cell(w.length(t.observed_s), raw=f"{t.observed_s:.0f}"), num(w, t.packets),
                num(w, t.packets_per_address, 1), num(w, t.annual),
            )
            for t in observed(data)
        )  # fmt: skip
        tables.append(Table("telescopes", w.t("table.telescopes"), columns, rows))
    else:
        lead.append(w.t("telescopes.none"))
    if data.gaps:
        tables.append(gaps(data, w))
    else:
        lead.append(w.t("gaps.none"))
    notes = [w.t("telescopes.note")] if data.telescopes else []
    if data.totals.left_out_packets:
        notes.append(w.t("telescopes.left_out", n=data.totals.left_out_packets))
    if data.totals.outside_packets:
        notes.append(w.t("telescopes.outside", n=data.totals.outside_packets))
    return Section("telescopes", title, tuple(lead), (), tuple(tables), tuple(notes))


def gaps(data: ReportData, w: Words) -> Table:
    """Spans without observation and why."""
    columns = (
        Column(w.t("col.from")), Column(w.t("col.to")), Column(w.t("col.reason")),
        Column(w.t("col.telescope")),
    )  # fmt: skip
    rows = tuple(
        (
            Cell(w.at(g.start)), Cell(w.at(g.end)), Cell(w.name("gap", g.reason), raw=g.reason),
            Cell(g.telescope or "–"),
        )
        for g in data.gaps[:SHOWN_GAPS]
    )  # fmt: skip
    rest = len(data.gaps) - len(rows)
    more = w.t("table.more", n=rest) if rest > 0 else ""
    return Table("gaps", w.t("table.gaps"), columns, rows, more=more)


def provenance(data: ReportData, w: Words, command: str) -> Section:
    """Sources that were read, what could not be, and how to get the numbers again."""
    digests = sum(bool(r.sha256) for r in data.runs)
    lead = [w.t("provenance.lead", n=data.runs_count)] if data.runs_count else [w.t("provenance.none")]
    if data.runs_count == len(data.runs) and data.runs_count:
        lead.append(w.t("provenance.digests", n=digests))
    rejects = data.rejects_count
    lead.append(w.t("provenance.rejects", n=rejects) if rejects else w.t("provenance.no_rejects"))
    tables = []
    if data.runs:
        columns: tuple[Column, ...] = (
            Column(w.t("col.path"), "wrap"), Column(w.t("col.format")), Column(w.t("col.when")),
            Column("TLP"),
            Column(w.t("col.rejects"), "num"), Column(w.t("col.digest"), "wrap"), Column(w.t("col.run"),
            "wrap"),
        )  # fmt: skip
        rows: tuple[tuple[Cell, ...], ...] = tuple(
            (
                Cell(visible(r.path) + (f" ({visible(r.problem)})" if r.problem else "")),
                Cell(visible(f"{r.format} {r.parser_version}")),
                Cell(w.span(r.first_seen, r.last_seen) if r.first_seen and r.last_seen else "–"),
                Cell(r.tlp.upper()), num(w, r.rejects), Cell(r.sha256 or "–"), Cell(visible(r.run_id)),
            )
            for r in data.runs
        )  # fmt: skip
        rest = data.runs_count - len(data.runs)
        more = w.t("table.more", n=rest) if rest else ""
        tables.append(Table("runs", w.t("table.runs"), columns, rows, open=False, more=more))
    if data.rejects:
        head = (
            Column(w.t("col.reason"), "mono"),
            Column(w.t("col.count"), "num"),
            Column(w.t("col.runs"), "num"),
        )
        body = tuple((Cell(visible(r.reason)), num(w, r.count), num(w, r.runs)) for r in data.rejects)
        tables.append(Table("rejects", w.t("table.rejects"), head, body, open=False))
    return Section("provenance", w.t("section.provenance"), tuple(lead), (), tuple(tables), (), command)
