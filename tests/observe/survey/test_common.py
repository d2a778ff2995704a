"""Fingerprints, ports and texts; and that every sample here is told by what stands in it."""

from __future__ import annotations

import hashlib

import pytest

from noroshi.model.observable import canonical
from noroshi.observe import rows as rows_module
from noroshi.observe.survey import common
from noroshi.work.ingest import sniff
from tests.observe.survey.support import sample

KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("libnmap_dionaea_scan.xml", "nmap"), ("libnmap_2_hosts_version.xml", "nmap"), ("masscan.json", "masscan"),
        ("masscan_old.json", "masscan"), ("masscan_comma.json", "masscan"), ("masscan.ndjson", "masscan"),
        ("zmap.csv", "zmap"), ("zgrab2.jsonl", "zgrab2"), ("zgrab2_amqp_output.json", "zgrab2"),
        ("shodan.jsonl", "shodan"), ("intelmq.jsonl", "intelmq"), ("intelmq.csv", "intelmq"),
        ("2024-05-15-scan_telnet-example-asn.csv", "shadowserver"),
        ("2024-05-15-event4_honeypot_brute_force-example.csv", "shadowserver"),
    ],
)  # fmt: skip
def test_every_sample_is_known_by_its_content(name: str, format: str) -> None:
    found = sniff(sample(name)[:4096])
    assert found is not None
    assert found.name == format


def test_ssh_keys_as_ssh_keygen_prints_them() -> None:
    """`ssh-keygen -l` of this key (its 32 bytes are 0 to 31) prints the first form, `-E md5` the second."""
    blob = common.decoded(KEY)
    assert blob is not None
    sha, md5 = common.ssh_digests(blob)
    assert canonical("ssh-key", sha) == sha
    assert md5 == hashlib.md5(blob).hexdigest()
    assert common.ssh_sha256(hashlib.sha256(blob).hexdigest()) == sha
    assert common.ssh_sha256(sha) == sha
    assert common.ssh_sha256("x") is None
    assert common.ssh_digests(b"AAAA") == []


def test_numbers() -> None:
    assert [common.port(v) for v in (0, "80", 65535, 65536, -1, "x", None, 1.5, 80.0, True)] == [
        0, 80, 65535, None, None, None, None, None, 80, None,
    ]  # fmt: skip
    assert [common.protocol(v) for v in ("TCP", "udp", 6, "132", 256, "x", None)] == [
        6,
        17,
        6,
        132,
        None,
        None,
        None,
    ]
    assert [common.asn(v) for v in (64500, "AS64500", "0", 1 << 33, "")] == [
        "AS64500",
        "AS64500",
        None,
        None,
        None,
    ]
    assert common.integer("9" * 5000) is None
    assert common.text(10**5000) is None
    assert common.text("\ud800x") == "?x"


def test_cpes_that_are_cut_short_are_filled_up() -> None:
    assert common.cpe("cpe:2.3:a:openbsd:openssh:7.4") == "cpe:2.3:a:openbsd:openssh:7.4:*:*:*:*:*:*:*"
    assert common.cpe("cpe:/o:linux:linux_kernel:4") == "cpe:2.3:o:linux:linux_kernel:4:*:*:*:*:*:*:*"
    assert common.cpe("no cpe") == "no cpe"


def test_hassh_of_a_server() -> None:
    """The definition: MD5 of kex;ciphers;macs;compression."""
    want = hashlib.md5(b"a,b;c;d;none").hexdigest()
    assert common.hassh(["a", "b"], ["c"], ["d"], ["none"]) == want
    assert common.hassh("a,b", "c", "d", "none") == want
    assert common.hassh(None, ["c"], ["d"], ["none"]) is None


def test_servers_name_themselves() -> None:
    assert common.server_header("Apache/2.4.6 (CentOS)") == ("Apache", "2.4.6")
    assert common.server_header("Virtual Web 0.9") == ("Virtual Web 0.9", None)
    assert common.server_header("(x)") == ("(x)", None)


def test_heavy_rows_are_handed_on_before_they_fill_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "WEIGHT", 1000)
    rows = rows_module.Rows()
    rows.add("services", scanner="x" * 600, offset=1)
    assert list(rows.ready()) == []
    rows.add("services", scanner="x", hostnames=["y" * 300, "z" * 300], offset=2)
    (batch,) = rows.ready()
    assert batch.rows.num_rows == 2
    assert list(rows.rest()) == []
