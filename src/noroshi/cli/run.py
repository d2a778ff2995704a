"""`noroshi run`: does what the `[[job]]` entries say."""

from __future__ import annotations

import signal
import threading
from types import FrameType

import click

from noroshi.cli import out
from noroshi.cli.state import State, verb
from noroshi.model.errors import ConfigError


@verb("run")
@click.option("--once", is_flag=True, help="Do every job once, in their order, and end: for cron.")
@click.option("--list", "show", is_flag=True, help="Show the jobs and when they ran, and end.")
def command(state: State, once: bool, show: bool) -> int:
    """Does what the [[job]] entries of noroshi.toml say, until it is told to stop (Ctrl-C, SIGTERM).

    With --once the exit status is 1 when a job failed.
    """
    from noroshi.lake.state import State as Kept
    from noroshi.work.jobs import Runner

    config = state.config()
    if not config.jobs:
        raise ConfigError(
            "there is no [[job]]", where=str(config.path or "noroshi.toml"),
            todo='Write one, for example: [[job]] do = "poll", path = "/var/log/zeek", every = "1m".',
        )  # fmt: skip
    lake = state.lake(create=True)
    kept = Kept(lake.path)
    if show:
        return _list(state, kept)
    failures: list[dict[str, str]] = []

    def tell(name: str, text: str) -> None:
        failures.append({"job": name, "outcome": text})
        out.say(state, f"{name}: {out.visible(text, keep_newlines=True)}")

    stop = threading.Event()
    before = {s: signal.signal(s, _stopper(stop)) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        failed = Runner(lake, config, kept, tell, stop).run(once=once)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if state.json:
        out.emit({"jobs": failures if once else [], "failed": failed})
    return 1 if once and failed else 0


def _stopper(stop: threading.Event) -> signal._HANDLER:
    def handler(number: int, frame: FrameType | None) -> None:
        stop.set()

    return handler


def _list(state: State, kept: object) -> int:
    from noroshi.lake.state import State as Kept
    from noroshi.model.finding import iso
    from noroshi.work.jobs import name

    assert isinstance(kept, Kept)
    known = kept.jobs.all()
    rows = []
    for entry in state.config().jobs:
        was = known.get(name(entry))
        rows.append(
            {
                "job": name(entry), "do": entry.do, "when": (entry.every and f"every {entry.every}") or entry.at,
                "started": iso(was.started) if was and was.started else None,
                "ended": iso(was.ended) if was and was.ended else None,
                "outcome": (was.problem or was.summary) if was else None,
            }
        )  # fmt: skip
    if state.json:
        out.emit(rows)
        return 0
    head = ("job", "do", "when", "began", "outcome")
    # The first line of what went wrong; --json has all of it, and so had the log when it happened.
    shown = [
        (r["job"], r["do"], r["when"] or "always", (r["started"] or "never")[:16].replace("T", " "),
         (r["outcome"] or "").strip().partition("\n")[0])
        for r in rows
    ]  # fmt: skip
    out.table(head, shown, keep=("job", "do", "when", "began"))
    return 0
