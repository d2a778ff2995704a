"""`noroshi serve`: web pages and API in one process."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from noroshi.cli import out
from noroshi.cli.state import State, verb

if TYPE_CHECKING:
    from noroshi.web.tower import Tower


@verb("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8642, show_default=True, help="Port; 0 for any free one."
)
@click.option(
    "--open",
    "open_",
    is_flag=True,
    help="On this machine only, without a password: everybody on it is admin.",
)
@click.option("--jobs", is_flag=True, help="Do what the [[job]] entries say beside it.")
@click.option(
    "--tls-cert",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Certificate chain (PEM).",
)
@click.option(
    "--tls-key", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Its key (PEM)."
)
@click.option(
    "--proxy",
    metavar="ADDRESS",
    help="A proxy that ends TLS and asks from there: what it says of clients is believed.",
)
@click.option("--name", "names", multiple=True, metavar="HOST",
              help="A name this server goes by; requests for others are refused. Repeatable. [any]")  # fmt: skip
def command(
    state: State, host: str, port: int, open_: bool, jobs: bool, tls_cert: Path | None, tls_key: Path | None,
    proxy: str | None, names: tuple[str, ...],
) -> int:  # fmt: skip
    """Serves web pages, the API and TAXII until it is told to stop (Ctrl-C, SIGTERM).

    The first start prints an address that makes the first administrator; it works once. With --open nobody signs in.
    """
    from noroshi.lake.state import State as Kept
    from noroshi.model.errors import UsageError
    from noroshi.web.options import Options
    from noroshi.web.serve import Tls, check, run

    if bool(tls_cert) != bool(tls_key):
        raise UsageError("--tls-cert and --tls-key belong together", todo="Give both, or neither.")
    tls = Tls(tls_cert, tls_key) if tls_cert and tls_key else None
    options = Options(
        host=host, port=port, open=open_, tls=tls is not None or bool(proxy), hosts=names, proxy=proxy or "",
        jobs=jobs, rate=0 if open_ else Options.rate,
    )  # fmt: skip
    check(options)
    config, lake = state.config(), state.lake(create=True)

    def ready(address: str, tower: Tower) -> None:
        if state.json:
            out.emit(
                {"url": address, "setup": f"{address}/setup?token={tower.setup}" if tower.setup else None}
            )
            return
        out.say(state, f"Noroshi is at {address}" + (" (no password: --open)" if open_ else ""))
        if tower.setup:
            out.say(
                state,
                f"Nobody can sign in yet. Make the first administrator, once, at:\n{address}/setup?token={tower.setup}",
            )
        if not tls and not proxy and host not in ("127.0.0.1", "::1", "localhost"):
            out.warn(
                "Without TLS everybody on the way can read passwords: use --tls-cert and --tls-key, or a proxy."
            )

    def tell(name: str, text: str) -> None:
        out.say(state, f"{name}: {out.visible(text, keep_newlines=True)}")

    if not run(lake, config, Kept(lake.path), options, tls=tls, tell=tell, ready=ready):
        out.warn("Some work had not ended and was left; nothing of it is half written.")
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    return 0
