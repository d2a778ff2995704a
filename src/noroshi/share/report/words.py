"""A language: its catalogue, and how it writes numbers, times and names."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from pathlib import Path

from noroshi.model.errors import UsageError
from noroshi.share.report.period import Period

LANGUAGES = ("en", "ja")

SERVICES = {
    "tcp/21": "FTP", "tcp/22": "SSH", "tcp/23": "Telnet", "tcp/25": "SMTP", "tcp/53": "DNS", "tcp/80": "HTTP",
    "tcp/81": "HTTP", "tcp/110": "POP3", "tcp/135": "MS-RPC", "tcp/139": "NetBIOS", "tcp/143": "IMAP",
    "tcp/443": "HTTPS", "tcp/445": "SMB", "tcp/554": "RTSP", "tcp/1023": "Telnet", "tcp/1433": "SQL Server",
    "tcp/1723": "PPTP", "tcp/2222": "SSH", "tcp/2323": "Telnet", "tcp/2375": "Docker",
    "tcp/3128": "HTTP proxy",
    "tcp/3306": "MySQL", "tcp/3389": "RDP", "tcp/5038": "Asterisk", "tcp/5432": "PostgreSQL",
    "tcp/5555": "ADB",
    "tcp/5900": "VNC", "tcp/6379": "Redis", "tcp/7547": "TR-069", "tcp/8000": "HTTP", "tcp/8080": "HTTP",
    "tcp/8081": "HTTP", "tcp/8443": "HTTPS", "tcp/8728": "RouterOS API", "tcp/8888": "HTTP",
    "tcp/9200": "Elasticsearch", "tcp/11211": "memcached", "tcp/25565": "Minecraft", "tcp/27017": "MongoDB",
    "tcp/37215": "Huawei HG532", "tcp/52869": "Realtek UPnP", "udp/53": "DNS", "udp/69": "TFTP",
    "udp/123": "NTP", "udp/137": "NetBIOS", "udp/161": "SNMP", "udp/389": "CLDAP", "udp/443": "QUIC",
    "udp/500": "IKE", "udp/1900": "SSDP", "udp/3702": "WS-Discovery", "udp/5060": "SIP", "udp/5683": "CoAP",
    "udp/6881": "BitTorrent", "udp/11211": "memcached", "icmp/8": "echo request", "icmp6/128": "echo request",
}  # fmt: skip
"""What usually listens there; a hint for readers, not a finding."""


@dataclass(frozen=True)
class Words:
    """One language."""

    lang: str
    text: Mapping[str, str]
    tz: tzinfo
    zone: str

    def t(self, key: str, **values: object) -> str:
        """The text of a key; with `n` given as an int, its singular (`key_one`) where n is 1."""
        n = values.get("n")
        if n == 1 and f"{key}_one" in self.text:
            key = f"{key}_one"
        if isinstance(n, int):
            values["n"] = self.n(n)
        text = self.text[key].format(**values)
        return _set_ja(text) if self.lang == "ja" else text

    def name(self, group: str, key: str) -> str:
        """The name of a code such as a class; the code itself when the catalogue has none."""
        return self.text.get(f"{group}.{key}", key)

    def n(self, value: float | None, digits: int = 0) -> str:
        """A number with thousands separated; a dash for None."""
        return "–" if value is None else f"{value:,.{digits}f}"

    def short(self, value: float | None) -> str:
        """A number for a headline, three digits of it: `12.3 million`, `1,230万`."""
        if value is None:
            return "–"
        for size, word in self._scales():
            if abs(value) >= size:
                return f"{_three(value / (1e4 if word == '万' else size))}{word}"
        return _three(value)

    def _scales(self) -> list[tuple[float, str]]:
        if self.lang == "ja":
            return [(1e12, "兆"), (1e8, "億"), (1e5, "万")]
        return [(1e12, " trillion"), (1e9, " billion"), (1e6, " million")]

    def axis(self, value: float) -> str:
        """A number on an axis: `20k`, `2万`."""
        if value == 0:
            return "0"
        scales = (
            [(1e8, "億"), (1e4, "万")] if self.lang == "ja" else [(1e9, "G"), (1e6, "M"), (1e3, "k")]
        )  # fmt: skip
        for size, word in scales:
            if abs(value) >= size:
                return f"{value / size:,.3g}{word}"
        return f"{value:,.6g}"

    def percent(self, share: float | None) -> str:
        """A share of 0..1 in per cent, one decimal; less than half of that is said so."""
        if share is None:
            return "–"
        return "<0.1%" if 0 < share < 0.0005 else f"{share * 100:.1f}%"

    def change(self, factor: float | None) -> str:
        """A factor as a change: per cent below twofold, times above."""
        if factor is None:
            return "–"
        if factor >= 2 or factor <= 0:
            return self.t("change.times", x=f"{factor:,.1f}")
        return self.t("change.percent", x=f"{(factor - 1) * 100:+.1f}".replace("-", "−"))

    def pps(self, rate: float | None) -> str:
        """A packet rate: `410 kpps`."""
        if rate is None:
            return "–"
        for size, unit in ((1e9, "Gpps"), (1e6, "Mpps"), (1e3, "kpps")):
            if rate >= size:
                return f"{_three(rate / size)} {unit}"
        return f"{_three(rate)} pps"

    def at(self, moment: datetime | None) -> str:
        """A moment to the minute, local time: `2026-10-14 11:20`."""
        return "–" if moment is None else f"{moment.astimezone(self.tz):%Y-%m-%d %H:%M}"

    def span(self, first: datetime, last: datetime) -> str:
        """Two moments; the date of the second only when it differs."""
        a, b = first.astimezone(self.tz), last.astimezone(self.tz)
        end = f"{b:%H:%M}" if a.date() == b.date() else f"{b:%Y-%m-%d %H:%M}"
        return f"{a:%Y-%m-%d %H:%M} – {end}"

    def length(self, seconds: float) -> str:
        """A length of time in the largest fitting unit: `6.8 days`, `12 時間`."""
        for size, key in ((86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes")):
            if seconds >= 2 * size or (key == "minutes" and seconds >= 60):
                value = seconds / size
                text = f"{value:,.0f}" if abs(value - round(value)) < 0.05 else f"{value:,.1f}"
                return self.t(f"length.{key}", x=text)
        return self.t("length.seconds", x=f"{seconds:,.3g}")

    def port(self, key: str) -> str:
        """A port as the field writes it: `23/TCP`."""
        protocol, _, number = key.partition("/")
        if protocol in ("icmp", "icmp6"):
            return self.t("port.icmp", name="ICMPv6" if protocol == "icmp6" else "ICMP", x=number)
        if protocol == "ip":
            return self.t("port.ip", x=number)
        return f"{number}/{protocol.upper()}"

    def service(self, key: str) -> str:
        """What usually listens on a port, or nothing."""
        return SERVICES.get(key, "")

    def period(self, period: Period) -> str:
        """A period in words: `October 2026`, `2026年10月`."""
        first, last = period.first, period.last - timedelta(days=1)
        if period.kind == "year":
            return self.t("period.year", y=first.year)
        if period.kind == "month":
            return self.t("period.month", y=first.year, m=first.month, name=self.month(first))
        if period.kind == "day":
            return self._date(first)
        if first.year == last.year and first.month == last.month:
            return self.t(
                "period.days", y=first.year, m=first.month, name=self.month(first), a=first.day, b=last.day
            )
        if first.year == last.year:
            return self.t(
                "period.months", y=first.year, m=first.month, name=self.month(first), a=first.day,
                m2=last.month, name2=self.month(last), b=last.day,
            )  # fmt: skip
        return self.t("period.span", a=self._date(first), b=self._date(last))

    def month(self, day: date) -> str:
        """The month's name."""
        return self.text["months"].split()[day.month - 1]

    def _date(self, day: date) -> str:
        return self.t("period.day", y=day.year, m=day.month, d=day.day, name=self.month(day))

    def tick(self, moment: datetime, step_s: int) -> str:
        """A label on a time axis: an hour, or a day of a month."""
        local = moment.astimezone(self.tz)
        if step_s < 86_400 and (local.hour, local.minute) != (0, 0):
            return f"{local:%H:%M}"
        return self.t("tick.day", m=local.month, d=local.day, name=self.month(local.date())[:3])


def _set_ja(text: str) -> str:
    """A space between figure and counter (`216 パケット`, `88.2万パケット`), none after a wide bracket."""
    return re.sub(r"(?<=\d)(?=パケット|ホスト|アドレス)", " ", text.replace("） ", "）"))


def _three(value: float) -> str:
    """Three digits, thousands separated, no trailing zeros lost: 1.20, 12.3, 1,234."""
    if abs(value) >= 100 or value == round(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def words(lang: str, tz: tzinfo, zone: str) -> Words:
    """The language `lang`, writing times in `tz`. Raises UsageError when there is no such language."""
    if lang not in LANGUAGES:
        raise UsageError(f"no report in {lang!r}", todo=f"Languages: {', '.join(LANGUAGES)}.")
    return Words(lang, catalogue(lang), tz, zone)


def catalogue(lang: str) -> dict[str, str]:
    """The texts of a language by dotted key, from `words.LANG.toml`."""
    raw = tomllib.loads((Path(__file__).parent / f"words.{lang}.toml").read_text(encoding="utf-8"))
    flat: dict[str, str] = {}
    for key, value in raw.items():
        flat |= {f"{key}.{k}": v for k, v in value.items()} if isinstance(value, dict) else {key: value}
    return flat
