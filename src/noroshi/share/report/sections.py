"""Sections of a report, from figures and words: what was seen. Who was hit stands in `sections_who`."""

from __future__ import annotations

from collections.abc import Sequence

from noroshi.share.report import figures
from noroshi.share.report.data import Places, Ranked, ReportData
from noroshi.share.report.view import Cell, Column, Section, Table, visible
from noroshi.share.report.words import Words

LISTED_BARS = 10
"""Bars of the smaller rankings; the table has the rest."""
RISE = 2.0
"""A port at least this many times busier than before is marked."""


def num(w: Words, value: float | None, digits: int = 0, mark: str = "") -> Cell:
    """A number, exact in CSV."""
    return Cell(w.n(value, digits), mark=mark, raw="" if value is None else f"{value:.{digits}f}")


def share(w: Words, value: float | None) -> Cell:
    """A share with its bar."""
    return Cell(w.percent(value), bar=value, raw="" if value is None else f"{value:.6f}")


def change(w: Words, row: Ranked, compared: bool) -> Cell:
    """The change against the previous period; `new` when there was nothing before."""
    if not compared:
        return Cell("–")
    if row.change is None:
        return Cell(w.t("change.new"), mark="new", raw="new")
    return Cell(w.change(row.change), mark="rise" if row.change >= RISE else "", raw=f"{row.change:.4f}")


def activity(data: ReportData, w: Words, command: str) -> Section:
    """Packets and sources over time, with gaps."""
    total = data.totals
    step = int((data.series[0].end - data.series[0].start).total_seconds()) if data.series else 0
    unit = "hour" if step <= 3_600 else "day" if step <= 90_000 else "week"
    lead = []
    if total.change is not None and total.previous_packets is not None:
        lead.append(w.t("activity.change", change=w.change(total.change), before=w.n(total.previous_packets)))
    elif total.packets:
        lead.append(w.t("activity.no_previous"))
    if data.gaps:
        lead.append(w.t("activity.gaps", n=len(data.gaps)))
    pictures = figures.activity(data, w) if total.packets else ()
    columns = (
        Column(w.t(f"col.{unit}")), Column(w.t("col.packets"), "num"), Column(w.t("col.sources"), "num"),
        Column(w.t("col.investigation"), "num"), Column(w.t("col.observed"), "num"),
    )  # fmt: skip
    rows = tuple(
        (
            Cell(w.at(b.start)), num(w, b.packets), num(w, b.sources), num(w, b.investigation),
            Cell(w.length(b.observed_s) if b.observed_s else w.t("gap.none"), raw=f"{b.observed_s:.0f}"),
        )
        for b in data.series
    )  # fmt: skip
    table = Table("activity", w.t("table.activity"), columns, rows, open=False)
    notes = (w.t("activity.note"),) if total.packets else ()
    return Section("activity", w.t("section.activity"), tuple(lead), pictures, (table,), notes, command)


def ports(data: ReportData, w: Words, command: str) -> Section:
    """The busiest ports, their change, and when they were busy."""
    title = w.t("section.ports")
    if not data.ports:
        return Section("ports", title, (w.t("ports.none"),), command=command)
    compared = data.totals.previous_packets is not None
    head, lead = data.ports[0], []
    lead.append(
        w.t("ports.lead", port=port_name(w, head.key), share=w.percent(head.share), n=data.ports_seen)
    )
    risen = [p for p in data.ports if compared and (p.change is None or p.change >= RISE)]
    if risen:
        names = w.t("list.join").join(
            w.t("ports.risen_item", port=w.port(p.key), change=w.change(p.change))
            if p.change is not None
            else w.t("ports.new_item", port=w.port(p.key))
            for p in risen[:5]
        )
        lead.append(w.t("ports.risen", n=len(risen), names=names))
    elif compared:
        lead.append(w.t("ports.steady", n=len(data.ports)))
    columns = [
        Column("#", "num"), Column(w.t("col.port")), Column(w.t("col.service")),
        Column(w.t("col.packets"), "num"),
        Column(w.t("col.share"), "num"), Column(w.t("col.sources"), "num"),
    ]  # fmt: skip
    if compared:
        columns += [Column(w.t("col.previous_rank"), "num"), Column(w.t("col.change"), "num")]
    rows = []
    for i, p in enumerate(data.ports, 1):
        cells = [
            num(w, i), Cell(w.port(p.key), raw=p.key), Cell(w.service(p.key) or "–"), num(w, p.packets),
            share(w, p.share), num(w, p.sources),
        ]  # fmt: skip
        rows.append(tuple(cells + ([num(w, p.previous_rank), change(w, p, True)] if compared else [])))
    table = Table("ports", w.t("table.ports"), tuple(columns), tuple(rows))
    pictures = (*figures.ports(data, w), *figures.heat(data, w))
    return Section(
        "ports", title, tuple(lead), pictures, (table, heat_table(data, w)), (w.t("ports.note"),), command
    )


def heat_table(data: ReportData, w: Words) -> Table:
    """The heat map's numbers: a row per step, a column per port."""
    heat = data.heat
    columns = (Column(w.t("col.time")), *(Column(w.port(k), "num") for k in heat.rows))
    rows = tuple(
        (Cell(w.at(start)), *(num(w, values[i]) for values in heat.values))
        for i, start in enumerate(heat.starts)
    )
    return Table("ports-by-time", w.t("table.heat"), columns, rows, open=False)


