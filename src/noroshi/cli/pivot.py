"""`noroshi pivot`: everything about a value."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import click

from noroshi.cli import out, show
from noroshi.cli.gate import tell, told
from noroshi.cli.state import State, since, verb
from noroshi.model.observable import CANONICAL

if TYPE_CHECKING:
    from noroshi.ask.pivot import Pivot

SHOWN = 5
"""Rows, related values and findings a screen shows of each; --json and --rows give more."""
_ROWS_JSON = 50
_BLOCKS = "▁▂▃▄▅▆▇█"

WORDS: dict[str, dict[str, str]] = {
    "en": {
        "unknown": "Nothing is stored about it.", "seen": "{first} to {last} UTC", "observations": "{n} observations",
        "sources": "sources", "days": "days", "peak": "peak {n} on {day}", "table": "table", "role": "role",
        "count": "count", "first": "first seen", "last": "last seen", "network": "network", "own": "own",
        "asset": "asset", "lists": "warninglists", "within": "within", "inside": "inside", "links": "What follows",
        "findings": "Findings", "related": "Beside it", "kind": "kind", "value": "value", "weight": "weight",
        "together": "rows", "why": "", "rows": "Newest rows", "also": "Also stands as", "addresses": "Addresses",
        "below": "Names below",
        "more": "and {n} more: add --json", "sample": "sample", "special": "special range", "announced": "announces",
        "announced.text": "{n} networks, {seen} addresses of them seen",
        "note.names-below-not-counted": "Names below this domain are not counted; --below does.",
        "note.networks-inside-not-looked-for": "Entries for smaller networks inside are not looked for.",
        "note.heavy": "A heavy value: counts are exact, rows are samples of the newest and oldest.",
        "note.warninglist": "on a warninglist", "note.common": "common", "note.special-range": "special range",
        "next": "Next: {typed}",
    },
    "ja": {
        "unknown": "この値の記録はありません。", "seen": "{first} ～ {last} UTC", "observations": "{n} 件",
        "sources": "情報源", "days": "日", "peak": "最多 {day} に {n} 件", "table": "表", "role": "役割",
        "count": "件数", "first": "初出", "last": "最終", "network": "ネットワーク", "own": "自組織",
        "asset": "資産", "lists": "ウォーニングリスト", "within": "包含元", "inside": "内側", "links": "突合の結果",
        "findings": "検知", "related": "関連する値", "kind": "種別", "value": "値", "weight": "重み",
        "together": "行数", "why": "", "rows": "最新の行", "also": "別の種別での記録", "addresses": "アドレス",
        "below": "下位の名前",
        "more": "ほか {n} 件（--json で全件）", "sample": "抜粋", "special": "特殊アドレス", "announced": "広告経路",
        "announced.text": "{n} ネットワーク、うち観測されたアドレス {seen} 個",
        "note.names-below-not-counted": "下位のドメイン名は数えていません。--below で数えます。",
        "note.networks-inside-not-looked-for": "内側のより小さなネットワークの登録は調べていません。",
        "note.heavy": "件数の多い値です。件数は正確で、行は最新と最古の抜粋です。",
        "note.warninglist": "ウォーニングリスト掲載", "note.common": "広く見られる値",
        "note.special-range": "特殊アドレス",
        "next": "次の操作: {typed}",
    },
}  # fmt: skip


@verb("pivot")
@click.argument("value", metavar="VALUE")
@click.option("--kind", type=click.Choice(sorted(CANONICAL)), metavar="KIND",
              help=f"What VALUE is, when that cannot be guessed: {', '.join(sorted(CANONICAL))}. For a credential "
              "VALUE is user:password.")  # fmt: skip
@click.option(
    "--since", "since_", metavar="TIME", help="Only whole UTC days from then on: 2024-04-01, or 7d."
)
@click.option("--rows", "rows_", type=click.IntRange(1, 10_000), default=None,
              help=f"Newest rows of each table. [{SHOWN}; with --json {_ROWS_JSON}]")  # fmt: skip
@click.option(
    "--below",
    "names_below",
    is_flag=True,
    help="Of a domain, the names below it too; reads all domains stored.",
)
@click.option("--for", "recipient", metavar="RECIPIENT", help="Only what this recipient may see.")
@click.option("--tlp", metavar="TLP", help="Only what is not marked stricter: clear, green, amber, ...")
@click.option("--lang", type=click.Choice(["en", "ja"]), help="Language. [as the locale]")
def command(
    state: State, value: str, kind: str | None, since_: str | None, rows_: int | None, names_below: bool,
    recipient: str | None, tlp: str | None, lang: str | None,
) -> int:  # fmt: skip
    """Tells everything about an address, network, AS, domain, URL, hash, CVE, package, fingerprint, ...

    First and last seen, exact counts by table, role, source and day; newest rows; values beside it; whose it is;
    findings; and what follows when evidence of different kinds speaks of it. Defanged forms are understood.
    """
    rows = rows_ or (_ROWS_JSON if state.json else SHOWN)
    answer = _ask(state, value, kind, since_, rows, recipient, tlp, names_below)
    if state.json:
        out.emit(answer.to_json())
        return 0
    words = WORDS[show.language(lang)]
    _page(answer, words, show.language(lang))
    named = next((row["row"] for f in answer.found for row in answer.names.shown(f, 1) if "row" in row), "")
    if named:
        out.say(state, words["next"].format(typed=state.typed(f"why {named}")))
    return 0


def _ask(
    state: State, value: str, kind: str | None, since_: str | None, rows: int, recipient: str | None,
    tlp: str | None, names_below: bool = False,
) -> Pivot:  # fmt: skip
    from noroshi.work.pivot import ask

    lake, config = state.lake(), state.config()
    if recipient is None and tlp is None:
        return ask(
            lake.snapshot(), config, value, kind, since=since(since_), rows=rows, names_below=names_below
        )
    view = told(state, lake, recipient or "", tlp=tlp)
    answer = ask(view, config, value, kind, since=since(since_), rows=rows, names_below=names_below)
    if recipient is not None:
        # Not the value: what a mask hides may stand in no log of exports.
        tell(lake, view, "pivot", answer.head.count, kind=answer.kind)
    return answer


def _page(answer: Pivot, words: dict[str, str], lang: str) -> None:
    head = answer.head
    click.secho(out.visible(f"{answer.value}  {answer.kind}"), bold=True)
    for line in _summary(answer, words):
        out.line(line)
    if head.first_seen is None:
        _below(answer, words)
        return
    _histogram(answer, words)
    _tables(answer, words)
    _sentences(answer, words, lang)
    _addresses(answer, words)
    _below(answer, words)
    _related(answer, words)
    _rows(answer, words)
    for note in answer.notes:
        if f"note.{note}" in words and not (note == "names-below-not-counted" and answer.below):
            out.line(words[f"note.{note}"])


def _summary(answer: Pivot, words: dict[str, str]) -> Iterator[str]:
    head, around = answer.head, answer.context
    if head.first_seen and head.last_seen:
        span = words["seen"].format(
            first=f"{head.first_seen:%Y-%m-%d %H:%M}", last=f"{head.last_seen:%Y-%m-%d %H:%M}"
        )
        count = words["observations"].format(n=out.number(head.count))
        yield f"{span}   {count}   {words['sources']}: {out.number(head.n_sources)}"
    else:
        yield words["unknown"]
    place = around.network
    if place:
        yield _entry(words["network"], " ".join(
            str(place[k]) for k in ("network", "asn", "as_name", "country") if place.get(k)))  # fmt: skip
    if around.special:
        yield _entry(words["special"], around.special)
    if around.own:
        yield _entry(words["own"], ", ".join(around.own))
    for asset in around.assets[:3]:
        yield _entry(
            words["asset"], " ".join(str(asset[k]) for k in ("value", "name", "owner") if asset.get(k))
        )
    if around.warninglists:
        lists = dict.fromkeys(f"{w['list']} ({w['entry']})" for w in around.warninglists)
        yield _entry(words["lists"], _some(list(lists), words))
    for name, entries in (("within", around.within), ("inside", around.inside)):
        if entries:
            yield _entry(
                words[name], _some([f"{e['value']} ({', '.join(e['tables'])})" for e in entries], words)
            )
    if around.announced:
        told = [out.number(around.announced[k]) for k in ("networks", "addresses_seen")]
        yield _entry(words["announced"], words["announced.text"].format(n=told[0], seen=told[1]))
    for kind, n in answer.also:
        yield _entry(words["also"], f"{kind}: {out.number(n)}")


def _some(entries: Sequence[str], words: dict[str, str]) -> str:
    rest = len(entries) - SHOWN
    return ", ".join(entries[:SHOWN]) + (f", {words['more'].format(n=out.number(rest))}" if rest > 0 else "")


def _entry(name: str, text: str) -> str:
    return f"  {name}{' ' * max(1, 20 - show.cell_width(name))}{text}"


def _histogram(answer: Pivot, words: dict[str, str]) -> None:
    """One row of blocks, a day or several to a block; days without observations are blank."""
    days = {d: sum(t.values()) for d, t in answer.head.histogram}
    first, last = min(days), max(days)
    if first == last:
        return
    length = (last - first).days + 1
    step = -(-length // (out.width() - 30))
    bins: list[int] = []
    for i in range(0, length, step):
        bins.append(sum(days.get(first + timedelta(days=i + k), 0) for k in range(step)))
    top = max(bins)
    bar = "".join(" " if not n else _BLOCKS[min(7, n * 8 // (top + 1))] for n in bins)
    best: date = max(days, key=lambda d: days[d])
    out.line(f"\n  {first} {bar} {last}")
    out.line("  " + words["peak"].format(n=out.number(days[best]), day=best))


def _tables(answer: Pivot, words: dict[str, str]) -> None:
    head = [words[k] for k in ("table", "role", "count", "days", "first", "last", "sources")]
    rows = [
        [s.table, s.role, s.count, len(s.days), f"{s.first_seen:%Y-%m-%d %H:%M}", f"{s.last_seen:%Y-%m-%d %H:%M}",
         s.n_sources]
        for s in answer.head.stands
    ]  # fmt: skip
    click.echo()
    out.table(head, rows, right=[words["count"], words["days"], words["sources"]], keep=[words["table"]])


def _sentences(answer: Pivot, words: dict[str, str], lang: str) -> None:
    texts = [(link.text.get(lang) or link.text["en"], True) for link in answer.links]
    if texts:
        click.secho(f"\n{words['links']}", bold=True)
    for text, _ in texts[: 2 * SHOWN]:
        _wrapped("• ", text)
    if answer.findings:
        click.secho(f"\n{words['findings']}  {len(answer.findings)}", bold=True)
    for f in answer.findings[:SHOWN]:
        _wrapped("• ", f"{f.first_seen:%Y-%m-%d} {f.kind} {f.confidence} % {f.tlp.label} {f.id[:8]}: "
                 f"{show.sentence(f, lang)}")  # fmt: skip
    if len(answer.findings) > SHOWN:
        out.line("  " + words["more"].format(n=len(answer.findings) - SHOWN))


def _wrapped(mark: str, text: str) -> None:
    for i, row in enumerate(show.wrap(out.visible(text), out.width() - 4)):
        out.line((mark if not i else "  ") + row)


def _below(answer: Pivot, words: dict[str, str]) -> None:
    if answer.below is None:
        return
    click.secho(f"\n{words['below']}  {out.number(answer.below.distinct)}", bold=True)
    rows = [
        [n.value, n.count, f"{n.first_seen:%Y-%m-%d %H:%M}", f"{n.last_seen:%Y-%m-%d %H:%M}"]
        for n in answer.below.names
    ]
    out.table([words[k] for k in ("value", "count", "first", "last")], rows, right=[words["count"]],
              keep=[words["value"]])  # fmt: skip


def _addresses(answer: Pivot, words: dict[str, str]) -> None:
    if not answer.addresses:
        return
    click.secho(f"\n{words['addresses']}  {out.number(answer.n_addresses)}", bold=True)
    rows = [
        [a["value"], a["count"], a["first_seen"][:16], a["last_seen"][:16]] for a in answer.addresses[:SHOWN]
    ]
    out.table(
        [words[k] for k in ("value", "count", "first", "last")],
        rows,
        right=[words["count"]],
        keep=[words["value"]],
    )


def _related(answer: Pivot, words: dict[str, str]) -> None:
    if not answer.beside.values:
        return
    click.secho(f"\n{words['related']}  {out.number(answer.beside.candidates)}", bold=True)
    rows = [
        [r.kind, _cut(r.value, 44), f"{r.weight:.2f}", r.count, r.sources,
         ", ".join([*r.where, *(words[f"note.{n}"] for n in r.notes)])]
        for r in answer.beside.values[: SHOWN + 3]
    ]  # fmt: skip
    head = [words[k] for k in ("kind", "value", "weight", "together", "sources", "why")]
    out.table(head, rows, right=[words[k] for k in ("weight", "together", "sources")])


def _rows(answer: Pivot, words: dict[str, str]) -> None:
    """The newest rows, a line each: when, and what there is beside the value."""
    full = answer.to_json()["tables"]
    for entry in full:
        if not entry["rows"]:
            continue
        sample = f"  ({words['sample']})" if entry["sample"] else ""
        click.secho(f"\n{words['rows']}  {entry['table']} {entry['role']}{sample}", bold=True)
        for row in entry["rows"]:
            out.line(_cut("  " + out.visible(_line(row, answer.value)), out.width()))


_SKIPPED = {
    "offset",
    "run_id",
    "day",
    "row",
    "source",
    "last_seen",
    "uid",
    "session_id",
    "tlp",
    "json",
    "extra",
}


def _line(row: dict[str, Any], value: str) -> str:
    when = str(row.get("ts") or row.get("first_seen") or "")[:19].replace("T", " ")
    said = [
        f"{name}={json.dumps(v, ensure_ascii=False) if isinstance(v, list | dict) else v}"
        for name, v in row.items()
        if name not in _SKIPPED | {"ts", "first_seen"} and v not in ("", value, [])
    ]
    return f"{when}  {' '.join(said)}"


def _cut(text: str, width: int) -> str:
    """`text` in at most so many columns, with … where something was left out."""
    if show.cell_width(text) <= width:
        return text
    kept, used = [], 1
    for char in text:
        used += show.cell_width(char)
        if used > width:
            break
        kept.append(char)
    return "".join(kept) + "…"
