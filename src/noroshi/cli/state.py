"""What every verb is given: the lake, the configuration, and whether a machine reads the answer."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

if TYPE_CHECKING:
    from noroshi.config import Config
    from noroshi.lake.handle import Lake

F = TypeVar("F", bound=Callable[..., Any])


@dataclass
class State:
    """The global options, as given before or after the verb."""

    lake_given: Path | None = None
    config_given: Path | None = None
    json: bool = False

    @property
    def lake_path(self) -> Path:
        """--lake, else NOROSHI_LAKE, else ./noroshi-lake."""
        return self.lake_given or Path(os.environ.get("NOROSHI_LAKE") or "noroshi-lake")

    def typed(self, words: str) -> str:
        """`noroshi WORDS` as it must be typed to mean this lake."""
        given = f" --lake {shlex.quote(str(self.lake_given))}" if self.lake_given else ""
        return f"noroshi{given} {words}"

    def config(self) -> Config:
        """The configuration in force; raises ConfigError."""
        from noroshi import config

        return config.load(config.find(self.config_given, self.lake_path))

    def lake(self, *, create: bool = False) -> Lake:
        """The lake, opened; raises LakeError when there is none and `create` is false."""
        from noroshi.lake.handle import Lake
        from noroshi.model.errors import LakeError

        if not create and not self.lake_path.is_dir():
            raise LakeError(
                "there is no lake here",
                where=str(self.lake_path),
                todo="Store something first with `noroshi ingest FILE`, or name the lake with --lake DIR.",
            )
        # Where compiled code may be kept when there is no cache folder of the user's own.
        os.environ["NOROSHI_LAKE"] = str(self.lake_path)
        return Lake.open(self.lake_path, create=create)


def _into(field: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def callback(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        if value not in (None, False):
            setattr(ctx.ensure_object(State), field, value)

    return callback


def global_options(*, hidden: bool) -> Callable[[F], F]:
    """--config, --lake and --json; verbs take them too (hidden there, but for --json)."""

    def wrap(f: F) -> F:
        f = click.option("--json", is_flag=True, expose_value=False, callback=_into("json"),
                         help="One JSON document on standard output; no colour, no progress.")(f)  # fmt: skip
        f = click.option("--lake", type=click.Path(path_type=Path, file_okay=False), expose_value=False,
                         callback=_into("lake_given"), hidden=hidden,
                         help="The lake's folder. [NOROSHI_LAKE, else ./noroshi-lake]")(f)  # fmt: skip
        return click.option("--config", type=click.Path(path_type=Path, dir_okay=False), expose_value=False,
                            callback=_into("config_given"), hidden=hidden,
                            help="Configuration. [NOROSHI_CONFIG, LAKE/noroshi.toml, ./noroshi.toml]",
                            )(f)  # fmt: skip

    return wrap


def verb(
    name: str, *, parent: click.Group | None = None, **attrs: Any
) -> Callable[[Callable[..., Any]], click.Command]:
    """A command of that name which takes the global options after the verb too and is given the State."""

    def wrap(f: Callable[..., Any]) -> click.Command:
        make = cast("Callable[..., click.Command]", click.command(name, **attrs))
        command = make(global_options(hidden=True)(click.pass_obj(f)))
        if parent is not None:
            parent.add_command(command)
        return command

    return wrap


def group(name: str, **attrs: Any) -> Callable[[Callable[[], None]], click.Group]:
    """A verb with verbs of its own (`lake status`); it takes the global options too."""

    def wrap(f: Callable[[], None]) -> click.Group:
        make = cast("Callable[..., click.Group]", click.group(name, **attrs))
        return make(global_options(hidden=True)(f))

    return wrap


def since(text: str | None) -> Any:
    """The UTC time meant by ISO 8601 or `7d`, `36h`, `2w`; None for None. Raises UsageError."""
    import re
    from datetime import UTC, datetime, timedelta

    from noroshi.model.errors import UsageError

    if text is None:
        return None
    if match := re.fullmatch(r"(\d{1,5})([mhdw])", text.strip()):
        unit = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}[match[2]]
        return datetime.now(UTC) - timedelta(**{unit: int(match[1])})
    try:
        ts = datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(
            f"{text!r} is no time", todo="Write 2024-04-01, 2024-04-01T12:00:00Z or 7d."
        ) from None
    return ts.replace(tzinfo=UTC) if ts.tzinfo is None else ts.astimezone(UTC)
