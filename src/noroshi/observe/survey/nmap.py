"""nmap's XML: hosts, ports, products, scripts and operating systems to `services`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.observe.rows import TEXT, Rows, clipped, in_time, micros, packed
from noroshi.observe.survey import common
from noroshi.observe.survey.xmlhosts import Host, Node, hosts

_SHA1: Final = re.compile(r"SHA-1:\s*((?:[0-9a-f]{4}\s?){10})")
_SHA256: Final = re.compile(r"SHA-256:\s*((?:[0-9a-f]{4}\s*){16})")
_MD5_KEY: Final = re.compile(r"\b((?:[0-9a-f]{2}:){15}[0-9a-f]{2})\b")
_KEYS: Final = (
    "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa", "ssh-dss",
)  # fmt: skip
"""Types of SSH keys, the one a client of today would see first."""
_QUIET: Final = frozenset({"ssh-hostkey", "ssl-cert", "banner", "http-title"})
"""Scripts whose output has columns of its own."""
_EXACT: Final = "100"
"""Accuracy of an operating system that nmap is sure of; a lesser one is a guess, and no fact about the host."""


class NmapSensor:
    """XML output of nmap (-oX), and of tools that write the same."""

    name = "nmap"
    version = 1
    doc = "XML of nmap (-oX, -oA): ports with products, CPEs, scripts, certificates and SSH keys; hosts with systems."
    tables = ("services",)
    grows = False

    def sniff(self, head: bytes) -> bool:
        """True for a document that begins as nmap's does; long arguments may push the root element out of it."""
        return begins(head) and not is_masscan(head)

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """`services` of every host before the document ends or breaks."""
        rows = Rows()
        for host in hosts(reading, port_of):
            if isinstance(host, Reject):
                yield host
                continue
            yield from _host(host, reading, rows)
            yield from rows.ready()
        yield from rows.rest()


def begins(head: bytes) -> bool:
    """True when a document of nmap's kind begins with `head`."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start.startswith((b"<?xml", b"<!DOCTYPE nmaprun", b"<nmaprun", b"<!-- ")):
        return False
    return b"<nmaprun" in start or b"<!DOCTYPE nmaprun" in start or b"<!-- Nmap " in start


def is_masscan(head: bytes) -> bool:
    """True when the document is masscan's."""
    return b'<nmaprun scanner="masscan"' in head or b"<!-- masscan " in head


def _host(host: Host, reading: Reading, rows: Rows) -> Iterator[Batch | Reject]:
    node = host.node
    status = node.find("status")
    state = (status.get("state") if status else None) or "unknown"
    ip = next((a for n in node.every("address") if n.get("addrtype") != "mac" and (a := n.get("addr"))), "")
    stored = packed(ip)
    if stored is None:
        yield Reject(node.offset, "address", f"{ip[:80]!r} is no address", ip[:64].encode("utf-8", "replace"))
        return
    when = node.get("endtime") or node.get("starttime") or host.root.get("start") or ""
    ts = micros(when) if len(when) < 20 else None
    if not in_time(ts, reading):
        yield Reject(node.offset, "time", f"a host seen at {when[:40]!r}", ip.encode())
        return
    shared = {"ts": ts, "ip": stored, "scanner": common.text(host.root.get("scanner")) or "nmap"} | _about(
        node
    )
    told = [p for p in host.ports if p is not None]
    for found in told:
        if "wrong" in found:
            yield Reject(found["offset"], "port", found["wrong"])
            continue
        rows.add("services", **(shared | found | _joined(shared, found)))
        yield from rows.ready()
    if not told and state == "up":
        rows.add("services", port=0, protocol=0, state=state, offset=node.offset, **shared)
    elif not told:
        counted = f"hosts_{state if state in ('down', 'skipped') else 'unknown'}"
        reading.counts[counted] = reading.counts.get(counted, 0) + 1


