"""`noroshi ingest`: finds out what each file is and stores it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from noroshi.cli import out
from noroshi.cli.state import State, verb
from noroshi.model.tlp import parse
from noroshi.registry import SENSORS

if TYPE_CHECKING:
    from noroshi.work.ingest import IngestResult

SAME_TROUBLE = 10
"""Sources with the same trouble that are named one by one."""
TLP_WORDS = ("clear", "green", "amber", "amber+strict", "red")


class Seconds(click.ParamType[float]):
    """A time span in seconds: 60, 60s or 2m."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(\d{1,6}(?:\.\d+)?)(s|m|h)?", str(value).strip())
        if not match:
            self.fail(f"{value!r} is no time span; write 60s or 2m", param, ctx)
        return float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2] or "s"]


_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@verb("ingest")
@click.argument("paths", nargs=-1, metavar="PATH...")
@click.option(
    "--as",
    "as_format",
    type=click.Choice(sorted(SENSORS)),
    metavar="FORMAT",
    help="The format, instead of finding out.",
)
@click.option("--tlp", type=click.Choice(TLP_WORDS, case_sensitive=False),
              help="Marking of what is read; never lowers one found inside. [amber+strict]")  # fmt: skip
@click.option("--source", "source_name", metavar="NAME", help="Name of the source. [the path]")
@click.option("--workers", type=click.IntRange(1, 256), help="Threads that decode. [one per core]")
@click.option("--mapping", type=_FILE, metavar="FILE", help="Which column is what, for lists and tables.")
@click.option("--schema", type=_FILE, metavar="FILE",
              help="Shadowserver's reports.json or intelmq.json, for its reports.")  # fmt: skip
@click.option("--follow", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="DIR",
              help="Watch DIR and store each file once it is finished; stop with Ctrl-C.")  # fmt: skip
@click.option("--settle", type=Seconds(), default="60s", show_default=True,
              help="With --follow: a file unchanged for this long is finished.")  # fmt: skip
@click.option("--once", is_flag=True, help="With --follow: store what is finished now and end, for cron.")
@click.option("--no-compact", is_flag=True, help="Leave small files unsorted, for `noroshi lake compact`.")
def command(
    state: State, paths: tuple[str, ...], as_format: str | None, tlp: str | None, source_name: str | None,
    workers: int | None, mapping: Path | None, schema: Path | None, follow: Path | None, settle: float,
    once: bool, no_compact: bool,
) -> int:  # fmt: skip
    """Finds out what each PATH is (a capture, a folder of them, - for standard input) and stores it.

    Reads pcap and pcapng, plain or packed with gzip, zstd or xz. Reading the same bytes again adds nothing.
    What cannot be read goes to the table `rejects`, and the exit status is 3; so does a file in a folder that
    is no capture, since nobody else would notice.
    """
    if bool(paths) == (follow is not None):
        raise click.UsageError("name files or folders to read, or a folder with --follow (not both).")
    if once and follow is None:
        raise click.UsageError("--once goes with --follow.")
    given: dict[str, Any] = {
        "as_format": as_format, "tlp": parse(tlp) if tlp else None, "source_name": source_name,
        "workers": workers,
        "compact": not no_compact,
        "options": {name: path for name, path in (("mapping", mapping), ("schema", schema)) if path},
    }  # fmt: skip
    if follow:
        return _follow(state, follow, settle, once, given)
    results = _ingest(state, paths, given)
    if state.json:
        out.emit({"runs": [r.to_json() for r in results]})
    else:
        print_results(results)
    for text in problems(results):
        out.warn(text)
    counts = Counts()
    for result in results:
        counts.add(result)
    out.say(state, counts.closing())
    return counts.exit_code


def _ingest(state: State, paths: tuple[str, ...], given: dict[str, Any]) -> list[IngestResult]:
    from noroshi.work.ingest import first_run, ingest

    lake = state.lake(create=True)
    if text := first_run():
        out.say(state, text)
    with out.progress(state, "reading", total_bytes(paths)) as advance:
        return ingest(lake, list(paths), config=state.config(), progress=advance, **given)


