"""Every way out, as the bytes it gives of one view. Whoever adds a way out adds it to WAYS."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from noroshi.config import Config
from noroshi.lake.render import to_text
from noroshi.model.tables import TABLES
from noroshi.share.gate import View

Way = Callable[[View], bytes]


def _json(document: Any) -> bytes:
    return json.dumps(document, default=str, ensure_ascii=False).encode()


def rows(view: View) -> bytes:
    """Rows of every table."""
    return b"\n".join(_json(to_text(view.rows(t))) for t in TABLES)


def chosen(view: View) -> bytes:
    """Columns without those beside them that they are judged by."""
    lone = [("links", ["key"]), ("links", ["value"]), ("indicators", ["value"]), ("indicators", ["raw"])]
    lone += [
        ("flows", ["src_ip"]),
        ("events", ["ip"]),
        ("findings", ["subject_value", "summary", "evidence"]),
    ]
    return b"\n".join(_json(to_text(view.rows(table, columns))) for table, columns in lone)


def findings(view: View) -> bytes:
    """Findings."""
    return _json([f.to_json() for f in view.findings(wanted=False)])


def objects(view: View) -> bytes:
    """Imported objects."""
    return _json(list(view.objects()))


def stix(view: View) -> bytes:
    """A STIX bundle of findings."""
    from noroshi.share import stix as standard

    return standard.bundle(view.findings())


def emitted(view: View) -> bytes:
    """STIX objects with facts and what was imported."""
    from noroshi.share.stix.emit import Options, emit

    return b"\n".join(e.json for e in emit(view, Options(facts=True)))


def misp(view: View) -> bytes:
    """The events of a MISP feed."""
    from noroshi.work.share_misp import events

    return _json(list(events(view)))


def tables(view: View) -> bytes:
    """Findings as CSV and JSON lines, in our columns and in Shadowserver's."""
    from noroshi.share.rows import plain, shadowserver

    found = view.findings()
    reports = [f.body for lines in (False, True) for f in shadowserver.files(found, lines=lines)]
    return b"\n".join([plain.as_csv(found), plain.as_lines(found), *reports])


def blocklists(view: View) -> bytes:
    """What a firewall is given."""
    from datetime import timedelta

    from noroshi.share.blocklist import formats
    from noroshi.share.blocklist.select import Terms, choose

    chosen = choose(view, Terms(floor=0, longest=timedelta(days=4000)))
    return b"".join(
        (formats.nftables(chosen, view.now), formats.rpz(chosen, view.now), formats.plain(chosen))
    ) + _json(sorted(chosen.left_out))


def taxii(view: View) -> bytes:
    """What a collection holds, with its manifest."""
    import tempfile
    from pathlib import Path

    from noroshi.share.taxii import append, filters, schema, store, times
    from noroshi.work.publish import _emitted

    parts: list[bytes] = []
    asked = filters.parse([("limit", "500"), ("match[version]", "all")])
    for sort in ("findings", "intelligence"):
        with tempfile.TemporaryDirectory() as folder, schema.writing(Path(folder) / "log") as con:
            entries = (append.Entry(e.id, e.type, e.version, e.json) for e in _emitted(view, sort))
            append.publish(con, entries, times.micros(view.now))
            after, more = None, True
            while more:
                page = store.page(con, asked, after)
                parts += [
                    *store.bodies(con, page.seqs),
                    *store.encoded(store.manifest(store.rows(con, page.seqs))),
                ]
                after, more = page.seqs[-1] if page.seqs else None, page.more
    return b"\n".join(parts)


def report(view: View) -> bytes:
    """The report of a year: figures and pages in both languages."""
    from datetime import UTC

    from noroshi.share.report import compose, html, markdown
    from noroshi.share.report.data import to_json
    from noroshi.share.report.words import words
    from noroshi.work.report import gathered

    data = gathered(view, CONFIG[0], "2026")
    pages = [compose.view(data, words(lang, UTC, "UTC")) for lang in ("en", "ja")]
    return _json(to_json(data)) + "".join(html.render(p) + markdown.render(p) for p in pages).encode()


CONFIG: list[Config] = []
"""The configuration of the lake tried, put here by the test."""

WAYS: dict[str, Way] = {
    w.__name__: w
    for w in (rows, chosen, findings, objects, stix, emitted, misp, tables, blocklists, taxii, report)
}