def _joined(shared: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """What host and port both say."""
    names = common.texts([*(found.get("hostnames") or ()), *(shared.get("hostnames") or ())])
    cpes = common.texts([*(found.get("cpes") or ()), *(shared.get("cpes") or ())])
    return {
        "hostnames": names, "cpes": cpes, "os": found.get("os") or shared.get("os"),
        "device": found.get("device") or shared.get("device"),
    }  # fmt: skip


def _about(node: Node) -> dict[str, Any]:
    """What is said of the host as a whole: names, system, kind of device, maker of its network card."""
    out: dict[str, Any] = {}
    names = node.find("hostnames")
    if names:
        out["hostnames"] = common.texts([n.get("name") for n in names.every("hostname")])
    system = node.find("os")
    if system:
        out |= _system(system)
    return out


def _system(system: Node) -> dict[str, Any]:
    """The operating system, if it matched exactly; nmap before 6 puts classes beside matches, not in them."""
    best = next((m for m in system.every("osmatch") if m.get("accuracy") == _EXACT), None)
    kinds = [*(best.every("osclass") if best else ()), *system.every("osclass")]
    kind = next((k for k in kinds if k.get("accuracy") == _EXACT), None)
    return {
        "os": common.text(best.get("name")) if best else None,
        "device": common.text(kind.get("type")) if kind else None,
        "cpes": common.cpes([c.text for c in kind.every("cpe")]) if kind else None,
    }


def port_of(node: Node) -> dict[str, Any]:
    """The columns of one `port` element; `wrong` with words when it is none."""
    number, protocol = common.port(node.get("portid")), common.protocol(node.get("protocol"))
    state = node.find("state")
    if number is None or protocol is None:
        told = (
            f"port {node.attrib.get('portid', '')[:40]!r}, protocol {node.attrib.get('protocol', '')[:40]!r}"
        )
        return {"offset": node.offset, "wrong": told}
    out: dict[str, Any] = {
        "port": number, "protocol": protocol, "offset": node.offset,
        "state": (common.text(state.get("state")) if state else None) or "unknown",
    }  # fmt: skip
    service = node.find("service")
    if service:
        out |= _service(service)
    scripts = {s.get("id") or "": s for s in node.every("script")}
    if scripts:
        out |= _scripts(scripts)
    return out


def _service(node: Node) -> dict[str, Any]:
    name = common.text(node.get("name"))
    if name == "http" and node.get("tunnel") == "ssl":
        name = "https"
    product, extra = common.text(node.get("product")), common.text(node.get("extrainfo"))
    return {
        "service": None if name in ("unknown", "tcpwrapped") else name,
        "product": product,
        "version": common.text(node.get("version")),
        "os": common.text(node.get("ostype")),
        "device": common.text(node.get("devicetype")),
        "hostnames": common.texts(node.get("hostname")),
        "cpes": common.cpes([c.text for c in node.every("cpe")]),
        "tags": common.texts([t for t in (extra, "tcpwrapped" if name == "tcpwrapped" else None) if t]),
        "banner": common.long_text(node.get("banner")),
    }


def _scripts(scripts: dict[str, Node]) -> dict[str, Any]:
    """Columns from what scripts printed; the first line of a title, all other output as the banner."""
    out: dict[str, Any] = {}
    said = {name: (node.get("output") or "").strip() for name, node in scripts.items()}
    certificates = _certificates(scripts["ssl-cert"]) if "ssl-cert" in scripts else []
    keys = _ssh_keys(scripts["ssh-hostkey"]) if "ssh-hostkey" in scripts else []
    out["certificate"], more = common.prints("certificate", certificates)
    out["ssh_key"], others = common.prints("ssh-key", keys)
    out["fingerprints"] = more + others or None
    title = said.get("http-title", "").partition("\n")[0]
    if title:
        out["title"] = common.text(title)
    out["cves"] = _cves(said)
    banner = [said["banner"]] if said.get("banner") else []
    size = 0
    for name, words in said.items():
        if name not in _QUIET and words and size < TEXT:
            banner.append(f"{name}: {words}")
            size += len(words)
    if banner:
        out["banner"] = common.long_text(clipped("\n".join(banner)))
    return out


def _cves(said: dict[str, str]) -> list[str] | None:
    """CVEs of scripts that look for vulnerabilities, unless they say the host has none.

    Source: nmap's vulns library prints `State: VULNERABLE`, `LIKELY VULNERABLE` or `NOT VULNERABLE` before the ids.
    """
    telling = []
    for name, words in said.items():
        if "vuln" in name and not re.search(r"State:\s*NOT VULNERABLE|^NOT VULNERABLE", words):
            telling.append(words)
    return common.cves(*telling)


def _certificates(node: Node) -> list[str]:
    """SHA-256 and SHA-1 of the certificate: from itself where it is printed, else as printed."""
    output = node.get("output") or ""
    elements = {n.attrib.get("key", ""): n.text for n in node.walk() if n.tag == "elem"}
    found = common.certificate_digests(common.pem(elements.get("pem")) or common.pem(output))
    if not found:
        found = [v for v in (elements.get("sha256"), elements.get("sha1")) if v]
        printed = [m[1] for m in (_SHA256.search(output), _SHA1.search(output)) if m]
        found += ["".join(p.split()) for p in printed]
    return found


def _ssh_keys(node: Node) -> list[str]:
    """Fingerprints of the host's keys, SHA-256 before MD5; of several keys the newest type first."""
    output = node.get("output") or ""
    blobs: dict[str, str] = {}
    for line in output.splitlines()[:100]:
        name, _, rest = line.strip().partition(" ")
        if name in _KEYS and rest:
            blobs[rest.split()[0]] = name
    for table in (n for n in node.walk() if n.tag == "table"):
        elements = {n.attrib.get("key", ""): n.text for n in table.every("elem")}
        if elements.get("key"):
            blobs["".join(elements["key"].split())] = elements.get("type", "")
    rank = {name: i for i, name in enumerate(_KEYS)}
    found: list[str] = []
    for blob in sorted(blobs, key=lambda b: rank.get(blobs[b], len(rank)))[:20]:
        found += common.ssh_digests(common.decoded(blob))
    return sorted(found, key=lambda v: not v.startswith("SHA256:")) or _MD5_KEY.findall(output)[:20]
