"""`noroshi config`: what is configured, and whether it is right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from noroshi.cli import out
from noroshi.cli.state import State, group, verb

if TYPE_CHECKING:
    from noroshi.config import Config


_SHOWN = ("name", "format", "tlp", "mapping", "schema")


@group("config")
def command() -> None:
    """Shows or checks the configuration (docs/configuration.md tells every entry)."""


@verb("show", parent=command)
def show(state: State) -> int:
    """Shows the configuration in force and where it comes from."""
    config = state.config()
    document = as_json(config)
    if state.json:
        out.emit(document)
        return 0
    out.line(f"file       {config.path or 'none; these are the defaults'}")
    out.line(f"lake       {state.lake_path}")
    out.line(f"timezone   {config.timezone.key}")
    out.line(f"own        {', '.join(config.own) or 'none'}")
    for t in document["telescopes"]:
        live = "; ".join(f"{s['from']} to {s['to'] or 'now'}" for s in t["live"]) or "always"
        out.line(
            f"telescope  {t['name']}: {', '.join(t['prefixes'])}; live {live}; {len(t['outages'])} outages"
        )
    for s in document["sources"]:
        out.line(f"source     {s['path']}  " + " ".join(f"{k} {s[k]}" for k in _SHOWN if s[k]))
    for j in config.jobs:
        when = f"every {j.every}" if j.every else f"at {j.at}" if j.at else "always"
        out.line(f"job        {j.name or j.do}: {j.do}, {when}")
    for d in config.deliver:
        out.line(f"deliver    {d.name}: {d.to}, up to TLP:{d.tlp.upper()}: {', '.join(d.kinds)}")
    for name, age in config.retention.items():
        out.line(f"retention  {name} {age}")
    for name, options in config.analyse.items():
        out.line(f"analyse    {name}: " + ", ".join(f"{k} = {v}" for k, v in options.items()))
    for name in ("country", "network"):
        out.line(f"{name:<10} {getattr(config.context, name) or 'no table given'}")
    return 0


@verb("check", parent=command)
def check(state: State) -> int:
    """Checks the configuration; exit status 2 and the entry to mend when it is wrong."""
    from noroshi.work.options import check as check_options

    config = state.config()
    check_options(config)
    if state.json:
        out.emit({"path": str(config.path) if config.path else None, "problems": []})
    else:
        out.line(f"{config.path or 'No configuration file'}: nothing to mend; {_words(config)}.")
    return 0


def _words(config: Config) -> str:
    own = out.count(len(config.own), "own prefix", "own prefixes")
    return f"{out.count(len(config.telescopes), 'telescope')}, {own}"


def as_json(config: Config) -> dict[str, Any]:
    """The configuration in force, as JSON types."""
    from noroshi.model.finding import iso

    def span(since: Any, until: Any) -> dict[str, Any]:
        return {"from": iso(since), "to": iso(until) if until else None}

    return {
        "path": str(config.path) if config.path else None,
        "timezone": config.timezone.key,
        "own": list(config.own),
        "telescopes": [
            {
                "name": t.name,
                "prefixes": list(t.prefixes),
                "live": [span(a, b) for a, b in t.live],
                "outages": [span(a, b) for a, b in t.outages],
            }
            for t in config.telescopes
        ],
        "sources": [
            {
                "path": s.path,
                "tlp": s.tlp,
                "name": s.name,
                "format": s.format,
                "mapping": s.mapping,
                "schema": s.schema,
            }
            for s in config.sources
        ],
        "context": {"country": config.context.country, "network": config.context.network},
        "keep_raw": config.keep_raw,
        "jobs": [{"name": j.name or j.do, "do": j.do, "every": j.every, "at": j.at} for j in config.jobs],
        "deliver": [{"name": d.name, "to": d.to, "kinds": d.kinds, "tlp": d.tlp} for d in config.deliver],
        "retention": dict(config.retention),
        "analyse": {name: dict(options) for name, options in config.analyse.items()},
    }
