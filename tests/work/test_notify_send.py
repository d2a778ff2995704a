"""Notices sent: once, whatever happens to the sender, the server or the connection."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.lake.state.notices import FOUND, NOTIFIED
from noroshi.model.errors import UsageError
from noroshi.work import notify_send
from noroshi.work.notify import plan
from noroshi.work.notify_send import acknowledge, send
from tests.work import notices
from tests.work.notices import (
    NOW,
    Box,
    at,
    bot,
    configured,
    server,
)

ROOT = Path(__file__).parents[2]


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


lake, state, box = notices.lake, notices.state, notices.box


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
