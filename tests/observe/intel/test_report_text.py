"""Reports in running text."""

# ruff: noqa: E501

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.observe.intel.report_text import ReportSensor, encoding_of, without_tags
from tests.observe.intel.listing import read

SENSOR = ReportSensor()
REPORT = """# A campaign against nobody

The loader at hxxp://evil[.]example[.]com/a.php drops `setup.exe`
(SHA-256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855) and uses T1059.001.
通信先は192.0.2[.]7とc2[.]example[.]netで、CVE-2021-44228を悪用する。連絡先は info@vendor.example.com。
See https://www.vendor.example.com/blog for more; hxxp://evil[.]example[.]com/a.php again.
"""
HTML = (
    "<!DOCTYPE html><html><head><title>A &amp; B</title><style>a{x:url(http://style.example.com/)}</style></head>"
    "<body><p>C2: evil<b>[.]</b>example<wbr>[.]com&#58;8080</p><script>fetch('http://script.example.com/')</script>"
    "<!-- http://comment.example.com/ --><td>192[.]0[.]2[.]9</td><td>d41d8cd98f00b204e9800998ecf8427e</td></body></html>"
)  # fmt: skip


def test_report() -> None:
    data = REPORT.encode()
    assert SENSOR.sniff(data)
    tables, rejects = read(SENSOR, data, name="report.md")
    rows = tables["indicators"]
    assert [(r["kind"], r["value"], r["role"]) for r in rows] == [
        ("url", "http://evil.example.com/a.php", "mentions"),
        ("sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "mentions"),
        ("technique", "T1059.001", "mentions"), ("ip", "192.0.2.7", "mentions"), ("domain", "c2.example.net", "mentions"),
        ("cve", "CVE-2021-44228", "mentions"), ("email", "info@vendor.example.com", "reference"),
        ("url", "https://www.vendor.example.com/blog", "reference"),
    ]  # fmt: skip
    assert rejects == []
    assert {r["document_name"] for r in rows} == {"A campaign against nobody"}
    assert rows[0]["comment"] == "The loader at hxxp://evil[.]example[.]com/a.php drops `setup.exe`"
    for row in rows:
        written = (row["raw"] or row["value"]).encode()
        assert data[row["offset"] :].startswith(written)


def test_html() -> None:
    data = HTML.encode()
    assert SENSOR.sniff(data)
    rows = read(SENSOR, data)[0]["indicators"]
    assert [r["value"] for r in rows] == ["evil.example.com", "192.0.2.9", "d41d8cd98f00b204e9800998ecf8427e"]
    assert rows[0]["document_name"] == "A & B"
    assert data[rows[1]["offset"] :].startswith(b"192[.]")


def test_cp932() -> None:
    data = "通信先は evil[.]example[.]com、表示ソフトの 192[.]0[.]2[.]7 です。\n".encode("cp932")
    rows = read(SENSOR, data)[0]["indicators"]
    assert [r["value"] for r in rows] == ["evil.example.com", "192.0.2.7"]
    assert data[rows[1]["offset"] :].startswith(b"192[.]")


def test_plain_text_with_as_report() -> None:
    """Nothing in it is defanged: it is not known by content, and everything counts when it is asked for."""
    data = b"The address 192.0.2.1 and evil.example.com.\n"
    assert not SENSOR.sniff(data)
    rows = read(SENSOR, data)[0]["indicators"]
    assert {r["role"] for r in rows} == {"mentions"}
    assert [r.reason for r in read(SENSOR, b"nothing here\n")[1]] == ["no-indicator"]


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\0" * 50,
        b'{"a": "evil[.]com"}',
        b"x = a[.5]; b(.) c\n",
        b"see e.g. [.] or (dot)\n",
        b"# README\nRun setup.exe\n",
    ],
)
def test_no_report(head: bytes) -> None:
    assert not SENSOR.sniff(head)


def test_encodings() -> None:
    assert encoding_of("日本".encode()[:-1]) == "utf-8"
    assert encoding_of("日本語".encode("cp932")) == "cp932"
    assert encoding_of(b"\x81\x20" * 20) == "latin-1"


def test_truncated() -> None:
    data = REPORT.encode()
    for cut in range(0, len(data), 37):
        read(SENSOR, data[:cut])


@pytest.mark.parametrize(
    "piece", ["<!--", "<script>", "<a ", "&#", "<", "</script", "<b>", "&amp;", "a[.]com "]
)
def test_hostile_markup_ends(piece: str) -> None:
    """What looks for an end that never comes would take minutes for these."""
    text = piece * (200_000 // len(piece))
    without_tags(text)
    read(SENSOR, b"<html>" + text.encode())


_PIECES = st.sampled_from(
    [
        "<b>",
        "</b>",
        "<p>",
        "<!--",
        "-->",
        "<script>",
        "&amp;",
        "&#46;",
        "evil",
        "[.]",
        "com",
        "日本",
        "hxxp://",
        "\n",
        "é",
        "192.0.2.1",
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.lists(_PIECES, max_size=25).map(lambda p: "".join(p).encode())))
def test_any_bytes(data: bytes) -> None:
    SENSOR.sniff(data)
    read(SENSOR, data)
    tables, _ = read(SENSOR, b"<html>" + data)
    assert all(0 <= r["offset"] < len(data) + 6 for r in tables.get("indicators", []))
