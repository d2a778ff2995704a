"""The message: whole in two languages, the same bytes for the same content, and nothing hostile text can do to it."""

from __future__ import annotations

import csv
import email
import email.policy
import io
import json
import os
import re
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import xarf
from hypothesis import given
from hypothesis import strategies as st

from noroshi.share.notify import table
from noroshi.share.notify.compose import SHOWN_ITEMS, notice
from noroshi.share.notify.items import _FACTS, _LISTS, KINDS, Item, Row, one_line
from noroshi.share.notify.words import LANGS, words
from tests.share.notify.support import SEEN, SENDER, item, one_of_each, operator, service

HEADERS = {
    "from", "to", "reply-to", "subject", "message-id", "auto-submitted", "x-noroshi-notice", "mime-version",
    "content-type",
}  # fmt: skip
HOSTILE = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        ["x\r\nBcc: all@example.com\r\n\r\n.\r\nMAIL FROM:<a@b>", "=cmd|' /C calc'!A0", "@SUM(1+1)", "+1", "-2+3",
         "\t=1", "\udc80\u2028\u202e\x1b[2J", '","', '"\r\n"', "--=_n-0", "\x00", "| dir", "%0a=1", "＝1+1"]
    ),
)  # fmt: skip


def parsed(body: bytes) -> EmailMessage:
    return email.message_from_bytes(body, policy=email.policy.default)


def words_of(message: EmailMessage) -> str:
    part = message.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def keys(thing: Any, path: str = "") -> set[str]:
    if not isinstance(thing, dict):
        return {path}
    return set().union(*(keys(v, f"{path}.{k}") for k, v in thing.items()))


def test_both_languages_have_every_word() -> None:
    assert keys(words("en")) == keys(words("ja"))
    for lang in LANGS:
        w = words(lang)
        assert set(w["kind"]) == set(KINDS)
        assert all(w["kind"][k]["advice"] for k in KINDS)
        assert {f for some in _FACTS.values() for f in some} <= set(w["fact"])
    assert set(_LISTS) <= set(words("en")["fact"])


@pytest.mark.parametrize("lang", LANGS)
def test_every_word_has_its_values(lang: str) -> None:
    items = [
        *one_of_each(),
        item(subject="198.51.100.9", round=3, told=("2026-11-01", "2026-11-10"), again=True),
    ]
    made = notice(operator(lang=lang), "mail", ("a@isp.example",), items, SENDER)
    text = words_of(parsed(made.body))
    assert not re.search(r"\{\w*\}|None|\[\]", text + made.subject)
    for said in (
        "198.51.100.7",
        "2026-11-18T03:04:05.678901Z",
        "40000 -> 23",
        "CVE-2021-41773",
        "TLP:AMBER",
        made.id,
        "Example CERT",
        "https://cert.example",
        "2026-11-01",
        "2026-11-10",
        "STOP" if lang == "en" else "停止",
    ):
        assert said in text, said
    assert ("初期パスワード" in text) == (lang == "ja")
    assert ("default login" in text) == (lang == "en")
    assert str(parsed(made.body)["Subject"]) == made.subject


def test_the_same_content_is_the_same_bytes_and_any_other_another_id() -> None:
    first = notice(operator(), "mail", ("a@isp.example",), one_of_each(), SENDER)
    again = notice(operator(), "mail", ("a@isp.example",), one_of_each(), SENDER)
    assert (first.id, first.body) == (again.id, again.body)
    others = [
        notice(operator(), "folder", ("a@isp.example",), one_of_each(), SENDER),
        notice(operator(), "mail", ("b@isp.example",), one_of_each(), SENDER),
        notice(operator(lang="ja"), "mail", ("a@isp.example",), one_of_each(), SENDER),
        notice(operator(), "mail", ("a@isp.example",), one_of_each()[1:], SENDER),
        notice(operator(), "mail", ("a@isp.example",), [item(last_seen=SEEN + timedelta(seconds=1))], SENDER),
        notice(operator(), "mail", ("a@isp.example",), [item(round=2)], SENDER),
    ]
    assert len({n.id for n in (first, *others)}) == 7


def test_what_is_not_told_changes_nothing() -> None:
    plain = notice(operator(), "mail", (), [item()], SENDER)
    with_detail = notice(operator(), "mail", (), [item(detail={"scope": "campus"})], SENDER)
    assert plain.body == with_detail.body


def test_many_are_told_in_part_and_attached_whole() -> None:
    items = [item(subject=f"198.51.100.{n}") for n in range(200)]
    made = notice(operator(), "mail", (), items, SENDER)
    text = words_of(parsed(made.body))
    assert f"... {200 - SHOWN_ITEMS} more addresses in the attached table" in text
    (data,) = made.files.values()
    assert len(list(csv.DictReader(io.StringIO(data.decode())))) == 200


