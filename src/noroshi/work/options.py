"""Whether the names in noroshi.toml are ones the registry knows: a misspelt threshold would be passed over."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from noroshi import registry
from noroshi.model.errors import ConfigError

if TYPE_CHECKING:
    from noroshi.config import Config
    from noroshi.model.analyser import Option


def check(config: Config) -> None:
    """Raises ConfigError at the first format no sensor has, or threshold no analyser knows or can use."""
    for source in config.sources:
        if source.format and source.format not in registry.SENSORS:
            where = f"[[source]] {source.path}"
            raise _unknown(
                config, where, f"there is no format {source.format!r}", source.format, registry.SENSORS
            )
    for name, given in config.analyse.items():
        if name not in registry.ANALYSERS:
            raise _unknown(config, f"[analyse.{name}]", "names no analyser", name, registry.ANALYSERS)
        _check_table(config, f"[analyse.{name}]", given, registry.analyser(name).options)


def _check_table(config: Config, where: str, given: dict[str, Any], known: Iterable[Option]) -> None:
    options = {o.name: o for o in known}
    for key, value in given.items():
        option = options.get(key)
        if option is None:
            raise _unknown(config, where, f"there is no threshold {key!r}", key, options)
        if option.default is None:
            if not isinstance(value, dict):
                raise ConfigError(
                    f"{key} is {value!r}, not a table", where=f"{config.path} {where}", todo=option.doc
                )
            inner = registry.analyser("investigation-scanner").options
            _check_table(config, f"{where[:-1]}.{key}]", value, inner)
        elif not _is_positive(value):
            raise ConfigError(
                f"{key} is {value!r}",
                where=f"{config.path} {where}",
                todo=f"Write a number above 0; {option.default:g} is usual.",
            )


def _is_positive(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value > 0  # type: ignore[arg-type,operator]


def _unknown(config: Config, where: str, what: str, word: str, known: Iterable[str]) -> ConfigError:
    names = list(known)
    near = difflib.get_close_matches(word, names, 1)
    todo = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(names) or 'none'}."
    return ConfigError(what, where=f"{config.path} {where}", todo=todo)
