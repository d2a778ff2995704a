"""What network sensors log: connections, names, web requests, handshakes, certificates, alerts, files."""

from __future__ import annotations

from noroshi.model.schema import Column, Link, Table
from noroshi.model.tables.common import ENDS, LAST, SERVICE, TS, UID

_PROTOCOL = Column("protocol", "int16", "IP protocol number.")
_SRC, _DST = Link("src_ip", "ip", "src"), Link("dst_ip", "ip", "dst")

CONNECTIONS = Table(
    name="connections",
    doc="Connections and flows between two ends, as logged by Zeek, Suricata, nfdump, Argus and others.",
    time="first_seen",
    sort=("src_ip", "first_seen"),
    links=(_SRC, _DST),
    columns=(
        Column("first_seen", "ts", "When it began."),
        Column("last_seen", "ts", "When it ended."),
        *ENDS,
        _PROTOCOL,
        SERVICE,
        Column("state", "string", "How it went, in the source's words (Zeek: S0, SF, REJ, ...).", "", True),
        Column("src_packet_count", "int64", "Packets from the source.", "packets", True),
        Column("dst_packet_count", "int64", "Packets from the destination.", "packets", True),
        Column(
            "src_byte_count",
            "int64",
            "Bytes from the source: IP bytes if given, else payload.",
            "bytes",
            True,
        ),
        Column("dst_byte_count", "int64", "Bytes from the destination, likewise.", "bytes", True),
        UID,
        *LAST,
    ),
)

DNS = Table(
    name="dns",
    doc="Questions to name servers and what they answered.",
    time="ts",
    sort=("query", "ts"),
    links=(_SRC, _DST, Link("query", "domain", "query"), Link("answers", "host", "resolved")),
    columns=(
        TS,
        *ENDS,
        _PROTOCOL,
        Column("query", "string", "The name asked for.", "", True),
        Column("qtype", "string", "Type of the question: A, AAAA, MX, ...", "", True),
        Column("rcode", "string", "Answer code: NOERROR, NXDOMAIN, ...", "", True),
        Column("answers", "strings", "Addresses, names and texts answered.", "", True),
        UID,
        *LAST,
    ),
)

HTTP = Table(
    name="http",
    doc="Web requests and their answers.",
    time="ts",
    sort=("src_ip", "ts"),
    links=(_SRC, _DST, Link("host", "host", "host"), Link("url", "url", "request")),
    columns=(
        TS,
        *ENDS,
        Column("method", "string", "GET, POST, ...", "", True),
        Column("host", "string", "Host asked for, without port.", "", True),
        Column("url", "string", "The whole address asked for, as far as known.", "", True),
        Column("user_agent", "string", "Program that asked, in its own words.", "", True),
        Column("referrer", "string", "Page it says it came from.", "", True),
        Column("status_code", "int32", "Status code of the answer.", "", True),
        Column("request_byte_count", "int64", "Length of the request's body.", "bytes", True),
        Column("response_byte_count", "int64", "Length of the answer's body.", "bytes", True),
        Column("mime_type", "string", "Type of the answer's body.", "", True),
        UID,
        *LAST,
    ),
)

TLS = Table(
    name="tls",
    doc="TLS handshakes, also those inside of QUIC.",
    time="ts",
    sort=("src_ip", "ts"),
    links=(
        _SRC, _DST, Link("server_name", "domain", "server"), Link("ja3", "ja3", "client"),
        Link("ja3s", "ja3s", "server"), Link("ja4", "ja4", "client"), Link("ja4s", "ja4s", "server"),
        Link("certificate", "certificate", "presents"),
    ),
    columns=(
        TS,
        *ENDS,
        Column("version", "string", "TLS version; of QUIC, which has TLS inside, its own: QUICv1, ...", "", True),
        Column("cipher", "string", "Cipher suite chosen.", "", True),
        Column("server_name", "string", "Server name the client asked for (SNI).", "", True),
        Column("subject", "string", "Subject of the server's certificate.", "", True),
        Column("issuer", "string", "Its issuer.", "", True),
        Column("certificate", "string", "Its fingerprint, SHA-256 (else SHA-1), in hex.", "", True),
        Column("ja3", "string", "JA3 fingerprint of the client.", "", True),
        Column("ja3s", "string", "JA3S fingerprint of the server.", "", True),
        Column("ja4", "string", "JA4 fingerprint of the client.", "", True),
        Column("ja4s", "string", "JA4S fingerprint of the server.", "", True),
        Column("validation", "string", "Result of checking the chain.", "", True),
        Column("established", "bool", "The handshake was completed.", "", True),
        UID,
        *LAST,
    ),
)  # fmt: skip

