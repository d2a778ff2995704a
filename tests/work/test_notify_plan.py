"""Notices planned: as sent, never to who asked to stop, nothing of what saw it."""

from __future__ import annotations

import socket
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.lake.state.notices import NOTIFIED, PERSISTING
from noroshi.model.errors import ConfigError
from noroshi.model.tlp import Tlp
from noroshi.work.notify import plan
from noroshi.work.notify_optout import add as opt_out
from noroshi.work.notify_send import send
from tests.work import notices
from tests.work.notices import (
    BOT,
    BROKEN,
    DECOY,
    NOBODY,
    NOW,
    OTHER,
    SEEN,
    VICTIM,
    Box,
    at,
    bot,
    configured,
    dump,
    flow,
    lake_at,
    loaded,
    store,
)

lake, state, box = notices.lake, notices.state, notices.box


def test_plan_is_what_send_sends_byte_for_byte(
    lake: Lake, state: State, box: tuple[Box, int], tmp_path: Path
) -> None:
    held, port = box
    config = configured(tmp_path, port)
    shown = plan(lake, config, state, now=NOW)
    done = send(lake, config, state, "test", now=NOW)
    assert done.sent == [n.id for n in shown.notices]
    assert [e.content for e in held.got] == [n.dated(NOW) for n in shown.notices]
    assert [e.rcpt_tos for e in held.got] == [
        ["abuse@isp.example", "noc@isp.example"],
        ["abuse@tsushin.example"],
    ]
    assert {(i.subject, i.state, i.round) for i in state.notices.items()} == {
        (BOT, NOTIFIED, 1), (BROKEN, NOTIFIED, 1), (VICTIM, NOTIFIED, 1), (OTHER, NOTIFIED, 1)
    }  # fmt: skip
    told = state.audit.newest(10, action="notify")
    assert {(e.recipient, e.count) for e in told} == {("Example ISP", 3), ("例示通信", 1)}


def test_a_plan_later_in_the_day_is_the_same(lake: Lake, state: State, tmp_path: Path) -> None:
    config = configured(tmp_path)
    first = plan(lake, config, state, now=NOW)
    later = plan(lake, config, state, now=NOW + timedelta(hours=13))  # after midnight
    assert [(n.id, n.body) for n in first.notices] == [(n.id, n.body) for n in later.notices]


def test_who_nobody_is_named_for_is_listed_and_not_guessed(lake: Lake, state: State, tmp_path: Path) -> None:
    shown = plan(lake, configured(tmp_path), state, now=NOW)
    assert [u.subject for u in shown.unresolved] == [NOBODY]
    assert all(NOBODY not in n.body.decode("utf-8", "replace") for n in shown.notices)


def test_a_plan_connects_nowhere_and_writes_nothing(
    lake: Lake, state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*args: Any, **more: Any) -> Any:
        raise AssertionError("a plan opens a socket")

    before = dump(state)
    for name in ("connect", "connect_ex", "sendto", "bind"):
        monkeypatch.setattr(socket.socket, name, never)
    monkeypatch.setattr(socket, "getaddrinfo", never)
    assert plan(lake, configured(tmp_path), state, now=NOW).notices
    assert dump(state) == before
    with pytest.raises(AssertionError, match="opens a socket"):  # the guard does guard
        send(lake, configured(tmp_path), state, "test", now=NOW)


def test_reminders_wait_and_say_so_and_end(
    lake: Lake, state: State, box: tuple[Box, int], tmp_path: Path
) -> None:
    held, port = box
    config = configured(tmp_path, port, "repeat_days = 10\nmax_notices = 3\n")
    send(lake, config, state, "test", now=NOW)
    held.got.clear()
    for day in (5, 10, 15, 20, 35):
        now = at(state, NOW + timedelta(days=day))
        seen = now - timedelta(hours=1)
        lake.put_findings([bot(first_seen=seen, last_seen=seen)], [])
        send(lake, config, state, "test", now=now)
    subjects = [str(m["Subject"]) for m in held.messages()]
    assert len(subjects) == 2
    assert "Reminder 1" in subjects[0]
    assert "Reminder 2" in subjects[1]
    body = held.messages()[1].get_body()
    assert body is not None
    assert "first told on 2026-11-20, last on 2026-11-30 (UTC)" in body.get_content()
    (item,) = [i for i in state.notices.items() if i.subject == BOT]
    assert (item.round, item.state) == (3, PERSISTING)


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ("198.51.100.7", {BROKEN, VICTIM, OTHER}), ("198.51.100.0/24", {OTHER}),
        ("abuse@tsushin.example", {BOT, BROKEN, VICTIM}),
    ],
)  # fmt: skip
def test_opt_out_is_honoured(
    lake: Lake, state: State, box: tuple[Box, int], tmp_path: Path, value: str, left: set[str]
) -> None:
    held, port = box
    config = configured(tmp_path, port)
    opt_out(state, "test", value, "they run a lab", "mail of 2026-11-19", None)
    send(lake, config, state, "test", now=NOW)
    assert {i.subject for i in state.notices.items() if i.state == NOTIFIED} == left
    assert len(held.got) == len({"a" if i == OTHER else "b" for i in left})
    text = "".join(e.content.decode("utf-8", "replace") for e in held.got)
    assert value.partition("/")[0] not in text


