"""`noroshi.toml`: found, read, validated; every error names the file, the entry and the mend."""

from __future__ import annotations

import os
import re
import tomllib
import zoneinfo
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from noroshi.model import address
from noroshi.model.analyser import Telescope
from noroshi.model.errors import ConfigError, UsageError
from noroshi.model.finding import KINDS
from noroshi.model.observable import canonical
from noroshi.model.tables import TABLES
from noroshi.model.tlp import Tlp
from noroshi.model.tlp import parse as parse_tlp

Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


class Span(msgspec.Struct, forbid_unknown_fields=True, rename={"from_": "from"}):
    """A period; an open end means until now."""

    from_: datetime
    to: datetime | None = None
    reason: str = ""


class TelescopeEntry(msgspec.Struct, forbid_unknown_fields=True):
    """`[[telescope]]`."""

    name: Name
    prefixes: Annotated[list[str], msgspec.Meta(min_length=1)]
    live: list[Span] = []
    outages: list[Span] = []


class SourceEntry(msgspec.Struct, forbid_unknown_fields=True):
    """`[[source]]`: where things come from on this machine; `tlp` marks what is read from there."""

    path: str
    tlp: str = ""
    name: str = ""
    format: str = ""
    mapping: str = ""
    schema: str = ""


class ContextEntry(msgspec.Struct, forbid_unknown_fields=True):
    """`[context]`: tables the user gives, `.mmdb` or TSV (start, end, code)."""

    country: str = ""
    network: str = ""


class DeliverEntry(msgspec.Struct, forbid_unknown_fields=True):
    """`[[deliver]]`: where findings are sent. What is no secret stands here, secrets in environment variables."""

    name: Name
    to: Literal["file", "mail", "webhook"]
    kinds: Annotated[list[str], msgspec.Meta(min_length=1)] = msgspec.field(
        default_factory=lambda: ["watch-hit"]
    )
    tlp: str = "amber+strict"
    min_confidence: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0
    recipient: str = ""
    path: str = ""
    server: str = ""
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    sender: str = ""
    recipients: list[str] = []
    tls: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password_env: str = ""
    url: str = ""
    secret_env: str = ""


class NotifyEntry(msgspec.Struct, forbid_unknown_fields=True):
    """`[notify]`: how those who answer for a network are told of their hosts (docs/notify.md)."""

    to: Literal["folder", "mail"] = "folder"
    folder: str = ""
    sender: str = ""
    name: Annotated[str, msgspec.Meta(max_length=200)] = ""
    reply_to: str = ""
    contact: Annotated[str, msgspec.Meta(max_length=500)] = ""
    server: str = ""
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    tls: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password_env: str = ""
    tlp: str = "amber"
    profile: str = "organisation"
    kinds: list[str] = []
    min_confidence: Annotated[int, msgspec.Meta(ge=0, le=100)] = 50
    window_days: Annotated[int, msgspec.Meta(ge=1, le=365)] = 7
    repeat_days: Annotated[int, msgspec.Meta(ge=1, le=365)] = 14
    max_notices: Annotated[int, msgspec.Meta(ge=1, le=100)] = 4
    quiet_days: Annotated[int, msgspec.Meta(ge=1, le=90)] = 7
    rdap: str = ""


class JobEntry(msgspec.Struct, forbid_unknown_fields=True):
    """`[[job]]`: what `noroshi run` does, and when: `every` a while, or `at` a time of day."""

    do: Literal[
        "follow",
        "poll",
        "analyse",
        "watch",
        "deliver",
        "notify",
        "report",
        "share",
        "publish",
        "compact",
        "vacuum",
        "retain",
        "verify",
        "pull",
    ]
    name: str = ""
    every: str = ""
    at: str = ""
    path: str = ""
    format: str = ""
    source: str = ""
    tlp: str = ""
    settle_s: Annotated[float, msgspec.Meta(gt=0)] = 60.0
    names: list[str] = []
    period: str = "day"
    lang: list[str] = []
    out: str = ""
    standard: Literal["stix", "misp", "csv", "jsonl", "shadowserver", "nftables", "rpz", "plain"] = "stix"
    recipient: str = ""
    kind: Literal["", "taxii", "misp-feed"] = ""
    url: str = ""
    collections: list[str] = []
    hosts: list[str] = []
    ca: str = ""
    user_env: str = ""
    password_env: str = ""
    api_key_env: str = ""
    api_key_header: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9-]{0,64}$")] = ""
    max_mb: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 4096


