"""The page, the Markdown and the JSON: valid, whole, harmless, alike, and the same every time."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from noroshi.model.errors import NoroshiError, UsageError
from noroshi.model.finding import Finding, Rule, Subject
from noroshi.share.report import ReportData, build, parse, to_json, write
from noroshi.share.report.compose import view
from noroshi.share.report.html import csv as table_csv
from noroshi.share.report.html import render, style
from noroshi.share.report.markdown import escape
from noroshi.share.report.markdown import render as render_markdown
from noroshi.share.report.view import Cell, Column, Table, View, visible
from noroshi.share.report.words import words
from tests.share.report.test_collect import NOW, scopes, table
from tests.support.memory import flow
from tests.support.report_days import OWN, StoreQuery, country_table, network_table, run, stretch

TOKYO = ZoneInfo("Asia/Tokyo")
AT = datetime(2026, 10, 7, tzinfo=UTC)
EVIL = "</td><script>alert(1)</script>\x1b[31m\u202e|`*[x](javascript:1)"
VOID = {"meta", "link", "br", "img", "input", "hr"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> ReportData:
    folder = tmp_path_factory.mktemp("tables")
    query, found, known = stretch(date(2026, 10, 1), 6, rows=3_000)
    country, network = country_table(folder / "country.tsv"), network_table(folder / "network.tsv")
    return build(
        query, found, known, parse("2026-10-04..2026-10-06", AT, TOKYO), now=AT, own=OWN, country=country,
        network=network,
    )  # fmt: skip


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> ReportData:
    """Everything an attacker or a careless colleague names, named badly."""
    at = datetime(2024, 4, 1, 12, tzinfo=UTC)
    rows = [flow("198.51.100.1", "192.0.2.1", dport=23, tool=EVIL, **{"class": EVIL})]
    runs = [run(EVIL, EVIL, at, at, format=EVIL, problem=EVIL)]
    rejects = [
        {"run_id": EVIL, "path": "", "position": 0, "reason": EVIL, "detail": "", "sample": "", "count": 1}
    ]
    country = tmp_path_factory.mktemp("tables") / "<b>.tsv"
    country.write_text(f"198.51.100.0\t198.51.100.255\t{EVIL.replace(chr(9), '')}\n")
    evidence: dict[str, Any] = {
        "ports": [EVIL],
        "class": EVIL,
        "organisation": EVIL,
        "rate_pps": 1e5,
        "packets": 3,
    }
    found = [
        Finding(kind, Subject("ip", EVIL if kind != "investigation-scanner" else "198.51.100.1"), Rule("r", 1), at, at,
                50, {"en": EVIL, "ja": EVIL}, evidence)
        for kind in ("dos-victim", "infected-host", "investigation-scanner", "port-surge")
    ]  # fmt: skip
    return build(
        StoreQuery(table(rows), runs, rejects), found, scopes(), parse("2024-04-01", NOW, TOKYO), now=NOW,
        country=country, network=country, own=("198.51.100.0/24",),
    )  # fmt: skip


def page(data: ReportData, lang: str) -> View:
    return view(data, words(lang, data.period.tz, data.timezone))


class Checker(HTMLParser):
    """Elements closed in order, ids once, and what is referred to."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.stack: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.wanted: set[str] = set()
        self.tags: list[str] = []
        self.text: list[str] = []
        self.problems: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        names = [name for name, _ in attrs]
        self.problems += [f"{tag} repeats {n}" for n in names if names.count(n) > 1]
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src", "action", "data", "srcset", "poster", "formaction"):
                self.links.append(value or "")
            if name.startswith("on"):
                self.problems.append(f"{tag} has {name}")
            self.wanted |= set(re.findall(r"url\(#([^)]*)\)", value or ""))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.stack.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.stack or self.stack.pop() != tag:
            self.problems.append(f"</{tag}> out of order")

    def handle_data(self, data: str) -> None:
        if "script" not in self.stack and "style" not in self.stack:
            self.text.append(data)


def check(text: str) -> Checker:
    checker = Checker()
    checker.feed(text)
    checker.close()
    return checker


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_page_is_valid_and_self_contained(data: ReportData, lang: str) -> None:
    text = render(page(data, lang))
    found = check(text)
    assert found.problems == []
    assert found.stack == []
    assert len(found.ids) == len(set(found.ids))
    assert found.wanted <= set(found.ids)
    inside = {f"#{i}" for i in found.ids}
    assert all(link.startswith("data:text/csv;") or link in inside for link in found.links)
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    assert not re.search(r"(https?:)?//[a-z0-9]", re.sub(r"base64,[A-Za-z0-9+/=]*", "", text))
    assert text.startswith("<!DOCTYPE html>")
    assert f'<html lang="{lang}">' in text


def test_script_is_the_one_the_policy_allows(data: ReportData) -> None:
    text = render(page(data, "en"))
    scripts = re.findall(r"<script>(.*?)</script>", text, flags=re.S)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text


