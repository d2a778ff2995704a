"""Notices over the API: the plan is what is sent, each once, and only where the server may."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from noroshi.lake.state import State
from noroshi.lake.state.operators import OperatorRow
from tests.web import site
from tests.web.api.test_recipients import ended

ANY = {"authorization": "Bearer any"}
HTML = {"accept": "text/html"}
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def told(state: State, tmp_path: Path) -> Iterator[TestClient]:
    """A server that may send, and an operator to be told."""
    state.operators.load(
        "table", "o.csv", [OperatorRow("203.0.113.0/24", HOSTILE, ("abuse@isp.example",), "ja")]
    )
    with site.client(site.infected(tmp_path / "lake"), state, site.notifying(tmp_path)) as client:
        client.headers.update(ANY)
        yield client


def test_what_is_planned_is_what_is_sent(told: TestClient, state: State, tmp_path: Path) -> None:
    plan = told.get("/api/v1/notices/plan").json()
    (notice,) = plan["notices"]
    assert (notice["operator"], notice["tlp"], len(notice["items"])) == (HOSTILE, "green", 1)
    text = told.get(f"/api/v1/notices/plan/{notice['id']}").content
    assert not (tmp_path / "out").exists()
    assert not state.notices.all()
    work = ended(told, told.post("/api/v1/notices/send", json={"only": [notice["id"]]}).json(), ANY)
    assert work["result"]["sent"] == [notice["id"]], work
    (file,) = (tmp_path / "out").rglob("*.eml")
    assert _undated(file.read_bytes()) == _undated(text)
    again = ended(told, told.post("/api/v1/notices/send", json={"all": True}).json(), ANY)
    assert again["result"]["sent"] == [], "each once"
    status = told.get("/api/v1/notices").json()
    assert [n["state"] for n in status["notices"]] == ["sent"]
    answer = told.post(f"/api/v1/notices/{notice['id']}/ack", json={"note": HOSTILE})
    assert answer.json()["items"] == 1, answer.text
    page = told.get("/notices", headers=HTML).text
    assert "<script>alert" not in page
    assert told.post(f"/api/v1/notices/{notice['id']}/cancel", json={}).status_code == 400


def _undated(message: bytes) -> bytes:
    return message.partition(b"\r\n")[2]


@pytest.mark.parametrize("body", [{}, {"only": [], "all": False}, {"only": ["n-00000000"], "all": True}])
def test_nothing_is_sent_by_mistake(told: TestClient, body: dict[str, object], tmp_path: Path) -> None:
    assert told.post("/api/v1/notices/send", json=body).status_code == 400
    form = told.post("/notices/send", data={}, headers=HTML)
    assert form.status_code == 400, "none chosen on the page is not all of them"
    assert not (tmp_path / "out").exists()


def test_not_where_nobody_said_who_writes(client: TestClient) -> None:
    client.headers.update(ANY)
    assert client.post("/api/v1/notices/send", json={"all": True}).status_code == 400
    assert client.get("/api/v1/notices/plan").status_code == 400
    assert "[notify]" in client.get("/notices", headers=HTML).text


def test_opting_out(told: TestClient, state: State) -> None:
    made = told.post("/api/v1/optouts", json={"value": "203.0.113.0/24", "reason": HOSTILE, "proof": "mail"})
    assert made.status_code == 201, made.text
    assert told.get("/api/v1/notices/plan").json()["notices"] == []
    assert "<script>alert" not in told.get("/notices", headers=HTML).text
    assert told.post("/api/v1/optouts", json={"value": "nonsense", "reason": "x"}).status_code == 400
    assert told.post("/api/v1/optouts", json={"value": "192.0.2.1"}).status_code == 422
    number = made.json()["id"]
    assert told.post(f"/api/v1/optouts/{number}/end", json={"reason": "asked again"}).json()["ended"]
    assert told.post(f"/api/v1/optouts/{number}/end", json={"reason": "x"}).status_code == 404
    assert len(told.get("/api/v1/notices/plan").json()["notices"]) == 1
    assert [e.action for e in state.audit.newest()][:2] == ["opt-out-end", "opt-out"]
