"""Profiles: what happens to each class of field before anything leaves, one TOML file a class of recipients.

Those that come with the package are complete; a file of one's own in `profiles/` beside the configuration names what
differs from its `base`. docs/anonymising.md tells what each class and action means.
"""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec

from noroshi.model.errors import ConfigError, UsageError
from noroshi.share.anonymise.classes import FIELDS

if TYPE_CHECKING:
    from noroshi.share.marking import Recipient

Action = Literal["keep", "drop", "truncate", "prefix-preserving", "token", "generalise", "k-minimum"]
_ANY: Final = ("keep", "drop", "k-minimum")
_WORD: Final = (*_ANY, "token")
_ADDRESS: Final = (*_WORD, "truncate", "prefix-preserving")
ALLOWED: Final[dict[str, tuple[str, ...]]] = {
    **{f"{c}-address": _ADDRESS for c in ("own", "telescope", "victim", "private", "other")},
    # Prefix-preserving would move them among the addresses of hosts.
    "special-address": ("keep", "drop"),
    **dict.fromkeys(("own-domain", "other-domain", "e-mail", "asn", "hash", "host-key"), _WORD),
    "url": (*_WORD, "generalise"),
    **dict.fromkeys(
        ("person", "organisation", "sensor", "user-name", "password", "credential", "record-id"), _WORD
    ),
    **dict.fromkeys(("free-text", "payload", "packet-number", "sketch"), ("keep", "drop")),
    # Nothing can be said of something without saying when.
    "time": ("keep", "generalise"),
    "port": (*_ANY, "generalise"),
    "public": ("keep",),
}
"""The actions each class of field can have."""
_MOST = 1 << 18
"""Bytes of a profile that are read."""


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What happens to a class of field."""

    do: Action
    v4: Annotated[int, msgspec.Meta(ge=0, le=32)] = 24
    """truncate: bits of an IPv4 address that stay."""
    v6: Annotated[int, msgspec.Meta(ge=0, le=128)] = 48
    to: Literal["hour", "day"] = "hour"
    """generalise a time: to the beginning of its hour or UTC day."""
    k: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0
    """The column belongs to the quasi-identifier: a row leaves only with k - 1 others alike in all such columns."""


class _File(msgspec.Struct, forbid_unknown_fields=True):
    doc: Annotated[str, msgspec.Meta(max_length=1_000)] = ""
    base: Annotated[str, msgspec.Meta(max_length=64)] = "public"
    epoch: Literal["month", "quarter", "fixed", ""] = ""
    fields: dict[str, Action | Rule] = {}


@dataclass(frozen=True)
class Profile:
    """A complete profile: a rule for every class of field."""

    name: str
    doc: str
    epoch: str
    """How long a key is used: month, quarter or fixed."""
    rules: dict[str, Rule]
    where: str = ""
    """The file it was read from; empty for those of the package."""

    @property
    def plain(self) -> bool:
        """True when it changes nothing."""
        return all(rule.do == "keep" and not rule.k for rule in self.rules.values())

    def at(self, now: datetime) -> str:
        """Name of the epoch that moment lies in: 2026-11, 2026-Q4 or fixed."""
        if self.epoch == "month":
            return f"{now:%Y-%m}"
        return f"{now.year:04d}-Q{(now.month + 2) // 3}" if self.epoch == "quarter" else "fixed"


def said(rule: Rule, field: str) -> str:
    """A rule in a few words: `truncate /24 /48`."""
    more = {
        "truncate": f" /{rule.v4} /{rule.v6}", "generalise": f" to the {rule.to}" if field == "time" else "",
    }.get(rule.do, "")  # fmt: skip
    group = f", {rule.k} alike" if rule.k else ""
    return f"{rule.do}{more}{group}"


def built_in() -> list[str]:
    """Names of the profiles that come with the package, from the strictest recipient to the own organisation."""
    return ["public", "community", "sector", "organisation", "person", "own"]


def names(folder: Path | None = None) -> list[str]:
    """Names of all profiles: those of the package, then those in `folder`."""
    more = sorted(p.stem for p in folder.glob("*.toml"))[:1_000] if folder and folder.is_dir() else []
    return [*built_in(), *(n for n in more if n not in built_in())]


def load(name: str, folder: Path | None = None) -> Profile:
    """The profile of that name: the file NAME.toml in `folder`, else the package's. Raises UsageError, ConfigError."""
    return _load(name, folder, ())


