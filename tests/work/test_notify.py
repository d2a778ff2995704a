"""Notices: planned as sent, sent once whatever happens, never to who asked to stop, looked at again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.lake.state.notices import FIXED, FOUND, NOTIFIED, PERSISTING, RECHECKED, RETURNED
from noroshi.model.errors import ConfigError, UsageError
from noroshi.model.tlp import Tlp
from noroshi.work import notify_send
from noroshi.work.notify import plan
from noroshi.work.notify_optout import add as opt_out
from noroshi.work.notify_send import acknowledge, cancel, give_back, send
from noroshi.work.notify_status import document, status
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
    bot,
    configured,
    flow,
    lake_at,
    loaded,
    server,
    store,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return lake_at(tmp_path)


@pytest.fixture
def state(lake: Lake, tmp_path: Path) -> State:
    return loaded(lake, tmp_path)


@pytest.fixture
def box() -> Iterator[tuple[Box, int]]:
    with server() as made:
        yield made


def at(state: State, now: datetime) -> datetime:
    state.notices.clock = lambda: now
    return now


def dump(state: State) -> list[Any]:
    """Everything the state keeps of notices."""
    return [state.notices.items(), state.notices.all(), state.notices.steps(), state.audit.newest(1000)]


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


def test_sent_twice_is_sent_once(lake: Lake, state: State, box: tuple[Box, int], tmp_path: Path) -> None:
    held, port = box
    config = configured(tmp_path, port)
    for hours in (0, 1, 25):
        now = at(state, NOW + timedelta(hours=hours))
        send(lake, config, state, "test", now=now)
    assert len(held.got) == 2
    shown = plan(lake, config, state, now=NOW)
    assert (shown.notices, shown.told) == ([], 4)


def test_one_notice_a_day(lake: Lake, state: State, box: tuple[Box, int], tmp_path: Path) -> None:
    held, port = box
    config = configured(tmp_path, port)
    send(lake, config, state, "test", now=NOW)
    lake.put_findings([bot("198.51.100.50")], [])
    done = send(lake, config, state, "test", now=NOW + timedelta(hours=1))
    assert done.plan
    assert [(h.operator, h.items, h.why) for h in done.plan.held] == [
        ("Example ISP", 1, "it had its notice of today")
    ]
    now = at(state, NOW + timedelta(days=1))
    assert len(send(lake, config, state, "test", now=now).sent) == 1
    assert len(held.got) == 3
    (last,) = [i for i in state.notices.items() if i.subject == "198.51.100.50"]
    assert last.state == NOTIFIED


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


def test_a_server_that_is_down_costs_nothing(lake: Lake, state: State, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        config = configured(tmp_path, taken.getsockname()[1])
        done = send(lake, config, state, "test", now=NOW)
    assert (done.sent, done.unclear, len(done.problems)) == ([], [], 2)
    assert {i.state for i in state.notices.items()} == {FOUND}
    with server() as (held, port):
        now = at(state, NOW + timedelta(days=1))
        assert len(send(lake, configured(tmp_path, port), state, "test", now=now).sent) == 2
        assert len(held.got) == 2


def test_a_connection_lost_before_the_answer_is_unclear(lake: Lake, state: State, tmp_path: Path) -> None:
    """The server took the whole message and is gone before it says so."""

    class Gone(Box):
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            self.got.append(envelope)
            server.transport.abort()
            return "250 OK"

    with server(Gone()) as (held, port):
        config = configured(tmp_path, port)
        done = send(lake, config, state, "test", now=NOW)
        assert (done.sent, len(done.unclear), len(held.got)) == ([], 2, 2)
        for hours in (1, 30):
            again = send(lake, config, state, "test", now=at(state, NOW + timedelta(hours=hours)))
            assert (len(held.got), again.unclear) == (2, done.unclear)
    with server() as (held, port):
        config = configured(tmp_path, port)
        one, other = done.unclear
        now = at(state, NOW + timedelta(days=2))
        assert send(lake, config, state, "test", now=now, retry_unclear=[one]).sent == [one]
        assert len(held.got) == 1
        acknowledge(state, "test", other, "they called")  # who answers has it
        assert send(lake, config, state, "test", now=now).unclear == []
        assert len(held.got) == 1


def test_a_failed_farewell_is_no_failure(lake: Lake, state: State, tmp_path: Path) -> None:
    class Rude(Box):
        async def handle_QUIT(self, server: Any, session: Any, envelope: Any) -> str:
            return "500 go away"

    with server(Rude()) as (held, port):
        assert len(send(lake, configured(tmp_path, port), state, "test", now=NOW).sent) == 2
        send(lake, configured(tmp_path, port), state, "test", now=NOW)
    assert len(held.got) == 2


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


def test_two_senders_at_once_send_once(
    lake: Lake, state: State, box: tuple[Box, int], tmp_path: Path
) -> None:
    held, port = box
    config = configured(tmp_path, port)
    start, problems = threading.Barrier(4), []

    def go() -> None:
        mine = State(lake.path)
        start.wait()
        try:
            send(lake, config, mine, "test", now=NOW)
        except Exception as e:  # noqa: BLE001
            problems.append(e)

    threads = [threading.Thread(target=go) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert problems == []
    assert sorted(e.rcpt_tos[0] for e in held.got) == ["abuse@isp.example", "abuse@tsushin.example"]


CHILD = """
import os, sys
from pathlib import Path
from noroshi.lake.handle import Lake
from noroshi.lake.state import State, notices
from noroshi.share.deliver import mail
from noroshi.work.notify_send import send
from tests.work.notices import NOW, configured
where, when, port, path = sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])
def die(owner, name):
    real = getattr(owner, name)
    def dying(*args, **more):
        if when == "before": os._exit(9)
        real(*args, **more)
        os._exit(9)
    setattr(owner, name, dying)
