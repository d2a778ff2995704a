"""Every way out, as bytes of one question to one case. Whoever adds a way out adds it to WAYS."""

from __future__ import annotations

import asyncio
import copy
import json
import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from noroshi.ask.about import about, of_kind
from noroshi.ask.pivot import Pivots
from noroshi.ask.rollups import PORTED, top_ports, unique_sources
from noroshi.config import Config
from noroshi.lake.handle import Lake
from noroshi.lake.heads import Links
from noroshi.lake.look import look
from noroshi.lake.render import to_text
from noroshi.model.errors import NoroshiError
from noroshi.model.observable import canonical, key64
from noroshi.model.tables import TABLES
from noroshi.model.tlp import Tlp
from noroshi.share.gate import View
from tests.share.interference.lakes import ABSENT, FILLED, NOON, POOL
from tests.share.interference.server import API, PAGES, Known, Server, answered, filled

KINDS = tuple(k for k in POOL if k != "domain")


@dataclass(frozen=True)
class Question:
    """The parameters of one case; a way takes of it what it needs."""

    table: str
    kind: str
    value: str
    day: int
    limit: int
    number: int
    """Of what there are many: findings, runs, cases; hidden ones among them."""

    @classmethod
    def drawn(cls, draw: random.Random) -> Question:
        """One of many."""
        kind = draw.choice(sorted(POOL))
        value = draw.choice(POOL[kind]) if draw.random() < 0.85 else ABSENT.get(kind, POOL[kind][0])
        limit, number = draw.choice((1, 2, 3, 10, 50)), draw.randrange(60)
        return cls(draw.choice(FILLED), kind, value, draw.randint(0, 3), limit, number)


@dataclass
class Side:
    """One lake as one recipient sees it: as stored, or with everything hidden deleted."""

    lake: Lake
    config: Config
    view: View
    pivots: Pivots
    known: Known
    server: Server
    loop: asyncio.AbstractEventLoop


Way = Callable[[Side, Question], bytes]


def _json(document: Any) -> bytes:
    return json.dumps(document, default=str, sort_keys=False).encode()


def findings(side: Side, ask: Question) -> bytes:
    """`noroshi findings --for`, all and of a kind."""
    kinds = (ask.kind,) if ask.limit == 1 else ()
    return _json(
        [f.to_json() for f in side.view.findings(kinds=kinds, wanted=ask.day > 0, mine=ask.limit == 2)]
    )


def told(side: Side, ask: Question) -> bytes:
    """Findings by subject, by kind, and as SQL counts them, with their history."""
    shot = side.view.shot
    counts = shot.sql("SELECT count(*) AS n, max(modified) AS m FROM findings_history").to_pylist()
    rows = shot.sql("SELECT * FROM findings ORDER BY id, tlp").to_pylist()
    return _json(
        [[f.to_json() for f in about(shot, ask.kind, ask.value)], [f.to_json() for f in of_kind(shot, "scanner")],
         shot.count("findings"), counts, rows]
    )  # fmt: skip


def rows(side: Side, ask: Question) -> bytes:
    """Rows of a table, in the order the gate gives them."""
    return _json(to_text(side.view.rows(ask.table, limit=None if ask.day else ask.limit)))


def objects(side: Side, ask: Question) -> bytes:
    """Imported objects."""
    return _json(list(side.view.objects(["indicator"] if ask.day else ())))


def counts(side: Side, ask: Question) -> bytes:
    """Rows and days of a table, as the snapshot counts and as SQL does."""
    shot = side.view.shot
    by_sql = shot.sql(f"SELECT count(*) AS n FROM {ask.table}").to_pylist()
    return _json(
        [shot.count(ask.table), shot.days(ask.table), by_sql, shot.count("rejects"), shot.count("links")]
    )


def runs(side: Side, ask: Question) -> bytes:
    """Runs, by the snapshot and by SQL."""
    return _json([side.view.shot.runs(), side.view.shot.sql("SELECT * FROM runs ORDER BY ALL").to_pylist()])


def rejects(side: Side, ask: Question) -> bytes:
    """What could not be read."""
    return _json(side.view.shot.sql("SELECT * FROM rejects ORDER BY ALL").to_pylist())


def _asked(side: Side, value: str, kind: str | None = None, **more: Any) -> Any:
    from noroshi.work.pivot import masked

    answer = side.pivots.ask(value, kind, **more)
    return (answer if side.view.plain else masked(answer, side.view)).to_json()


def pivot(side: Side, ask: Question) -> bytes:
    """Everything about a value: rows, related values and their weights, histogram, context, findings, links."""
    return _json(_asked(side, ask.value, ask.kind, rows=ask.limit))


def guessed(side: Side, ask: Question) -> bytes:
    """The same without the kind, and from a day on."""
    return _json(_asked(side, ask.value, since=NOON + timedelta(days=ask.day), rows=ask.limit))


def common(side: Side, ask: Question) -> bytes:
    """How common values are: what weights are made of."""
    links = Links(side.view.shot)
    keys = [key64(k, canonical(k, v)) for k, values in POOL.items() for v in values]
    found = links.common(keys)
    return _json([links.sources, links.quick, sorted((k, vars(c)) for k, c in found.items())])


