"""A process that forks a child for each thing to be done to a lake, and lets it die where it is told to.

Run as a program: commands as JSON lines on standard input, one answer line each. It never opens a lake itself and has
one thread, so that forking it is safe; a fork costs milliseconds where a new interpreter costs half a second.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from noroshi.lake import files, raw, upgrade, writer
from noroshi.lake.delta import Store
from noroshi.lake.handle import Lake
from noroshi.lake.swap import exchange
from noroshi.model.address import pack
from noroshi.model.finding import Finding, Rule, Subject
from noroshi.model.sensor import Batch
from noroshi.model.tables import TABLES
from noroshi.model.tlp import Tlp

START = datetime(2024, 5, 1, tzinfo=UTC)
KEPT_FROM = (START + timedelta(days=1)).date()
"""Retention takes out the first of the two days."""
POINTS = ("write", "close", "sync", "rename", "remove", "commit-before", "commit-after")


def rows_of(number: int) -> dict[str, int]:
    """How many rows run `number` has in each table."""
    return {"connections": 5 + number % 7, "logins": 3 + number % 5}


def day_of(number: int, i: int) -> int:
    """The day of row `i` of run `number`, counted from START."""
    return (number + i) % 2


def raw_of(number: int) -> bytes:
    """The raw text kept of run `number`."""
    return f"run {number}\n".encode() * 50


def batch(table: str, number: int) -> Batch:
    """The rows of run `number`: two days, addresses and offsets told from the number."""
    schema = TABLES[table].arrow()
    rows = []
    for i in range(rows_of(number)[table]):
        # Within its day, whatever the number: retention takes whole days.
        ts = START + timedelta(days=day_of(number, i), seconds=number % 1000 * 60 + i)
        rows.append(
            {
                "ts": ts, "first_seen": ts, "last_seen": ts, "src_ip": pack(f"198.51.100.{number % 200}"),
                "src_port": i, "dst_ip": pack("192.0.2.1"), "dst_port": 22, "protocol": 6, "session_id": f"s{i}",
                "success": False, "username": "root", "password": f"p{i}", "offset": number * 1000 + i,
            }
        )  # fmt: skip
    used = [f for f in schema if f.name in rows[0]]
    return Batch(table, pa.Table.from_pylist(rows, schema=pa.schema(used)))


def _store(lake: Lake, number: int, streamed: bool) -> None:
    if streamed:
        writer.SMALL_RUN_BYTES = 0
    with lake.writer() as out:
        run = out.begin(path=f"r{number}", format="test", parser_version=1, tlp=Tlp.GREEN)
        keeper = raw.Keeper(lake.path, run.run_id)
        keeper.write(raw_of(number))
        keeper.close()
        for table in rows_of(number):
            run.write(batch(table, number))
        run.finish(sha256=f"r{number}", size=1)


def _forget(lake: Lake, number: int, now: bool) -> None:
    for run in lake.snapshot().runs():
        if run.sha256 == f"r{number}":
            lake.forget(run.run_id, now=now)


def _compact(lake: Lake, number: int, flag: bool) -> None:
    lake.compact(("links", "hourly", "daily", "connections")[number % 4] if flag else None)


def _retain(lake: Lake, number: int, flag: bool) -> None:
    lake.retain({"connections": KEPT_FROM, "logins": KEPT_FROM})


def _rebuild(lake: Lake, number: int, flag: bool) -> None:
    """Sums are lost, then made again."""
    exchange(lake.path, lake.stores["daily" if flag else "hourly"], list, lambda rows: rows.slice(1))
    lake.rebuild()


def _upgrade(lake: Lake, number: int, flag: bool) -> None:
    """All links count as old."""
    seen = {f.path for f in lake.stores["links"].files()}
    upgrade.is_old = lambda file: file.path in seen
    upgrade.upgrade(lake)


def _vacuum(lake: Lake, number: int, flag: bool) -> None:
    lake.sweep()
    for store in lake.stores.values():
        store.vacuum(0)


def _judge(lake: Lake, number: int, flag: bool) -> None:
    ts = START + timedelta(days=number % 3)
    found = Finding("scanner", Subject("ip", "198.51.100.1"), Rule("test", 1), ts, ts, 50, {"en": "", "ja": ""},
                    {"n": number})  # fmt: skip
    lake.put_findings([found], judged=[("test", "", ts.date())])
    lake.mark_judged({("test", "", ts.date()): str(number)})


OPERATIONS: dict[str, Callable[[Lake, int, bool], None]] = {
    "store": _store, "forget": _forget, "compact": _compact, "vacuum": _vacuum, "judge": _judge,
    "retain": _retain, "rebuild": _rebuild, "upgrade": _upgrade,
}  # fmt: skip


class _Death:
    """Kills this process at the n-th passing of a point."""

    def __init__(self, at: int) -> None:
        self._left, self._lock = at, threading.Lock()

    def pass_by(self) -> None:
        with self._lock:
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(10)


def _arm(point: str, at: int) -> None:
    """Replaces the functions of `point` by ones that die in them."""
    death = _Death(at)

    def before(owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def dying(*args: Any, **more: Any) -> Any:
            death.pass_by()
            return real(*args, **more)

        setattr(owner, name, dying)

    if point == "write":
        before(files.DataWriter, "_flush")
    elif point == "close":
        before(files.DataWriter, "close")
        before(raw.Keeper, "close")
    elif point == "sync":
        before(os, "fsync")
    elif point == "rename":
        before(os, "replace")
        before(Path, "replace")
    elif point == "remove":
        before(Path, "unlink")
    elif point == "commit-before":
        before(Store, "commit")
    else:
        real = Store.commit

        def commit(self: Store, *args: Any, **more: Any) -> None:
            real(self, *args, **more)
            death.pass_by()

        Store.commit = commit  # type: ignore[method-assign]


def _child(path: str, command: dict[str, Any]) -> None:
    try:
        if command.get("point"):
            _arm(command["point"], command["at"])
        OPERATIONS[command["op"]](Lake.open(path), command["number"], command["flag"])
        code = 0
    except BaseException:  # noqa: BLE001 - told by the exit status
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main() -> None:
    """Answers each command with `killed`, `done` or `failed`."""
    path = sys.argv[1]
    for line in sys.stdin:
        command = json.loads(line)
        child = os.fork()
        if not child:
            _child(path, command)
        if command.get("delay_s") is not None:
            time.sleep(command["delay_s"])
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        print("killed" if killed else "failed" if os.WEXITSTATUS(status) else "done", flush=True)


if __name__ == "__main__":
    main()
