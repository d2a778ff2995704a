"""Signing in: passwords, sessions, tokens of forms, too many tries, the first administrator."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from noroshi.lake.handle import Lake
from noroshi.lake.state import State, sessions
from noroshi.lake.state.database import now
from noroshi.model.errors import UsageError
from tests.web import site

HTML = {"accept": "text/html"}


def _try(client: TestClient, name: str, password: str, **more: str) -> object:
    return client.post(
        "/signin", data={"csrf": site.token(client), "name": name, "password": password, **more}
    )


def test_in_and_out(closed: TestClient, state: State) -> None:
    site.add_user(state, "ana", "analyst")
    answer = closed.post(
        "/signin",
        data={"csrf": site.token(closed), "name": "ana", "password": site.PASSWORD, "next": "/lake?x=1"},
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/lake?x=1")
    cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith("noroshi="))
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert closed.get("/api/v1/me").json() | {"ceiling": ""} == {
        "name": "ana", "role": "analyst", "recipient": "own", "ceiling": "", "masked": False, "by": "session",
    }  # fmt: skip
    secret = closed.cookies["noroshi"]
    assert secret.encode() not in Path(state.db.where).read_bytes()
    assert closed.post("/signout", data={"csrf": site.token(closed, "/lake")}).status_code == 303
    closed.cookies.set("noroshi", secret)
    assert closed.get("/api/v1/me").status_code == 401, "the session has ended on the server"
    assert [e.action for e in state.audit.newest()][:2] == ["sign-out", "sign-in"]


def test_cookies_under_tls(lake: Lake, state: State) -> None:
    site.add_user(state, "ana", "analyst")
    with site.client(lake, state, open=False, tls=True) as client:
        answer = _try(client, "ana", site.PASSWORD)
        cookies = answer.headers.get_list("set-cookie")  # type: ignore[attr-defined]
        assert any(c.startswith("__Host-noroshi=") and "Secure" in c and "Path=/" in c for c in cookies)
        assert "max-age" in client.get("/signin").headers["strict-transport-security"]


@pytest.mark.parametrize(("name", "password"), [("ana", "wrong"), ("nobody", site.PASSWORD), ("ana", ""),
                                                ("ana'--", "x"),
                                                ("ana", "x" * 299), ("gone", site.PASSWORD)])  # fmt: skip
def test_wrong_is_wrong(closed: TestClient, state: State, name: str, password: str) -> None:
    site.add_user(state, "ana", "analyst")
    site.add_user(state, "gone", "analyst")
    state.users.change("gone", disabled=True)
    answer = _try(closed, name, password)
    assert answer.status_code in (401, 422)  # type: ignore[attr-defined]
    assert closed.get("/api/v1/me").status_code == 401


def test_too_many_tries(closed: TestClient, state: State) -> None:
    site.add_user(state, "ana", "analyst")
    csrf = site.token(closed)
    statuses = [
        closed.post(
            "/signin", data={"csrf": csrf, "name": "ana", "password": f"guess number {i}"}
        ).status_code
        for i in range(12)
    ]
    assert statuses[0] == 401
    assert statuses[-1] == 429
    late = closed.post("/signin", data={"csrf": csrf, "name": "ana", "password": site.PASSWORD})
    assert late.status_code == 429, "the right password is not tried either"
    assert int(late.headers["retry-after"]) > 0


def test_a_session_grows_old(closed: TestClient, state: State) -> None:
    site.add_user(state, "ana", "analyst")
    for field, age in (("seen", sessions.IDLE), ("made", sessions.LONGEST)):
        site.sign_in(closed, "ana")
        assert closed.get("/api/v1/me").status_code == 200
        with state.db.begin() as con:
            con.execute(update(sessions._SESSIONS).values({field: now() - age - timedelta(seconds=1)}))
        assert closed.get("/api/v1/me").status_code == 401
        closed.cookies.clear()


def test_who_is_disabled_is_out_at_once(closed: TestClient, state: State) -> None:
    site.add_user(state, "ana", "analyst")
    site.sign_in(closed, "ana")
    state.users.change("ana", disabled=True)
    assert closed.get("/api/v1/me").status_code == 401


@pytest.mark.parametrize("after", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)",
                                   "/x\r\nset-cookie: a=b", "\t//evil.example", "/signin?next=/signin"])  # fmt: skip
def test_after_signing_in_one_stays_here(closed: TestClient, state: State, after: str) -> None:
    site.add_user(state, "ana", "analyst")
    assert _try(closed, "ana", site.PASSWORD, next=after).headers["location"] == "/"  # type: ignore[attr-defined]


class TestForgery:
    """A change asked for by another site."""

    @pytest.fixture(autouse=True)
    def _signed_in(self, closed: TestClient, state: State) -> None:
        site.add_user(state, "ana", "admin")
        site.sign_in(closed, "ana")

    def test_without_a_token(self, closed: TestClient) -> None:
        assert closed.post("/signout").status_code == 403
        assert closed.post("/signout", data={"csrf": "0" * 64}).status_code == 403
        assert closed.post("/signout", headers={"x-csrf-token": ""}).status_code == 403
        assert closed.get("/api/v1/me").status_code == 200

    def test_with_the_token_of_another_cookie(self, closed: TestClient, lake: Lake, state: State) -> None:
        with site.client(lake, state, open=False) as other:
            token = site.token(other)
        assert closed.post("/signout", data={"csrf": token}).status_code == 403

    @pytest.mark.parametrize("headers", [{"origin": "https://evil.example"}, {"origin": "null"},
                                         {"origin": "http://127.0.0.1:9"}, {"sec-fetch-site": "cross-site"},
                                         {"sec-fetch-site": "same-site"}])  # fmt: skip
    def test_from_elsewhere(self, closed: TestClient, headers: dict[str, str]) -> None:
        token = site.token(closed, "/lake")
        assert closed.post("/signout", data={"csrf": token}, headers=headers).status_code == 403

    def test_from_here(self, closed: TestClient) -> None:
        token = site.token(closed, "/lake")
        here = {"origin": "http://127.0.0.1:8642", "sec-fetch-site": "same-origin", "x-csrf-token": token}
        assert closed.post("/api/v1/sql", json={"query": "SELECT 1 AS a"}, headers=here).json()["rows"] == [
            {"a": 1}
        ]
        assert closed.post("/api/v1/sql", json={"query": "SELECT 1"}).status_code == 403, (
            "a session needs the token"
        )

    def test_a_key_needs_none(self, closed: TestClient, state: State) -> None:
        closed.cookies.clear()
        key = state.tokens.issue("user", "ana")[1]
        found = closed.post("/api/v1/sql", json={"query": "SELECT 1 AS a"}, headers={"x-api-key": key})
        assert found.status_code == 200


class TestSetup:
    """The first administrator."""

    def test_once(self, closed: TestClient, state: State) -> None:
        token = closed.app.state.tower.setup  # type: ignore[attr-defined]
        assert len(token) >= 24
        page = closed.get("/setup", params={"token": token}, headers=HTML)
        assert page.status_code == 200
        csrf = re.search(r'name="csrf" value="(\w+)"', page.text)
        assert csrf
        form = {
            "csrf": csrf[1],
            "token": token,
            "name": "root",
            "password": site.PASSWORD,
            "again": site.PASSWORD,
        }
        for wrong in ({"again": "x"}, {"password": "short", "again": "short"}, {"name": "no spaces"}):
            assert closed.post("/setup", data=form | wrong).status_code == 400
        assert closed.post("/setup", data=form).status_code == 303
        assert closed.get("/api/v1/me").json()["role"] == "admin"
        closed.cookies.clear()
        csrf_now = site.token(closed)
        assert closed.post("/setup", data=form | {"csrf": csrf_now, "name": "two"}).status_code == 403
        assert [u.name for u in state.users.all()] == ["root"]

    def test_not_without_the_token(self, closed: TestClient) -> None:
        for token in ("", "x", "x" * 32):
            assert closed.get("/setup", params={"token": token}, headers=HTML).status_code == 403
        assert closed.get("/signin", headers=HTML).status_code == 403

    def test_none_where_there_are_users(self, lake: Lake, state: State) -> None:
        site.add_user(state, "ana", "admin")
        with site.client(lake, state, open=False) as client:
            assert client.app.state.tower.setup == ""  # type: ignore[attr-defined]
            assert client.get("/setup", params={"token": ""}, headers=HTML).status_code == 403


def test_the_last_admin_stays(state: State) -> None:
    site.add_user(state, "ana", "admin")
    site.add_user(state, "bo", "viewer")
    for change in (lambda: state.users.change("ana", role="viewer"), lambda: state.users.change("ana", disabled=True),
                   lambda: state.users.remove("ana")):  # fmt: skip
        with pytest.raises(UsageError):
            change()
    found = state.users.get("ana")
    assert found
    assert (found.role, found.disabled) == ("admin", False)
