"""Your account over the API and as a page: the password, sessions, keys; of nobody else, and never a secret twice."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from starlette.testclient import TestClient

from noroshi.lake.state import State
from tests.web import site

ME = "/api/v1/me"
HTML = {"accept": "text/html"}
NEW = "another long password"


@pytest.fixture
def ana(closed: TestClient, state: State) -> TestClient:
    """A client ana is signed in with; forms and changes carry its token."""
    site.add_user(state, "ana", "viewer")
    site.add_user(state, "ben", "admin")
    site.sign_in(closed, "ana")
    closed.headers["x-csrf-token"] = site.token(closed, "/account")
    return closed


def here(client: TestClient) -> str:
    return str(client.cookies["noroshi"])


def test_the_password(ana: TestClient, state: State) -> None:
    other = state.sessions.begin("ana")
    bens = state.sessions.begin("ben")
    answer = ana.put(f"{ME}/password", json={"old": site.PASSWORD, "new": NEW})
    assert (answer.status_code, answer.json()) == (200, {"ended": 1})
    assert state.sessions.find(other) is None
    assert state.sessions.find(here(ana)), "the one that asked stays"
    assert state.sessions.find(bens), "others' stay"
    assert state.tokens.of("user", "ana")[0].revoked is None
    user = state.users.get("ana")
    assert user
    assert user.password.startswith("$argon2id$")
    ana.cookies.clear()
    form = {"csrf": site.token(ana), "name": "ana", "password": site.PASSWORD}
    del ana.headers["x-csrf-token"]
    assert ana.post("/signin", data=form).status_code == 401
    assert ana.post("/signin", data=form | {"password": NEW}).status_code == 303
    assert [e.action for e in state.audit.newest()][-2:] == ["password changed", "sign-in"]


@pytest.mark.parametrize(
    ("body", "status"),
    [({"old": "wrong", "new": NEW}, 400), ({"old": site.PASSWORD, "new": "short"}, 400),
     ({"old": site.PASSWORD, "new": site.PASSWORD}, 400), ({"old": site.PASSWORD, "new": "x" * 201}, 422),
     ({"new": NEW}, 422), ({"old": "", "new": NEW}, 400)],
)  # fmt: skip
def test_a_password_that_does_not_change(
    ana: TestClient, state: State, body: dict[str, str], status: int
) -> None:
    before, other = state.users.get("ana"), state.sessions.begin("ana")
    answer = ana.put(f"{ME}/password", json=body)
    assert answer.status_code == status, answer.text
    assert state.users.get("ana") == before
    assert state.sessions.find(other)
    form = {"old": body.get("old", ""), "new": body["new"][:190], "again": body["new"][:190]}
    if status == 400:
        page = ana.post("/account/password", data=form, headers=HTML)
        assert page.status_code == status
        assert 'role="alert"' in page.text
        assert f'"{body["new"]}"' not in page.text
        assert state.users.get("ana") == before


def test_two_that_differ(ana: TestClient, state: State) -> None:
    before = state.users.get("ana")
    form = {"old": site.PASSWORD, "new": NEW, "again": NEW + "x"}
    assert ana.post("/account/password", data=form, headers=HTML).status_code == 400
    assert state.users.get("ana") == before


def test_a_page_left_open_is_no_way_to_guess(ana: TestClient, state: State) -> None:
    tried = [ana.put(f"{ME}/password", json={"old": f"guess {n}", "new": NEW}) for n in range(12)]
    assert tried[0].status_code == 400
    assert tried[-1].status_code == 429
    assert int(tried[-1].headers["retry-after"]) > 0
    assert sum(e.action == "password refused" for e in state.audit.newest()) < 12


def test_sessions(ana: TestClient, state: State) -> None:
    others = [state.sessions.begin("ana", "192.0.2.1") for _ in range(3)]
    bens = state.sessions.begin("ben")
    told = ana.get(f"{ME}/sessions").json()
    assert [s["here"] for s in told].count(True) == 1
    assert len(told) == 4
    page = ana.get("/account", headers=HTML).text
    for secret in (*others, here(ana), bens):
        assert secret not in str(told) + page
    one = next(s["id"] for s in told if not s["here"])
    assert ana.delete(f"{ME}/sessions/{one}").status_code == 200
    assert ana.delete(f"{ME}/sessions/{one}").status_code == 404
    assert sum(state.sessions.find(s) is not None for s in others) == 2
    for wrong in (state.sessions.of("ben")[0].digest[:16], "0" * 16, one[:3]):
        assert ana.delete(f"{ME}/sessions/{wrong}").status_code == 404
    assert state.sessions.find(bens)
    others.append(state.sessions.begin("ana"))
    assert ana.delete(f"{ME}/sessions").json()["ended"] >= 1
    assert [state.sessions.find(s) for s in others] == [None] * 4
    assert [s["here"] for s in ana.get(f"{ME}/sessions").json()] == [True]
    mine = ana.get(f"{ME}/sessions").json()[0]["id"]
    ana.delete(f"{ME}/sessions/{mine}")
    assert ana.get(ME).status_code == 401, "it was the one that asked"


def test_keys(ana: TestClient, state: State) -> None:
    made = ana.post(f"{ME}/keys", json={"note": "script"})
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    secret, number = made.json()["secret"], made.json()["id"]
    head = {"x-api-key": secret}
    assert ana.get(ME, headers=head).json()["name"] == "ana"
    assert secret not in ana.get(f"{ME}/keys").text + ana.get("/account", headers=HTML).text
    (bens,) = state.tokens.of("user", "ben")
    assert ana.delete(f"{ME}/keys/{bens.id}").status_code == 404
    assert state.tokens.of("user", "ben")[0].revoked is None
    assert ana.delete(f"{ME}/keys/{number}").json()["revoked"]
    ana.cookies.clear()
    assert ana.get(ME, headers=head).status_code == 401


def test_a_key_makes_none_that_lasts_longer(ana: TestClient, state: State) -> None:
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
    soon = {"x-api-key": state.tokens.issue("user", "ana", "", ends)[1]}
    ana.cookies.clear()
    for asked in ({}, {"expires": (ends + timedelta(days=300)).isoformat()}):
        made = ana.post(f"{ME}/keys", json=asked, headers=soon)
        assert made.status_code == 201, made.text
        assert datetime.fromisoformat(made.json()["expires"]) == ends


def test_the_page_shows_a_key_once(ana: TestClient, state: State) -> None:
    page = ana.post("/account/keys", data={"note": "<b>x"}, headers=HTML)
    found = re.search(r"nrs_[\w-]{40,}", page.text)
    assert found
    assert "<b>x" not in page.text
    assert found[0] not in ana.get("/account", headers=HTML).text
    assert ana.get("/account/keys", headers=HTML).headers["location"] == "/account"
    number = state.tokens.of("user", "ana")[-1].id
    assert ana.post(f"/account/keys/{number}/revoke", headers=HTML).status_code == 303
    assert state.tokens.of("user", "ana")[-1].revoked


def test_the_link(ana: TestClient) -> None:
    assert 'href="/account"' in ana.get("/lake", headers=HTML).text


def test_who_has_none(client: TestClient, closed: TestClient, state: State) -> None:
    """Whoever sits at the machine, and programs of recipients: told so, and never somebody of that name."""
    site.add_user(state, "local", "admin")
    site.add_user(state, "public", "admin")
    peer = {"x-api-key": state.tokens.issue("recipient", "public")[1]}
    for asking, head in ((client, {"x-api-key": "any"}), (closed, peer)):
        page = asking.get("/account", headers=HTML | head)
        assert page.status_code == 200
        assert '<form method="post" action="/account' not in page.text
        for method, path in (("GET", "sessions"), ("GET", "keys"), ("POST", "keys"), ("DELETE", "sessions")):
            answer = asking.request(
                method, f"{ME}/{path}", headers=head, json={} if method == "POST" else None
            )
            assert answer.status_code == 403, (method, path)
        body = {"old": site.PASSWORD, "new": NEW}
        assert asking.put(f"{ME}/password", json=body, headers=head).status_code == 403


def test_who_has_keys_only(closed: TestClient, state: State) -> None:
    from noroshi.lake.state.users import User

    state.users.add(User("robot", "viewer"))
    head = {"x-api-key": state.tokens.issue("user", "robot")[1]}
    answer = closed.put(f"{ME}/password", json={"old": "", "new": NEW}, headers=head)
    assert answer.status_code == 400
    assert "only keys" in answer.json()["what"]
    assert not state.users.get("robot").password  # type: ignore[union-attr]
