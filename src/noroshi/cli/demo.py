"""`noroshi demo`: the whole way on the bundled samples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from noroshi.cli import out, show
from noroshi.cli.ingested import tables
from noroshi.cli.state import State, verb

if TYPE_CHECKING:
    from noroshi.work.demo import Demo, Sample


@verb("demo")
@click.argument(
    "folder", metavar="[DIR]", default="noroshi-demo", type=click.Path(path_type=Path, file_okay=False)
)
@click.option("--open", "open_", is_flag=True, help="Open the report in a browser.")
@click.option("--lang", type=click.Choice(["en", "ja"]), help="Language of the sentences. [as the locale]")
def command(state: State, folder: Path, open_: bool, lang: str | None) -> int:
    """Runs the whole way on the bundled samples: ingest, analyse, report, STIX; about a minute.

    DIR (./noroshi-demo) is made again each time; a folder that is no former demo is left alone.
    """
    from noroshi.work.demo import demo

    lang = show.language(lang)
    done = demo(folder, tell=lambda text: out.say(state, text))
    if state.json:
        out.emit(done.to_json())
    else:
        _print(done, lang)
    out.say(state, f"\nDone in {done.seconds:.0f} s; {done.folder} is yours to look at and to delete.")
    if open_:
        click.launch(str(done.report[lang]))
    return 0


def _rows(sample: Sample) -> str:
    """What came of it: packets for captures, else rows by table."""
    if sample.packets:
        return f"{out.count(sample.packets, 'packet')}, {sample.first_seen[:10]}"
    return tables(sample.tables)


def _print(done: Demo, lang: str) -> None:
    out.line()
    out.table(
        ("sample", "format", "rows", ""),
        [(s.name, s.format, _rows(s), s.problem and "in part") for s in done.samples],
        keep=("sample",),
    )  # fmt: skip
    out.line()
    for kind, found in done.by_kind().items():
        best = min(found, key=lambda f: (-f.confidence, f.first_seen, f.subject.value))
        click.secho(f"{kind}  {out.number(len(found))}", bold=True)
        for row in show.wrap(out.visible(show.sentence(best, lang)), out.width() - 4):
            click.echo("    " + row)
    out.line()
    for page in done.pages:
        if page.name.endswith(f"{lang}.html"):
            out.line(f"report   {page}")
    out.line(f"STIX     {done.stix}")
    out.line(f"lake     {done.lake}")
    out.line()
    for note in done.notes:
        for row in show.wrap(note, out.width()):
            out.line(row)
    out.line("\nTry next:")
    for command_ in done.next_commands:
        out.line(f"  {command_}")