def links(side: Side, ask: Question) -> bytes:
    """Link rows of a value."""
    return _json(side.view.shot.links(ask.kind, ask.value).to_pylist())


def top(side: Side, ask: Question) -> bytes:
    """`noroshi top`: ports and sources, from the sums and counted."""
    table = PORTED[ask.limit % len(PORTED)]
    shot = side.view.shot
    return _json(
        [top_ports(shot, table, limit=ask.limit), unique_sources(shot, table),
         unique_sources(shot, ask.table, exact=True), unique_sources(shot, "events")]
    )  # fmt: skip


def sums(side: Side, ask: Question) -> bytes:
    """The sums themselves."""
    shot = side.view.shot
    return _json([shot.sql(f"SELECT * FROM {t} ORDER BY ALL").to_pylist() for t in ("hourly", "daily")])


def point(side: Side, ask: Question) -> bytes:
    """The newest rows of a value by a bounded look."""
    spec = TABLES[ask.table]
    names = [link.column for link in spec.links if spec.column(link.column).type == "address"]
    if not names or not spec.time:
        return b""
    from noroshi.model import address

    packed = address.pack(ask.value if ask.kind == "ip" else POOL["ip"][ask.day])
    found, sure = look(side.view.shot, ask.table, names[0], packed, packed, spec.arrow().names, ask.limit)
    return _json([to_text(found), sure])


def stix(side: Side, ask: Question) -> bytes:
    """The STIX bundle."""
    from noroshi.share import stix as standard

    return standard.bundle(side.view.findings(), name_telescopes=not side.view.outside)


def emitted(side: Side, ask: Question) -> bytes:
    """STIX objects one by one, with facts and what was imported: what bundles and TAXII take from."""
    from noroshi.share.stix.emit import Options, emit

    options = Options(facts=ask.day > 0, tlp1=ask.limit == 1)
    return b"\n".join(e.json for e in emit(side.view, options))


def report(side: Side, ask: Question) -> bytes:
    """The report: its figures and its page."""
    from noroshi.share.report import compose, html
    from noroshi.share.report.collect import build, newest
    from noroshi.share.report.data import to_json
    from noroshi.share.report.period import parse
    from noroshi.share.report.words import words
    from noroshi.work.report import scopes

    view, config = side.view, side.config
    at = newest(view.shot)
    if at is None:
        return b"nothing"
    span = parse(("day", "week", "month", "year")[ask.day], at, config.timezone)
    data = build(
        view.shot, view.counted(), scopes(view.shot, span, config), span, now=view.now, shown=view.findings(),
        telescopes=config.telescopes, own=config.own, reveal=not view.outside,
    )  # fmt: skip
    w = words(("en", "ja")[ask.limit % 2], config.timezone, "UTC")
    return _json(to_json(data)) + html.render(compose.view(data, w)).encode()


def errors(side: Side, ask: Question) -> bytes:
    """What is said to questions that cannot be answered."""
    asked: list[Callable[[], Any]] = [
        lambda: side.view.rows(ask.table, ["no_such_column"]),
        lambda: side.pivots.ask("\x00 no value at all"),
        lambda: side.view.shot.sql(f"SELECT {ask.kind!r} FROM no_such_table"),
        lambda: side.view.shot.sql("SELECT 1; SELECT 2"),
        lambda: side.pivots.ask(ask.value, "cve" if ask.kind != "cve" else "ip"),
    ]
    return _json([_error(question) for question in asked])


def _error(question: Callable[[], Any]) -> str:
    try:
        question()
    except NoroshiError as e:
        return str(e)
    return ""


def misp(side: Side, ask: Question) -> bytes:
    """The events of a MISP feed."""
    from noroshi.work.share_misp import events

    return _json(list(events(side.view, since=NOON + timedelta(days=ask.day) if ask.limit == 1 else None)))


def blocklist(side: Side, ask: Question) -> bytes:
    """What a firewall is given, and why the rest is not."""
    from noroshi.share.blocklist import formats
    from noroshi.share.blocklist.select import Terms, choose

    chosen = choose(side.view, Terms(floor=ask.limit, longest=timedelta(days=400)))
    texts = (
        formats.nftables(chosen, side.view.now),
        formats.rpz(chosen, side.view.now),
        formats.plain(chosen),
    )
    return b"".join(texts) + _json(sorted(chosen.left_out.items()))


def tables(side: Side, ask: Question) -> bytes:
    """CSV and JSON lines, in our columns and in Shadowserver's."""
    from noroshi.share.rows import plain, shadowserver

    found = side.view.findings()
    reports = [f"{f.name} {f.rows}\n".encode() + f.body for f in shadowserver.files(found, lines=ask.day > 1)]
    return b"".join([plain.as_csv(found), plain.as_lines(found), *reports])