class File(msgspec.Struct, forbid_unknown_fields=True):
    """The whole file."""

    own: list[str] = []
    own_domains: list[str] = []
    own_words: list[str] = []
    keep_raw: bool = False
    timezone: str = "UTC"
    telescope: list[TelescopeEntry] = []
    source: list[SourceEntry] = []
    context: ContextEntry = msgspec.field(default_factory=ContextEntry)
    retention: dict[str, str] = {}
    analyse: dict[str, dict[str, Any]] = {}
    job: list[JobEntry] = []
    deliver: list[DeliverEntry] = []
    notify: NotifyEntry | None = None


class Config:
    """The validated configuration. An absent file is an empty one."""

    def __init__(self, file: File, path: Path | None) -> None:
        self.path = path
        self.own = tuple(file.own)
        self.own_domains = tuple(canonical("domain", d) for d in file.own_domains)
        self.own_words = tuple(file.own_words)
        self.keep_raw = file.keep_raw
        self.timezone = zoneinfo.ZoneInfo(file.timezone)
        self.telescopes = tuple(_telescope(t) for t in file.telescope)
        self.sources = tuple(file.source)
        self.context = file.context
        self.retention = dict(file.retention)
        self.analyse = file.analyse
        self.jobs = tuple(file.job)
        self.deliver = tuple(file.deliver)
        self.notify = file.notify

    @property
    def telescope_prefixes(self) -> tuple[str, ...]:
        """All prefixes of all telescopes."""
        return tuple(p for t in self.telescopes for p in t.prefixes)


def _telescope(entry: TelescopeEntry) -> Telescope:
    return Telescope(
        name=entry.name,
        prefixes=tuple(entry.prefixes),
        live=tuple((_utc(s.from_), _utc(s.to) if s.to else None) for s in entry.live),
        outages=tuple((_utc(s.from_), _utc(s.to)) for s in entry.outages if s.to),
    )


def _utc(ts: datetime) -> datetime:
    return ts.replace(tzinfo=UTC) if ts.tzinfo is None else ts.astimezone(UTC)


def find(given: Path | None, lake: Path) -> Path | None:
    """The first of --config, NOROSHI_CONFIG, LAKE/noroshi.toml, ./noroshi.toml that exists.

    Raises ConfigError when one was named and is not there.
    """
    named = given or (Path(os.environ["NOROSHI_CONFIG"]) if os.environ.get("NOROSHI_CONFIG") else None)
    if named:
        if not named.is_file():
            raise ConfigError(
                "no such configuration file",
                where=str(named),
                todo="It was named by --config or NOROSHI_CONFIG; mend the name, or leave it out.",
            )
        return named
    return next((p for p in (lake / "noroshi.toml", Path("noroshi.toml")) if p.is_file()), None)


def load(path: Path | None) -> Config:
    """The configuration in `path`, or the defaults for None. Raises ConfigError."""
    if path is None:
        return Config(File(), None)
    where = str(path)
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise ConfigError(
            f"not valid TOML: {e}", where=where, todo="Mend the line named and run again."
        ) from e
    except OSError as e:
        raise ConfigError(
            f"cannot be read: {e.strerror}", where=where, todo="Give this user the right to read it."
        ) from e
    try:
        file = msgspec.convert(_with_times(raw), File)
    except msgspec.ValidationError as e:
        raise ConfigError(str(e), where=where, todo="docs/configuration.md shows every entry.") from e
    _check(file, where)
    return Config(file, path)


def _with_times(raw: Any) -> Any:
    """The same with dates as their midnights in UTC: people write `from = 2024-04-01`."""
    if isinstance(raw, dict):
        return {k: _with_times(v) for k, v in raw.items()}
    if isinstance(raw, list):
        return [_with_times(v) for v in raw]
    if isinstance(raw, date) and not isinstance(raw, datetime):
        return datetime(raw.year, raw.month, raw.day, tzinfo=UTC)
    return raw


