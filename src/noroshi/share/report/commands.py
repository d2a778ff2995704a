"""Commands that print the report's numbers again, one per section, in the SQL that people read."""

from __future__ import annotations

from datetime import UTC, datetime

from noroshi.share.report.frame import KEY, REPLIES, Frame


def commands(here: Frame, reveal: bool = True) -> tuple[tuple[str, str], ...]:
    """(section, command); the rows are exactly those the report counts. Without `reveal` none names a prefix."""
    where = _where(here)
    no_reply = f"class NOT IN {REPLIES}"
    key = " ".join(KEY.split())
    since = _moment(here.period.start)
    texts = {
        "totals": "SELECT sum(packet_count) AS packets, count(DISTINCT src_ip) AS sources"  # noqa: S608
        f" FROM flows WHERE {where}",
        "ports": f"SELECT {key} AS port, sum(packet_count) AS packets, count(DISTINCT src_ip) AS sources"  # noqa: S608
        f" FROM flows WHERE {where} AND {no_reply} GROUP BY ALL ORDER BY packets DESC LIMIT 20",
        "tools": "SELECT tool, sum(packet_count) AS packets, count(DISTINCT src_ip) AS sources"  # noqa: S608
        f" FROM flows WHERE {where} GROUP BY ALL ORDER BY packets DESC",
        "classes": "SELECT class, sum(packet_count) AS packets, count(DISTINCT src_ip) AS sources"  # noqa: S608
        f" FROM flows WHERE {where} GROUP BY ALL ORDER BY packets DESC",
    }
    found = {name: f'noroshi sql "{text}"' for name, text in texts.items() if reveal}
    found |= {
        "victims": f"noroshi findings --kind dos-victim --since {since}",
        "infected": f"noroshi findings --kind infected-host --since {since}",
        "investigation": f"noroshi findings --kind investigation-scanner --since {since}",
        "report": f"noroshi report --period {here.period.label}",
    }
    return tuple(found.items())


def _where(here: Frame) -> str:
    """The frame's rows, with macros instead of bytes and a subquery instead of a list of inside talkers."""
    days = here.period.utc_days()
    parts = [
        f"day BETWEEN '{days[0]}' AND '{days[-1]}'" if len(days) > 1 else f"day = '{days[0]}'",
        f"first_seen >= '{_moment(here.period.start)}'",
        f"first_seen < '{_moment(here.period.end)}'",
    ]
    prefixes = [p for t in here.telescopes for p in t.prefixes]
    if prefixes:
        parts += [_any("dst_ip", prefixes), f"NOT {_any('src_ip', prefixes)}"]
    if here.inside:
        parts.append(
            "(day, dst_ip) NOT IN (SELECT DISTINCT day, src_ip FROM flows"  # noqa: S608
            f" WHERE {_any('src_ip', prefixes)} AND src_ip <> dst_ip)"
        )
    return " AND ".join(parts)


def _any(column: str, prefixes: list[str]) -> str:
    return "(" + " OR ".join(f"in_net({column}, '{p}')" for p in prefixes) + ")"


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
