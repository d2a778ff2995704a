"""The view of a report: its first sentence, its key figures, and its sections in order."""

from __future__ import annotations

from noroshi.share.report import figures, sections, sections_who
from noroshi.share.report.data import ReportData
from noroshi.share.report.sections_told import told
from noroshi.share.report.view import Figure, Section, View, visible
from noroshi.share.report.words import Words

_LABELS = ("table", "csv", "command", "copy", "copied", "contents", "key", "new", "as_of")


def view(data: ReportData, w: Words) -> View:
    """The report in the language of `w`."""
    sentence, alert = sentences(data, w)
    return View(
        lang=w.lang,
        title=w.t("title_findings" if without_darknet(data) else "title"),
        period=w.period(data.period),
        sentence=sentence,
        alert=alert,
        tlp=data.tlp.label,
        tlp_value=data.tlp.value,
        facts=_facts(data, w),
        figures=_figures(data, w),
        sections=_sections(data, w),
        footer=w.t("footer", version=data.version, at=w.at(data.as_of), zone=data.timezone),
        labels={k: w.t(f"label.{k}") for k in _LABELS},
    )


def without_darknet(data: ReportData) -> bool:
    """Nothing watches the dark, so that its figures are not missing but meaningless: findings alone are told."""
    return not (data.totals.packets or data.totals.outside_packets or data.telescopes)


def sentences(data: ReportData, w: Words) -> tuple[str, str]:
    """What the report says right now: observed facts, and what asks for action (empty when nothing does)."""
    total, when = data.totals, w.t(f"when.{data.period.kind}", p=w.period(data.period))
    if data.kinds and without_darknet(data):
        only = w.t("sentence.only_findings", when=when, n=sum(n for _, n in data.kinds))
        return only, w.t("sentence.own", n=data.infected_own) if data.infected_own else ""
    if not total.packets:
        key = "sentence.outside" if total.outside_packets else "sentence.nothing"
        return w.t(key, when=when, n=total.outside_packets), ""
    values = {
        "when": when, "packets": w.short(total.packets),
        "sources": w.t("count.sources", n=total.sources, x=w.short(total.sources)),
        "size": w.n(total.size), "per_address": w.short(total.packets_per_address),
    }  # fmt: skip
    so_far = ".so_far" if data.so_far else ""
    said = [w.t(f"sentence.{'size' if total.size else 'bare'}{so_far}", **values)]
    if total.change is not None:
        steady = 0.95 <= total.change <= 1.05
        said.append(w.t("sentence.steady" if steady else "sentence.change", change=w.change(total.change)))
    if data.ports:
        head = data.ports[0]
        said.append(w.t("sentence.port", port=sections.port_name(w, head.key), share=w.percent(head.share)))
    if data.victims:
        said.append(w.t("sentence.victims", n=len(data.victims)))
    elif total.size:
        floor = max((t.floor_pps or 0.0 for t in data.telescopes), default=0.0)
        said.append(w.t("sentence.no_victims", floor=w.pps(floor)))
    hit = sum(v.own for v in data.victims)
    alerts = [w.t("sentence.own_victims", n=hit)] if hit else []
    alerts += [w.t("sentence.own", n=data.infected_own)] if data.infected_own else []
    return w.t("sentence.join").join(said), w.t("sentence.join").join(alerts)


def _facts(data: ReportData, w: Words) -> tuple[tuple[str, str], ...]:
    total, period = data.totals, data.period
    observed = w.t(
        "fact.share", time=w.length(total.observed_s), share=w.percent(total.observed_s / period.seconds)
    )
    rows = [(w.t("fact.period"), f"{w.at(period.start)} – {w.at(period.end)} ({data.timezone})")]
    seen = sections_who.observed(data)
    if seen:
        names = w.t("list.join").join(t.name for t in seen)
        rows.append((w.t("fact.telescopes"), names))
        rows.append((w.t("fact.size"), w.t("fact.addresses", n=round(total.size))))
    if not without_darknet(data):
        rows.append((w.t("fact.observed"), observed if total.packets else w.t("fact.nothing")))
    rows.append((w.t("fact.as_of"), w.at(data.as_of)))
    return tuple(rows)


