"""Users over the API and as pages: roles, views, passwords, keys; the last administrator stays."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from noroshi.lake.state import State
from tests.web import site

PATH = "/api/v1/users"
HTML = {"accept": "text/html"}


@pytest.fixture
def admin(closed: TestClient, state: State) -> TestClient:
    """A client of an administrator."""
    closed.headers["x-api-key"] = site.add_user(state, "root", "admin")
    return closed


def test_from_adding_to_removing(admin: TestClient, state: State) -> None:
    new = {"name": "ana@example.org", "role": "analyst", "password": "several words are good"}
    made = admin.post(PATH, json=new)
    assert made.status_code == 201, made.text
    assert made.json() | {"added": None} == {
        "name": "ana@example.org", "role": "analyst", "recipient": "own", "disabled": False, "password": True,
        "added": None, "signed_in": None,
    }  # fmt: skip
    assert "argon2" not in admin.get(f"{PATH}/ana@example.org").text
    assert admin.post(PATH, json=new).status_code == 400
    secret = admin.post(f"{PATH}/ana@example.org/keys", json={"note": "script"}).json()["secret"]
    head = {"x-api-key": secret}
    assert admin.get("/api/v1/me", headers=head).json()["role"] == "analyst"
    assert (
        admin.patch(f"{PATH}/ana@example.org", json={"role": "viewer", "recipient": "public"}).status_code
        == 200
    )
    me = admin.get("/api/v1/me", headers=head).json()
    assert (me["role"], me["recipient"]) == ("viewer", "public")
    assert admin.patch(f"{PATH}/ana@example.org", json={"disabled": True}).json()["disabled"]
    assert admin.get("/api/v1/me", headers=head).status_code == 401
    assert secret not in admin.get(f"{PATH}/ana@example.org/keys").text
    assert admin.delete(f"{PATH}/ana@example.org").status_code == 200
    assert admin.get(f"{PATH}/ana@example.org").status_code == 404
    actions = [e.action for e in state.audit.newest()]
    assert actions == ["user removed", "user changed", "user changed", "key made", "user added"]


@pytest.mark.parametrize(
    "wrong",
    [{"name": "<b>"}, {"name": "a/b"}, {"name": "a", "role": "king"}, {"name": "a", "recipient": "nobody"},
     {"name": "a", "password": "short"}, {"name": "a" * 65}, {}],
)  # fmt: skip
def test_what_cannot_be(admin: TestClient, state: State, wrong: dict[str, str]) -> None:
    answer = admin.post(PATH, json=wrong)
    assert answer.status_code in (400, 422)
    assert set(answer.json()) == {"what", "where", "todo"}
    assert [u.name for u in state.users.all()] == ["root"]


def test_the_last_administrator_stays(admin: TestClient, state: State) -> None:
    site.add_user(state, "ana", "viewer")
    for answer in (admin.patch(f"{PATH}/root", json={"role": "viewer"}), admin.delete(f"{PATH}/root"),
                   admin.patch(f"{PATH}/root", json={"disabled": True})):  # fmt: skip
        assert answer.status_code == 400, answer.text
    assert admin.get("/api/v1/me").json()["role"] == "admin"


def test_a_new_password_ends_sessions(closed: TestClient, state: State) -> None:
    site.add_user(state, "root", "admin")
    site.add_user(state, "ana", "viewer")
    session = state.sessions.begin("ana")
    site.sign_in(closed, "root")
    token = site.token(closed, "/users/ana")
    form = {"csrf": token, "role": "viewer", "recipient": "own", "password": "another good password"}
    assert closed.post("/users/ana/change", data=form, headers=HTML).status_code == 303
    assert state.sessions.find(session) is None
    assert "another good password" not in closed.get("/users/ana", headers=HTML).text


def test_sharers_do_not_let_in(closed: TestClient, state: State) -> None:
    head = {"x-api-key": site.add_user(state, "sharer", "sharer")}
    assert closed.get(PATH, headers=head).status_code == 403
    assert closed.post(PATH, json={"name": "x"}, headers=head).status_code == 403
    entries = closed.get("/api/v1/audit", headers=head).json()["items"]
    state.audit.tell("user:x", "sign-in", address="192.0.2.1")
    assert closed.get("/api/v1/audit", headers=head).json()["items"] == entries, (
        "signing in is for administrators"
    )