def port_name(w: Words, key: str) -> str:
    """`23/TCP (Telnet)`."""
    service = w.service(key)
    return w.t("port.named", port=w.port(key), service=service) if service else w.port(key)


def tools(data: ReportData, w: Words, command: str) -> Section:
    """Scanning tools told by their fingerprints."""
    named = [t for t in data.tools if t.key and not t.key.startswith("stack-")]
    title = w.t("section.tools")
    if not named:
        return Section("tools", title, (w.t("tools.none"),), command=command, half=True)
    known = sum(t.packets for t in named)
    part = known / data.totals.packets if data.totals.packets else 0.0
    lead = w.t("tools.lead", share=w.percent(part), tool=visible(named[0].key), n=len(named))
    pictures = figures.bars("tools", data.tools[:LISTED_BARS], w, tool_name(w))
    table = ranking(data, w, "tools", data.tools, w.t("col.tool"), tool_name(w))
    return Section("tools", title, (lead,), pictures, (table,), (), command, half=True)


def tool_name(w: Words) -> figures.Label:
    """Names of tools; `stack-…` is an operating system's own connection attempt, which no tool made."""

    def label(key: str) -> str:
        if not key:
            return w.t("tools.unknown")
        if key.startswith("stack-"):
            return w.t("tools.stack", name=visible(key.removeprefix("stack-").capitalize()))
        return visible(key)

    return label


def classes(data: ReportData, w: Words, command: str) -> Section:
    """What the packets are."""
    title = w.t("section.classes")
    if not data.classes:
        return Section("classes", title, (w.t("classes.none"),), command=command, half=True)
    head = data.classes[0]
    lead = w.t("classes.lead", name=w.name("class", visible(head.key)), share=w.percent(head.share))
    pictures = figures.bars("classes", data.classes, w, lambda k: w.name("class", visible(k)))
    table = ranking(data, w, "classes", data.classes, w.t("col.class"), lambda k: w.name("class", visible(k)))
    return Section("classes", title, (lead,), pictures, (table,), (), command, half=True)


def investigation(data: ReportData, w: Words, command: str) -> Section:
    """Scanners that survey the whole Internet, and whose they are."""
    title, found = w.t("section.investigation"), data.investigation
    if found is None:
        return Section(
            "investigation",
            title,
            (w.t("investigation.none" if data.telescopes else "investigation.none_size"),),
            command=command,
        )
    lead = w.t(
        "investigation.lead", share=w.percent(found.share), n=found.sources,
        sources_share=w.percent(found.sources_share)
    )  # fmt: skip

    def label(key: str) -> str:
        return visible(key) or w.t("investigation.unknown")

    pictures = figures.bars("investigation", found.organisations[:LISTED_BARS], w, label, wide=figures.WIDE)
    notes = [w.t("investigation.note")]
    if found.capped_days:
        notes.append(w.t("investigation.capped", n=found.capped_days))
    table = ranking(data, w, "investigation", found.organisations, w.t("col.organisation"), label)
    return Section("investigation", title, (lead,), pictures, (table,), tuple(notes), command)


def place(data: ReportData, w: Words, name: str, places: Places | None) -> Section:
    """Countries or networks of the sources."""
    title = w.t(f"section.{name}")
    if places is None:
        return Section(name, title, (w.t(f"{name}.none"),), half=True)
    notes = [w.t("places.table", table=visible(places.table), date=places.table_date or "–")]
    if not places.rows:
        return Section(name, title, (w.t("places.empty"),), notes=tuple(notes), half=True)
    head = places.rows[0]
    lead = w.t(
        f"{name}.lead", name=country(w, head.key) if name == "countries" else visible(head.key),
        share=w.percent(head.share), n=head.sources or 0,
    )  # fmt: skip
    if places.unknown_packets:
        notes.append(w.t("places.unknown", n=places.unknown_sources, packets=w.n(places.unknown_packets)))

    def label(key: str) -> str:
        return country(w, key) if name == "countries" else visible(key)

    pictures = figures.bars(name, places.rows[:LISTED_BARS], w, label)
    table = ranking(data, w, name, places.rows, w.t(f"col.{name}"), label)
    return Section(name, title, (lead,), pictures, (table,), tuple(notes), half=True)


def country(w: Words, code: str) -> str:
    """A country's code with its name where the catalogue has it."""
    name = w.name("country", code)
    return visible(code) if name == code else f"{name} ({code})"


def ranking(
    data: ReportData, w: Words, name: str, rows: Sequence[Ranked], head: str, label: figures.Label
) -> Table:
    """A table of packets, share and sources, with the change where one is known."""
    compared = data.totals.previous_packets is not None and any(r.previous_packets is not None for r in rows)
    columns = [Column(head), Column(w.t("col.packets"), "num"), Column(w.t("col.share"), "num")]
    columns.append(Column(w.t("col.sources"), "num"))
    if compared:
        columns.append(Column(w.t("col.change"), "num"))
    body = []
    for row in rows:
        cells = [
            Cell(label(row.key), raw=row.key),
            num(w, row.packets),
            share(w, row.share),
            num(w, row.sources),
        ]
        body.append(tuple(cells + ([change(w, row, compared)] if compared else [])))
    return Table(name, w.t(f"table.{name}"), tuple(columns), tuple(body), open=False)
