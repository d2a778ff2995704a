"""The `[notify]` of the configuration, which everything about notices asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noroshi.model.errors import ConfigError

if TYPE_CHECKING:
    from noroshi.config import Config, NotifyEntry


def settings(config: Config) -> NotifyEntry:
    """The `[notify]` of the configuration. Raises ConfigError when there is none."""
    if config.notify is None:
        raise ConfigError(
            "there is no [notify]", where=str(config.path or "no configuration file"),
            todo="Say who writes and where to (docs/notify.md).",
        )  # fmt: skip
    return config.notify
