"""The targets of `[[deliver]]`, ready to send; secrets come from the environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from noroshi.model.errors import ConfigError
from noroshi.model.tlp import parse
from noroshi.share.deliver.target import Sender, Target

if TYPE_CHECKING:
    from noroshi.config import Config, DeliverEntry

_PORTS = {"starttls": 587, "tls": 465, "none": 25}


def targets(config: Config) -> list[tuple[Target, Sender]]:
    """Every target with its sender. Raises ConfigError when a secret's variable is not set."""
    return [(_target(e), _sender(e, config)) for e in config.deliver]


def _target(entry: DeliverEntry) -> Target:
    return Target(entry.name, tuple(entry.kinds), parse(entry.tlp), entry.min_confidence, entry.recipient)


def _sender(entry: DeliverEntry, config: Config) -> Sender:
    if entry.to == "file":
        from noroshi.share.deliver.file import FileSender

        base = config.path.parent if config.path else Path()
        return FileSender(base / Path(entry.path).expanduser())
    if entry.to == "mail":
        from noroshi.share.deliver.mail import MailSender

        return MailSender(
            entry.server, entry.port or _PORTS[entry.tls], entry.sender, tuple(entry.recipients), entry.tls,
            entry.user, _secret(entry, entry.password_env),
        )  # fmt: skip
    from noroshi.share.deliver.webhook import WebhookSender

    return WebhookSender(entry.url, _secret(entry, entry.secret_env))


def _secret(entry: DeliverEntry, variable: str) -> str:
    if not variable:
        return ""
    if variable not in os.environ:
        raise ConfigError(
            f"the environment has no {variable}", where=f"[[deliver]] {entry.name}",
            todo="Set it for this user, for example in the unit's EnvironmentFile.",
        )  # fmt: skip
    return os.environ[variable]