def test_one_address_of_two_opts_out(lake: Lake, state: State, box: tuple[Box, int], tmp_path: Path) -> None:
    held, port = box
    opt_out(state, "test", "NOC@isp.example", "not me", "", None)
    send(lake, configured(tmp_path, port), state, "test", now=NOW)
    assert held.got[0].rcpt_tos == ["abuse@isp.example"]


def test_who_opts_out_while_a_notice_waits_is_not_sent_it(
    lake: Lake, state: State, box: tuple[Box, int], tmp_path: Path
) -> None:
    held, port = box
    held.data = "451 later"
    config = configured(tmp_path, port)
    done = send(lake, config, state, "test", now=NOW)
    assert (done.sent, len(done.problems)) == ([], 2)
    held.got.clear()
    held.data = "250 OK"
    opt_out(state, "test", f"{BROKEN}/32", "a lab", "", None)
    done = send(lake, config, state, "test", now=NOW + timedelta(hours=1))
    assert (len(done.sent), len(done.cancelled)) == (1, 1)
    assert [e.rcpt_tos for e in held.got] == [["abuse@tsushin.example"]]
    # What was taken back is told again, without who opted out.
    done = send(lake, config, state, "test", now=NOW + timedelta(hours=2))
    assert len(done.sent) == 1
    assert BROKEN not in held.got[-1].content.decode()


def test_without_a_section_nothing_is_sent(lake: Lake, state: State, tmp_path: Path) -> None:
    from noroshi.config import load

    with pytest.raises(ConfigError, match="no \\[notify\\]"):
        send(lake, load(None), state, "test", now=NOW)


def test_too_strict_is_not_told_and_counted_for_the_operator_of_the_program(
    lake: Lake, state: State, tmp_path: Path
) -> None:
    from noroshi.work.notify import withheld

    config = configured(tmp_path)
    text = b"".join(n.body for n in plan(lake, config, state, now=NOW).notices).decode("utf-8", "replace")
    assert "198.51.100.66" not in text
    (why,) = withheld(lake, config, now=NOW)
    assert "AMBER+STRICT" in why


def test_what_an_operator_may_not_see_changes_nothing(tmp_path: Path) -> None:
    """Non-interference: the stricter things away, the same bytes and ids."""
    whole = lake_at(tmp_path / "a")
    lake = Lake.open(tmp_path / "b" / "lake")
    from tests.work.notices import evidence, findings

    lake.put_findings([f for f in findings() if f.tlp is not Tlp.AMBER_STRICT], [])
    evidence(lake)
    store(whole, "flows", [flow(BOT, SEEN + timedelta(minutes=90), 999)], Tlp.AMBER_STRICT)
    (tmp_path / "c").mkdir()
    config = configured(tmp_path / "c")
    a = plan(whole, config, loaded(whole, tmp_path / "a"), now=NOW)
    b = plan(lake, config, loaded(lake, tmp_path / "b"), now=NOW)
    assert [(n.id, n.body) for n in a.notices] == [(n.id, n.body) for n in b.notices]
    assert (a.unresolved, a.told) == (b.unresolved, b.told)


def test_an_operator_with_a_recipient_has_its_ceiling_and_kinds(
    lake: Lake, state: State, tmp_path: Path
) -> None:
    from noroshi.lake.state.recipients import RecipientRow

    state.recipients.add(RecipientRow("isp", "organisation", "amber", "plain", kinds=("dos-victim",)))
    state.recipients.add(RecipientRow("strange", "community", "green", "plain"))
    text = "network,name,mail,recipient\n198.51.100.0/24,ISP,a@isp.example,isp\n100.64.0.0/10,T,t@t.example,strange\n"
    loaded(lake, tmp_path, text)
    (notice,) = plan(lake, configured(tmp_path), state, now=NOW).notices
    assert [i.subject for i in notice.items] == [VICTIM]


def test_nothing_of_telescopes_and_decoys_is_told(lake: Lake, state: State, tmp_path: Path) -> None:
    """Whatever stands in evidence and rows: no dark address, no decoy's address or name, no telescope's name."""
    shown = plan(lake, configured(tmp_path), state, now=NOW)
    import email
    import email.policy

    for notice in shown.notices:
        message = email.message_from_bytes(notice.body, policy=email.policy.default)
        parts = [str(message["Subject"])] + [p.get_content() for p in message.walk() if not p.is_multipart()]
        text = "\n".join(parts)
        for secret in ("192.0.2.", DECOY, "decoy-tokyo", "campus", "ping", "37"):
            assert secret not in text.replace(notice.id, ""), secret


def test_prefixes_and_as_numbers_by_the_longest_match(lake: Lake, state: State, tmp_path: Path) -> None:
    text = "network,name,mail\n198.51.100.0/24,Big,a@big.example\n198.51.100.8/31,Small,a@small.example\n"
    loaded(lake, tmp_path, text)
    shown = plan(lake, configured(tmp_path), state, now=NOW)
    assert {n.operator.name: {i.subject for i in n.items} for n in shown.notices} == {
        "Big": {BOT}, "Small": {BROKEN, VICTIM}
    }  # fmt: skip
    assert replace(shown.notices[0], id="x").tlp is Tlp.AMBER
