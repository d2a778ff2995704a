"""The tables `exposed.toml` and `credentials.toml`: what should not face the Internet, and how a login shows."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib import resources
from typing import Any

from noroshi.model.address import pack, prefix_range

INSIDE = ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
          "::1/128", "fc00::/7", "fe80::/10")  # fmt: skip
"""Networks the Internet cannot reach (RFC 1918, 6598, 3927, 4193, 4291): a survey of them looked from inside."""
_SPANS = tuple(prefix_range(p) for p in INSIDE)


@dataclass(frozen=True)
class Service:
    """One entry of `exposed.toml`."""

    name: str
    group: str
    severity: int
    why: dict[str, str]
    """`en` and `ja`."""
    ports: frozenset[str] = frozenset()
    """As `tcp/23`."""
    services: frozenset[str] = frozenset()
    """Names surveys give it, in lower case."""
    reports: frozenset[str] = frozenset()
    """Shadowserver's report types, those for IPv6 included."""
    products: frozenset[str] = frozenset()
    cpes: frozenset[str] = frozenset()
    """Part, vendor and product."""
    titles: re.Pattern[str] | None = None
    guarded: re.Pattern[str] | None = None
    """What it says when it wants a password."""


@dataclass(frozen=True)
class Exposed:
    """The whole table."""

    date: date
    services: tuple[Service, ...]
    groups: tuple[str, ...]

    def by_ports(self) -> frozenset[str]:
        """Ports that tell a service by themselves."""
        return frozenset(p for s in self.services for p in s.ports)


@dataclass(frozen=True)
class Login:
    """One entry of `credentials.toml`: a text that shows that a login works."""

    name: str
    how: str
    """default, guessed, empty or anonymous."""
    claim: float
    """The share of such texts that is right."""
    label: dict[str, str]
    scripts: frozenset[str] = frozenset()
    """Scripts of nmap; a name that begins with `*` is an ending."""
    says: re.Pattern[str] | None = None
    reports: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()


def faces_internet(ip: str) -> bool:
    """False for an address of a network that is only reached from inside."""
    packed = pack(ip)
    return not any(low <= packed <= high for low, high in _SPANS)


def _words(entry: dict[str, Any], name: str) -> frozenset[str]:
    return frozenset(str(v).lower() for v in entry.get(name, ()))


def _reports(entry: dict[str, Any]) -> frozenset[str]:
    """Types with their twins for IPv6: `scan_telnet` and `scan6_telnet`."""
    names = _words(entry, "reports")
    return names | {n.replace("_", "6_", 1) for n in names}


def _pattern(entry: dict[str, Any], name: str) -> re.Pattern[str] | None:
    return re.compile(entry[name], re.IGNORECASE | re.MULTILINE) if name in entry else None


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(resources.files("noroshi.analyse.exposure").joinpath(name).read_text("utf-8"))


@lru_cache(1)
def exposed() -> Exposed:
    """`exposed.toml`."""
    content = _read("exposed.toml")
    return Exposed(
        content["date"],
        tuple(
            Service(
                e["name"], e["class"], int(e["severity"]), content["class"][e["class"]], _words(e, "ports"),
                _words(e, "services"), _reports(e), _words(e, "products"), _words(e, "cpes"),
                _pattern(e, "titles"), _pattern(e, "guarded"),
            )
            for e in content["service"]
        ),
        tuple(content["class"]),
    )  # fmt: skip


@lru_cache(1)
def logins() -> tuple[date, tuple[Login, ...]]:
    """`credentials.toml` and its date."""
    content = _read("credentials.toml")
    return content["date"], tuple(
        Login(
            e["name"], e["how"], float(e["claim"]), {"en": e["en"], "ja": e["ja"]}, _words(e, "scripts"),
            _pattern(e, "says"), _reports(e), _words(e, "tags"), _words(e, "services"),
        )
        for e in content["login"]
    )  # fmt: skip