def taxii(side: Side, ask: Question) -> bytes:
    """A collection published for the first time: what it holds, in which order, added when."""
    from noroshi.share.taxii import append, schema, times
    from noroshi.work.publish import _emitted

    sort = "findings" if ask.day % 2 else "intelligence"
    with tempfile.TemporaryDirectory() as folder, schema.writing(Path(folder) / "log") as con:
        entries = (append.Entry(e.id, e.type, e.version, e.json) for e in _emitted(side.view, sort))
        changes = append.publish(con, entries, times.micros(side.view.now))
        log = con.execute("SELECT * FROM log ORDER BY seq").fetchall()
    return _json([str(changes), log])


def taxii_pages(side: Side, ask: Question) -> bytes:
    """What is sent of a collection: pages and manifests with their cursors, dates and tags, under filters."""
    from noroshi.share.taxii import append, filters, paging, schema, store, times
    from noroshi.web.taxii.answers import tag
    from noroshi.work.publish import _emitted

    kind = "indicator" if ask.day == 1 else ""
    given = filters.parse([("limit", str(ask.limit)), ("match[type]", kind), ("match[version]", "all,first")])
    signer, parts, after = paging.Signer([b"k" * 32]), [], None
    with tempfile.TemporaryDirectory() as folder, schema.writing(Path(folder) / "log") as con:
        for sort in ("findings", "intelligence"):
            entries = (append.Entry(e.id, e.type, e.version, e.json) for e in _emitted(side.view, sort))
            append.publish(con, entries, times.micros(side.view.now))
            for _ in range(5):
                found = store.page(con, given, after)
                items = store.bodies(con, found.seqs)
                manifest = store.encoded(store.manifest(store.rows(con, found.seqs)))
                next_ = signer.sign(found.seqs[-1], "x", sort, "objects", given) if found.more else None
                body = store.envelope("objects", items, next_) + store.envelope("objects", manifest, next_)
                parts.append(body + tag(body).encode())
                if not found.more:
                    break
                after = found.seqs[-1]
    return b"".join(parts)


def taxii_again(side: Side, ask: Question) -> bytes:
    """A collection published twice, the second time with less or more in it: revisions, and their order."""
    from noroshi.share.taxii import append, schema, times
    from noroshi.work.publish import _emitted

    less = replace(side.view, recipient=replace(side.view.recipient, kinds=("scanner", "watch-hit")))
    views = (less, side.view) if ask.day % 2 else (side.view, less)
    parts: list[Any] = []
    with tempfile.TemporaryDirectory() as folder, schema.writing(Path(folder) / "log") as con:
        for n, view in enumerate(views):
            entries = (append.Entry(e.id, e.type, e.version, e.json) for e in _emitted(view, "findings"))
            at = times.micros(view.now + timedelta(hours=n))
            parts.append(str(append.publish(con, entries, at)))
        parts.append(con.execute("SELECT * FROM log ORDER BY seq").fetchall())
    return _json(parts)


def notices(side: Side, ask: Question) -> bytes:
    """Notices to operators who may be told what this recipient may be told."""
    from noroshi.config import NotifyEntry
    from noroshi.work.notify import plan

    ceiling = side.view.recipient.ceiling
    if ceiling.rank > Tlp.AMBER.rank:
        return b""  # nobody outside is ever told so much
    entry = NotifyEntry(
        sender="abuse@example.org", contact="us", tlp=ceiling.value, window_days=30, min_confidence=ask.limit
    )
    config = copy.copy(side.config)
    config.notify = entry
    found = plan(side.lake, config, side.server.state, now=side.view.now, channel="folder")
    told = [(n.id, str(n.operator), n.mails, n.body.decode(errors="replace")) for n in found.notices]
    return _json([told, found.held, found.unresolved, found.opted_out, found.told])


def _of_api(name: str) -> Way:
    def way(side: Side, ask: Question) -> bytes:
        return answered(side.server, side.loop, side.view.recipient.name, filled(API[name], ask, side.known))

    return way


def _of_page(name: str) -> Way:
    def way(side: Side, ask: Question) -> bytes:
        path = filled(PAGES[name], ask, side.known)
        return answered(side.server, side.loop, side.view.recipient.name, path, "text/html")

    return way


WAYS: dict[str, Way] = {
    w.__name__: w
    for w in (
        findings, told, rows, objects, counts, runs, rejects, pivot, guessed, common, links, top, sums, point, stix,
        emitted, report, errors, misp, blocklist, tables, taxii, taxii_pages, taxii_again, notices,
    )
}  # fmt: skip
WAYS |= {f"api {name}": _of_api(name) for name in API} | {f"page {name}": _of_page(name) for name in PAGES}

ALL = ("point", "links", "api run", "point", "rows", "api rows-of-run", "api finding", "point", "links", "api rows",
       "counts", "point", "api host", "point", "links", "api case", "point")  # fmt: skip
"""What costs little and has many parameters: asked again and again, of every recipient."""
OF_SHOT = frozenset(
    {"told", "counts", "runs", "rejects", "common", "links", "top", "sums", "point", "notices"}
)
"""Ways of which a recipient's ceiling decides everything."""
