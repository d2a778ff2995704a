"""Who may ask what: every route against every role."""

from __future__ import annotations

import re

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.model.errors import LakeError
from noroshi.web import routes
from noroshi.web.app import make
from noroshi.web.options import Options
from noroshi.web.viewer import RANK
from tests.web import site

PUBLIC = {
    "/signin", "/setup", "/static/{version}/{name:path}", "/favicon.ico", "/api/v1/openapi.json", "/api/v1/health",
}  # fmt: skip
"""All that is answered to who is not signed in; whoever adds one here thinks twice. TAXII's discovery, whose
answer is empty to them, stands in its own tests."""
EXAMPLES = {"finding": "00000000", "run_id": "000000", "table": "flows", "kind": "ip", "value": "192.0.2.1",
            "version": "x", "number": "9999", "name": "icon.svg"}  # fmt: skip


@pytest.fixture(scope="module")
def app(lake: Lake, tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    return make(lake, site.config_of(), State(tmp_path_factory.mktemp("state")), Options(rate=0))


def test_every_route_declares_a_role(app: FastAPI) -> None:
    found = list(routes.every(app))
    assert len(found) > 15
    assert not routes.undeclared(app)


def test_a_route_without_one_keeps_the_server_from_starting(
    lake: Lake, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fastapi import APIRouter

    router = APIRouter()

    @router.get("/forgotten")
    def forgotten() -> str:
        return "everything"

    monkeypatch.setattr(routes, "noun_routers", lambda: [router])
    with pytest.raises(LakeError, match="/forgotten"):
        make(lake, site.config_of(), state)


def test_what_strangers_may_ask(app: FastAPI) -> None:
    open_to_all = {r.path for r in routes.every(app) if routes.declared(r) == "anybody"}
    assert {p for p in open_to_all if "taxii" not in p} == PUBLIC


@pytest.mark.parametrize("role", RANK)
def test_every_route_against_every_role(role: str, lake: Lake, state: State) -> None:
    """Below the role a route needs: 401 for nobody, 403 for the others, before anything else is looked at. At it or
    above: anything but these; what is missing or wrong about the question is told then."""
    key = site.add_user(state, "somebody", role) if role != "anybody" else ""
    headers = {"accept": "application/json"} | ({"x-api-key": key} if key else {})
    with site.client(lake, state, open=False) as client:
        for route in routes.every(client.app):  # type: ignore[arg-type]
            if "taxii" in route.path or route.path == "/api/v1/events":
                continue
            needed = routes.declared(route)
            assert needed is not None
            path = re.sub(r"\{(\w+)(?::\w+)?\}", lambda m: EXAMPLES.get(m[1], "1"), route.path)
            for method in sorted(route.methods - {"HEAD"}):
                status = client.request(method, path, headers=headers).status_code
                where = f"{role} {method} {route.path}: {status}"
                if RANK[role] < RANK[needed]:
                    assert status == (401 if role == "anybody" else 403), where
                elif RANK[needed] > 0:
                    assert status not in (401, 403), where
                assert status != 500, where


def test_every_route_against_the_key_of_a_recipient(lake: Lake, state: State) -> None:
    """Programs of others are viewers of their own view and nothing more: what needs another role is refused, what they
    may ask is refused at most because their view is masked; there is no session and no form for them."""
    headers = {"accept": "application/json", "x-api-key": state.tokens.issue("recipient", "community")[1]}
    with site.client(lake, state, open=False) as client:
        for route in routes.every(client.app):  # type: ignore[arg-type]
            if "taxii" in route.path or route.path == "/api/v1/events":
                continue
            needed = routes.declared(route)
            assert needed is not None
            path = re.sub(r"\{(\w+)(?::\w+)?\}", lambda m: EXAMPLES.get(m[1], "1"), route.path)
            for method in sorted(route.methods - {"HEAD"}):
                answer = client.request(method, path, headers=headers)
                where = f"{method} {route.path}: {answer.status_code} {answer.text[:200]}"
                assert answer.status_code not in (401, 500), where
                if RANK["viewer"] < RANK[needed]:
                    assert answer.status_code == 403, where
                elif answer.status_code == 403:
                    assert "this needs the role" not in answer.json()["what"], where


def test_a_stranger_is_sent_to_sign_in(closed: TestClient) -> None:
    found = closed.get("/lake?part=x", headers={"accept": "text/html"})
    assert found.status_code == 303
    assert found.headers["location"] == "/signin?next=%2Flake%3Fpart%3Dx"
    asked = closed.get("/api/v1/findings")
    assert asked.status_code == 401
    assert "Bearer" in asked.headers["www-authenticate"]


@pytest.mark.parametrize("key", ["", "nrs_", "nrs_" + "x" * 43, "' OR 1=1", "ü" * 10, "x" * 5000])
def test_no_key_but_a_right_one(closed: TestClient, key: str) -> None:
    for name, value in (("x-api-key", key), ("authorization", f"Bearer {key}")):
        assert closed.get("/api/v1/me", headers={name: value.encode()}).status_code == 401  # type: ignore[dict-item]


def test_a_revoked_key_ends(closed: TestClient, state: State) -> None:
    key = site.add_user(state, "somebody", "viewer")
    assert closed.get("/api/v1/me", headers={"x-api-key": key}).json()["name"] == "somebody"
    state.tokens.revoke(state.tokens.of("user", "somebody")[0].id)
    assert closed.get("/api/v1/me", headers={"x-api-key": key}).status_code == 401


def test_whose_recipient_is_gone_sees_nothing(closed: TestClient, state: State) -> None:
    from noroshi.lake.state.recipients import RecipientRow

    state.recipients.add(RecipientRow("partner", "organisation", "amber", "own"))
    key = site.add_user(state, "somebody", "viewer", "partner")
    assert closed.get("/api/v1/me", headers={"x-api-key": key}).status_code == 200
    state.recipients.remove("partner")
    assert closed.get("/api/v1/me", headers={"x-api-key": key}).status_code == 401


def test_a_recipients_own_key_gives_its_view(closed: TestClient, state: State) -> None:
    secret = state.tokens.issue("recipient", "public")[1]
    me = closed.get("/api/v1/me", headers={"authorization": f"Bearer {secret}"}).json()
    assert (me["role"], me["recipient"], me["ceiling"]) == ("viewer", "public", "clear")
