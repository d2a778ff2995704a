"""The command line itself: what it imports, how it fails, and what statuses mean."""

from __future__ import annotations

import errno
import subprocess
import sys
from typing import Any, NoReturn

import click
import pytest

from noroshi.cli import main, out
from noroshi.cli.main import VERBS, cli
from noroshi.cli.state import State, since
from noroshi.model.errors import ConfigError, LakeError, NoroshiError, SourceError, UsageError
from tests.cli.support import noroshi

HEAVY = (
    "numba",
    "pyarrow",
    "duckdb",
    "sqlalchemy",
    "deltalake",
    "matplotlib",
    "numpy",
    "rich",
    "jinja2",
    "msgspec",
)


def imported(*args: str) -> set[str]:
    """Modules of HEAVY that `noroshi ARGS` imported, in a process of its own."""
    code = (
        "import sys\nfrom noroshi.cli.main import run\n"
        f"status = run({list(args)!r})\n"
        "print('IMPORTED', *sorted({m.split('.')[0] for m in sys.modules}))\nsys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("IMPORTED")[2].split()) & set(HEAVY)


def test_help_imports_nothing_heavy() -> None:
    assert imported("--help") == set()


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_imports_no_engine(verb: str) -> None:
    assert imported(verb, "--help") <= {"msgspec"}


def every_command() -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    root = click.Context(cli, info_name="noroshi")
    for name in VERBS:
        command = cli.get_command(root, name)
        assert command is not None
        found.append((name,))
        if isinstance(command, click.Group):
            found += [(name, sub) for sub in command.list_commands(root)]
    return found


@pytest.mark.parametrize("words", every_command(), ids=" ".join)
def test_every_verb_says_what_it_does_and_takes_json(words: tuple[str, ...]) -> None:
    ran = noroshi(*words, "--help")
    assert ran.code == 0
    assert ran.err == ""
    assert "--json" in ran.out
    help_ = ran.out.split("\n\n")[1].strip()
    assert help_, "a sentence under the usage line"
    assert max(len(line) for line in ran.out.splitlines()) <= 100


def test_every_verb_stands_in_help_with_its_line() -> None:
    text = noroshi("--help").out
    for name, (_, line) in VERBS.items():
        assert name in text
        assert line.endswith(".")


def test_unknown_verb_is_wrong_usage_and_names_the_near_one() -> None:
    ran = noroshi("analyze")
    assert ran.code == 2
    assert "Did you mean 'analyse'?" in ran.err
    assert ran.out == ""


def test_unknown_option_is_wrong_usage() -> None:
    assert noroshi("sql", "--nonsense", "SELECT 1").code == 2


def test_no_verb_prints_help() -> None:
    ran = noroshi()
    assert ran.code == 2
    assert "Verbs:" in ran.out + ran.err


def test_version() -> None:
    ran = noroshi("--version")
    assert ran.code == 0
    assert ran.out.startswith("noroshi ")


def failing(error: BaseException) -> Any:
    def command(*args: object, **kwargs: object) -> NoReturn:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (SourceError("cut short", where="a.pcap", todo="Fetch it again."), 3, "a.pcap: cut short\nFetch"),
        (UsageError("no such thing"), 2, "UsageError: no such thing"),
        (ConfigError("two telescopes", where="n.toml"), 2, "n.toml: two telescopes"),
        (LakeError("is locked"), 3, "LakeError: is locked"),
        (NoroshiError("\x1b[2Jevil"), 3, "\\x1b[2Jevil"),
        (OSError(errno.ENOSPC, "No space left on device", "/x"), 3, "The disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 3, "--lake"),
        (MemoryError(), 3, "out of memory"),
        (KeyboardInterrupt(), 130, "Interrupted"),
        (click.Abort(), 130, "Interrupted"),
        (ZeroDivisionError("division"), 70, "This is a fault in Noroshi"),
    ],
)  # fmt: skip
def test_errors_end_as_a_message_and_a_status(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, words: str
) -> None:
    monkeypatch.setattr(cli, "invoke", failing(error))
    ran = noroshi("config", "show")
    assert ran.code == code
    assert words in ran.err
    assert ran.out == ""
    assert ("Traceback" in ran.err) == (code == 70)


def test_a_reader_that_went_away_is_no_error() -> None:
    code = "from noroshi.cli.main import main; main(['completion', 'bash'])"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:  # fmt: skip
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        error = process.stderr.read()
        process.wait()
    assert error == b""
    assert process.returncode == main.EXIT_PIPE_CLOSED


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    ran = noroshi("completion", shell)
    assert ran.code == 0
    assert "_NOROSHI_COMPLETE" in ran.out


def test_completion_completes_verbs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_NOROSHI_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "noroshi fin")
    monkeypatch.setenv("COMP_CWORD", "1")
    code = "from noroshi.cli.main import main; main([])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "findings" in done.stdout


@pytest.mark.parametrize("text", ["2024-04-01", "2024-04-01T00:00:00Z", "2024-04-01T09:00:00+09:00"])
def test_since_takes_iso_8601(text: str) -> None:
    assert since(text).isoformat() == "2024-04-01T00:00:00+00:00"


def test_since_takes_spans_and_nothing() -> None:
    assert round((since("1d") - since("7d")).total_seconds()) == 6 * 86_400
    assert since(None) is None
    with pytest.raises(UsageError, match="7d"):
        since("yesterday")


def test_no_lake_is_told_with_what_to_do(tmp_path: Any) -> None:
    ran = noroshi("--lake", tmp_path / "none", "sql", "SELECT 1")
    assert ran.code == 3
    assert "noroshi ingest" in ran.err
    assert not (tmp_path / "none").exists()


def test_lake_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("NOROSHI_LAKE", str(tmp_path))
    assert State().lake_path == tmp_path
    monkeypatch.delenv("NOROSHI_LAKE")
    assert str(State().lake_path) == "noroshi-lake"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("狼煙", "狼煙"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\nb", "a\\x0ab"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("\x9b2J", "\\x9b2J"),
        ("a\u200bb", "a\\u200bb"),
    ],
)
def test_hostile_text_cannot_act_on_the_terminal(text: str, shown: str) -> None:
    assert out.visible(text) == shown


def test_tables_fit_100_columns(capsys: pytest.CaptureFixture[str]) -> None:
    row = ["x" * 300, 1_234_567, "[red]not markup[/red]", "\x1b[2J", "2001:db8:1:2:3:4:5:6"]
    out.table(("a", "b", "c", "d", "src_ip"), [row] * 3, right=("b",), keep=("src_ip",))
    text = capsys.readouterr().out
    assert max(len(line) for line in text.splitlines()) <= 100
    assert "1,234,567" in text
    assert "2001:db8:1:2:3:4:5:6" in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""), (True, "yes"), (1234, "1,234"), (0.12345, "0.1235"), (12345.6, "12,346"),
        ([1, 2], "1, 2"), ("x", "x"),
    ],
)  # fmt: skip
def test_cells(value: Any, text: str) -> None:
    assert out.cell(value) == text


def test_sizes_and_counts() -> None:
    assert [out.size(n) for n in (0, 999, 1000, 123_456, 5_000_000_000_000_000)] == [
        "0 B", "999 B", "1.0 kB", "123 kB", "5000 TB",
    ]  # fmt: skip
    assert out.count(1, "row") == "1 row"
    assert out.count(2000, "row") == "2,000 rows"
