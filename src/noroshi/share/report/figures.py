"""The pictures of a report, each drawn wide and narrow: one reads on a desk or on paper, one on a phone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from noroshi.share.report.canvas import COLOUR, FONT_PX, Canvas, style
from noroshi.share.report.data import Bin, Ranked, ReportData, Victim
from noroshi.share.report.frame import WEEK_S
from noroshi.share.report.tokens import HEAT_STEPS
from noroshi.share.report.view import Picture, visible
from noroshi.share.report.words import Words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Label = Callable[[str], str]
WIDE, HALF, NARROW = 1040, 500, 350
ROW = 24
"""Height of a bar and its gap, px."""
VICTIMS = 20


def _both(name: str, caption: str, wide: int, draw: Callable[[str, int], Canvas]) -> tuple[Picture, ...]:
    forms = []
    for suffix, width in (("w", wide), ("n", NARROW)):
        key = f"{name}-{suffix}"
        with style(key):
            forms.append(draw(key, width).svg(caption))
    return (Picture(name, caption, forms[0], forms[1]),)


def text_px(text: str) -> float:
    """About how wide a text is set, px, in the widest of the usual fonts: room to spare in the others."""
    return sum(FONT_PX * _em(c) for c in text)


def _em(c: str) -> float:
    if ord(c) > 0x2E7F:
        return 1.0
    if c.isupper():
        return 0.71
    return 0.36 if c in " .,:;·/()|iIl-" else 0.63


# -- over time ---------------------------------------------------------------------------------------------


def activity(data: ReportData, w: Words) -> tuple[Picture, ...]:
    """Packets (with the part of investigation scanners) and sources over time, one below the other."""

    def draw(name: str, width: int) -> Canvas:
        head = 0 if width >= HALF else 20  # room for the key below the title
        canvas = Canvas(name, width, 330 + head)
        rate = [_rate(b, b.packets) for b in data.series]
        survey = [_rate(b, b.investigation) for b in data.series]
        top = canvas.axes(46, 26 + head, 8, 160)
        low = canvas.axes(46, 208 + head, 8, 28)
        step = "hour" if _step(data) <= 3_600 else "day" if _step(data) <= 90_000 else "week"
        _steps(top, rate, COLOUR["ink"])
        if any(survey):
            _fill(top, survey)
        _steps(low, [whole(b, b.sources) for b in data.series], COLOUR["ink"])
        _gaps(top, data, w, label=True)
        _gaps(low, data, w, label=False)
        for axes, key in ((top, "packets"), (low, "sources")):
            _y_axis(axes, w)
            axes.set_xlim(0, max(1, len(data.series)))
            raised = 0.16 if head and key == "packets" else 0.0
            title = w.t(f"axis.{key}.{step}")
            axes.text(0, 1.06 + raised, title, transform=axes.transAxes, color=COLOUR["ink"])
        if any(survey):
            x = 0 if head else text_px(w.t(f"axis.packets.{step}")) + 40
            _key(top, canvas, x, 1.06, w.t("axis.investigation"))
        top.set_xticks([])
        _x_axis(low, data, w, width)
        return canvas

    return _both("activity", w.t("figure.activity"), WIDE, draw)


def _step(data: ReportData) -> float:
    return (data.series[0].end - data.series[0].start).total_seconds() if data.series else 3_600.0


def _rate(b: Bin, count: int | None) -> float | None:
    """Counts of a bin observed in part, scaled to the whole bin; None below a quarter of it."""
    length = (b.end - b.start).total_seconds()
    if count is None or b.observed_s < length / 4:
        return None
    return count * length / min(b.observed_s, length)


def whole(b: Bin, count: int | None) -> int | None:
    """A count that does not scale with time, where the bin was observed nearly whole; else None."""
    return count if b.observed_s >= 0.9 * (b.end - b.start).total_seconds() else None


def _steps(axes: Axes, values: Sequence[float | None], colour: str) -> None:
    """A stepped line with breaks where nothing was observed."""
    for first, run in _runs(values):
        xs = [first + i for i in range(len(run) + 1)]
        axes.plot(
            xs, [*run, run[-1]], drawstyle="steps-post", color=colour, linewidth=1.4, solid_joinstyle="miter"
        )
    axes.set_ylim(0, (max((v for v in values if v is not None), default=0) or 1) * 1.08)


def _fill(axes: Axes, values: Sequence[float | None]) -> None:
    for first, run in _runs(values):
        xs = [first + i for i in range(len(run) + 1)]
        axes.fill_between(xs, [*run, run[-1]], step="post", color=COLOUR["fill"], linewidth=0)


def _runs(values: Sequence[float | None]) -> list[tuple[int, list[float]]]:
    runs: list[tuple[int, list[float]]] = []
    for i, value in enumerate(values):
        if value is None:
            continue
        if runs and runs[-1][0] + len(runs[-1][1]) == i:
            runs[-1][1].append(value)
        else:
            runs.append((i, [value]))
    return runs


def _gaps(axes: Axes, data: ReportData, w: Words, label: bool) -> None:
    """Spans without observation, hatched; those of single telescopes among several only in the table."""
    several = len(data.telescopes) > 1
    for gap in data.gaps:
        if gap.telescope and several:
            continue
        a, b = _position(data, gap.start.timestamp()), _position(data, gap.end.timestamp())
        if b - a < len(data.series) / 400:
            continue
        axes.axvspan(a, b, facecolor="none", edgecolor=COLOUR["gap"], hatch="////", linewidth=0)
        text = w.name("gap", gap.reason)
        if label and (b - a) / len(data.series) * 300 > text_px(text):
            box = {"facecolor": COLOUR["page"], "edgecolor": "none", "pad": 2}
            axes.text(
                (a + b) / 2, axes.get_ylim()[1] * 0.5, text, ha="center", color=COLOUR["muted"], bbox=box
            )


def _position(data: ReportData, moment: float) -> float:
    """Where a moment lies on the axis of bin numbers."""
    for i, b in enumerate(data.series):
        if moment < b.end.timestamp():
            return i + max(0.0, (moment - b.start.timestamp()) / (b.end - b.start).total_seconds())
    return float(len(data.series))


def _y_axis(axes: Axes, w: Words) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: w.axis(v)))
    axes.yaxis.grid(True, color=COLOUR["line"], linewidth=0.8)
    axes.set_axisbelow(True)
    axes.axhline(0, color=COLOUR["muted"], linewidth=1)


def _x_axis(axes: Axes, data: ReportData, w: Words, width: int) -> None:
    """Ticks at round local times, as many as fit."""
    room = max(2, int(width / 74))
    starts = [b.start.astimezone(w.tz) for b in data.series]
    step = int(_step(data))
    for hours in (1, 2, 3, 6, 12):
        picks = [i for i, s in enumerate(starts) if s.minute == 0 and s.hour % hours == 0]
        if step <= 3_600 and len(picks) <= room:
            break
    else:
        picks = [i for i, s in enumerate(starts) if s.hour == 0] or [0]
        if len(picks) > 100 and step < WEEK_S:  # a year of days reads by its months
            picks = [i for i in picks if starts[i].day == 1]
        picks = picks[:: -(-len(picks) // room)]
    axes.set_xticks(picks, [w.tick(data.series[i].start, step) for i in picks], ha="left")
    for i in picks:
        axes.axvline(i, color=COLOUR["line"], linewidth=0.8, zorder=0)


def _key(axes: Axes, canvas: Canvas, x_px: float, y: float, text: str) -> None:
    """A swatch and its meaning, `x_px` from the left of the axes."""
    from matplotlib.patches import Rectangle

    box = axes.get_position()
    inner_w, inner_h = box.width * canvas.width, box.height * canvas.height
    axes.add_patch(
        Rectangle(
            (x_px / inner_w, y), 12 / inner_w, 9 / inner_h, transform=axes.transAxes,
            facecolor=COLOUR["fill"], edgecolor="none", clip_on=False,
        )
    )  # fmt: skip
    axes.text((x_px + 18) / inner_w, y, text, transform=axes.transAxes, color=COLOUR["muted"])


# -- rankings ----------------------------------------------------------------------------------------------


def ports(data: ReportData, w: Words) -> tuple[Picture, ...]:
    """The busiest ports, with a mark where each stood in the previous period."""
    from noroshi.share.report.sections import RISE, port_name

    total = data.totals
    scale = None
    if total.change and total.previous_packets:
        # what the previous period would have counted with this one's addresses and time
        scale = total.packets / (total.change * total.previous_packets)
    risen = {
        p.key for p in data.ports if p.previous_packets is not None and (p.change is None or p.change >= RISE)
    }
    return bars(
        "ports", data.ports, w, lambda k: port_name(w, k), wide=WIDE, risen=risen, before=scale,
        before_text=w.t("figure.previous"), brief=w.port,
    )  # fmt: skip


def bars(
    name: str, rows: Sequence[Ranked], w: Words, label: Label, *, wide: int = HALF,
    risen: set[str] | None = None, before: float | None = None, before_text: str = "",
    brief: Label | None = None,
) -> tuple[Picture, ...]:  # fmt: skip
    """Horizontal bars in the order given, value and share at their ends; `before` scales the marks.

    brief: the label where room is short.
    """
    if not rows:
        return ()

    def draw(key: str, width: int) -> Canvas:
        names = [_cut((label if width >= HALF else brief or label)(r.key), width * 0.42) for r in rows]
        values = [f"{w.n(r.packets)} · {w.percent(r.share)}" for r in rows]
        left = max(text_px(n) for n in names) + 12
        right = max(text_px(v) for v in values) + 8
        foot = 20 if before else 2
        canvas = Canvas(key, width, ROW * len(rows) + foot + 2)
        axes = canvas.axes(left, 2, right, foot)
        old = [(r.previous_packets or 0) * (before or 0) for r in rows]
        top = max(max(r.packets for r in rows), *old, 1)
        for i, row in enumerate(rows):
            rise = bool(risen) and row.key in (risen or set())
            bar = axes.barh(i, row.packets, height=0.62, color=COLOUR["accent" if rise else "cool"])
            canvas.title(bar[0], f"{i}", f"{label(row.key)}: {w.n(row.packets)} ({w.percent(row.share)})")
            end = max(row.packets, old[i] if row.previous_packets is not None else 0)
            axes.annotate(
                values[i], (end, i), xytext=(5, 0), textcoords="offset points", va="center_baseline",
                color=COLOUR["ink"], fontweight="bold" if rise else "normal", annotation_clip=False,
            )  # fmt: skip
            if before and row.previous_packets is not None:
                # paper round the mark keeps it visible on the bar and off it
                axes.plot(
                    [old[i]] * 2, [i - 0.42, i + 0.42], color=COLOUR["page"], linewidth=4, clip_on=False
                )
                axes.plot(
                    [old[i]] * 2, [i - 0.42, i + 0.42], color=COLOUR["ink"], linewidth=1.6, clip_on=False
                )
        axes.set_yticks(range(len(rows)), names, color=COLOUR["ink"])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlim(0, top)
        axes.set_xticks([])
        if before:
            h = canvas.height
            canvas.figure.text(left / width, 4 / h, f"┃ {before_text}", color=COLOUR["muted"])
        return canvas

    return _both(name, w.t(f"figure.{name}"), wide, draw)


def _cut(text: str, px: float) -> str:
    """A label cut to a width, with an ellipsis."""
    if text_px(text) <= px:
        return text
    while text and text_px(text) + FONT_PX > px:
        text = text[:-1]
    return text + "…"


# -- port by time ------------------------------------------------------------------------------------------


def heat(data: ReportData, w: Words) -> tuple[Picture, ...]:
    """Packets by port and time in shades of one logarithmic scale."""
    rows, steps = data.heat.rows, len(data.heat.starts)
    if not rows or steps < 2:
        return ()

    def draw(key: str, width: int) -> Canvas:
        names = [_cut(w.port(r), width * 0.3) for r in rows]
        left = max(text_px(n) for n in names) + 12
        canvas = Canvas(key, width, 19 * len(rows) + 64)
        axes = canvas.axes(left, 24, 8, 40)
        axes.set_xlim(0, steps)
        axes.set_ylim(len(rows), 0)
        low, top = _cells(axes, data)
        axes.set_yticks([i + 0.5 for i in range(len(rows))], names, color=COLOUR["ink"])
        room = max(2, int(width / 84))
        every = -(-steps // room)
        midnights = [i for i, s in enumerate(data.heat.starts) if s.astimezone(w.tz).hour == 0]
        picks = (
            midnights[:: -(-len(midnights) // room)] if len(midnights) > 2 else list(range(0, steps, every))
        )
        labels = [w.tick(data.heat.starts[i], data.heat.step_s) for i in picks]
        axes.set_xticks([p + 0.0 for p in picks], labels, ha="left")
        _scale(canvas, left, w, low, top)
        return canvas

    return _both("heat", w.t("figure.heat"), WIDE, draw)


def _cells(axes: Axes, data: ReportData) -> tuple[int, int]:
    """One path per shade: many rectangles in few elements. Returns the least and most of a cell."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    known = [v for values in data.heat.values for v in values if v]
    low, top = min(known, default=0), max(known, default=0)
    share = data.heat.observed
    shades: dict[str, list[Any]] = {}
    for y, values in enumerate(data.heat.values):
        for x, value in enumerate(values):
            # a step seen in part is shaded by its rate, or it would look quiet; below a quarter not at all
            unseen = value is None or share[x] < 0.25
            name = "gap" if unseen else f"h{shade(round((value or 0) / min(1.0, share[x])), low, top)}"
            shades.setdefault(name, []).append((x, y))
    for name, cells in sorted(shades.items()):
        points, codes = [], []
        for x, y in cells:
            points += [(x, y + 0.04), (x + 1, y + 0.04), (x + 1, y + 0.96), (x, y + 0.96), (x, y + 0.04)]
            codes += [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
        look: dict[str, Any] = {"facecolor": COLOUR[name], "linewidth": 0}
        if name == "gap":
            look = {"facecolor": "none", "edgecolor": COLOUR["gap"], "hatch": "////", "linewidth": 0}
        axes.add_patch(PathPatch(Path(points, codes), **look))
    return low, top


def shade(value: int, low: int, top: int) -> int:
    """Step of the heat scale: 0 for nothing, then equal steps of the logarithm from `low` to `top`."""
    import math

    if value <= 0:
        return 0
    if top <= low:
        return HEAT_STEPS - 1
    return 1 + min(HEAT_STEPS - 2, int(math.log(value / low) / math.log(top / low) * (HEAT_STEPS - 1)))


def _scale(canvas: Canvas, left: float, w: Words, low: int, top: int) -> None:
    from matplotlib.patches import Rectangle

    narrow = canvas.width < HALF
    start, size = (8.0, 12) if narrow else (left, 18)
    for i in range(HEAT_STEPS):
        canvas.figure.add_artist(
            Rectangle(
                ((start + size * i) / canvas.width, 4 / canvas.height), size / canvas.width, 10 / canvas.height,
                facecolor=COLOUR[f"h{i}"], edgecolor=COLOUR["line"], linewidth=0.5,
            )
        )  # fmt: skip
    x = (start + size * HEAT_STEPS + 8) / canvas.width
    text = w.t("axis.heat", low=w.axis(low), top=w.axis(top))
    canvas.figure.text(x, 4 / canvas.height, text, color=COLOUR["muted"])


# -- hosts -------------------------------------------------------------------------------------------------


def victims(data: ReportData, w: Words) -> tuple[Picture, ...]:
    """Attack rates as point and 95 % range on a logarithmic axis, with the floor of one hour as a line."""
    rows = [v for v in data.victims if v.rate][:VICTIMS]
    if not rows:
        return ()

    def draw(key: str, width: int) -> Canvas:
        from noroshi.share.report.sections_who import ports as port_names

        names = [
            _cut(visible(v.subject) + (f"  {port_names(w, v.ports)}" if width >= HALF else ""), width * 0.4)
            for v in rows
        ]
        left = max(text_px(n) for n in names) + 14
        right = 86 if width >= HALF else 62
        canvas = Canvas(key, width, ROW * len(rows) + 58)
        axes = canvas.axes(left, 18, right, 40)
        axes.set_xscale("log")
        floors = [t.floor_pps for t in data.telescopes if t.floor_pps]
        low, high = _limits(rows, floors)
        axes.set_xlim(low, high)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        _log_ticks(axes, low, high, w)
        for floor in floors:
            axes.axvline(floor, color=COLOUR["muted"], linewidth=1, linestyle=(0, (3, 3)))
            axes.annotate(
                w.t("axis.floor"), (floor, 1.0), xycoords=axes.get_xaxis_transform(), xytext=(3, 4),
                textcoords="offset points", color=COLOUR["muted"],
            )  # fmt: skip
        for i, v in enumerate(rows):
            _point(axes, canvas, i, v, w, high)
        axes.set_yticks(range(len(rows)), names, color=COLOUR["ink"])
        canvas.figure.text(left / width, 4 / canvas.height, w.t("axis.victims"), color=COLOUR["muted"])
        return canvas

    return _both("victims", w.t("figure.victims"), WIDE, draw)


def _limits(rows: Sequence[Victim], floors: Sequence[float]) -> tuple[float, float]:
    import math

    values = [x for v in rows for x in (v.rate, v.rate_low, v.rate_high) if x and x > 0] + list(floors)
    low, high = min(values), max(values)
    return 10 ** math.floor(math.log10(low) - 0.05), 10 ** math.ceil(math.log10(high) + 0.05)


def _log_ticks(axes: Axes, low: float, high: float, w: Words) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator

    ticks = []
    at = low
    while at <= high * 1.001:
        ticks.append(at)
        at *= 10
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([w.pps(t) for t in ticks])
    axes.xaxis.grid(True, color=COLOUR["line"], linewidth=0.8)
    axes.set_axisbelow(True)


def _point(axes: Axes, canvas: Canvas, i: int, v: Victim, w: Words, high: float) -> None:
    if v.rate is None:
        return
    if v.rate_low and v.rate_high:
        axes.plot(
            [v.rate_low, v.rate_high], [i, i], color=COLOUR["cool"], linewidth=2.4, solid_capstyle="butt"
        )
    (dot,) = axes.plot([v.rate], [i], "o", markersize=7, color=COLOUR["ink"], markeredgewidth=0)
    canvas.title(
        dot, f"v{i}", f"{visible(v.subject)}: {w.pps(v.rate)} ({w.pps(v.rate_low)} – {w.pps(v.rate_high)})"
    )
    axes.annotate(
        w.pps(v.rate), (1.0, i), xycoords=axes.get_yaxis_transform(), xytext=(8, 0),
        textcoords="offset points",
        va="center_baseline", color=COLOUR["ink"], annotation_clip=False,
    )  # fmt: skip


def infected(data: ReportData, w: Words) -> tuple[Picture, ...]:
    """Infected hosts a day: all of them, and those of own networks where there are any."""
    days = data.infected_days
    if sum(d.hosts is not None for d in days) < 2:
        return ()
    panels = [("infected", [d.hosts for d in days], "cool")]
    if data.own:
        panels.append(("infected_own", [d.own for d in days], "accent"))

    def draw(key: str, width: int) -> Canvas:
        canvas = Canvas(key, width, 128 * len(panels) + 20)
        for k, (name, values, colour) in enumerate(panels):
            axes = canvas.axes(46, 26 + 128 * k, 8, canvas.height - 128 * (k + 1) + 6)
            for i, value in enumerate(values):
                if value is None:
                    axes.axvspan(
                        i, i + 1, facecolor="none", edgecolor=COLOUR["gap"], hatch="////", linewidth=0
                    )
                else:
                    axes.bar(i + 0.5, value, width=0.7, color=COLOUR[colour])
            axes.set_xlim(0, len(days))
            axes.set_ylim(0, (max((v for v in values if v is not None), default=0) or 1) * 1.12)
            _y_axis(axes, w)
            axes.text(0, 1.06, w.t(f"axis.{name}"), transform=axes.transAxes, color=COLOUR["ink"])
            axes.set_xticks([])
        every = -(-len(days) // max(2, int(width / 74)))
        picks = range(0, len(days), every)
        axes.set_xticks([p + 0.5 for p in picks], [_day_label(days[p].day, w) for p in picks])
        return canvas

    return _both("infected", w.t("figure.infected"), WIDE, draw)


def _day_label(day: Any, w: Words) -> str:
    return w.t("tick.day", m=day.month, d=day.day, name=w.month(day)[:3])


def spark(values: Sequence[int | None]) -> str:
    """A line without axes, as SVG; gaps break it."""
    known = [v for v in values if v is not None]
    if len(known) < 3:
        return ""
    top, width, height = max(known) or 1, 120.0, 28.0
    step = width / max(1, len(values) - 1)
    path = ""
    for first, run in _runs(values):
        points = [
            f"{(first + i) * step:.1f} {height - 2 - v / top * (height - 4):.1f}" for i, v in enumerate(run)
        ]
        path += "M" + "L".join(points)
    return (
        f'<svg class="spark" viewBox="0 0 {width:g} {height:g}" aria-hidden="true"'
        ' preserveAspectRatio="none">'
        f'<path d="{path}"/></svg>'
    )
