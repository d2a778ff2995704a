"""The command `noroshi`: a table of verbs, each imported only when it is used.

`noroshi --help` reads this table and imports nothing else, which is why it answers at once.
"""

from __future__ import annotations

import errno
import os
import sys
from importlib import import_module
from typing import Any, NoReturn

import click

from noroshi.cli.state import State, global_options
from noroshi.model.errors import NoroshiError

# verb -> (module, one line for --help). The module has a click command named `command`.
VERBS: dict[str, tuple[str, str]] = {
    "demo": ("noroshi.cli.demo", "Run the whole way on the bundled samples."),
    "ingest": ("noroshi.cli.ingest", "Find out what each file is and store it."),
    "analyse": ("noroshi.cli.analyse", "Run analysers over what is new; print new and changed findings."),
    "findings": ("noroshi.cli.findings", "List findings."),
    "pivot": ("noroshi.cli.pivot", "Tell everything about an address, domain, hash, CVE, package, ..."),
    "top": ("noroshi.cli.top", "Count ports and sources over days or months."),
    "sql": ("noroshi.cli.sql", "Read-only SQL over all tables."),
    "report": ("noroshi.cli.report", "Write the report with figures and tables."),
    "share": ("noroshi.cli.share", "Export what a recipient may see."),
    "recipient": ("noroshi.cli.recipient", "Say who may be given what: ceilings, ranges, profiles, keys."),
    "audit": ("noroshi.cli.audit", "Show who did what: exports, downgrades, keys."),
    "triage": ("noroshi.cli.triage", "Say whether findings are true; how rules fared."),
    "case": ("noroshi.cli.case", "Group findings into cases; comment, assign, close."),
    "taxii": ("noroshi.cli.taxii", "Publish what recipients may read by TAXII; show their collections."),
    "notify": ("noroshi.cli.notify", "Tell those who answer for a network of their hosts."),
    "blocklist": ("noroshi.cli.blocklist", "Release values from all blocklists."),
    "pull": ("noroshi.cli.pull", "Take in what a TAXII server or MISP feed has that is new."),
    "watch": ("noroshi.cli.watch", "Be told when a value, network or keyword appears."),
    "serve": ("noroshi.cli.serve", "Serve web pages, the API and TAXII in one process."),
    "user": ("noroshi.cli.user", "Let people in: who they are, what they may do, their keys."),
    "run": ("noroshi.cli.run", "Do what the [[job]] entries say: read, analyse, watch, report, care."),
    "telescope": ("noroshi.cli.telescope", "Show telescopes; guess their prefixes from the data."),
    "why": ("noroshi.cli.why", "Tell where a finding or a row came from."),
    "forget": ("noroshi.cli.forget", "Take the rows of a run back out."),
    "lake": ("noroshi.cli.lake", "Care for the store: status, compact, retain, vacuum, verify."),
    "key": ("noroshi.cli.key", "Show, renew and back up the site's keys."),
    "config": ("noroshi.cli.config", "Show or check the configuration."),
    "completion": ("noroshi.cli.completion", "Print the completion script of a shell."),
}

EXIT_FAULT = 70
"""A fault of Noroshi itself (EX_SOFTWARE of sysexits.h): never 1, which says that a check found something."""
EXIT_INTERRUPTED = 130
EXIT_PIPE_CLOSED = 141


class PipeClosed(Exception):
    """Whoever read our output has gone (`| head`)."""


class Verbs(click.Group):
    """A group whose commands are imported when they run, and listed from the table alone."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module, line = VERBS[cmd_name]
        command = import_module(module).command
        assert isinstance(command, click.Command)
        command.short_help = line
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            raise click.UsageError(_unknown(args[0]), ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as e:
            # click would end the process with status 1, which says that a check found something.
            raise PipeClosed from e

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([(name, line) for name, (_, line) in VERBS.items()])


def _unknown(word: str) -> str:
    import difflib

    near = difflib.get_close_matches(word, VERBS, 1)
    return f"no such verb {word!r}." + (f" Did you mean {near[0]!r}?" if near else "")


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with `noroshi demo`. `noroshi VERB --help` tells more. Exit status: 0 done, "
    "1 a check found something, 2 wrong usage, 3 a source could not be read (the rest was).",
)
@click.version_option(package_name="noroshi", prog_name="noroshi", message="%(prog)s %(version)s")
@global_options(hidden=False)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Observes attacks on networks, keeps what it sees in one lake, analyses it across kinds, and shares it."""
    ctx.ensure_object(State)


def main(args: list[str] | None = None) -> NoReturn:
    """Runs the command line and ends the process with the status of DESIGN's table."""
    # No command does linear algebra; NumPy would start threads for it.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    code = run(args)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = _pipe_closed()
    sys.exit(code)


def run(args: list[str] | None = None) -> int:
    """Runs the command line; returns the exit status. Every error ends as a message on standard error."""
    try:
        result = cli.main(args, prog_name="noroshi", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.ClickException as e:
        e.show(file=sys.stderr)
        return 2
    except (KeyboardInterrupt, click.Abort):
        click.echo("\nInterrupted. What was finished is kept; run the same command again.", err=True)
        return EXIT_INTERRUPTED
    except (BrokenPipeError, PipeClosed):
        return _pipe_closed()
    except NoroshiError as e:
        click.echo(f"{type(e).__name__}: {_visible(str(e))}", err=True)
        return e.exit_code
    except OSError as e:
        click.echo(_visible(_os_error(e)), err=True)
        return 3
    except MemoryError:
        click.echo("out of memory. Try --workers 1, or a machine with more memory.", err=True)
        return 3
    except Exception:  # noqa: BLE001  the last resort: a traceback and a status that no check uses
        import traceback

        traceback.print_exc()
        click.echo("This is a fault in Noroshi. Please report it with the lines above.", err=True)
        return EXIT_FAULT


def _visible(text: str) -> str:
    from noroshi.cli.out import visible

    return visible(text, keep_newlines=True)


def _os_error(e: OSError) -> str:
    where = f"{e.filename}: " if e.filename else ""
    text = f"{where}{e.strerror or e}"
    if e.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{text}\nThe disk is full. Nothing half-written is visible; free space and run this again."
    if e.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{text}\nGive this user the right to it, or choose another place with --lake."
    return text


def _pipe_closed() -> int:
    # Not an error, but what is left in the buffer must not be flushed at exit.
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    return EXIT_PIPE_CLOSED


if __name__ == "__main__":
    main()