def for_recipient(to: Recipient, folder: Path | None = None) -> Profile:
    """The profile of a recipient: the one it names, else one of its own name, else that of its kind."""
    if to.profile:
        return load(to.profile, folder)
    return load(to.name if to.name in names(folder) else to.kind, folder)


def _load(name: str, folder: Path | None, below: tuple[str, ...]) -> Profile:
    known = names(folder)
    if name not in known:  # also what keeps paths out
        near = difflib.get_close_matches(name, known, 1)
        did = f" Did you mean {near[0]}?" if near else ""
        raise UsageError(f"there is no profile {name[:100]!r}", todo=f"Known: {', '.join(known)}.{did}")
    path = folder / f"{name}.toml" if folder else None
    own = path is not None and path.is_file() and name not in below
    if own and path is not None:
        return _complete(name, _parse(_bytes(path), str(path)), str(path), folder, (*below, name))
    if name not in built_in():
        raise ConfigError(
            f"is based on itself: {' > '.join((*below, name))}", where=f"{folder}/{name}.toml",
            todo=f"Base it on one of the package: {', '.join(built_in())}.",
        )  # fmt: skip
    return _package(name)


@lru_cache(maxsize=16)
def _package(name: str) -> Profile:
    raw = (Path(__file__).parent / "profiles" / f"{name}.toml").read_bytes()
    return _complete(name, _parse(raw, f"profile {name}"), "", None, ())


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST + 1)
    except OSError as e:
        raise ConfigError(f"cannot be read: {e.strerror}", where=str(path), todo="Mend its rights.") from e
    if len(raw) > _MOST:
        raise ConfigError("is larger than 256 KiB", where=str(path), todo="A profile is a few lines.")
    return raw


def _parse(raw: bytes, where: str) -> _File:
    try:
        file = msgspec.convert(tomllib.loads(raw.decode()), _File)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise ConfigError(f"not valid TOML: {e}", where=where, todo="Mend the line named.") from e
    except (msgspec.ValidationError, RecursionError) as e:
        actions = ", ".join(Action.__args__)  # type: ignore[attr-defined]
        todo = f'Write fields as own-address = "token", or {{do = "truncate", v4 = 24}}. Actions: {actions}.'
        raise ConfigError(str(e), where=where, todo=todo) from e
    for field, rule in file.fields.items():
        _check(field, rule if isinstance(rule, Rule) else Rule(rule), where)
    return file


def _check(field: str, rule: Rule, where: str) -> None:
    place = f"{where} [fields] {field[:100]}"
    if field not in FIELDS:
        near = difflib.get_close_matches(field, FIELDS, 1)
        did = f"Did you mean {near[0]}? " if near else ""
        raise ConfigError("is no class of field", where=place, todo=f"{did}Known: {', '.join(FIELDS)}.")
    if rule.do not in ALLOWED[field]:
        raise ConfigError(
            f"cannot be {rule.do!r}", where=place, todo=f"It can be: {', '.join(ALLOWED[field])}."
        )
    if rule.do == "k-minimum" and rule.k < 2:
        raise ConfigError("k-minimum needs k of 2 or more", where=place,
                          todo='Write {do = "k-minimum", k = 5}.')  # fmt: skip
    if rule.k == 1:
        raise ConfigError("k = 1 holds nothing back", where=place, todo="Write k = 5, or leave it out.")


def _complete(name: str, file: _File, where: str, folder: Path | None, below: tuple[str, ...]) -> Profile:
    given = {f: r if isinstance(r, Rule) else Rule(r) for f, r in file.fields.items()}
    if not where:
        missing = [f for f in FIELDS if f not in given]
        if missing:
            raise ConfigError(
                f"lacks {', '.join(missing)}", where=f"profile {name}", todo="Name every class."
            )
        return Profile(name, file.doc, file.epoch or "month", {f: given[f] for f in FIELDS})
    base = _load(file.base, folder, below)
    rules = {f: given.get(f, base.rules[f]) for f in FIELDS}
    return Profile(name, file.doc or f"{base.name}, changed", file.epoch or base.epoch, rules, where)
