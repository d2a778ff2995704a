"""`noroshi completion`: the script that completes verbs and options in a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from noroshi.cli import out
from noroshi.cli.state import State, verb


@verb("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(state: State, shell: str) -> int:
    """Prints the completion script of a shell.

    For bash, once: noroshi completion bash > ~/.local/share/bash-completion/completions/noroshi
    """
    from noroshi.cli.main import cli

    kind = get_completion_class(shell)
    assert kind is not None
    script = kind(cli, {}, "noroshi", "_NOROSHI_COMPLETE").source()
    if state.json:
        out.emit({"shell": shell, "script": script})
    else:
        click.echo(script)
    return 0