SSH = Table(
    name="ssh",
    doc="SSH handshakes.",
    time="ts",
    sort=("src_ip", "ts"),
    links=(
        _SRC, _DST, Link("hassh", "hassh", "client"), Link("hassh_server", "hassh", "server"),
        Link("host_key", "ssh-key", "presents"),
    ),
    columns=(
        TS,
        *ENDS,
        Column("client", "string", "Version string of the client.", "", True),
        Column("server", "string", "Version string of the server.", "", True),
        Column("auth_success", "bool", "A login was judged successful.", "", True),
        Column("auth_attempt_count", "int32", "Login attempts seen.", "attempts", True),
        Column("hassh", "string", "HASSH of the client.", "", True),
        Column("hassh_server", "string", "HASSH of the server.", "", True),
        Column("host_key", "string", "Fingerprint of the server's key.", "", True),
        UID,
        *LAST,
    ),
)  # fmt: skip

CERTIFICATES = Table(
    name="certificates",
    doc="X.509 certificates seen.",
    time="ts",
    sort=("certificate",),
    daily=False,
    links=(Link("certificate", "certificate", "presents"), Link("san", "host", "names")),
    columns=(
        TS,
        Column(
            "certificate",
            "string",
            "Fingerprint, SHA-256 (else SHA-1), in hex; empty when not logged.",
            "",
            True,
        ),
        Column("subject", "string", "Subject.", "", True),
        Column("issuer", "string", "Issuer.", "", True),
        Column("serial", "string", "Serial number, in hex.", "", True),
        Column("not_before", "ts", "Valid from.", "", True),
        Column("not_after", "ts", "Valid until.", "", True),
        Column("key_type", "string", "Type of the key: rsa, ecdsa, ...", "", True),
        Column("key_bits", "int32", "Length of the key.", "bits", True),
        Column("san", "strings", "Names and addresses it is valid for.", "", True),
        UID,
        *LAST,
    ),
)

ALERTS = Table(
    name="alerts",
    doc="What detection engines reported: Suricata alerts, Zeek notices and weirds.",
    time="ts",
    sort=("src_ip", "ts"),
    links=(_SRC, _DST, Link("cves", "cve", "exploits")),
    columns=(
        TS,
        Column("src_ip", "address", "Source address.", "", True),
        Column("src_port", "int32", "Source port; 0 where there is none.", "", True),
        Column("dst_ip", "address", "Destination address.", "", True),
        Column("dst_port", "int32", "Destination port; 0 where there is none.", "", True),
        Column("protocol", "int16", "IP protocol number.", "", True),
        Column("engine", "string", "What reported it: suricata, zeek-notice, zeek-weird, ..."),
        Column("signature", "string", "Name of the signature or note."),
        Column("signature_id", "string", "Its number.", "", True),
        Column("category", "string", "Its class.", "", True),
        Column("severity", "int32", "1 is most severe, as Suricata.", "", True),
        Column("action", "string", "What was done: allowed, blocked, ...", "", True),
        Column("message", "string", "Further words.", "", True),
        Column("cves", "strings", "CVEs the signature names.", "", True),
        UID,
        *LAST,
    ),
)

NETWORK_FILES = Table(
    name="network_files",
    doc=(
        "Files that sensors saw pass by on the network, never the files themselves. What others say of files stands "
        "in `files`, what visitors of decoys fetched in `transfers`."
    ),
    time="ts",
    sort=("src_ip", "ts"),
    links=(
        Link("src_ip", "ip", "sends"), Link("dst_ip", "ip", "receives"),
        Link("md5", "md5", "file"), Link("sha1", "sha1", "file"), Link("sha256", "sha256", "file"),
    ),
    columns=(
        TS,
        Column("src_ip", "address", "Who sent the file, of several the first.", "", True),
        Column("src_port", "int32", "Port it came from.", "", True),
        Column("dst_ip", "address", "Who received it, of several the first.", "", True),
        Column("dst_port", "int32", "Port it went to.", "", True),
        SERVICE,
        Column("filename", "string", "Its name, as sent along, without folders.", "", True),
        Column("type", "string", "Type of file, by its first bytes.", "", True),
        Column("size", "int64", "Its length: as announced, else as seen.", "bytes", True),
        Column("complete", "bool", "All of it was seen, so that its hashes are the file's.", "", True),
        Column("md5", "string", "Its MD5.", "", True),
        Column("sha1", "string", "Its SHA-1.", "", True),
        Column("sha256", "string", "Its SHA-256.", "", True),
        UID,
        *LAST,
    ),
)  # fmt: skip

MASKED_PACKETS = Table(
    name="masked_packets",
    doc=(
        "Packets of data sets that hide the addresses (NICT Darknet Dataset 2022): hashes tell sources apart inside "
        "one data set, and link to nothing else."
    ),
    time="ts",
    sort=("src_hash", "ts"),
    columns=(
        TS,
        Column("src_hash", "string", "What stands for the source address."),
        Column(
            "src_net_hash", "string", "What stands for the upper 16 bits of the source address.", "", True
        ),
        Column("dst_low", "int32", "Lower 16 bits of the destination address.", "", True),
        Column("dst_port", "int32", "Destination port; 0 where there is none."),
        _PROTOCOL,
        *LAST,
    ),
)

NETWORK = (CONNECTIONS, DNS, HTTP, TLS, SSH, CERTIFICATES, ALERTS, NETWORK_FILES, MASKED_PACKETS)