die(mail.MailSender if where == "hand_over" else notices.Notices, where)
lake = Lake.open(path / "lake")
send(lake, configured(path, port), State(lake.path), "test", now=NOW)
"""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("where", ["see", "plan", "begin", "hand_over", "settle"])
def test_killed_at_every_step(
    lake: Lake, state: State, box: tuple[Box, int], tmp_path: Path, where: str, when: str
) -> None:
    """A sender that dies anywhere: nothing is told twice, and what may not have arrived is known as unclear."""
    held, port = box
    config = configured(tmp_path, port)
    command = [sys.executable, "-c", CHILD, where, when, str(port), str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False, timeout=60
    )
    assert done.returncode == 9
    first = len(held.got)
    now = at(state, NOW + timedelta(days=1))
    after = send(lake, config, state, "test", now=now)
    # Between taking a notice and knowing how it ended, it is unclear; else it goes out now.
    dubious = (where, when) in {
        ("begin", "after"),
        ("hand_over", "before"),
        ("hand_over", "after"),
        ("settle", "before"),
    }
    assert len(after.unclear) == dubious
    sent = Counter(e.rcpt_tos[0] for e in held.got)
    assert max(sent.values()) == 1
    assert len(held.got) == first + len(after.sent)
    assert len(held.got) == 2 - (dubious and first == 0)
    states = Counter(i.state for i in state.notices.items())
    assert states[FOUND] == (3 if dubious else 0)


def test_killed_by_the_server_while_it_sends(lake: Lake, state: State, tmp_path: Path) -> None:
    """SIGKILL, sent when the message has arrived and before the server has answered."""

    class Killer(Box):
        child: subprocess.Popen[bytes] | None = None

        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            self.got.append(envelope)
            if self.child:
                self.child.send_signal(signal.SIGKILL)
                self.child = None
            return "250 OK"

    killer = Killer()
    with server(killer) as (held, port):
        command = [
            sys.executable,
            "-c",
            CHILD.replace("die(mail", "0 and die(mail"),
            "",
            "",
            str(port),
            str(tmp_path),
        ]
        killer.child = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
        child = killer.child
        assert child.wait(60) == -signal.SIGKILL
        assert len(held.got) == 1
        after = send(lake, configured(tmp_path, port), state, "test", now=at(state, NOW + timedelta(days=1)))
        assert (len(after.unclear), len(after.sent), len(held.got)) == (1, 1, 2)
        assert len({e.rcpt_tos[0] for e in held.got}) == 2


def test_a_sender_of_another_machine_is_believed_for_an_hour(
    lake: Lake, state: State, box: tuple[Box, int], tmp_path: Path
) -> None:
    _, port = box
    config = configured(tmp_path, port)
    (notice, _) = plan(lake, config, state, now=NOW).notices
    state.notices.plan(
        notice_id=notice.id, operator=notice.operator.name, channel="mail", day=NOW.date(), mails=notice.mails,
        message_id=notice.message_id, body=notice.body, told=[(1, 1, 1)],
    )  # fmt: skip
    assert state.notices.begin(notice.id, NOW.date(), "elsewhere/-/1/2#3")
    assert not state.notices.begin(notice.id, NOW.date(), "somebody")
    assert notify_send.recover(state, "mail") == 0
    at(state, NOW + timedelta(minutes=61))
    assert notify_send.recover(state, "mail") == 1
    assert not state.notices.settle(notice.id, "elsewhere/-/1/2#3", "sent")  # too late: it was taken away


def test_the_audit_log_must_be_written(
    lake: Lake, state: State, box: tuple[Box, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, port = box
    config = configured(tmp_path, port)

    def broken(*args: Any, **more: Any) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(state.audit, "tell", broken)
        with pytest.raises(OSError, match="disk full"):
            send(lake, config, state, "test", now=NOW)
    assert held.got == []
    assert len(send(lake, config, state, "test", now=NOW).sent) == 2


def test_only_sends_that_one_and_an_old_id_is_refused(
    lake: Lake, state: State, box: tuple[Box, int], tmp_path: Path
) -> None:
    held, port = box
    config = configured(tmp_path, port)
    one, other = (n.id for n in plan(lake, config, state, now=NOW).notices)
    assert send(lake, config, state, "test", now=NOW, only=[other]).sent == [other]
    assert len(held.got) == 1
    with pytest.raises(UsageError, match="is sent"):
        send(lake, config, state, "test", now=NOW, only=[other])
    lake.put_findings([bot("198.51.100.50")], [])
    with pytest.raises(UsageError, match="not among"):
        send(lake, config, state, "test", now=NOW, only=[one])


def test_into_a_folder(lake: Lake, state: State, tmp_path: Path) -> None:
    config = configured(tmp_path)
    out = tmp_path / "out"
    done = send(lake, config, state, "test", now=NOW, folder=out)
    assert len(done.sent) == 2
    shown = sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())
    assert f"{done.sent[0]}/{done.sent[0]}.eml" in shown
    assert sum(p.endswith(".csv") for p in shown) == 3
    assert all(p.stat().st_mode & 0o77 == 0 for p in out.rglob("*") if p.is_file())
    assert {i.channel for i in state.notices.items()} == {"folder"}
    assert send(lake, config, state, "test", now=NOW, folder=out).sent == []


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


def test_the_job_sends_and_an_old_configuration_still_delivers(
    lake: Lake, state: State, box: tuple[Box, int], tmp_path: Path
) -> None:
    from noroshi.config import JobEntry, load
    from noroshi.work.tasks import TASKS, Context

    held, port = box
    fresh = datetime.now(tz=NOW.tzinfo)
    lake.put_findings([bot(first_seen=fresh - timedelta(hours=3), last_seen=fresh - timedelta(hours=1))], [])
    config = configured(tmp_path, port)
    job = JobEntry(do="notify", every="1d")
    told = TASKS["notify"](job, Context(lake, config, state, threading.Event()), True)
    assert told.startswith(("1 notices sent", "2 notices sent"))
    assert held.got
    old = Context(lake, load(None), state, threading.Event())
    assert TASKS["notify"](job, old, True) == '0 delivered (write do = "deliver")'
    assert TASKS["deliver"](JobEntry(do="deliver", every="1d"), old, True) == "0 delivered"


def test_prefixes_and_as_numbers_by_the_longest_match(lake: Lake, state: State, tmp_path: Path) -> None:
    text = "network,name,mail\n198.51.100.0/24,Big,a@big.example\n198.51.100.8/31,Small,a@small.example\n"
    loaded(lake, tmp_path, text)
    shown = plan(lake, configured(tmp_path), state, now=NOW)
    assert {n.operator.name: {i.subject for i in n.items} for n in shown.notices} == {
        "Big": {BOT}, "Small": {BROKEN, VICTIM}
    }  # fmt: skip
    assert replace(shown.notices[0], id="x").tlp is Tlp.AMBER
