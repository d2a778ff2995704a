"""The error tree: one root, and a child for each thing a caller would handle differently.

    NoroshiError
    ├── UsageError      the command or its configuration is wrong        exit 2
    │   └── ConfigError
    ├── SourceError     a source could not be read, or not to its end    exit 3
    └── LakeError       the store cannot do what was asked               exit 3

A message has three parts: what happened, where exactly, what to do.
"""


class NoroshiError(Exception):
    """Something the user can act on; printed without a traceback."""

    exit_code = 3

    def __init__(self, what: str, *, where: str = "", todo: str = "") -> None:
        self.what, self.where, self.todo = what, where, todo
        text = f"{where}: {what}" if where else what
        super().__init__(f"{text}\n{todo}" if todo else text)


class UsageError(NoroshiError, ValueError):
    """The command line is wrong."""

    exit_code = 2


class ConfigError(UsageError):
    """`noroshi.toml` is wrong."""


class SourceError(NoroshiError, OSError):
    """A source could not be read, or not to its end; what was readable has been kept."""


class LakeError(NoroshiError, RuntimeError):
    """The lake cannot do what was asked."""
