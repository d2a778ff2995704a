"""nmap's XML: a real honeypot scan, counts against an independent parse, and documents that are cut or hostile."""

from __future__ import annotations

import bz2
import xml.etree.ElementTree as ET
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.observe.survey import xmlhosts
from noroshi.observe.survey.masscan import MasscanSensor
from noroshi.observe.survey.nmap import NmapSensor
from tests.observe.survey.support import HERE, outside, read, sample

ONE = b"""<?xml version="1.0"?>
<!DOCTYPE nmaprun>
<nmaprun scanner="nmap" start="1600000000" version="7.80">
<host endtime="1600000100"><status state="up"/><address addr="192.0.2.7" addrtype="ipv4"/>
<address addr="00:11:22:33:44:55" addrtype="mac" vendor="Example"/>
<hostnames><hostname name="www.example.org" type="PTR"/></hostnames>
<ports><port protocol="tcp" portid="22"><state state="open"/>
<service name="ssh" product="OpenSSH" version="7.4" ostype="Linux"><cpe>cpe:/a:openbsd:openssh:7.4</cpe></service>
<script id="ssh-hostkey" output="&#xa;  256 aa (ED25519)"><table>
<elem key="type">ssh-ed25519</elem>
<elem key="key">AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f</elem></table></script></port>
<port protocol="tcp" portid="445"><state state="open"/><service name="microsoft-ds"/>
<script id="smb-vuln-ms17-010" output="&#xa;  VULNERABLE:&#xa;  State: VULNERABLE&#xa;    IDs:  CVE:CVE-2017-0143"/>
<script id="smb-vuln-ms10-054" output="State: NOT VULNERABLE CVE-2010-2550"/></port>
<port protocol="udp" portid="161"><state state="open|filtered"/></port></ports></host>
<host><status state="up"/><address addr="2001:db8::7" addrtype="ipv6"/>
<hostnames><hostname name="v6.example.org"/></hostnames>
<os><osmatch name="Linux 4.15" accuracy="100"><osclass type="general purpose" accuracy="100">
<cpe>cpe:/o:linux:linux_kernel:4.15</cpe></osclass></osmatch></os></host>
<host><status state="down"/><address addr="192.0.2.8" addrtype="ipv4"/></host>
<runstats><finished time="1600000200"/></runstats></nmaprun>
"""


def test_three_ports_and_a_host_without_any() -> None:
    got = read(NmapSensor(), ONE)
    ssh, smb, snmp, host = got.rows
    assert not got.rejects
    assert (ssh["ip"], ssh["port"], ssh["protocol"], ssh["state"]) == ("192.0.2.7", 22, 6, "open")
    assert (ssh["product"], ssh["version"], ssh["os"]) == ("OpenSSH", "7.4", "Linux")
    assert ssh["cpes"] == ["cpe:2.3:a:openbsd:openssh:7.4:*:*:*:*:*:*:*"]
    assert ssh["ssh_key"].startswith("SHA256:")
    assert ssh["fingerprints"][0].startswith("ssh-key ")
    assert ssh["hostnames"] == ["www.example.org"]
    assert ssh["ts"].timestamp() == 1_600_000_100
    assert smb["cves"] == ["CVE-2017-0143"]
    assert (snmp["port"], snmp["protocol"], snmp["state"]) == (161, 17, "open|filtered")
    assert (host["ip"], host["port"], host["state"], host["os"]) == ("2001:db8::7", 0, "up", "Linux 4.15")
    assert host["device"] == "general purpose"
    assert host["ts"].timestamp() == 1_600_000_000
    assert got.reading is not None
    assert got.reading.counts == {"hosts_down": 1}


def test_offsets_point_at_the_element() -> None:
    for row in read(NmapSensor(), ONE).rows:
        assert ONE[row["offset"] :].startswith(b"<port " if row["port"] else b"<host")


def test_a_real_scan_of_a_honeypot() -> None:
    got = read(NmapSensor(), sample("libnmap_dionaea_scan.xml"))
    assert not got.rejects
    assert len(got.rows) == 16
    by_port = {r["port"]: r for r in got.rows}
    assert by_port[21]["banner"].startswith("220 DiskStation FTP server ready.")
    assert by_port[443]["title"] == "Directory listing for /"
    # openssl x509 -fingerprint of the certificate printed in the file
    assert by_port[443]["certificate"] == "7335ccca3ec0c141ef5132ba67d5a45800dfe92905418d66b3c783181731d8dd"
    assert by_port[443]["os"] == "Linux 4.15 - 5.6"


def test_an_old_version_puts_guesses_beside_matches() -> None:
    got = read(NmapSensor(), sample("libnmap_2_hosts_version.xml"))
    assert len(got.rows) == 9
    assert not any("os" in r for r in got.rows)  # 92 % is a guess


