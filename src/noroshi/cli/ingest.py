"""`noroshi ingest`: finds out what each file is and stores it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from noroshi.cli import out
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


@verb("ingest")
@click.argument("paths", nargs=-1, metavar="PATH...")
@click.option(
    "--as", "as_format", type=click.Choice(sorted(SENSORS)), help="The format, instead of finding out."
)
@click.option("--tlp", type=click.Choice(TLP_WORDS, case_sensitive=False),
              help="Marking of what is read; never lowers one found inside. [amber+strict]")  # fmt: skip
@click.option("--source", "source_name", metavar="NAME", help="Name of the source. [the path]")
@click.option("--workers", type=click.IntRange(1, 256), help="Threads that decode. [one per core]")
@click.option("--follow", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="DIR",
              help="Watch DIR and store each file once it is finished; stop with Ctrl-C.")  # fmt: skip
@click.option("--settle", type=Seconds(), default="60s", show_default=True,
              help="With --follow: a file unchanged for this long is finished.")  # fmt: skip
@click.option("--once", is_flag=True, help="With --follow: store what is finished now and end, for cron.")
def command(
    state: State, paths: tuple[str, ...], as_format: str | None, tlp: str | None, source_name: str | None,
    workers: int | None, follow: Path | None, settle: float, once: bool,
) -> int:  # fmt: skip
    """Finds out what each PATH is (a capture, a folder of them, - for standard input) and stores it.

    Reads pcap and pcapng, plain or packed with gzip, zstd or xz. Reading the same bytes again adds nothing.
    What cannot be read goes to the table `rejects`, and the exit status is 3.
    """
    if bool(paths) == (follow is not None):
        raise click.UsageError("name files or folders to read, or a folder with --follow (not both).")
    if once and follow is None:
        raise click.UsageError("--once goes with --follow.")
    given: dict[str, Any] = {
        "as_format": as_format, "tlp": parse(tlp) if tlp else None, "source_name": source_name,
        "workers": workers,
    }  # fmt: skip
    results = _follow(state, follow, settle, once, given) if follow else _ingest(state, paths, given)
    if state.json:
        out.emit({"runs": [r.to_json() for r in results]})
    elif follow is None:
        print_results(results)
    for result in results:
        if result.problem and follow is None:
            out.warn(f"{result.path}: {result.problem}")
    say_closing(state, results)
    return 3 if any(r.problem for r in results) else 0


def _ingest(state: State, paths: tuple[str, ...], given: dict[str, Any]) -> list[IngestResult]:
    from noroshi.work.ingest import ingest

    lake = state.lake(create=True)
    with out.progress(state, "reading", total_bytes(paths)) as advance:
        return ingest(lake, list(paths), config=state.config(), progress=advance, **given)


def _follow(
    state: State, folder: Path, settle: float, once: bool, given: dict[str, Any]
) -> list[IngestResult]:
    import signal
    import threading

    from noroshi.work.follow import follow

    results: list[IngestResult] = []

    def tell(result: IngestResult) -> None:
        # Years may pass: only what --json or the closing line needs is kept.
        results.append(result if state.json else replace(result, tables={}))
        rows = out.count(result.tables.get("flows", 0), "flow")
        out.say(state, f"{result.path}: {result.problem or ('known already' if result.known else rows)}")

    stop = threading.Event()
    before = [(s, signal.signal(s, lambda *_: stop.set())) for s in (signal.SIGINT, signal.SIGTERM)]
    out.say(state, f"Watching {folder}" + ("." if once else "; Ctrl-C ends it after the file at hand."))
    try:
        follow(
            state.lake(create=True), folder, config=state.config(), settle_s=settle, once=once, stop=stop,
            on_result=tell, **given,
        )  # fmt: skip
    finally:
        for number, handler in before:
            signal.signal(number, handler)
    return results


def total_bytes(paths: tuple[str, ...]) -> int | None:
    """Bytes to read, or None when that cannot be known (standard input)."""
    if "-" in paths:
        return None
    total = 0
    for path in map(Path, paths):
        files = path.rglob("*") if path.is_dir() else [path]
        total += sum(f.stat().st_size for f in files if f.is_file())
    return total


def print_results(results: list[IngestResult]) -> None:
    """A row per source, on standard output."""
    rows = [
        (r.path, r.format or "?", _status(r), r.tables.get("flows", 0), r.rejects, f"{r.seconds:.1f}")
        for r in results
    ]
    if rows:
        out.table(("source", "format", "", "flows", "rejects", "s"), rows, right=("flows", "rejects", "s"))


def _status(result: IngestResult) -> str:
    if result.problem:
        return "in part" if result.tables.get("flows") else "not read"
    return "known" if result.known else "stored"


def say_closing(state: State, results: list[IngestResult]) -> None:
    """One line: what happened and what to do next."""
    stored = sum(bool(r.run_id) and not r.known and _status(r) != "not read" for r in results)
    known, bad = sum(r.known for r in results), sum(bool(r.problem) for r in results)
    parts = [f"Stored {out.count(stored, 'source')}"]
    parts += [f"{known} known already"] if known else []
    parts += [f"{bad} could not be read, or not to the end (see above and the table rejects)"] if bad else []
    todo = " Next: noroshi analyse" if stored else ""
    out.say(state, ", ".join(parts) + "." + todo)
