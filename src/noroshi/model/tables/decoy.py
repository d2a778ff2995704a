"""What decoys (honeypots) see: sessions, logins, commands, transfers, relays."""

from __future__ import annotations

from noroshi.model.schema import Column, Link, Table
from noroshi.model.tables.common import DECOY, LAST, SERVICE, SESSION_ID, TS

_SRC = Link("src_ip", "ip", "src")
_WHO = (
    Column("src_ip", "address", "Address of the visitor."),
    Column("src_port", "int32", "Its port; 0 if unknown."),
)
_ENDS = (
    *_WHO,
    Column("dst_ip", "address", "Address of the decoy; null where its log does not say.", "", True),
    Column("dst_port", "int32", "Its port; 0 if unknown."),
)

SESSIONS = Table(
    name="sessions",
    doc="Visits to a decoy; a visit that spans two files has a row in each, which share `session_id`.",
    time="first_seen",
    sort=("src_ip", "first_seen"),
    links=(
        _SRC,
        Link("hassh", "hassh", "client"),
        Link("ja4", "ja4", "client"),
        Link("ssh_key", "ssh-key", "client"),
    ),
    columns=(
        Column("first_seen", "ts", "When it began."),
        Column("last_seen", "ts", "When it ended, as far as known."),
        SESSION_ID,
        DECOY,
        *_ENDS,
        Column("protocol", "int16", "IP protocol number."),
        SERVICE,
        Column("client", "string", "Version string of the visitor's program.", "", True),
        Column("hassh", "string", "HASSH of the visitor.", "", True),
        Column("ja4", "string", "JA4 of the visitor.", "", True),
        Column("ssh_key", "string", "Fingerprint of the key the visitor offered.", "", True),
        Column("login_count", "int32", "Login attempts.", "attempts"),
        Column("login_success", "bool", "One of them was let in."),
        Column("command_count", "int32", "Commands entered.", "commands"),
        *LAST,
    ),
)

LOGINS = Table(
    name="logins",
    doc="Login attempts at decoys. Passwords stand here as seen; links and exports carry keyed hashes only.",
    time="ts",
    sort=("src_ip", "ts"),
    links=(
        _SRC,
        Link("username", "credential", "tried", second="password"),
        Link("ssh_key", "ssh-key", "client"),
    ),
    columns=(
        TS,
        SESSION_ID,
        DECOY,
        *_ENDS,
        SERVICE,
        Column("username", "string", "User name tried.", "", True),
        Column("password", "string", "Password tried; null where the method has none.", "", True),
        Column("method", "string", "password, publickey, none, ...", "", True),
        Column("ssh_key", "string", "Fingerprint of the key offered.", "", True),
        Column("success", "bool", "It was let in."),
        *LAST,
    ),
)

COMMANDS = Table(
    name="commands",
    doc="What visitors typed or sent.",
    time="ts",
    sort=("src_ip", "ts"),
    links=(_SRC, Link("mentions", "typed", "mentions")),
    columns=(
        TS,
        SESSION_ID,
        DECOY,
        *_WHO,
        SERVICE,
        Column("text", "string", "The line as sent, at most 64 KiB; hostile text."),
        Column("success", "bool", "The decoy knew the command.", "", True),
        Column("mentions", "strings", "Observables in it, each as `kind value`.", "", True),
        *LAST,
    ),
)

TRANSFERS = Table(
    name="transfers",
    doc="Files that visitors fetched or brought.",
    time="ts",
    sort=("src_ip", "ts"),
    daily=False,
    links=(
        _SRC,
        Link("url", "url", "download"),
        Link("sha256", "sha256", "download"),
        Link("md5", "md5", "download"),
    ),
    columns=(
        TS,
        SESSION_ID,
        DECOY,
        *_WHO,
        Column("direction", "string", "download (to the decoy) or upload (brought by the visitor)."),
        Column("url", "string", "Where from.", "", True),
        Column("filename", "string", "Its name on the decoy.", "", True),
        Column("sha256", "string", "Its SHA-256.", "", True),
        Column("md5", "string", "Its MD5.", "", True),
        Column("size", "int64", "Its length.", "bytes", True),
        Column("success", "bool", "It arrived."),
        *LAST,
    ),
)

RELAYS = Table(
    name="relays",
    doc="Connections visitors wanted to make through a decoy (SSH direct-tcpip, SOCKS, HTTP CONNECT).",
    time="ts",
    sort=("src_ip", "ts"),
    links=(
        _SRC,
        Link("target", "host", "target"),
        Link("ja4", "ja4", "client"),
        Link("mentions", "typed", "mentions"),
    ),
    columns=(
        TS,
        SESSION_ID,
        DECOY,
        *_WHO,
        Column("target", "string", "Host they wanted to reach: address or name."),
        Column("target_port", "int32", "Its port; 0 if unknown."),
        Column("data", "string", "What they sent first, as logged, at most 64 KiB; hostile text.", "", True),
        Column("ja4", "string", "JA4 of the TLS client behind the visitor.", "", True),
        Column("mentions", "strings", "Observables in what they sent, each as `kind value`.", "", True),
        *LAST,
    ),
)

DECOYS = (SESSIONS, LOGINS, COMMANDS, TRANSFERS, RELAYS)