def test_pictures_use_the_pages_colours_and_fonts(data: ReportData) -> None:
    text = render(page(data, "ja"))
    pictures = re.findall(r"<svg.*?</svg>", text, flags=re.S)
    assert len(pictures) > 10
    for svg in pictures:
        assert not re.search(r"#[0-9a-f]{6}\b", re.sub(r'(url\(#|href="#|id=")[^)"]*', "", svg))
        assert "font-family" not in svg
        assert "<style" not in svg
        assert "<image" not in svg


def test_style_has_both_themes_print_and_one_column() -> None:
    sheet = style()
    assert "prefers-color-scheme:dark" in sheet
    assert "@media print" in sheet
    assert "max-width:720px" in sheet
    assert sheet.count("--h0:") == 3
    used = set(re.findall(r"var\(--([a-z0-9]+)\)", sheet))
    assert used <= set(re.findall(r"--([a-z0-9]+):", sheet))
    assert "text-transform" not in sheet
    assert "justify;" not in sheet


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_hostile_text_stays_text(hostile: ReportData, lang: str) -> None:
    shown = page(hostile, lang)
    text = render(shown)
    found = check(text)
    assert found.problems == []
    assert found.tags.count("script") == 1
    assert found.tags.count("b") == text.count('<i class="bar"><b style=')
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text
    for bad in ("\x1b", "\u202e"):
        assert bad not in text
    assert "\\x1b[31m\\u202e" in "".join(found.text)
    markdown = render_markdown(shown)
    outside = re.sub(r"^(`{3,})$.*?^\1$", "", markdown, flags=re.S | re.M)
    assert "\\<script\\>" in outside
    assert not re.search(r"(?<!\\)<script", outside)
    assert not re.search(r"(?<!\\)\]\(", outside)
    assert "\x1b" not in markdown
    rows = [line for line in outside.splitlines() if line.startswith("| ")]
    heads = [i for i, line in enumerate(outside.splitlines()) if line.startswith("|--")]
    assert rows
    assert heads


def test_hostile_json_is_json(hostile: ReportData) -> None:
    raw = json.loads(json.dumps(to_json(hostile)))
    assert raw["tools"][0]["key"] == EVIL


def test_file_names_that_are_no_text(tmp_path: Path) -> None:
    at = datetime(2024, 4, 1, 12, tzinfo=UTC)
    data = build(
        StoreQuery(table([flow("198.51.100.1", "192.0.2.1", dport=23)]), [run("r", "bad\\xff.pcap", at, at)]), [],
        scopes(), parse("2024-04-01", NOW, TOKYO), now=NOW,
    )  # fmt: skip
    from dataclasses import replace

    lone = replace(data, runs=(replace(data.runs[0], path="bad\udcff.pcap"),))
    for path in write(lone, tmp_path):
        path.read_text(encoding="utf-8")


def test_control_characters_are_made_visible() -> None:
    assert visible("a\x00\n\x1b\u202eb\ufeff") == "a\\x00\\x0a\\x1b\\u202eb\\ufeff"
    assert visible("日本 é –") == "日本 é –"


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_same_numbers_in_every_format(data: ReportData, lang: str) -> None:
    """Every count of the main tables stands in the page, in the Markdown and, as it is, in the JSON."""
    shown = page(data, lang)
    html_text, markdown, raw = "".join(check(render(shown)).text), render_markdown(shown), to_json(data)
    w = words(lang, data.period.tz, data.timezone)
    for name in ("ports", "tools", "classes"):
        for row, same in zip(getattr(data, name), raw[name], strict=True):
            assert row.packets == same["packets"]
            assert w.n(row.packets) in html_text
            assert w.n(row.packets) in markdown
            assert w.percent(row.share) in markdown
    for value in (data.totals.packets, data.totals.sources, data.infected_hosts):
        assert w.n(value) in html_text
        assert w.n(value) in markdown
    assert raw["totals"]["packets"] == data.totals.packets
    for victim in data.victims:
        assert victim.subject in html_text
        assert w.pps(victim.rate) in escape_free(markdown)


def escape_free(markdown: str) -> str:
    return re.sub(r"\\(.)", r"\1", markdown)


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_page_and_markdown_have_the_same_tables(data: ReportData, lang: str) -> None:
    shown = page(data, lang)
    markdown = render_markdown(shown)
    for section in shown.sections:
        assert f"## {escape(section.title)}" in markdown
        for part in section.tables:
            if part.open:
                for row in part.rows:
                    assert "| " + " | ".join(escape(c.text) for c in row) + " |" in markdown


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_no_key_is_left_untranslated(data: ReportData, hostile: ReportData, lang: str) -> None:
    for report in (data, hostile):
        text = " ".join(check(render(page(report, lang))).text)
        assert not re.findall(
            r"\b(?:col|section|table|figure|axis|key|label|sentence|fact|gap)\.[a-z_]+\b", text
        )
        assert "{" not in re.sub(r"noroshi sql .*", "", text)


