"""What surveys and reports say about hosts: services they expose, events others saw."""

from __future__ import annotations

from noroshi.model.schema import Column, Link, Table
from noroshi.model.tables.common import CONFIDENCE, LAST, SERVICE, TLP, TS

SERVICES = Table(
    name="services",
    doc="Services found on hosts by a survey: one row per host, port and look.",
    time="ts",
    sort=("ip", "ts"),
    links=(
        Link("ip", "ip", "host"), Link("hostnames", "domain", "host"), Link("cpes", "cpe", "runs"),
        Link("cves", "cve", "affects"), Link("certificate", "certificate", "presents"),
        Link("ssh_key", "ssh-key", "presents"), Link("hassh", "hassh", "server"), Link("ja4s", "ja4s", "server"),
        Link("asn", "asn", "network"), Link("fingerprints", "typed", "presents"),
    ),
    columns=(
        TS,
        Column("ip", "address", "Address of the host."),
        Column("port", "int32", "Port; 0 for what is said of the host as a whole."),
        Column("protocol", "int16", "IP protocol number; 0 where the survey does not say."),
        Column("state", "string", "open, closed, filtered, up, ..."),
        SERVICE,
        Column("vendor", "string", "Vendor of the product or device.", "", True),
        Column("product", "string", "Name of the product.", "", True),
        Column("version", "string", "Its version.", "", True),
        Column("model", "string", "Model of the device.", "", True),
        Column("title", "string", "Title of its web page; hostile text.", "", True),
        Column("banner", "string", "What it said, at most 64 KiB; hostile text.", "", True),
        Column("hostnames", "strings", "Names of the host.", "", True),
        Column("cpes", "strings", "CPE 2.3 names of product, system and hardware.", "", True),
        Column("cves", "strings", "CVEs the survey names.", "", True),
        Column("certificate", "string", "Fingerprint of its certificate, SHA-256 (else SHA-1), in hex.", "", True),
        Column("ssh_key", "string", "Fingerprint of its SSH key.", "", True),
        Column(
            "fingerprints", "strings",
            "Further fingerprints of its keys and certificates, each as `kind value`.", "", True,
        ),
        Column("hassh", "string", "HASSH of its SSH server.", "", True),
        Column("ja4s", "string", "JA4S of its TLS server.", "", True),
        Column("os", "string", "Operating system.", "", True),
        Column("device", "string", "Type of device.", "", True),
        Column("asn", "string", "AS number as the survey has it, as AS64500.", "", True),
        Column("org", "string", "Holder of the network as the survey has it.", "", True),
        Column("country", "string", "Country code as the survey has it.", "", True),
        Column("severity", "int32", "1 is most severe, 5 is for information only.", "", True),
        Column("tags", "strings", "The survey's own tags.", "", True),
        Column("scanner", "string", "What looked: nmap, zgrab2, shodan, shadowserver:scan_telnet, ..."),
        *LAST,
    ),
)  # fmt: skip

EVENTS = Table(
    name="events",
    doc="What others saw addresses do: Shadowserver reports that are no surveys, IntelMQ events.",
    time="ts",
    sort=("ip", "ts"),
    links=(
        Link("ip", "ip", "src"), Link("dst_ip", "ip", "dst"), Link("domain", "domain", "mentions"),
        Link("url", "url", "mentions"), Link("hashes", "typed", "mentions"), Link("cves", "cve", "exploits"),
        Link("malware", "malware", "mentions"), Link("asn", "asn", "network"),
        Link("email", "email", "mentions"), Link("techniques", "technique", "uses"),
    ),
    columns=(
        TS,
        Column("feed", "string", "Report or feed it came in."),
        Column("taxonomy", "string", "Class by the reference taxonomy (RSIT): malicious-code, ...", "", True),
        Column("type", "string", "Type by the same: infected-system, c2-server, ...", "", True),
        Column("ip", "address", "The address it is about.", "", True),
        Column("port", "int32", "Its port.", "", True),
        Column("dst_ip", "address", "The other address.", "", True),
        Column("dst_port", "int32", "The other port.", "", True),
        Column("protocol", "int16", "IP protocol number.", "", True),
        Column("asn", "string", "AS number as the feed has it, as AS64500.", "", True),
        Column("country", "string", "Country code as the feed has it.", "", True),
        Column("domain", "string", "Name it is about.", "", True),
        Column("url", "string", "Address on the web it is about.", "", True),
        Column("malware", "string", "Name of the malware.", "", True),
        Column("hashes", "strings", "File hashes, each as `kind value`.", "", True),
        Column("cves", "strings", "CVEs named.", "", True),
        Column("techniques", "strings", "ATT&CK techniques named.", "", True),
        Column("email", "string", "Mail address it is about.", "", True),
        Column("severity", "int32", "1 is most severe, 5 is for information only.", "", True),
        Column("tags", "strings", "The feed's own tags.", "", True),
        Column("description", "string", "Words.", "", True),
        CONFIDENCE,
        Column("extra", "string", "JSON: all other columns of the source.", "", True),
        TLP,
        *LAST,
    ),
)  # fmt: skip

SURVEYS = (SERVICES, EVENTS)
