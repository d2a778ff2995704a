"""What is looked at first: names, origins, sizes, numbers; and what every answer tells the browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.web import static
from noroshi.web.security.doors import network
from noroshi.web.security.ratelimit import MOST, Buckets
from tests.web import site

HTML = {"accept": "text/html"}


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8642", "127.0.0.1.evil.example", "", "192.0.2.1",
                                  "localhost.evil.example:8642", "[::2]:8642"])  # fmt: skip
def test_dns_rebinding(client: TestClient, host: str) -> None:
    """With `--open` a name that was let point here is not answered."""
    assert client.get("/lake", headers={"host": host}).status_code in (400, 421)


@pytest.mark.parametrize("host", ["127.0.0.1:8642", "localhost:8642", "LOCALHOST", "[::1]:8642"])
def test_own_names(client: TestClient, host: str) -> None:
    assert client.get("/api/v1/health", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:9999", "http://127.0.0.1:8642.evil.example",
                                    "file://", "http://["])  # fmt: skip
def test_other_sites_are_not_admin(client: TestClient, origin: str) -> None:
    """With `--open` even reading is refused to a page of another site."""
    assert client.get("/api/v1/findings", headers={"origin": origin}).status_code == 403
    assert (
        client.post("/api/v1/sql", json={"query": "SELECT 1"}, headers={"origin": origin}).status_code == 403
    )


def test_open_takes_any_key(client: TestClient) -> None:
    assert client.get("/api/v1/me", headers={"x-api-key": "anything"}).json()["role"] == "admin"
    assert (
        client.post("/api/v1/sql", json={"query": "SELECT 1"}, headers={"x-api-key": "any"}).status_code
        == 200
    )
    assert client.post("/api/v1/sql", json={"query": "SELECT 1"}).status_code == 403, (
        "a browser needs the page's token"
    )


def test_names_given(lake: Lake, state: State) -> None:
    site.add_user(state, "ana", "admin")
    with site.client(lake, state, open=False, hosts=("noroshi.example",)) as client:
        assert client.get("/signin", headers={"host": "noroshi.example"}).status_code == 200
        assert client.get("/signin", headers={"host": "other.example"}).status_code == 421


def test_bodies_end_somewhere(lake: Lake, state: State) -> None:
    with site.client(lake, state, body=1000, upload=2000) as client:
        key = {"x-api-key": "x"}
        told = client.post("/api/v1/sql", content=b"x" * 1001, headers=key)
        assert told.status_code == 413
        assert told.json()["todo"]

        def pieces() -> Iterator[bytes]:
            yield from (b"x" * 100 for _ in range(50))

        untold = client.post(
            "/api/v1/sql", content=pieces(), headers=key | {"content-type": "application/json"}
        )
        assert untold.status_code == 413, "without a Content-Length too"
        form = key | {"content-type": "multipart/form-data; boundary=x"}
        assert client.post("/signin", content=b"x" * 2001, headers=form).status_code == 413
        lie = client.post("/api/v1/sql", content=b"{}", headers=key | {"content-length": "9" * 30})
        assert lie.status_code == 413


def test_a_flood_from_one_address(lake: Lake, state: State) -> None:
    with site.client(lake, state, rate=0.001, burst=5) as client:
        statuses = [client.get("/api/v1/health").status_code for _ in range(7)]
        assert statuses == [200] * 5 + [429] * 2
        last = client.get("/api/v1/health")
        assert int(last.headers["retry-after"]) >= 1
        assert set(last.json()) == {"what", "where", "todo"}


def test_whom_a_limit_counts_as_one() -> None:
    assert network("192.0.2.1") == "192.0.2.1"
    assert network("2001:db8::1") == network("2001:db8::ffff:1") == "2001:db8::/64"
    assert network("fe80::1%eth0") == "fe80::/64"
    assert network("x" * 1000) == "x" * 64


def test_buckets_fill_with_time_and_do_not_grow_for_ever() -> None:
    at = [0.0]
    buckets = Buckets(1.0, 3, clock=lambda: at[0])
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 1.0]
    at[0] = 2.0
    assert [buckets.take("a") for _ in range(3)] == [0, 0, 1.0]
    for i in range(MOST + 100):
        buckets.take(str(i))
    assert len(buckets._held) == MOST


def test_long_addresses(client: TestClient) -> None:
    assert client.get("/lake?x=" + "y" * 9000).status_code == 414


PATHS = ("/lake", "/signin", "/nothing-here", "/api/v1/findings", "/api/v1/nothing", "/static/x/nothing",
         "/api/v1/openapi.json", "/static/x/js/app.js", "/api/v1/findings?limit=x")  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_every_answer_is_locked_down(client: TestClient, path: str, accept: str) -> None:
    headers = client.get(path, headers={"accept": accept}).headers
    policy = dict(p.strip().split(" ", 1) for p in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    for part in ("script-src", "style-src", "connect-src", "font-src", "form-action"):
        assert policy[part] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["referrer-policy"]
    assert "server" not in headers


@pytest.mark.parametrize("name", ["../app.py", "..%2fapp.py", "%2e%2e/app.py", "js/../../app.py", "/etc/passwd", "js",
                                  "",
                                  "....//app.py", "js%00/app.js", "vendor/VENDOR.md"])  # fmt: skip
def test_path_traversal(client: TestClient, name: str) -> None:
    for path in (f"/static/x/{name}", f"/static/{static.version()}/{name}", f"/static/{name}"):
        assert client.get(path).status_code in (404, 405), path


def test_files_are_kept_under_a_name_of_their_own(client: TestClient) -> None:
    now = client.get(static.url("js/app.js"))
    assert "immutable" in now.headers["cache-control"]
    assert now.headers["content-type"].startswith("text/javascript")
    old = client.get("/static/000000000000/js/app.js")
    assert old.content == now.content
    assert old.headers["cache-control"] == "no-cache"


def test_errors_tell_nothing_of_the_machine(lake: Lake, state: State) -> None:
    with site.client(lake, state) as client:
        for path in (
            "/api/v1/pivot?value=%FF%FE",
            "/api/v1/runs/../../etc",
            "/api/v1/tables/flows/rows?src_ip=x",
        ):
            text = client.get(path).text
            assert str(lake.path) not in text
            assert "Traceback" not in text
        told = client.post("/api/v1/sql", json={"query": "SELECT * FROM read_csv('/etc/passwd')"},
                           headers={"x-api-key": "x"})  # fmt: skip
        assert told.status_code == 400
        assert "root:" not in told.text


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_a_fault_is_told_as_such(
    lake: Lake, state: State, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, accept: str
) -> None:
    """What nobody foresaw: no traceback but in the log, and an answer as safe as any."""
    from noroshi.web.reader import Reader

    def broken(*_: object) -> None:
        raise RuntimeError("secret inner matter")

    with site.client(lake, state) as client:
        monkeypatch.setattr(Reader, "seen", broken)
        answer = client.get("/api/v1/findings" if "json" in accept else "/lake", headers={"accept": accept})
    assert answer.status_code == 500
    assert "secret inner matter" not in answer.text
    assert "'none'" in answer.headers["content-security-policy"]
    assert "secret inner matter" in caplog.text