def test_japanese_page_is_japanese(data: ReportData) -> None:
    """Words of the English page that are names stay; its sentences do not."""
    english = page(data, "en")
    text = " ".join(check(render(page(data, "ja"))).text)
    for section in english.sections:
        for sentence in (*section.lead, *section.notes, section.title):
            assert sentence not in text


def test_first_sentence(data: ReportData) -> None:
    shown = page(data, "en")
    assert shown.alert == "2 hosts in your own networks look infected."
    assert shown.sentence.startswith("Over 4–6 October 2026, each of 4,091 dark addresses received ")
    assert "23/TCP (Telnet) drew the most packets" in shown.sentence


def test_first_sentence_when_there_is_nothing() -> None:
    data = build(StoreQuery(table([])), [], [], parse("2024-04-01", NOW, TOKYO), now=NOW)
    shown = page(data, "en")
    assert shown.sentence == "On 1 April 2024, nothing was observed: no stored packet falls into this time."
    assert shown.alert == ""
    for lang in ("en", "ja"):
        assert check(render(page(data, lang))).problems == []
        assert "annual" not in {f.name for f in page(data, lang).figures}


def test_first_sentence_before_the_period_is_over() -> None:
    rows = [flow("198.51.100.1", "192.0.2.1", dport=23, count=512)]
    at = NOW - timedelta(hours=8)
    data = build(StoreQuery(table(rows)), [], scopes(), parse("2024-04", at, TOKYO), now=at)
    assert page(data, "en").sentence.startswith(
        "In April 2024, each of 256 dark addresses has so far received 2 packets"
    )
    assert "これまでに" in page(data, "ja").sentence
    annual = next(f for f in page(data, "en").figures if f.name == "annual")
    assert annual.detail.startswith("annualised; 2 observed in ")
    assert {g.reason for g in data.gaps} >= {"future"}


def test_no_victim_names_the_floor() -> None:
    rows = [flow("198.51.100.1", "192.0.2.1", dport=23)]
    data = build(StoreQuery(table(rows)), [], scopes(), parse("2024-04-01", NOW, TOKYO), now=NOW)
    assert (
        "No DoS victim was found; attacks of an hour below 73.2 kpps stay unseen."
        in page(data, "en").sentence
    )


def test_files_and_their_names(data: ReportData, tmp_path: Path) -> None:
    paths = write(data, tmp_path / "new", "ja")
    assert [p.name for p in paths] == [
        "noroshi-2026-10-04--2026-10-06.ja.html", "noroshi-2026-10-04--2026-10-06.ja.md",
        "noroshi-2026-10-04--2026-10-06.json",
    ]  # fmt: skip
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == sorted(p.name for p in paths)
    first = [p.read_bytes() for p in paths]
    assert [p.read_bytes() for p in write(data, tmp_path / "new", "ja")] == first


def test_what_cannot_be_written(data: ReportData, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no report as"):
        write(data, tmp_path, "en", ("pdf",))
    with pytest.raises(UsageError, match="no report in"):
        write(data, tmp_path, "fr")
    (tmp_path / "file").write_text("")
    with pytest.raises(NoroshiError, match="cannot be written"):
        write(data, tmp_path / "file" / "deep", "en", ("json",))


def test_csv_of_a_table() -> None:
    columns = (Column("a"), Column("n", "num"))
    rows = ((Cell("=1+1"), Cell("1,234", raw="1234")), (Cell('say "x", y'), Cell("−3", raw="-3")))
    text = table_csv(Table("t", "t", columns, rows))
    assert list(csv.reader(io.StringIO(text))) == [["a", "n"], ["'=1+1", "1234"], ['say "x", y', "-3"]]


def test_readers_outside_do_not_learn_which_addresses_are_watched(tmp_path: Path) -> None:
    query, found, known = stretch(date(2026, 10, 1), 4, rows=2_000)
    inside = [
        Finding("inside-talker", Subject("ip", "198.18.0.7"), Rule("r", 1), AT - timedelta(days=4),
                AT - timedelta(days=4), 50, {"en": "198.18.0.7 talks", "ja": "198.18.0.7"}, {})
    ]  # fmt: skip
    period = parse("2026-10-04", AT, TOKYO)
    for reveal in (True, False):
        report = build(query, found + inside, known, period, now=AT, own=OWN, reveal=reveal)
        texts = [p.read_text() for lang in ("en", "ja") for p in write(report, tmp_path / str(reveal), lang)]
        assert len(texts) == 6
        shown = [re.sub(r"base64,[A-Za-z0-9+/=]*", "", text) for text in texts]
        for secret in ("198.18.", "203.0.113.0/24", "campus-2026-10-04.pcap"):
            assert all(secret in t for t in shown) if reveal else not any(secret in t for t in texts), secret
        assert not any("synthetic/" in t for t in texts)
        assert (report.infected_own > 0) is reveal


def test_paths_are_told_by_their_last_part(data: ReportData) -> None:
    assert {r.path.partition("-")[0] for r in data.runs} == {"campus"}