def _check(file: File, where: str) -> None:
    try:
        for prefix in (*file.own, *(p for t in file.telescope for p in t.prefixes)):
            address.prefix_range(prefix)
    except UsageError as e:
        raise ConfigError(e.what, where=where, todo="Write prefixes as 192.0.2.0/24 or 2001:db8::/32.") from e
    for name in file.own_domains:
        try:
            canonical("domain", name)
        except UsageError as e:
            raise ConfigError(f"own_domains: {e.what}", where=where, todo=e.todo) from e
    for word in file.own_words:
        if not 3 <= len(word.strip()) <= 200:
            raise ConfigError(
                f"own_words: {word[:50]!r} has not 3 to 200 characters", where=where,
                todo="Shorter ones would be found in too many other words.",
            )  # fmt: skip
    try:
        zoneinfo.ZoneInfo(file.timezone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError) as e:
        raise ConfigError(
            f"unknown timezone {file.timezone!r}", where=where, todo='For example "Asia/Tokyo".'
        ) from e
    names = [t.name for t in file.telescope]
    if len(set(names)) != len(names):
        raise ConfigError("two telescopes share a name", where=where, todo="Give each its own.")
    for t in file.telescope:
        for span in (*t.live, *t.outages):
            if span.to is not None and _utc(span.to) <= _utc(span.from_):
                raise ConfigError(
                    f"telescope {t.name}: a period ends before it begins",
                    where=where,
                    todo="Exchange `from` and `to`.",
                )
        if any(s.to is None for s in t.outages):
            raise ConfigError(
                f"telescope {t.name}: an outage needs `to`",
                where=where,
                todo="If it goes on, end `live` where it began instead.",
            )
    _check_overlaps(file.telescope, where)
    for source in file.source:
        try:
            parse_tlp(source.tlp or "clear")
        except UsageError as e:
            raise ConfigError(
                e.what, where=f"{where} [[source]] {source.path}", todo=str(e).split("\n")[-1]
            ) from e
    for table, age in file.retention.items():
        if table not in TABLES:
            raise ConfigError(
                f"retention of {table}, which is no table", where=where, todo=f"Tables: {', '.join(TABLES)}."
            )
        if not re.fullmatch(r"[1-9]\d{0,5}d", age):
            raise ConfigError(f"retention of {table} is {age!r}", where=where, todo="Write days: `400d`.")
    _check_deliver(file.deliver, where)
    _check_jobs(file.job, where)
    if file.notify:
        _check_notify(file.notify, where)


_NEEDED = {"file": ("path",), "mail": ("server", "sender", "recipients"), "webhook": ("url",)}
_EVERY = re.compile(r"([1-9]\d{0,4})([smhd])")
_AT = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


