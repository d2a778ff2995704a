"""Findings as lines of a terminal."""

from __future__ import annotations

import pytest

from noroshi.cli import show
from tests.support.findings import finding


def test_rows_fit_and_nothing_is_lost() -> None:
    text = (
        "192.0.2.1（自組織）はMiraiの特徴を持つSYNパケットを130個送信しており、感染ホストとみられる（宛先: 23/TCP）。"
        * 3
    )
    for width in (20, 41, 96):
        rows = show.wrap(text, width)
        assert max(map(show.cell_width, rows)) <= width
        assert "".join(rows).replace(" ", "") == text.replace(" ", "")
        assert not any(row[0] in "、。）」" for row in rows)
        assert not any(row[-1] in "（「" for row in rows)


def test_latin_breaks_between_words_and_only_long_words_are_cut() -> None:
    assert show.wrap("one two three", 8) == ["one two", "three"]
    assert show.wrap("x" * 25, 10) == ["x" * 10, "x" * 10, "x" * 5]
    assert show.wrap("", 10) == []


def test_new_changed_and_withdrawn_are_marked(capsys: pytest.CaptureFixture[str]) -> None:
    changes = [(finding(value=f"192.0.2.{n}"), c) for n, c in enumerate(("new", "changed", "withdrawn", ""))]
    show.findings(changes, lang="en")
    lines = [
        line for line in capsys.readouterr().out.splitlines() if "192.0.2." in line and "did it" not in line
    ]
    assert [line[0] for line in lines] == ["+", "~", "-", " "]


def test_the_surest_come_first_and_the_rest_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    show.findings(
        [(finding(value=f"192.0.2.{n}", confidence=n), "new") for n in range(30)], lang="en", limit=3
    )
    out = capsys.readouterr().out
    assert out.index("192.0.2.29") < out.index("192.0.2.28")
    assert "192.0.2.5 " not in out
    assert "and 27 more" in out


def test_a_hostile_sentence_stays_text(capsys: pytest.CaptureFixture[str]) -> None:
    show.findings([(finding(summary={"en": "a\x1b[2J\u202eb"}), "new")], lang="en")
    out = capsys.readouterr().out
    assert "\x1b[2J" not in out
    assert "\u202e" not in out
