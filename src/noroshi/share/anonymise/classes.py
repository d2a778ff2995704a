"""Classes of field: what a profile speaks about, and which class each column and each key of evidence has.

A column has one class; a contract test fails when a new column has none, and a column without one leaves as null.
Strings of every class are scrubbed besides: hidden addresses, names and words do not stand in them.
"""

from __future__ import annotations

from typing import Final

ADDRESSES: Final = (
    "own-address",
    "telescope-address",
    "victim-address",
    "private-address",
    "special-address",
    "other-address",
)
"""In the order in which they are tried: an own address stays one where it is a victim."""

FIELDS: Final[dict[str, str]] = {
    "own-address": "Addresses and networks the organisation answers for (`own`), and those of its decoys.",
    "telescope-address": "Addresses and networks of telescopes: whoever knows dark space avoids or floods it.",
    "victim-address": "Addresses of those something was done to, by their role (docs/anonymising.md has the rule).",
    "private-address": "Private, link-local: 10/8, 172.16/12, 192.168/16, 100.64/10, 169.254/16, fc00::/7, fe80::/10.",
    "special-address": "Addresses of nobody: 0/8, 127/8, 224/4, 240/4, ::, ::1, ff00::/8. Never prefix-preserving.",
    "other-address": "All other addresses: as a rule those of attackers.",
    "own-domain": "Names at or below `own_domains`.",
    "other-domain": "All other names of hosts.",
    "url": "Addresses on the web; the host in them is judged as a name or address too.",
    "e-mail": "Mail addresses.",
    "person": "Names and contacts of persons.",
    "organisation": "Names of those hit, of owners and of makers of documents.",
    "sensor": "Names of telescopes, decoys and sources.",
    "user-name": "User names tried at decoys.",
    "password": "Passwords tried at decoys.",
    "credential": "Keyed hashes of user name and password.",
    "free-text": "Words people wrote: descriptions, comments, titles, messages; scrubbed when kept.",
    "payload": "What was sent: commands, banners, data, samples; scrubbed when kept.",
    "hash": "Hashes of files and fingerprints of programs (JA3, JA4, HASSH).",
    "host-key": "Fingerprints of certificates and host keys: each tells one host.",
    "time": "When something was seen.",
    "port": "Port numbers.",
    "asn": "AS numbers, their names and countries.",
    "packet-number": "Sequence, acknowledgement, identification numbers: tools hide the address they probe in them.",
    "record-id": "Names of runs, sessions and connections, offsets, paths and digests of sources.",
    "sketch": "HyperLogLog registers, which can be asked whether an address was there.",
    "public": "Words and numbers that stand for nobody: kinds, counts, products, vulnerabilities; scrubbed.",
}  # fmt: skip

TEXTUAL: Final = ("free-text", "payload", "public")
"""Classes whose strings are sentences or vocabulary: kept means scrubbed."""

_BY_NAME: Final[dict[str, str]] = {
    # addresses; the value decides unless ROLES or VICTIM_ROWS say more
    **dict.fromkeys(
        ("src_ip", "dst_ip", "ip", "inner_src_ip", "inner_dst_ip", "low", "high", "prefix"), "address"
    ),
    # values whose kind another column says
    **dict.fromkeys(("value", "raw", "subject_value"), "value"),
    **dict.fromkeys(("mentions", "values", "refs", "hashes", "fingerprints"), "typed"),
    **dict.fromkeys(("host", "target", "answers", "san", "hostnames", "domain", "query", "server_name"), "host"),
    **dict.fromkeys(("url", "referrer"), "url"),
    "email": "e-mail", "contact": "person", "who": "person", "finding_id": "record-id",
    **dict.fromkeys(("owner", "org", "origin"), "organisation"),
    **dict.fromkeys(("decoy", "source", "scope"), "sensor"),
    "username": "user-name", "password": "password",
    **dict.fromkeys(
        ("title", "description", "comment", "message", "document_name", "extra", "subject", "issuer", "impact",
         "problem", "detail", "summary", "evidence", "reason", "filename", "json", "labels", "tags", "user_agent"),
        "free-text",
    ),
    **dict.fromkeys(("text", "data", "banner", "sample"), "payload"),
    **dict.fromkeys(
        ("md5", "sha1", "sha256", "sha512", "ssdeep", "tlsh", "imphash", "hassh", "hassh_server", "ja3", "ja3s",
         "ja4", "ja4s", "src_hash", "src_net_hash", "ssh_key"), "hash",
    ),
    **dict.fromkeys(("certificate", "host_key", "serial"), "host-key"),
    **dict.fromkeys(
        ("ts", "first_seen", "last_seen", "hour", "day", "valid_until", "created", "modified", "closed", "at"), "time",
    ),
    **dict.fromkeys(
        ("src_port", "dst_port", "inner_src_port", "inner_dst_port", "port", "target_port"), "port",
    ),
    **dict.fromkeys(("asn", "as_name", "country"), "asn"),
    **dict.fromkeys(("seq", "ack", "ip_id", "dst_low"), "packet-number"),
    **dict.fromkeys(
        ("run_id", "runs", "offset", "position", "path", "uid", "session_id", "document", "ref", "incident_id"),
        "record-id",
    ),
    **dict.fromkeys(("object_id", "source_ref", "target_ref", "id"), "object-id"),
    "sketch": "sketch", "key": "link-key",
    **dict.fromkeys(
        ("published", "withdrawn_at", "kev_date", "not_before", "not_after"), "public",
    ),
    **dict.fromkeys(
        ("protocol", "ttl", "tcp_flags", "ip_len", "inner_protocol", "packet_count", "byte_count", "tool", "class",
         "rules_version", "tcp_window", "tcp_options", "mss", "df", "seq_is_dst", "masscan_xor", "payload", "service",
         "state", "src_packet_count", "dst_packet_count", "src_byte_count", "dst_byte_count", "qtype", "rcode",
         "method", "status_code", "request_byte_count", "response_byte_count", "mime_type", "version", "cipher",
         "validation", "established", "client", "server", "auth_success", "auth_attempt_count", "key_type",
         "key_bits", "engine", "signature", "signature_id", "category", "severity", "action", "cves", "login_count",
         "login_success", "command_count", "success", "direction", "size", "complete", "vendor", "product", "model",
         "cpes",
         "os", "device", "scanner", "feed", "taxonomy", "type", "malware", "techniques", "confidence", "tlp", "kind",
         "role", "to_ids", "names", "name_kind", "revoked", "relation", "count", "families", "status", "list",
         "match", "aliases", "cvss_score", "cvss_vector", "epss", "epss_percentile", "kev", "ransomware",
         "ssvc_exploitation", "ssvc_automatable", "ssvc_impact", "cwes", "cpe", "purl", "ecosystem", "version_type",
         "from_version", "after_version", "below_version", "to_version", "versions", "product_version", "name",
         "supplier", "licences", "criticality", "table", "src_ip_nunique", "format", "parser_version", "counts",
         "seconds", "subject_kind", "withdrawn", "rule_name", "rule_version", "rule", "verdict",
            "lowered_from"), "public",
    ),
}  # fmt: skip

