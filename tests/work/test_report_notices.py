"""The report's table of notices: states by channel, for those whose notices they are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.lake.state.recipients import RecipientRow
from noroshi.work.notify_send import acknowledge, send
from noroshi.work.report import report
from tests.work.notices import NOW, Box, configured, lake_at, loaded, server

OPERATORS = """network,name,mail,recipient
198.51.100.0/24,Example ISP,abuse@isp.example,isp
100.64.0.0/10,Other,abuse@other.example,
"""


@pytest.fixture
def box() -> Iterator[tuple[Box, int]]:
    with server() as running:
        yield running


def recipient(name: str, ceiling: str) -> RecipientRow:
    return RecipientRow(name, "organisation", ceiling, "plain")


@pytest.fixture
def told(tmp_path: Path, box: tuple[Box, int]) -> tuple[Lake, State, Any]:
    """Four findings of two operators: told by mail, one of them acknowledged; in a folder too."""
    lake = lake_at(tmp_path)
    state = State(lake.path)
    for name, ceiling in (("isp", "amber"), ("curious", "amber")):
        state.recipients.add(recipient(name, ceiling))
    loaded(lake, tmp_path, OPERATORS)
    state.notices.clock = lambda: NOW
    config = configured(tmp_path, box[1])
    sent = send(lake, config, state, "test", now=NOW)
    assert len(box[0].got) == 2, sent
    mine = next(n for n in state.notices.all("mail") if n.operator == "Other")
    assert acknowledge(state, "test", mine.id, "")[1] == 1
    state.notices.clock = lambda: NOW + timedelta(hours=1)
    send(lake, config, state, "test", channel="folder", only=[_folder(lake, config, state)], now=NOW)
    return lake, state, config


def _folder(lake: Lake, config: Any, state: State) -> str:
    from noroshi.work.notify import plan

    return next(n.id for n in plan(lake, config, state, now=NOW, channel="folder").notices
                if n.operator.name == "Other")  # fmt: skip


def made(
    told: tuple[Lake, State, Any], to: str, folder: Path, **more: Any
) -> tuple[dict[str, Any], str, str]:
    """(JSON, English Markdown, Japanese Markdown)."""
    lake, state, config = told
    given = {"now": NOW + timedelta(hours=2), "who": "cli:test", "period": "2026-11", **more}
    files = report(lake, config=config, langs=("en", "ja"), folder=folder, recipient=to, state=state, **given)
    text = {f.name.partition(".")[2]: f.read_text("utf-8") for f in files}
    return json.loads(text["json"]), text["en.md"], text["ja.md"]


def counts(document: dict[str, Any]) -> dict[str, dict[str, int]]:
    return {t["channel"]: {s: n for s, n in t["states"] if n} for t in document["told"]}


def test_states_by_channel_in_both_languages(told: tuple[Lake, State, Any], tmp_path: Path) -> None:
    document, english, japanese = made(told, "own", tmp_path / "r")
    by = counts(document)
    assert by["mail"] == {"notified": 3, "acknowledged": 1}
    assert by["folder"]["notified"] == 1
    assert [t["cases"] for t in document["told"]] == [1, 4]
    assert document["tlp"] == "amber+strict"
    for text, words in ((english, ("Notices to those who answer", "| Mail |", "Acknowledged")),
                        (japanese, ("ネットワーク管理者への通知", "| メール |", "受領"))):  # fmt: skip
        assert all(w in text for w in words), text[-3000:]
    row = next(line for line in english.splitlines() if line.startswith("| Mail |"))
    assert [c.strip() for c in row.strip("|").split("|")] == ["Mail", "0", "3", "1", "0", "0", "0", "0", "4"]


def test_of_what_was_seen_in_the_period(told: tuple[Lake, State, Any], tmp_path: Path) -> None:
    document, english, _ = made(told, "own", tmp_path / "r", period="2026-10")
    assert document["told"] == []
    assert "Notices" not in english


def test_others_read_of_their_own_notices_alone(told: tuple[Lake, State, Any], tmp_path: Path) -> None:
    document, _, _ = made(told, "isp", tmp_path / "isp")
    # Not the other operator's, nor what is found and was never told.
    assert counts(document) == {"mail": {"notified": 3}}
    assert document["tlp"] == "amber"
    document, english, japanese = made(told, "curious", tmp_path / "curious")
    assert document["told"] == []
    assert "Notices" not in english
    assert "管理者への通知" not in japanese


def test_who_may_not_see_notices_is_not_shown_them(told: tuple[Lake, State, Any], tmp_path: Path) -> None:
    document, english, _ = made(told, "own", tmp_path / "r", notices=False)
    assert document["told"] == []
    assert "Notices" not in english
