"""What must not come out, and the clothes it may wear."""

from __future__ import annotations

import base64
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from noroshi.config import Config, load

OWN4, OWN6, DARK4, DARK6 = "203.0.113.77", "2001:db8:aaaa::c0:ffee", "192.0.2.201", "2001:db8:dada::201"
ADDRESSES = (OWN4, OWN6, DARK4, DARK6)
DOMAIN = "tsubame.kamome-daigaku.ac.jp"
MAIL = "sugawara.n@mail.kamome-daigaku.ac.jp"
PERSON, PASSWORD, SENSOR = "Sugawara Nobuko", "qT7-uguisu-harubaru", "kitanodai-west"
WORDS = (DOMAIN, MAIL, PERSON, PASSWORD, SENSOR)

CONFIG = f"""
own = ["203.0.113.0/24", "2001:db8:aaaa::/48"]
own_domains = ["kamome-daigaku.ac.jp"]
own_words = ["{PERSON}", "{PASSWORD}"]
[[telescope]]
name = "{SENSOR}"
prefixes = ["192.0.2.128/25", "2001:db8:dada::/48"]
"""


def config(folder: Path) -> Config:
    """The configuration that names what is our own."""
    path = folder / "noroshi.toml"
    path.write_text(CONFIG, encoding="utf-8")
    return load(path)


@dataclass(frozen=True)
class Planted:
    """One secret in one encoding: the text that is planted, and what of it must not come out."""

    secret: str
    encoding: str
    text: str
    needle: str


def planted() -> list[Planted]:
    """Every secret in every encoding that it has."""
    out: list[Planted] = []
    for secret in (*ADDRESSES, *WORDS):
        for encoding, text in _encodings(secret):
            # What stands around the secret in base64 shares its first and last characters.
            needle = text.strip("=")[3:-3] if encoding.startswith("base64") else text
            out.append(Planted(secret, encoding, text, needle))
    return out


def _encodings(secret: str) -> list[tuple[str, str]]:
    raw = secret.encode()
    out = [
        ("as it is", secret),
        ("upper case", secret.upper()),
        ("defanged", secret.replace(".", "[.]").replace("@", "[at]").replace(":", "[:]")),
        ("defanged with words", secret.replace(".", "(dot)").replace("@", "(at)")),
        ("hex", raw.hex()),
        ("hex upper", raw.hex().upper()),
        ("hex with spaces", raw.hex(" ")),
        ("hex escapes", "".join(f"\\x{b:02x}" for b in raw)),
        ("base64 at 0", base64.b64encode(raw).decode()),
        ("base64 at 1", base64.b64encode(b"k" + raw + b"!").decode()),
        ("base64 at 2", base64.b64encode(b"k=" + raw + b"!").decode()),
        ("base64 for URLs", base64.urlsafe_b64encode(b"q>" + raw).decode()),
        ("base64 twice", base64.b64encode(base64.b64encode(b"at " + raw)).decode()),
        ("URL", "".join(f"%{b:02X}" for b in raw)),
        ("URL, some", secret.replace(".", "%2e").replace("@", "%40").replace(":", "%3A").replace(" ", "%20")),
        ("URL twice", "".join(f"%25{b:02x}" for b in raw)),
        ("full width", "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in secret)),
        ("HTML", "".join(f"&#{b};" for b in raw)),
        ("JSON", "".join(f"\\u{b:04x}" for b in raw)),
        ("invisible signs", "\u200b".join(secret)),
    ]
    if secret in ADDRESSES:
        out += _of_address(secret)
    return out


def _of_address(secret: str) -> list[tuple[str, str]]:
    one = ipaddress.ip_address(secret)
    out = [
        ("PTR", one.reverse_pointer),
        ("PTR upper", one.reverse_pointer.upper() + "."),
        ("integer", str(int(one))),
        ("hex integer", hex(int(one))),
        ("packed", one.packed.hex()),
        ("packed, escapes", "".join(f"\\x{b:02x}" for b in one.packed)),
        ("packed, colons", one.packed.hex(":")),
        ("packed base64", base64.b64encode(one.packed).decode()),
        ("in a URL", f"http://[{secret}]:8080/a.sh" if one.version == 6 else f"http://{secret}:8080/a.sh"),
        ("as a version", f"version {secret}"),
    ]
    if one.version == 4:
        a, b, c, d = secret.split(".")
        out += [
            ("v4-mapped", f"::ffff:{secret}"),
            ("v4-mapped hex", f"::ffff:{one.packed[:2].hex()}:{one.packed[2:].hex()}"),
            ("6to4", str(ipaddress.IPv6Address(b"\x20\x02" + one.packed + bytes(9) + b"\1"))),
            ("NAT64", str(ipaddress.IPv6Address(b"\0\x64\xff\x9b" + bytes(8) + one.packed))),
            ("host name", f"{a}-{b}-{c}-{d}.customers.example"),
            ("host name upper", f"IP-{a}-{b}-{c}-{d}.NAGOYA.EXAMPLE.NET"),
            ("host name backwards", f"{d}.{c}.{b}.{a}.static.example.com"),
            ("block list", f"{d}.{c}.{b}.{a}.zen.example.org"),
            ("octal", ".".join(f"0{int(x):03o}" for x in (a, b, c, d))),
            ("reversed zone", f"{c}.{b}.{a}.in-addr.arpa"),
        ]
    else:
        out += [
            ("in full", one.exploded),
            ("UNC", secret.replace(":", "-") + ".ipv6-literal.net"),
        ]
    return out