def _follow(state: State, folder: Path, settle: float, once: bool, given: dict[str, Any]) -> int:
    import signal
    import threading

    from noroshi.work.follow import follow

    counts = Counts()
    runs: list[dict[str, Any]] = []

    def tell(result: IngestResult) -> None:
        counts.add(result)
        if state.json:  # the one document of --json needs them all; otherwise years may pass
            runs.append(result.to_json())
        rows = out.count(result.tables.get("flows", 0), "flow")
        out.say(state, f"{result.path}: {result.problem or ('known already' if result.known else rows)}")

    stop = threading.Event()

    def on_signal(number: int, _: object) -> None:
        if stop.is_set():  # asked twice: the file at hand is given up, nothing of it is visible
            raise KeyboardInterrupt
        stop.set()

    before = [(s, signal.signal(s, on_signal)) for s in (signal.SIGINT, signal.SIGTERM)]
    twice = "; Ctrl-C ends it after the file at hand, twice at once."
    out.say(state, f"Watching {folder}" + ("." if once else twice))
    try:
        follow(
            state.lake(create=True), folder, config=state.config(), settle_s=settle, once=once, stop=stop,
            on_result=tell, **given,
        )  # fmt: skip
    finally:
        for number, handler in before:
            signal.signal(number, handler)
    if state.json:
        out.emit({"runs": runs})
    out.say(state, counts.closing())
    return counts.exit_code


@dataclass
class Counts:
    """What became of the sources, summed."""

    stored: int = 0
    known: int = 0
    in_part: int = 0
    not_read: int = 0

    def add(self, result: IngestResult) -> None:
        """Count one more."""
        name = _status(result).replace(" ", "_")
        setattr(self, name, getattr(self, name) + 1)

    @property
    def exit_code(self) -> int:
        """3 when a source could not be read, or not to its end."""
        return 3 if self.in_part or self.not_read else 0

    def closing(self) -> str:
        """One line: what happened and what to do next."""
        stored = self.stored + self.in_part
        in_part = f" ({self.in_part} in part)" if self.in_part else ""
        parts = [f"Stored {out.count(stored, 'source')}{in_part}" if stored else "Nothing new was stored"]
        parts += [f"{out.number(self.known)} known already"] if self.known else []
        parts += [f"{out.number(self.not_read)} not read"] if self.not_read else []
        where = " What could not be read stands in the table rejects." if self.exit_code else ""
        return ", ".join(parts) + "." + where + (" Next: noroshi analyse" if stored else "")


def total_bytes(paths: tuple[str, ...]) -> int | None:
    """Bytes to read, or None when that cannot be known (standard input)."""
    if "-" in paths:
        return None
    total = 0
    for path in map(Path, paths):
        # Only for the bar: what cannot be looked at is told when it is to be read.
        with contextlib.suppress(OSError, ValueError):
            files = path.rglob("*") if path.is_dir() else [path]
            total += sum(f.stat().st_size for f in files if f.is_file())
    return total


def print_results(results: list[IngestResult]) -> None:
    """A row per source, on standard output."""
    room = out.width() - 48  # what the other columns leave; the end of a path tells more than its beginning
    rows = [
        (
            _tail(out.visible(r.path), room),
            r.format or "?",
            _status(r),
            r.tables.get("flows", 0),
            r.rejects,
            f"{r.seconds:.1f}",
        )
        for r in results
    ]
    if rows:
        out.table(("source", "format", "", "flows", "rejects", "s"), rows, right=("flows", "rejects", "s"))


def _tail(text: str, room: int) -> str:
    return text if len(text) <= room else "…" + text[1 - room :]


def problems(results: Sequence[IngestResult]) -> Iterator[str]:
    """One line per source that could not be read to its end; those with the same trouble together."""
    paths: dict[str, list[str]] = {}
    for result in results:
        if result.problem:
            paths.setdefault(result.problem, []).append(result.path)
    for problem, sharing in paths.items():
        if len(sharing) == 1:
            yield f"{sharing[0]}: {problem}"
            continue
        yield f"{out.number(len(sharing))} sources, each {problem}:"
        yield from (f"  {path}" for path in sharing[:SAME_TROUBLE])
        if len(sharing) > SAME_TROUBLE:
            yield f"  and {out.number(len(sharing) - SAME_TROUBLE)} more, as the table above shows"


def _status(result: IngestResult) -> str:
    if result.problem:
        return "in part" if result.tables.get("flows") else "not read"
    return "known" if result.known else "stored"