@pytest.mark.parametrize(
    "parts",
    [
        ("survey", "samples", "libnmap_2_hosts_version.xml"), ("survey", "samples", "libnmap_dionaea_scan.xml"),
        ("survey", "samples", "libnmap_full_sudo6.xml"), ("survey", "samples", "libnmap_fullscan.xml"),
        ("survey", "ivre", "nmap-ntlm-all.xml.bz2"), ("survey", "ivre", "masscan-ntlm-smb.xml.bz2"),
        ("survey", "ivre", "test-T22.xml.bz2"), ("survey", "ivre", "test-T102-s7comm.xml.bz2"),
        ("survey", "ivre", "test-probe-ike-probe-U500.xml.bz2"),
    ],
    ids=lambda p: p[-1],
)  # fmt: skip
def test_counts_equal_those_of_another_parser(parts: tuple[str, ...]) -> None:
    path = HERE / parts[-1]
    path = path if path.is_file() else outside(*parts)
    data = bz2.decompress(path.read_bytes()) if path.suffix == ".bz2" else path.read_bytes()
    sensor = next(s for s in (NmapSensor(), MasscanSensor()) if s.sniff(data[:4096]))
    got = read(sensor, data)
    want: Counter[tuple[str, int, str]] = Counter()
    for host in ET.fromstring(data).iter("host"):
        ip = next(a.attrib["addr"] for a in host.iter("address") if a.attrib["addrtype"] != "mac")
        ports = list(host.iter("port"))
        for port in ports:
            state = port.find("state")
            assert state is not None
            want[(ip, int(port.attrib["portid"]), state.attrib["state"])] += 1
        status = host.find("status")
        if not ports and status is not None and status.attrib["state"] == "up":
            want[(ip, 0, "up")] += 1
    assert Counter((r["ip"], r["port"], r["state"]) for r in got.rows) == want
    assert not got.rejects


def test_a_cut_document_keeps_the_hosts_before() -> None:
    cut = ONE.index(b'<host><status state="up"/>') + 90
    got = read(NmapSensor(), ONE[:cut])
    assert len(got.rows) == 3
    assert [r.reason for r in got.rejects] == ["truncated"]
    assert got.rejects[0].position == ONE.index(b'<host><status state="up"/>')
    assert got.reading is not None
    assert "truncated" not in got.reading.problem
    assert got.reading.problem


@pytest.mark.parametrize("cut", range(0, len(ONE), 37))
def test_cut_anywhere(cut: int) -> None:
    got = read(NmapSensor(), ONE[:cut])
    assert [r.reason for r in got.rejects] == ["truncated"]


def test_entities_are_refused() -> None:
    bomb = b"""<?xml version="1.0"?><!DOCTYPE nmaprun [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>
    <nmaprun><host><address addr="192.0.2.1"/><hostnames><hostname name="&b;"/></hostnames></host></nmaprun>"""
    got = read(NmapSensor(), bomb)
    assert not got.rows
    assert [r.reason for r in got.rejects] == ["entity"]


@pytest.mark.parametrize(
    "name", ["UTF-8", "iso-8859-1", "what", "shift_jis", "zlib", "unicode_escape", "", "x" * 300]
)
def test_encodings_are_not_looked_up(name: str) -> None:
    declared = ONE.replace(b'"1.0"?>', f'"1.0" encoding="{name}"?>'.encode())
    read(NmapSensor(), declared)
    read(NmapSensor(), declared.replace(b"www.example.org", b"\xe3\x81\xff"))
    if len(name) in (5, 10):
        assert len(read(NmapSensor(), declared).rows) == 4
    wide = ONE.replace(b'"1.0"?>', f'"1.0" encoding="{name}"?>'.encode()).decode().encode("utf-16")
    assert len(read(NmapSensor(), wide).rows) == (4 if name else 0)


def test_outside_entities_are_not_fetched() -> None:
    data = b"""<?xml version="1.0"?><!DOCTYPE nmaprun SYSTEM "file:///etc/passwd"><nmaprun>&x;</nmaprun>"""
    got = read(NmapSensor(), data)
    assert not got.rows


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"192.0.2.7", b"192.0.2.999", "address"), (b"192.0.2.7", b"fe80::1%eth0", "address"),
        (b'"1600000100"', b'"99999999999999"', "time"), (b'"1600000100"', b'"-5"', "time"),
        (b'portid="22"', b'portid="-22"', "port"), (b'portid="22"', b'portid="65536"', "port"),
        (b'protocol="udp"', b'protocol="what"', "port"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_rejected(old: bytes, new: bytes, reason: str) -> None:
    got = read(NmapSensor(), ONE.replace(old, new))
    assert reason in {r.reason for r in got.rejects}
    assert got.rows


def test_a_tag_without_end_does_not_fill_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xmlhosts, "TOKEN", 1 << 20)
    got = read(NmapSensor(), ONE.replace(b"192.0.2.7", b"1" * (3 << 20)))
    assert [r.reason for r in got.rejects] == ["token-length"]


def test_deep_nesting_and_crowded_hosts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    deep = ONE.replace(b"<hostnames>", b"<table>" * 100 + b"<hostnames>")
    assert [r.reason for r in read(NmapSensor(), deep).rejects] == ["depth"]
    monkeypatch.setattr(xmlhosts, "NODES", 100)
    names = b'<hostname name="a.example"/>' * 1000
    got = read(NmapSensor(), ONE.replace(b"<hostnames>", b"<hostnames>" + names, 1))
    assert [r.reason for r in got.rejects] == ["host-size"]
    assert len(got.rows) == 4


def test_what_nmap_is_and_what_not() -> None:
    sensor = NmapSensor()
    assert sensor.sniff(ONE)
    assert sensor.sniff(
        b'<?xml version="1.0"?>\n<!-- Nmap 7.91 scan initiated as: nmap ' + b"192.0.2.1 " * 500
    )
    assert not sensor.sniff(b'<?xml version="1.0"?><rss></rss>')
    assert not sensor.sniff(b'<?xml version="1.0"?>\n<!-- masscan v1.0 scan -->\n<nmaprun scanner="masscan">')


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300), st.integers(0, len(ONE)))
def test_any_bytes(noise: bytes, at: int) -> None:
    read(NmapSensor(), noise)
    read(NmapSensor(), ONE[:at] + noise + ONE[at:])
