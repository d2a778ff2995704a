"""One answer, bounded: what a server can do wrong costs a message."""

from __future__ import annotations

import gzip
import itertools
import ssl
import time
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from noroshi.model.errors import UsageError
from noroshi.share.pull.http import Access, Client, Limits, PullError, is_loopback, parsed
from tests.share.pull.servers import Asked, Reply, serving, site

SMALL = Limits(answer=100_000, total=250_000, answer_s=5, total_s=20)


def get(url: str, path: str = "/x", access: Access | None = None, limits: Limits = SMALL) -> bytes:
    with Client(url, access, limits) as client:
        return client.get(url + path, "application/json").body


def test_an_answer_is_given_whole_and_unpacked() -> None:
    body = b"abc" * 10_000
    packed = Reply(gzip.compress(body), headers={"Content-Encoding": "gzip"})
    with serving(site({"/x": Reply(body), "/y": packed})) as server:
        assert get(server.url) == body
        assert get(server.url, "/y") == body
        assert server.asked[0].headers["Accept"] == "application/json"
        assert server.asked[0].headers["User-Agent"] == "noroshi"


def bomb() -> bytes:
    pack = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(pack.compress(bytes(1 << 20)) for _ in range(200)) + pack.flush()


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(bytes(100_001)), "more than 100,000 bytes"),
        (Reply(b"x", headers={"Content-Length": "99999999999999"}), "more than 100,000 bytes"),
        (Reply(bomb(), headers={"Content-Encoding": "gzip"}), "more than 100,000 bytes"),
        (Reply(gzip.compress(b"abc")[:-6], headers={"Content-Encoding": "gzip"}), "cut short"),
        (Reply(b"no gzip", headers={"Content-Encoding": "gzip"}), "damaged gzip"),
        (Reply(b"x", headers={"Content-Encoding": "br"}), "was not asked for"),
        (Reply(parts=(bytes(1000) for _ in itertools.count())), "more than 100,000 bytes"),
        (Reply(status=500), "status 500"),
        (Reply(status=204), "status 204"),
        (Reply(status=302), "status 302"),
        (Reply(b"x", headers={"X": "y" * 200_000}), "does not speak HTTP"),
    ],
)
def test_what_is_too_much_or_broken_is_refused(reply: Reply, said: str) -> None:
    with serving(lambda asked: reply) as server, pytest.raises(PullError, match=said):
        get(server.url)


def test_a_length_that_is_not_kept_is_told() -> None:
    with serving(lambda a: Reply(b"abc", headers={"Content-Length": "50", "Connection": "close"})) as server:  # noqa: SIM117
        with pytest.raises(PullError, match=r"in time|speak HTTP"):
            get(server.url, limits=Limits(answer_s=1))


def drip() -> Iterator[bytes]:
    while True:
        time.sleep(0.05)
        yield b" "


def test_a_server_that_drips_is_left_at_the_deadline() -> None:
    """Each byte comes long before a socket's own timeout; only the deadline ends it."""
    began = time.monotonic()
    with serving(lambda a: Reply(parts=drip())) as server, pytest.raises(PullError, match="in time"):
        get(server.url, limits=Limits(answer_s=0.6, total_s=20))
    assert time.monotonic() - began < 8


def test_all_answers_together_are_bounded() -> None:
    with serving(lambda a: Reply(bytes(90_000))) as server, Client(server.url, limits=SMALL) as client:
        client.get(server.url, "x")
        client.get(server.url, "x")
        with pytest.raises(PullError, match="more than"):
            client.get(server.url, "x")


def test_nobody_there() -> None:
    with serving(lambda a: Reply()) as server:
        url = server.url
    with pytest.raises(PullError, match="cannot be reached"):
        get(url)


def test_redirects_stay_on_the_host_and_take_no_key_elsewhere() -> None:
    access = Access({"Authorization": "Bearer secret"})
    with serving(lambda a: Reply(b"elsewhere")) as other:
        pages = {
            "/x": Reply(status=302, headers={"Location": "/y"}), "/y": Reply(b"here"),
            "/away": Reply(status=302, headers={"Location": f"{other.url}/z"}),
            "/loop": Reply(status=307, headers={"Location": "/loop"}),
            "/file": Reply(status=302, headers={"Location": "file:///etc/passwd"}),
            "/junk": Reply(status=302, headers={"Location": "http://[::1"}),
        }  # fmt: skip
        with serving(site(pages)) as server:
            assert get(server.url, "/x", access) == b"here"
            with pytest.raises(PullError, match="leads to"):
                get(server.url, "/away", access)
            with pytest.raises(PullError, match="redirects more than 3"):
                get(server.url, "/loop", access)
            for bad in ("/file", "/junk"):
                with pytest.raises(PullError):
                    get(server.url, bad, access)
            assert other.asked == []
            named = Access(access.headers, hosts=("127.0.0.1",))
            assert get(server.url, "/away", named) == b"elsewhere"
            assert "Authorization" not in other.asked[0].headers


def certificate(folder: Path) -> tuple[Path, Path]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    import ipaddress

    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(True, None), True).sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "c.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "k.pem").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))  # fmt: skip
    return folder / "c.pem", folder / "k.pem"


def test_certificates_are_verified_always(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with serving(lambda a: Reply(b"over tls"), tls=context) as server:
        with pytest.raises(PullError, match="certificate"):
            get(server.url)
        assert get(server.url, access=Access(ca=str(cert))) == b"over tls"
        down = Access(ca=str(cert), hosts=("127.0.0.1",))
        with serving(lambda a: Reply(b"plain")) as plain, Client(server.url, down) as client:  # noqa: SIM117
            with pytest.raises(PullError, match="https to http"):
                client.get(plain.url, "x")
    with pytest.raises(UsageError, match="certificates"):
        get("https://127.0.0.1:9", access=Access(ca=str(key)))


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "ftp://x/",
        "http://",
        "https://user:pw@host/",
        "http://a b/",
        "x" * 5000,
        "http://x/\n",
        "http://[/",
    ],
)
def test_addresses_that_are_none(bad: str) -> None:
    with pytest.raises(UsageError):
        parsed(bad)


def test_what_is_loopback() -> None:
    assert is_loopback("http://127.0.0.1:80/x")
    assert is_loopback("http://[::1]/x")
    assert not is_loopback("http://127.0.0.1.example.com/")
    assert not is_loopback("http://192.0.2.1/")


def test_retry_after_is_told() -> None:
    def answer(asked: Asked) -> Reply:
        return Reply(status=429, headers={"Retry-After": "120"})

    with serving(answer) as server, pytest.raises(PullError) as told:
        get(server.url)
    assert (told.value.status, told.value.wait_s) == (429, 120.0)