def _figures(data: ReportData, w: Words) -> tuple[Figure, ...]:
    found = []
    if without_darknet(data):
        count = sum(n for _, n in data.kinds)
        detail = w.t("key.findings_detail", n=len(data.kinds))
        found.append(Figure("findings", w.t("key.findings"), w.n(count), detail))
    else:
        found += _darknet_figures(data, w)
    if data.own:
        found.append(
            Figure(
                "own", w.t("key.own"), w.n(data.infected_own), w.t("key.own_detail", n=data.infected_hosts),
                urgent=data.infected_own > 0,
            )
        )  # fmt: skip
    else:
        found.append(
            Figure("infected", w.t("key.infected"), w.n(data.infected_hosts), w.t("key.infected_detail"))
        )
    return tuple(found)


def _darknet_figures(data: ReportData, w: Words) -> list[Figure]:
    total = data.totals
    found = []
    if total.annual is not None:
        found.append(Figure("annual", w.t("key.annual"), w.short(total.annual), _annual(data, w)))
    packets_spark = tuple(figures.whole(b, b.packets) for b in data.series)
    compared = total.previous_packets is not None
    found.append(
        Figure(
            "packets", w.t("key.packets"), w.short(total.packets),
            w.t("key.change", change=w.change(total.change)) if compared else _exact(w, total.packets),
            spark=packets_spark,
        )
    )  # fmt: skip
    found.append(
        Figure(
            "sources", w.t("key.sources"), w.short(total.sources),
            w.t("key.change",
            change=w.change(total.sources_change)) if total.sources_change else _exact(w, total.sources),
            spark=tuple(figures.whole(b, b.sources) for b in data.series),
        )
    )  # fmt: skip
    if data.investigation:
        found.append(
            Figure(
                "investigation", w.t("key.investigation"), w.percent(data.investigation.share),
                w.t("key.investigation_detail", n=data.investigation.sources),
            )
        )  # fmt: skip
    floor = max((t.floor_pps or 0.0 for t in data.telescopes), default=0.0)
    found.append(
        Figure(
            "victims", w.t("key.victims"), w.n(len(data.victims)),
            w.t("key.floor", floor=w.pps(floor)) if floor else w.t("key.no_floor"),
            urgent=any(v.own for v in data.victims),
        )
    )  # fmt: skip
    return found


def _exact(w: Words, value: int) -> str:
    """The exact number under a rounded one; else that there is nothing to compare with."""
    exact = w.n(value)
    return w.t("key.no_previous") if exact == w.short(value) else exact


def _annual(data: ReportData, w: Words) -> str:
    """Whether the year was observed or made from less, with the spread of single days."""
    total = data.totals
    if data.period.kind == "year" and total.observed_s >= 0.99 * data.period.seconds:
        return w.t("key.whole_year")
    said = w.t("key.observed", n=w.short(total.packets_per_address), time=w.length(total.observed_s))
    if total.annual_low is not None and total.annual_high is not None:
        low, high = w.short(total.annual_low), w.short(total.annual_high)
        said = w.t("key.spread", said=said, low=low, high=high)
    return said


def _sections(data: ReportData, w: Words) -> tuple[Section, ...]:
    command = {k: visible(c) for k, c in data.commands}
    if without_darknet(data):
        infected = (
            sections_who.infected(data, w, command.get("infected", "")) if data.infected_hosts else None
        )
        found = (infected, sections_who.notices(data, w), told(data, w))
        return tuple(s for s in found if s is not None)
    parts = [
        sections_who.infected(data, w, command.get("infected", "")) if data.infected_own else None,
        sections.activity(data, w, command.get("totals", "")),
        sections.ports(data, w, command.get("ports", "")),
        sections.classes(data, w, command.get("classes", "")),
        sections.tools(data, w, command.get("tools", "")),
        sections.investigation(data, w, command.get("investigation", "")),
        sections.place(data, w, "countries", data.countries),
        sections.place(data, w, "networks", data.networks),
        sections_who.victims(data, w, command.get("victims", "")),
        None if data.infected_own else sections_who.infected(data, w, command.get("infected", "")),
        sections_who.notices(data, w),
        told(data, w),
        sections_who.years(data, w) if data.years else None,
        sections_who.telescopes(data, w),
        sections_who.provenance(data, w, command.get("report", "")),
    ]
    return tuple(s for s in parts if s is not None)
