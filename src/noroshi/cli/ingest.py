"""`noroshi ingest`: finds out what each file is and stores it."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from noroshi.cli import ingested, out
from noroshi.cli.state import State, verb
from noroshi.model.tlp import parse
from noroshi.registry import SENSORS

if TYPE_CHECKING:
    from noroshi.work.ingest import IngestResult

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


class Format(click.Choice[str]):
    """A format's name; a misspelt one is answered with the likely one rather than with fifty."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        import difflib

        near = difflib.get_close_matches(str(value), SENSORS, 1)
        meant = f" Did you mean {near[0]!r}?" if near else ""
        return f"there is no format {str(value)!r}.{meant} docs/formats.md lists them."


_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@verb("ingest")
@click.argument("paths", nargs=-1, metavar="PATH...")
@click.option(
    "--as",
    "as_format",
    type=Format(sorted(SENSORS)),
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
    """Finds out what each PATH is (a file, a folder of them, - for standard input) and stores it.

    Reads captures, logs of network sensors and decoys, surveys, intelligence, vulnerabilities, bills of materials
    and context (docs/formats.md), plain or packed with gzip, zstd or xz, whatever the files are called. Reading the
    same bytes again adds nothing; of a log that grew, only the new part is read. What cannot be read goes to the
    table `rejects`, and the exit status is 3; so does a file in a folder that is of no known format, since nobody
    else would notice.
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
        ingested.show(results)
    for text in ingested.problems(results):
        out.warn(text)
    counts = ingested.Counts()
    for result in results:
        counts.add(result)
    out.say(state, counts.closing(state.typed("analyse")))
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

    counts = ingested.Counts()
    runs: list[dict[str, Any]] = []

    def tell(result: IngestResult) -> None:
        counts.add(result)
        if state.json:  # the one document of --json needs them all; otherwise years may pass
            runs.append(result.to_json())
        rows = out.count(ingested.rows(result), "row")
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
    out.say(state, counts.closing(state.typed("analyse")))
    return counts.exit_code


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