_IN_TABLE: Final[dict[tuple[str, str], str]] = {
    # A decoy's own address, whether or not the configuration names its range.
    **{(t, "dst_ip"): "own-address" for t in ("sessions", "logins")},
    # A vulnerability's id, title and words are public; so are what sources of warnings and of bills say.
    **{("vulnerabilities", c): "public" for c in ("id", "title", "description", "origin")},
    **{("affected", c): "public" for c in ("id", "origin")},
    ("findings", "id"): "finding-id", ("runs", "owner"): "record-id", ("runs", "sha256"): "record-id",
    ("runs", "size"): "record-id", ("components", "origin"): "public",
    ("verdicts", "subject"): "typed",
    ("incidents", "owner"): "person", ("assets", "name"): "organisation",
    **{("services", c): "host-key" for c in ("ssh_key", "fingerprints")},
    ("rejects", "reason"): "public", ("networks", "prefix"): "address",
    # Time of a statement, not of an observation: it is published.
    **{(t, c): "public" for t in ("vulnerabilities", "affected", "components", "networks", "warnings")
       for c in ("ts",)},
    **{("findings", c): "public" for c in ("modified",)},
}  # fmt: skip

INNER: Final = ("address", "value", "typed", "host", "object-id", "finding-id", "link-key")
"""Classes of columns that are no field of a profile: the value, or a column beside it, says which one it is."""

VICTIM_ROLES: Final = frozenset(("victim", "target", "dst", "receives"))
"""Roles in `links` and of indicators whose addresses something was done to."""
VICTIM_KINDS: Final = frozenset(
    ("dos-victim", "reflection-abuse", "misconfiguration", "exposed-service", "vulnerable-service",
     "weak-credential")
)  # fmt: skip
"""Kinds of finding whose subject something was done to, or who must be told rather than feared."""
VICTIM_COLUMNS: Final = frozenset(
    (("flows", "inner_dst_ip"), ("flows", "dst_ip"), ("alerts", "dst_ip"), ("network_files", "dst_ip"),
     ("services", "ip"), ("relays", "target"), ("services", "hostnames"))
)  # fmt: skip
VICTIM_CLASSES: Final = frozenset(("backscatter", "misconfiguration", "spoofed"))
"""Classes of flows whose source is no attacker: it answers to forged packets, is set up wrongly, or was forged."""
VICTIM_TYPES: Final = frozenset(
    ("infected-system", "vulnerable-system", "system-compromise", "ddos-amplifier", "weak-crypto", "dos", "ddos",
     "unauthorised-information-access", "data-leak", "potentially-unwanted-accessible", "information-disclosure",
     "privileged-account-compromise", "unprivileged-account-compromise", "application-compromise")
)  # fmt: skip
"""Types of event (RSIT) whose address is the one to be helped."""

ASIDE: Final[dict[tuple[str, str], str]] = {
    ("flows", "src_ip"): "class",
    ("events", "ip"): "type",
    ("links", "value"): "role",
    ("indicators", "value"): "role",
    ("indicators", "raw"): "role",
    ("verdicts", "subject"): "kind",
}
"""The column that says, row by row, whether the address beside it is a victim's."""

EVIDENCE: Final[dict[str, str]] = {
    "owner": "organisation", "contact": "person", "asset": "organisation", "makers": "organisation",
    "maker": "organisation", "decoys": "sensor", "decoy": "sensor", "telescope": "sensor", "sensor": "sensor",
    "first_commands": "payload", "commands_seen": "payload", "banner": "payload", "document_names": "free-text",
    "document_ids": "record-id", "usernames": "user-name", "passwords": "password", "password": "password",
    "username": "user-name", "person": "person", "email": "e-mail", "seq": "packet-number",
    "ack": "packet-number", "ip_id": "packet-number", "offset": "record-id", "path": "record-id",
    "run_id": "record-id", "runs": "record-id", "session_id": "record-id",
}  # fmt: skip
"""Class of a key of evidence; strings under any other key are scrubbed, ports and times known by their form."""


def column_class(table: str, column: str) -> str | None:
    """The class of a column; None when nobody gave it one."""
    return _IN_TABLE.get((table, column)) or _BY_NAME.get(column)
