"""What became of what was told: looked at again, answered, come back."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.lake.state.notices import FIXED, NOTIFIED, PERSISTING, RECHECKED, RETURNED
from noroshi.model.errors import UsageError
from noroshi.work.notify import plan
from noroshi.work.notify_send import acknowledge, cancel, give_back, send
from noroshi.work.notify_status import document, status
from tests.work import notices
from tests.work.notices import (
    BOT,
    BROKEN,
    NOW,
    OTHER,
    VICTIM,
    Box,
    at,
    bot,
    configured,
    flow,
    loaded,
    store,
)

lake, state, box = notices.lake, notices.state, notices.box


def test_who_the_server_does_not_know_is_returned(
    lake: Lake, state: State, box: tuple[Box, int], tmp_path: Path
) -> None:
    held, port = box
    held.refuse = {"abuse@tsushin.example": "550 no such user", "noc@isp.example": "550 no such user"}
    config = configured(tmp_path, port)
    done = send(lake, config, state, "test", now=NOW)
    assert len(done.sent) == 1  # the other address of the first operator took it
    assert {i.subject: i.state for i in state.notices.items()}[OTHER] == RETURNED
    seen = NOW + timedelta(days=30)
    lake.put_findings([bot(OTHER, first_seen=seen, last_seen=seen)], [])
    later = plan(lake, config, state, now=seen + timedelta(hours=1))
    assert "例示通信" not in {n.operator.name for n in later.notices}


def test_returned_holds_until_the_address_is_mended(
    lake: Lake, state: State, box: tuple[Box, int], tmp_path: Path
) -> None:
    _, port = box
    config = configured(tmp_path, port)
    first, _ = send(lake, config, state, "test", now=NOW).sent
    give_back(state, "test", first[:10], "user unknown")
    lake.put_findings([bot("198.51.100.50")], [])
    now = at(state, NOW + timedelta(days=1))
    (held,) = plan(lake, config, state, now=now).held
    assert "came back" in held.why
    loaded(lake, tmp_path, "network,name,mail\n198.51.100.0/24,Example ISP,new@isp.example\n")
    (notice,) = plan(lake, config, state, now=now).notices
    assert notice.mails == ("new@isp.example",)
    assert {i.subject for i in notice.items} == {
        BOT,
        BROKEN,
        VICTIM,
        "198.51.100.50",
    }  # nobody was told of them
    assert "Reminder" not in notice.subject


def later(state: State, lake: Lake, rows: list[dict[str, Any]], days: int) -> datetime:
    if rows:
        store(lake, "flows", rows)
    return at(state, NOW + timedelta(days=days))


def quiet(first: int, last: int) -> list[dict[str, Any]]:
    """Packets of somebody else on days after NOW: the telescope looked."""
    return [flow("233.252.0.9", NOW + timedelta(days=d), 1000 + d) for d in range(first, last + 1)]


def states(state: State) -> dict[str, str]:
    return {i.subject: i.state for i in state.notices.items()}


def test_fixed_only_where_something_looked(
    lake: Lake, state: State, box: tuple[Box, int], tmp_path: Path
) -> None:
    _, port = box
    config = configured(tmp_path, port, "quiet_days = 3\n")
    send(lake, config, state, "test", now=NOW)
    now = later(state, lake, [], 20)
    send(lake, config, state, "test", now=now)
    assert set(states(state).values()) == {NOTIFIED}  # nobody looked
    later(state, lake, quiet(1, 2), 3)
    send(lake, config, state, "test", now=NOW + timedelta(days=3))
    assert states(state)[BOT] == RECHECKED  # two days are not three
    now = later(state, lake, quiet(3, 3), 4)
    send(lake, config, state, "test", now=now)
    assert states(state) == {BOT: FIXED, OTHER: FIXED, VICTIM: FIXED, BROKEN: NOTIFIED}  # decoys did not look
    fixed = [s for s in state.notices.steps() if s.state == FIXED]
    assert {s.at for s in fixed} == {
        datetime(2026, 11, 21, tzinfo=NOW.tzinfo)
    }  # the first day it was not seen


def test_still_there_is_persisting_and_raw_rows_count(
    lake: Lake, state: State, box: tuple[Box, int], tmp_path: Path
) -> None:
    """Packets that no analyser has judged yet are no cure."""
    _, port = box
    config = configured(tmp_path, port, "quiet_days = 3\n")
    send(lake, config, state, "test", now=NOW)
    rows = [flow(BOT, NOW + timedelta(days=d), 41000 + d) for d in range(1, 6)] + quiet(1, 5)
    now = later(state, lake, rows, 6)
    send(lake, config, state, "test", now=now)
    assert states(state)[BOT] == PERSISTING
    assert states(state)[OTHER] == FIXED
    now = later(state, lake, quiet(6, 9), 10)
    send(lake, config, state, "test", now=now)
    assert states(state)[BOT] == FIXED


def test_what_comes_back_is_a_new_episode(
    lake: Lake, state: State, box: tuple[Box, int], tmp_path: Path
) -> None:
    held, port = box
    config = configured(tmp_path, port, "quiet_days = 3\n")
    send(lake, config, state, "test", now=NOW)
    now = later(state, lake, quiet(1, 4), 5)
    send(lake, config, state, "test", now=now)
    assert states(state)[BOT] == FIXED
    seen = NOW + timedelta(days=20)
    lake.put_findings([bot(first_seen=seen, last_seen=seen)], [])
    now = at(state, seen + timedelta(hours=1))
    shown = plan(lake, config, state, now=now)
    done = send(lake, config, state, "test", now=now)
    assert [n.id for n in shown.notices] == done.sent
    body = held.messages()[-1].get_body()
    assert body is not None
    assert "is back" in body.get_content()
    (item,) = [i for i in state.notices.items() if i.subject == BOT]
    assert (item.episode, item.round, item.state) == (2, 1, NOTIFIED)
    (channel,) = status(state, now=now).channels
    assert (channel.cases, channel.fixed, channel.back) == (5, 3, 1)


def test_a_plan_knows_what_a_new_look_would_say(
    lake: Lake, state: State, box: tuple[Box, int], tmp_path: Path
) -> None:
    """Due for a reminder, but gone since: neither planned nor sent."""
    held, port = box
    config = configured(tmp_path, port, "quiet_days = 3\nrepeat_days = 5\nwindow_days = 30\n")
    send(lake, config, state, "test", now=NOW)
    seen = NOW + timedelta(days=1)
    lake.put_findings([bot(first_seen=seen, last_seen=seen)], [])
    assert plan(lake, config, state, now=at(state, NOW + timedelta(days=6))).notices
    now = later(state, lake, quiet(2, 6), 8)
    assert plan(lake, config, state, now=now).notices == []
    assert send(lake, config, state, "test", now=now).sent == []
    assert len(held.got) == 2


def test_answers_move_items(lake: Lake, state: State, box: tuple[Box, int], tmp_path: Path) -> None:
    _, port = box
    one, other = send(lake, configured(tmp_path, port), state, "test", now=NOW).sent
    _, moved = acknowledge(state, "test", one[:12], "thank you")
    assert moved == 3
    assert acknowledge(state, "test", one, "again")[1] == 0
    _, moved = give_back(state, "test", other, "no such user")
    assert moved == 1
    with pytest.raises(UsageError, match="no notice"):
        acknowledge(state, "test", "n-ffffffffffff", "")
    with pytest.raises(UsageError, match="is sent"):
        cancel(state, "test", one, "")
    shown = document(status(state, now=NOW))
    assert shown["channels"][0]["states"]["acknowledged"] == 3
    assert shown["channels"][0]["states"]["returned"] == 1
    assert {e.action for e in state.audit.newest(20)} >= {
        "notify",
        "notify-ack",
        "notify-cancel",
        "notify-return",
        "operators-load",
    }
