"""Rankings and visits equal the rows; what is secret is named as such."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from noroshi.ask import decoys
from noroshi.lake.handle import Lake
from noroshi.model.errors import UsageError
from noroshi.model.tlp import Tlp
from tests.ask.support import batch

START = datetime(2024, 4, 1, tzinfo=UTC)
END = START + timedelta(days=2)


def row(session: int, minute: int, **more: Any) -> dict[str, Any]:
    return {"ts": START + timedelta(minutes=minute), "session_id": f"s{session}", "decoy": "d",
            "src_ip": f"203.0.113.{session}", "service": "ssh"} | more  # fmt: skip


def visit(session: int, **more: Any) -> dict[str, Any]:
    found = row(session, session * 10, **more)
    ts = found.pop("ts")
    return found | {"first_seen": ts, "last_seen": ts + timedelta(minutes=1)}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake.open(tmp_path_factory.mktemp("decoys") / "lake", create=True)
    with lake.writer() as writer:
        run = writer.begin(path="x", source="s", format="cowrie", parser_version=1, tlp=Tlp.AMBER)
        run.write(batch("sessions", visit(1, login_success=True, command_count=2), visit(2), visit(3)))
        tries = [("root", "1234"), ("root", "admin"), ("a", "admin")]
        run.write(batch("logins", *(
            row(1 + (i > 0), 10 + i, username=u, password=p, success=i == 0) for i, (u, p) in enumerate(tries)
        )))  # fmt: skip
        run.write(batch("commands", row(1, 11, text="uname -a"), row(1, 12, text="\x1b[2J<b>")))
        run.finish(sha256="x", size=1)
    return lake


def test_totals(lake: Lake) -> None:
    assert decoys.totals(lake.snapshot(), START, END) == decoys.Totals(3, 3, 3, 1, 2, 0, 0)
    assert decoys.totals(lake.snapshot(), END, END + timedelta(days=1)).sessions == 0


def test_rankings(lake: Lake) -> None:
    shot = lake.snapshot()
    assert [(t.value, t.count, t.sources) for t in decoys.top(shot, "username", START, END)] == [
        ("root", 2, 2),
        ("a", 1, 1),
    ]
    assert [t.value for t in decoys.top(shot, "credential", START, END)] == [
        "a : admin",
        "root : 1234",
        "root : admin",
    ]
    assert "\x1b[2J<b>" in {t.value for t in decoys.top(shot, "command", START, END)}
    for what in decoys.TOPS:
        decoys.top(shot, what, START, END)
    with pytest.raises(UsageError, match="ranked"):
        decoys.top(shot, "run_id", START, END)


def test_what_ranks_passwords_is_secret() -> None:
    assert {w for w, (table, sql) in decoys.TOPS.items() if "password" in sql} == decoys.SECRET


def test_visits_page_by_page(lake: Lake) -> None:
    shot = lake.snapshot()
    whole = [r["session_id"] for r in decoys.sessions(shot, START, END)]
    assert whole == ["s3", "s2", "s1"]
    first = decoys.sessions(shot, START, END, limit=1)[0]
    rest = decoys.sessions(shot, START, END, before=(first["first_seen"], first["session_id"]))
    assert [r["session_id"] for r in rest] == ["s2", "s1"]
    assert [r["session_id"] for r in decoys.sessions(shot, START, END, busy=True)] == ["s1"]


def test_one_visit(lake: Lake) -> None:
    found = decoys.session(lake.snapshot(), "s1")
    assert {t: len(rows) for t, rows in found.items()} == {"sessions": 1, "logins": 1, "commands": 2}
    assert found["commands"][0]["text"] == "uname -a"
    assert decoys.session(lake.snapshot(), "nobody'; --") == {}
