"""ZGrab2's records: a real one, modules by the documentation, and hostile ones."""

from __future__ import annotations

import hashlib
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.observe.survey.zgrab2 import Zgrab2Sensor
from tests.observe.survey.support import read, sample


def test_a_real_record() -> None:
    data = sample("zgrab2_amqp_output.json")
    assert len(data.split(b"\n")[0]) > 4096  # the head ends within the first line
    assert Zgrab2Sensor().sniff(data[:4096])
    got = read(Zgrab2Sensor(), data)
    assert not got.rejects
    (row,) = got.rows
    assert (row["port"], row["service"], row["product"], row["version"]) == (
        5672,
        "amqp091",
        "RabbitMQ",
        "3.8.16",
    )
    assert row["certificate"] == "eda0b0b8a9c28fbbeac1781eb1a8fa49df8480befefa1654cfcebcd7cf3d0891"
    assert row["fingerprints"] == ["certificate 8e85228d704ac0972817d43f5f0f22264e2e7654"]
    assert row["ts"].isoformat() == "2024-05-15T07:02:49+00:00"


def test_one_row_per_module() -> None:
    got = read(Zgrab2Sensor(), sample("zgrab2.jsonl"))
    ssh, http, telnet = got.rows
    assert not got.rejects
    assert (ssh["port"], ssh["product"], ssh["banner"]) == (
        2222,
        "OpenSSH_8.9p1",
        "SSH-2.0-OpenSSH_8.9p1 Ubuntu-3",
    )
    assert ssh["ssh_key"].startswith("SHA256:")
    lists = "curve25519-sha256,ecdh-sha2-nistp256;aes128-ctr;hmac-sha2-256;none,zlib@openssh.com"
    assert ssh["hassh"] == hashlib.md5(lists.encode()).hexdigest()
    assert (http["port"], http["product"], http["version"]) == (8080, "nginx", "1.18.0")
    assert http["title"] == "Welcome here"
    assert http["banner"].startswith("HTTP/1.1 200 OK\nserver: nginx/1.18.0 (Ubuntu)\n")
    assert http["hostnames"] == ["www.example.org"]
    assert (telnet["state"], telnet["port"]) == ("closed", 23)
    assert telnet["tags"] == ["connection-refused", "port-assumed"]


def test_a_cut_file_and_hostile_records() -> None:
    data = sample("zgrab2.jsonl")
    assert [r.reason for r in read(Zgrab2Sensor(), data[:-20]).rejects] == ["json"]
    bad = [
        {"ip": "fe80::1%1", "data": {"ssh": {"status": "success", "timestamp": "2024-05-15T00:00:00Z"}}},
        {
            "domain": "only.example",
            "data": {"ssh": {"status": "success", "timestamp": "2024-05-15T00:00:00Z"}},
        },
        {"ip": "192.0.2.1", "data": []},
        {"ip": "192.0.2.1", "data": {"ssh": 5, "x": {"timestamp": "1970-01-01T00:00:00Z"}}},
    ]
    got = read(Zgrab2Sensor(), b"\n".join(json.dumps(b).encode() for b in bad))
    assert [r.reason for r in got.rejects] == ["address", "address", "json-shape", "json-shape", "time"]
    assert not got.rows


def test_fields_of_the_wrong_kind_do_not_matter() -> None:
    certificate = {"certificate": {"raw": "!!", "parsed": 7}}
    response = {
        "headers": {"server": {}, "x": [None, "\ud800"]},
        "body": 9,
        "request": {"url": {"host": ":::99999"}},
    }
    result = {
        "server_id": [], "tls": {"handshake_log": {"server_certificates": certificate}},
        "key_exchange": {"server_host_key": {"raw": "AAAA", "fingerprint_sha256": 9}},
        "server_key_exchange": {"kex_algorithms": [1, 2]}, "response": response,
    }  # fmt: skip
    odd = {"status": [], "protocol": {}, "port": "x", "timestamp": "2024-05-15T00:00:00Z", "result": result}
    modules = dict.fromkeys(("ssh", "http", "tls", "mysql", "smtp", "", "x" * 500), odd)
    for kind in ("ssh", "http", {}):
        record = {"ip": "192.0.2.1", "data": {k: {**v, "protocol": kind} for k, v in modules.items()}}
        got = read(Zgrab2Sensor(), json.dumps(record).encode())
        assert len(got.rows) == len(modules)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 2000))
def test_any_bytes(noise: bytes, at: int) -> None:
    data = sample("zgrab2.jsonl")
    read(Zgrab2Sensor(), data[:at] + noise + data[at:])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = (
    "status",
    "protocol",
    "port",
    "result",
    "server_id",
    "tls",
    "response",
    "headers",
    "banner",
    "raw",
    "body",
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), JSON), st.dictionaries(st.sampled_from(KEYS), JSON))
def test_any_shape(module: dict[str, object], result: dict[str, object]) -> None:
    record = {
        "ip": "192.0.2.1",
        "data": {"http": {"result": result, **module, "timestamp": "2024-05-15T00:00:00Z"}},
    }
    read(Zgrab2Sensor(), json.dumps(record).encode())
