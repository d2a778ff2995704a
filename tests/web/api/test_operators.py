"""Operators over the API and as a page: added, changed, taken away; what cannot stand together is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from noroshi.lake.state import State
from noroshi.lake.state.operators import OperatorRow
from noroshi.work.notify_operators import load
from tests.web import site

PATH = "/api/v1/operators"
HTML = {"accept": "text/html"}
KEY = {"x-api-key": "any"}
NEW: dict[str, Any] = {"network": "192.0.2.0/24", "name": "ISP A", "mails": ["abuse@a.example"], "lang": "ja"}


def test_from_adding_to_removing(client: TestClient, state: State) -> None:
    made = client.post(PATH, json=NEW, headers=KEY)
    assert made.status_code == 201, made.text
    row = made.json()["id"]
    assert made.json() | {"id": ""} == NEW | {
        "id": "", "format": "csv", "origin": "table", "source": "web", "recipient": "", "since": None, "until": None
    }  # fmt: skip
    assert client.post(PATH, json=NEW, headers=KEY).status_code == 400, "it stands there already"
    second = client.post(PATH, json=NEW | {"network": "as64500"}, headers=KEY).json()
    assert second["network"] == "AS64500"
    changed = client.patch(
        f"{PATH}/{row}", json={"mails": ["noc@a.example"], "until": "2027-01-01"}, headers=KEY
    )
    assert changed.json()["until"] == "2027-01-01"
    assert {r.mails for r in state.operators.all()} == {("noc@a.example",)}, "rows of one name are told alike"
    assert client.patch(f"{PATH}/{row}", json={"until": None}, headers=KEY).json()["until"] is None
    assert client.delete(f"{PATH}/{row}", headers=KEY).json()["id"] == row
    assert client.delete(f"{PATH}/{row}", headers=KEY).status_code == 404
    assert [r.network for r in state.operators.all()] == ["AS64500"]
    actions = [e.action for e in state.audit.newest()]
    assert actions == ["operator-remove", "operator-set", "operator-set", "operator-add", "operator-add"]


@pytest.mark.parametrize(
    "wrong",
    [{"network": "192.0.2.1/24"}, {"network": "x"}, {"name": "a\nb"}, {"name": ""}, {"mails": ["x"]},
     {"mails": ["a@b.example"] * 11}, {"lang": "fr"}, {"mails": ["a@b.example\r\nBcc: c@d.example"]},
     {"since": "2026-13-01"}, {"network": "192.0.2.0/24" * 10}],
)  # fmt: skip
def test_what_cannot_be(client: TestClient, state: State, wrong: dict[str, Any]) -> None:
    answer = client.post(PATH, json=NEW | wrong, headers=KEY)
    assert answer.status_code in (400, 422), answer.text
    assert set(answer.json()) == {"what", "where", "todo"}
    assert state.operators.all() == []


def test_beside_a_file_and_a_registry(client: TestClient, state: State, tmp_path: Path) -> None:
    file = tmp_path / "ours.csv"
    file.write_text(
        "network,name,mail\n198.51.100.0/24,ISP B,b@b.example\n203.0.113.0/24,ISP B,b@b.example\n"
    )
    load(state, "cli:x", file, rdap=False)
    state.operators.load(
        "rdap", "rdap.example", [OperatorRow("192.0.2.0/24", "R", ("r@r.example",), origin="rdap")]
    )
    rows = {o["network"]: o["id"] for o in client.get(PATH).json()}
    taken = client.post(PATH, json=NEW | {"network": "198.51.100.0/24"}, headers=KEY)
    assert taken.status_code == 400
    assert "ISP B" in taken.json()["what"]
    assert client.patch(f"{PATH}/{rows['192.0.2.0/24']}", json={"name": "X"}, headers=KEY).status_code == 400
    assert client.post(PATH, json=NEW, headers=KEY).status_code == 201, (
        "a row of one's own goes before a registry's"
    )
    changed = client.patch(f"{PATH}/{rows['203.0.113.0/24']}", json={"mails": ["c@b.example"]}, headers=KEY)
    assert changed.json()["source"] == "ours.csv"
    assert {r.mails for r in state.operators.all() if r.name == "ISP B"} == {("c@b.example",)}
    load(state, "cli:x", file, rdap=False)
    assert {r.mails for r in state.operators.all() if r.name == "ISP B"} == {("b@b.example",)}
    assert client.delete(f"{PATH}/{rows['192.0.2.0/24']}", headers=KEY).status_code == 200


def test_the_page(client: TestClient, state: State) -> None:
    state.operators.load("table", "o.csv", [OperatorRow(f"10.0.{n}.0/24", f"ISP {n:03}") for n in range(150)])
    first = client.get("/operators", headers=HTML).text
    assert first.count("/operators/") == 100
    assert "10.0.149.0/24" not in first
    assert "10.0.149.0/24" in client.get("/operators?q=isp+149", headers=HTML).text
    found = client.get(f"{PATH}/search?q=10.0.149&limit=5").json()
    assert (found["total"], found["items"][0]["name"]) == (1, "ISP 149")
    row = found["items"][0]["id"]
    page = client.get(f"/operators/{row}", headers=HTML).text
    assert 'value="10.0.149.0/24"' in page
    form = {
        "network": "10.0.149.0/24",
        "name": "<b>New",
        "mails": "a@x.example; b@x.example",
        "since": "2026-01-02",
    }
    assert client.post(f"/operators/{row}/change", data=form, headers=HTML | KEY).status_code == 303
    kept = next(r for r in state.operators.all() if r.network == "10.0.149.0/24")
    assert (kept.name, kept.mails, str(kept.since)) == (
        "<b>New",
        ("a@x.example", "b@x.example"),
        "2026-01-02",
    )
    assert "<b>New" not in client.get("/operators?q=new", headers=HTML).text


def test_who_sees_less_does_not(closed: TestClient, state: State) -> None:
    head = {"x-api-key": site.add_user(state, "ana", "sharer", "community")}
    assert closed.get(PATH, headers=head).status_code == 403
    assert closed.post(PATH, json=NEW, headers=head).status_code == 403
    assert state.operators.all() == []
