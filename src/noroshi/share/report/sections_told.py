"""The section of a report on notices: what became of what those who answer for a network were told."""

from __future__ import annotations

from noroshi.share.report.data import Mended, ReportData
from noroshi.share.report.sections import num
from noroshi.share.report.view import Cell, Column, Section, Table
from noroshi.share.report.words import Words


def told(data: ReportData, w: Words) -> Section | None:
    """States of what was told and how soon it was mended, a row per channel; None when nothing is for this reader."""
    if not data.told:
        return None
    cases, back = sum(t.cases for t in data.told), sum(t.came_back for t in data.told)
    lead = [w.t("told.lead", n=sum(t.items for t in data.told)), w.t("told.cases", n=cases)]
    if back:
        lead.append(w.t("told.back", n=back))
    names = [s for s, _ in data.told[0].states]
    head = (
        Column(w.t("col.channel")), *(Column(w.name("state", s), "num") for s in names),
        Column(w.t("col.count"), "num"),
    )  # fmt: skip
    rows = tuple(
        (
            Cell(w.name("channel", t.channel), raw=t.channel),
            *(num(w, n) for _, n in t.states),
            num(w, t.items),
        )
        for t in data.told
    )
    tables = [Table("notices", w.t("table.notices"), head, rows)]
    notes = [w.t("told.note", date=w.at(data.as_of))]
    if cases:
        days = [m.day for m in data.told[0].by_day]
        columns = (
            Column(w.t("col.channel")), Column(w.t("col.cases"), "num"),
            *(Column(w.t("told.by_day", n=d), "num") for d in days), Column(w.t("col.half"), "num"),
        )  # fmt: skip
        body = tuple(
            (
                Cell(w.name("channel", t.channel), raw=t.channel), num(w, t.cases), *(_mended(w, m) for m in t.by_day),
                num(w, t.half_fixed_days, 1),
            )
            for t in data.told
        )  # fmt: skip
        tables.append(Table("notices-fixed", w.t("table.notices_fixed"), columns, body, open=False))
        notes.append(w.t("told.method"))
    return Section(
        "notices",
        w.t("section.notices"),
        tuple(lead),
        (),
        tuple(tables),
        tuple(notes),
        "noroshi notify status",
    )


def _mended(w: Words, m: Mended) -> Cell:
    if m.fixed is None:
        return Cell("–", raw="")
    raw = " ".join(f"{v:.6f}" for v in (m.fixed, m.low or 0.0, m.high or 0.0))
    return Cell(f"{w.percent(m.fixed)} ({w.percent(m.low)} – {w.percent(m.high)})", raw=raw)
