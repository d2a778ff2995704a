"""Hostile words in every parameter and path of every route that reads: our errors, no fault, nothing of the machine."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.web import routes, urls
from noroshi.web.security.csrf import SAFE
from tests.web import hostile_lake, site

SQL = ("' OR 1=1 --", '"; DROP TABLE flows; --', "x') UNION SELECT path FROM runs --", "$f0", "'||(SELECT 1)||'",
       "')); ATTACH 'x'; --", "%' ESCAPE '!",
       "\x00", "9" * 400, "\ud800".encode("utf-8", "surrogatepass").decode("latin1"))  # fmt: skip
PATHS = ("../../../../etc/passwd", "..%2f..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd", "..\\..\\etc\\passwd",
         "....//....//etc/passwd", "/etc/passwd", "file:///etc/passwd", "lake.json%00.html",
         "%252e%252e%252fetc%252fpasswd")  # fmt: skip
SECRETS = ("root:x:", "Traceback", "duckdb", "read_parquet", "site-packages", "CREATE TABLE")
NO_END = ("/api/v1/events",)
KINDS = ("ip", "domain", "url", "sha256", "cve", "credential", "nothing-such")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestClient, Lake]]:
    """A server on a lake whose texts are hostile, with everything allowed."""
    folder = tmp_path_factory.mktemp("filters")
    lake = hostile_lake.build(folder / "lake")
    with site.client(lake, State(folder)) as client:
        yield client, lake


def reads(client: TestClient) -> list[Any]:
    """Routes that answer GET; TAXII has tests of its own, an event stream does not end."""
    found = routes.every(client.app)  # type: ignore[arg-type]
    return [r for r in found if "GET" in r.methods and "taxii" not in r.path and r.path not in NO_END]


def parameters(route: Any) -> list[str]:
    """Names of what its query may hold, those of the things it depends on too."""
    waiting, names = [route.dependant], []
    while waiting:
        one = waiting.pop()
        waiting += one.dependencies
        names += [p.alias for p in one.query_params]
    return [*dict.fromkeys(names), "range", "from", "to", "lang", "theme", "source", "as"]


def path_of(route: Any, word: str = "1") -> str:
    """Its path with one word for each name in it."""
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda _: word, route.path)


def safe(answer: Any, lake: Lake, where: str) -> None:
    """Answered, or refused in our words."""
    assert answer.status_code < 500, f"{where}: {answer.status_code} {answer.text[:300]}"
    text = answer.text
    assert str(lake.path) not in text, where
    assert not [s for s in SECRETS if s in text], where
    if answer.status_code >= 400 and "json" in answer.headers.get("content-type", ""):
        assert set(answer.json()) == {"what", "where", "todo"}, where


def test_sql_through_every_parameter(hostile: tuple[TestClient, Lake]) -> None:
    """Each word in every parameter of a route at once, or in one of them, in pages and in the API."""
    client, lake = hostile
    before = client.get("/api/v1/runs").json()["total"]
    walked = 0
    for at, route in enumerate(reads(client)):
        # Half of the words at each route, the other half at its neighbours: all takes too long for every day.
        for n, word in list(enumerate(SQL))[at % 2 :: 2]:
            names = parameters(route)
            one = names[n % len(names)]
            query = dict.fromkeys(names, word) if (n // 2) % 2 else {one: word}
            answer = client.get(path_of(route), params=query)
            safe(answer, lake, f"{route.path} {query}")
            walked += 1
    assert walked > 300
    assert client.get("/api/v1/runs").json()["total"] == before, "everything is still there"


def test_sql_and_paths_through_every_path(hostile: tuple[TestClient, Lake]) -> None:
    """What stands in a path, written as it is and percent-encoded."""
    client, lake = hostile
    for route in reads(client):
        if "{" not in route.path:
            continue
        for word in (*SQL[::2], *PATHS):
            for written in {urls.segment(word), word if word.isascii() and word.isprintable() else ""} - {""}:
                safe(client.get(path_of(route, written)), lake, f"{route.path} {word!r}")


@pytest.mark.parametrize("kind", KINDS)
def test_values_of_the_page_of_a_value(hostile: tuple[TestClient, Lake], kind: str) -> None:
    """A value is looked up, whatever it looks like: no file, no other host, no script."""
    client, lake = hostile
    for word in (
        *SQL,
        *PATHS,
        *hostile_lake.NAMES,
        hostile_lake.SCRIPT,
        hostile_lake.ATTRIBUTE,
        "http://[",
        "a" * 5000,
    ):
        answer = client.get(f"/entity/{kind}/{urls.segment(word)}", headers={"accept": "text/html"})
        safe(answer, lake, f"{kind} {word!r}")
        assert "<script>alert" not in answer.text
        if answer.status_code in (302, 303, 307):
            assert re.match("/entity/|/search$", answer.headers["location"]), answer.headers["location"]


@pytest.mark.parametrize("path", ["/entity/ip/192.0.2.1", "/exposure", "/exposure/host/198.51.100.9", "/honeypots",
                                  "/honeypots/session/plain-1", "/sharing", "/notices", "/watches", "/users",
                                  "/audit", "/reports", "/works", "/search", "/darknet", "/cases", "/findings",
                                  "/now"])  # fmt: skip
def test_no_other_name_and_no_other_site(hostile: tuple[TestClient, Lake], path: str) -> None:
    """DNS rebinding: with `--open` no page answers to a name that was let point here, nor to a page elsewhere."""
    client, _ = hostile
    assert client.get(path).status_code == 200
    assert client.get(path, headers={"host": "evil.example"}).status_code in (400, 421)
    assert client.get(path, headers={"host": "127.0.0.1.evil.example:8642"}).status_code in (400, 421)
    assert client.get(path, headers={"origin": "http://evil.example"}).status_code == 403


def test_no_body_is_too_large_for_any_route(lake: Lake, state: State) -> None:
    """Said or not said beforehand, as JSON, form and upload."""
    with site.client(lake, state, body=1000, upload=2000) as client:
        found = routes.every(client.app)  # type: ignore[arg-type]
        changes = [(m, r) for r in found for m in sorted(r.methods - set(SAFE))]
        assert len(changes) > 60
        for method, route in changes:
            for kind, size in (("application/json", 1001), ("application/x-www-form-urlencoded", 1001),
                               ("multipart/form-data; boundary=x", 2001)):  # fmt: skip
                headers = {"content-type": kind, "x-api-key": "x"}
                limit = client.request(method, path_of(route), content=b"x" * size, headers=headers)
                assert limit.status_code in (400, 413), (method, route.path, kind, limit.status_code)
                if "taxii" not in route.path:
                    assert limit.status_code == 413, (method, route.path, kind)


@pytest.mark.parametrize("body", [b"", b"[", b"null", b"[]", b'"x"', b"{" * 900, b"[" * 900, b'{"a":' * 150,
                                  b"\xff\xfe", b'{"value": 1e999}', b'{"\\u0000": 1}'])  # fmt: skip
def test_bodies_that_are_none(hostile: tuple[TestClient, Lake], body: bytes) -> None:
    """Not what was asked for: 4xx in our shape, for every route that takes a body."""
    client, lake = hostile
    for route in routes.every(client.app):  # type: ignore[arg-type]
        for method in sorted(route.methods - {*SAFE, "DELETE"}):
            if route.body_field is None or not route.path.startswith("/api/"):
                continue
            answer = client.request(
                method,
                path_of(route),
                content=body,
                headers={"content-type": "application/json", "x-api-key": "x"},
            )
            safe(answer, lake, f"{method} {route.path} {body!r}")
            if not body.startswith(b'{"'):  # an object may do where nothing is required
                assert answer.status_code >= 400, (method, route.path, body)


def test_files_of_work_are_those_of_that_work(hostile: tuple[TestClient, Lake], tmp_path: Path) -> None:
    """A name in an address never becomes a path."""
    client, lake = hostile
    made = client.post(
        "/api/v1/exports", json={"recipient": "own", "format": "csv"}, headers={"x-api-key": "x"}
    ).json()
    end = time.monotonic() + 60.0
    while client.get(f"/api/v1/works/{made['id']}").json()["state"] in ("waiting", "running"):
        assert time.monotonic() < end
        time.sleep(0.05)
    for word in (*PATHS, "a/../../b"):
        for path in (
            f"/api/v1/works/{made['id']}/files/{urls.segment(word)}",
            f"/works/{made['id']}/{urls.segment(word)}",
        ):
            answer = client.get(path)
            safe(answer, lake, path)
            assert answer.status_code in (404, 405, 422), path