@given(hostile=st.lists(HOSTILE, min_size=8, max_size=8))
def test_hostile_text_breaks_neither_header_nor_line_nor_table(hostile: list[str]) -> None:
    told = [one_line(h) for h in hostile]
    items = [
        item(facts={"class": told[0], "services": told[:3], "tools": told[3:5]},
             rows=(Row(SEEN, "198.51.100.7", "tcp", 1, 2, 3, told[5], told[6], "darknet"),)),
        service("vulnerable-service", facts={"vulnerabilities": [{"id": told[0], "version": told[1]}]},
                rows=(Row(SEEN, "198.51.100.7", "tcp", 23, None, None, told[2], told[7], "survey"),)),
        service("weak-credential", rows=(Row(SEEN, "198.51.100.7", "tcp", 9, None, None, "telnet", told[7], ""),)),
    ]  # fmt: skip
    made = notice(operator(format="xarf"), "mail", ("a@isp.example",), items, SENDER)
    message = parsed(made.body)
    assert {k.lower() for k in message.keys()} == HEADERS  # noqa: SIM118
    assert made.body.isascii()
    assert max(len(line) for line in made.body.split(b"\r\n")) < 999
    attached = list(message.iter_attachments())
    assert [a.get_filename() for a in attached] == list(made.files)
    for name, data in made.files.items():
        if name.endswith(".json"):
            assert json.loads(data)
            continue
        rows = list(csv.reader(io.StringIO(data.decode("utf-8"), newline=""), strict=True))
        assert len({len(r) for r in rows}) == 1
        assert len(rows) == data.count(b"\r\n")  # no cell holds a line break
        for cell in (c for r in rows[1:] for c in r):
            assert not re.match(r"\s*[=+\-@\t\r|%]", cell), cell
    # Every line of the words is one we wrote: hostile text starts none.
    for line in words_of(message).splitlines():
        assert not line.startswith(("Bcc", "MAIL", "."))


@pytest.mark.parametrize("wrong", ["a@isp.example\r\nBcc: b@example.com", "a@isp.example\nX: y"])
def test_an_address_with_a_line_break_makes_no_message(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"(?i)linefeed|newline|carriage|invalid"):
        notice(operator(), "mail", (wrong,), [item()], SENDER)


def sixes() -> list[Item]:
    """The same of a host with an IPv6 address."""
    host = "2001:db8::7"
    return [
        replace(i, subject=host, network="2001:db8::/32", rows=tuple(replace(r, ip=host) for r in i.rows))
        for i in one_of_each()
    ]


def test_the_table_reads_as_shadowservers_reports() -> None:
    """By our own reader of such reports: type by the file's name, host, port and time."""
    from noroshi.observe.survey.shadowserver import ShadowserverSensor
    from noroshi.observe.survey.shadowserver_types import from_file_name

    made = table.files([*one_of_each(), *sixes()], "Example ISP")
    assert {from_file_name(n) for n in made} == set(table.COLUMNS)
    for name, data in made.items():
        assert ShadowserverSensor().sniff(data)
        six = name.endswith("_6.csv") or from_file_name(name) in ("scan6_telnet", "device_id6")
        for row in csv.DictReader(io.StringIO(data.decode())):
            assert row["timestamp"] == "2026-11-18 03:04:05.678901"
            # The two never stand in one file: a reader of IPv4 alone must be able to leave the other out.
            assert ("2001:db8::7" if six else "198.51.100.7") in (row.get("src_ip"), row.get("ip"))
            assert row["src_asn" if "src_asn" in row else "asn"] == "64500"
            assert row["tag"]


def test_the_columns_are_those_published() -> None:
    """Against the schemas and IntelMQ's mapping the Foundation publishes, which carry no licence."""
    folder = Path(os.environ.get("NOROSHI_DATA", "")) / "survey/shadowserver"
    if not os.environ.get("NOROSHI_DATA") or not folder.is_dir():
        pytest.skip("set NOROSHI_DATA to a folder with survey/shadowserver")
    reports, mapping = (json.loads((folder / n).read_text()) for n in ("reports.json", "intelmq.json"))
    by_file = {m["file_name"]: m for m in mapping.values() if "file_name" in m}
    for name, columns in table.COLUMNS.items():
        published = reports[name]["fields"]
        assert list(columns) == [c for c in published if c in columns], name
        needed = {c for _, c, *_ in by_file[name]["required_fields"]}
        assert needed <= set(columns), name
        files = [d for n, d in table.files([*one_of_each(), *sixes()], "x").items() if f"-{name}-" in n]
        assert files, name
        for data_ in files:
            for row in csv.DictReader(io.StringIO(data_.decode())):
                assert all(row[c] for c in needed), (name, row)


def test_xarf_is_valid_for_its_own_library() -> None:
    made = notice(operator(format="xarf"), "mail", (), one_of_each(), SENDER)
    (name,) = [n for n in made.files if n.endswith(".json")]
    reports = json.loads(made.files[name])
    assert {(r["category"], r["type"]) for r in reports} == {
        ("infrastructure", "botnet"), ("connection", "login_attack"), ("vulnerability", "misconfiguration"),
        ("vulnerability", "cve"), ("vulnerability", "open_service"),
    }  # fmt: skip
    for report in reports:
        found = xarf.parse(report)
        assert not found.errors, (report, found.errors)
    broken = xarf.parse({k: v for k, v in reports[0].items() if k != "reporter"})
    assert broken.errors  # the library does look