def seconds(every: str) -> int:
    """Seconds of a while such as `30s`, `5m`, `1h`, `1d`; 0 when it is none."""
    found = _EVERY.fullmatch(every)
    return int(found[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[found[2]] if found else 0


def _check_deliver(entries: list[DeliverEntry], where: str) -> None:
    names = [e.name for e in entries]
    if len(set(names)) != len(names):
        raise ConfigError("two [[deliver]] share a name", where=where, todo="Give each its own.")
    for e in entries:
        place = f"{where} [[deliver]] {e.name}"
        missing = [field for field in _NEEDED[e.to] if not getattr(e, field)]
        if missing:
            raise ConfigError(f"lacks {', '.join(missing)}", where=place, todo=f"`to = {e.to!r}` needs them.")
        unknown = [k for k in e.kinds if k not in KINDS]
        if unknown:
            raise ConfigError(
                f"{unknown[0]!r} is no kind of finding", where=place, todo=f"Known: {', '.join(KINDS)}."
            )
        if e.to == "webhook" and not re.match(r"https?://[^/\s]+", e.url):
            raise ConfigError(f"{e.url!r} is no web address", where=place, todo="Write https://host/path.")
        try:
            parse_tlp(e.tlp)
        except UsageError as error:
            raise ConfigError(error.what, where=place, todo=error.todo) from error


def _check_notify(entry: NotifyEntry, where: str) -> None:
    place = f"{where} [notify]"
    needed = {"folder": ("folder", "sender"), "mail": ("server", "sender")}[entry.to]
    missing = [field for field in needed if not getattr(entry, field)]
    if missing:
        raise ConfigError(f"lacks {', '.join(missing)}", where=place, todo=f"`to = {entry.to!r}` needs them.")
    for field in ("sender", "reply_to"):
        text = getattr(entry, field)
        if text and not re.fullmatch(r"[^@\s<>,;:\"]{1,64}@[A-Za-z0-9.-]{1,253}", text):
            raise ConfigError(f"{field} is no mail address", where=place, todo="Write abuse@example.net.")
    for field in ("name", "contact"):
        if not getattr(entry, field).isprintable():
            raise ConfigError(f"{field} is more than one line", where=place, todo="Write one line.")
    unknown = [k for k in entry.kinds if k not in KINDS]
    if unknown:
        raise ConfigError(
            f"{unknown[0]!r} is no kind of finding", where=place, todo=f"Known: {', '.join(KINDS)}."
        )
    if entry.rdap and not re.match(r"https?://[^/\s]+", entry.rdap):
        raise ConfigError(f"{entry.rdap!r} is no web address", where=place, todo="Write https://host/path.")
    try:
        if parse_tlp(entry.tlp) is Tlp.RED:
            raise ConfigError("RED never leaves by a machine", where=place, todo="Write amber or less.")
    except UsageError as error:
        raise ConfigError(error.what, where=place, todo=error.todo) from error


def _check_jobs(entries: list[JobEntry], where: str) -> None:
    names = [e.name or e.do for e in entries]
    twice = {n for n in names if names.count(n) > 1}
    if twice:
        raise ConfigError(f"two jobs are called {min(twice)}", where=where, todo="Give each a `name`.")
    for e in entries:
        place = f"{where} [[job]] {e.name or e.do}"
        if e.do == "follow":
            timed = not e.every and not e.at
        else:
            timed = bool(seconds(e.every)) != bool(_AT.fullmatch(e.at)) and not (e.every and e.at)
        if not timed:
            todo = 'Write every = "5m" (s, m, h, d) or at = "03:30"; follow goes on without either.'
            raise ConfigError("does not say when", where=place, todo=todo)
        if e.do in ("follow", "poll") and not e.path:
            raise ConfigError("lacks path", where=place, todo="Name the folder or file to read.")
        if e.do in ("report", "share") and not e.out:
            raise ConfigError("lacks out", where=place, todo="Name where to write.")
        if e.do == "pull":
            check_pull(e, place)


def check_pull(e: JobEntry, place: str) -> None:
    """Raises ConfigError unless a job to pull says what from where."""
    if not e.kind:
        raise ConfigError("lacks kind", where=place, todo='Write kind = "taxii" or kind = "misp-feed".')
    if not re.fullmatch(r"https?://[^\s@]+", e.url):
        todo = 'Write url = "https://host/path"; names and passwords stand in environment variables.'
        raise ConfigError(f"{e.url!r} is no web address", where=place, todo=todo)
    if bool(e.user_env) != bool(e.password_env):
        raise ConfigError("names one of user_env and password_env", where=place, todo="Name both or neither.")
    try:
        parse_tlp(e.tlp or "clear")
    except UsageError as error:
        raise ConfigError(error.what, where=place, todo=error.todo) from error


def _check_overlaps(telescopes: list[TelescopeEntry], where: str) -> None:
    """An address in two telescopes at once would be counted twice in every size and rate."""
    for i, a in enumerate(telescopes):
        for b in telescopes[:i]:
            shared = [(p, q) for p in a.prefixes for q in b.prefixes if _prefixes_meet(p, q)]
            if shared and _lives_meet(a.live, b.live):
                raise ConfigError(
                    f"telescopes {b.name} and {a.name} overlap: {shared[0][1]} and {shared[0][0]}",
                    where=where,
                    todo="Give each address to one telescope, or let one end (`live`) before the other begins.",
                )


def _prefixes_meet(a: str, b: str) -> bool:
    (first, last), (low, high) = address.prefix_range(a), address.prefix_range(b)
    return first <= high and low <= last


def _lives_meet(a: list[Span], b: list[Span]) -> bool:
    always = [Span(datetime.min.replace(tzinfo=UTC))]
    end = datetime.max.replace(tzinfo=UTC)
    return any(
        _utc(s.from_) < (_utc(t.to) if t.to else end) and _utc(t.from_) < (_utc(s.to) if s.to else end)
        for s in a or always
        for t in b or always
    )
