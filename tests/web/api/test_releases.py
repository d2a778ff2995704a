"""Releases and lowered markings over the API and as a page; nothing stricter than one sees is lowered, or told of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from noroshi.lake.state import State
from noroshi.model.finding import Subject
from noroshi.model.tlp import Tlp
from noroshi.work.gate import open_view, recipient
from tests.web import site

HTML = {"accept": "text/html"}
KEY = {"x-api-key": "any"}


def test_a_value_is_released_and_taken_back(client: TestClient, state: State) -> None:
    for value, kind, canonical in (("192.0.2.7", "ip", "192.0.2.7"), ("198.51.100.0/24", "prefix", "198.51.100.0/24"),
                                   ("CDN.Example", "domain", "cdn.example")):  # fmt: skip
        made = client.post("/api/v1/releases", json={"value": value, "reason": "many use it"}, headers=KEY)
        assert (made.status_code, made.json()["kind"], made.json()["value"]) == (201, kind, canonical), (
            made.text
        )
    assert [r["value"] for r in client.get("/api/v1/releases").json()] == [
        "cdn.example",
        "192.0.2.7",
        "198.51.100.0/24",
    ]
    assert "cdn.example" in client.get("/releases", headers=HTML).text
    assert client.delete("/api/v1/releases/prefix/198.51.100.0/24", headers=KEY).status_code == 200
    assert client.delete("/api/v1/releases/prefix/198.51.100.0/24", headers=KEY).status_code == 404
    form = {"kind": "domain", "value": "cdn.example"}
    assert client.post("/releases/back", data=form, headers=HTML | KEY).status_code == 303
    assert [r.value for r in state.releases.all()] == ["192.0.2.7"]
    assert [e.action for e in state.audit.newest()] == ["unrelease"] * 2 + ["release"] * 3


@pytest.mark.parametrize(
    "wrong",
    [{"value": "no value!"}, {"reason": ""}, {"reason": "x" * 1001}, {"value": ""}, {"value": "x" * 513}],
)
def test_what_is_no_release(client: TestClient, state: State, wrong: dict[str, str]) -> None:
    asked = {"value": "192.0.2.7", "reason": "r"} | wrong
    assert client.post("/api/v1/releases", json=asked, headers=KEY).status_code in (400, 422)
    assert state.releases.all() == []


def test_a_marking_is_lowered(tmp_path: Path, state: State) -> None:
    lake = site.infected(tmp_path / "lake")
    view = open_view(lake, site.config_of(), recipient("own"))
    (one,) = view.findings()
    amber = replace(one, id="", subject=Subject("ip", "203.0.113.8"), tlp=Tlp.AMBER)
    red = replace(one, id="", subject=Subject("ip", "203.0.113.9"), tlp=Tlp.RED)
    both = replace(one, id="", subject=Subject("ip", "203.0.113.10"), tlp=Tlp.AMBER)
    lake.put_findings([amber, red, both, replace(both, tlp=Tlp.RED)])
    stored = {f.subject.value: f.id for f in lake.findings()}
    with site.client(lake, state) as client:
        ask = {"id": stored["203.0.113.8"][:10], "to": "green", "reason": "agreed with the owner"}
        done = client.post("/api/v1/downgrades", json=ask, headers=KEY)
        assert (done.status_code, done.json()["from"], done.json()["to"]) == (201, "amber", "green"), (
            done.text
        )
        (told,) = client.get("/api/v1/downgrades").json()["items"]
        assert (told["id"], told["by"], told["reason"]) == (
            stored["203.0.113.8"],
            "user:local",
            ask["reason"],
        )
        assert "agreed with the owner" in client.get("/releases", headers=HTML).text
        peer = {f.subject.value for f in open_view(lake, site.config_of(), recipient("community")).findings()}
        assert "203.0.113.8" in peer, "who may have GREEN is given it now"
        assert "203.0.113.10" not in peer
        same = client.post("/api/v1/downgrades", json=ask | {"to": "amber"}, headers=KEY)
        assert same.status_code == 400, "it is no stricter"
        nothing = client.post("/api/v1/downgrades", json=ask | {"id": "ffffffffffff"}, headers=KEY)
        for hidden in ("203.0.113.9", "203.0.113.10"):
            answer = client.post("/api/v1/downgrades", json=ask | {"id": stored[hidden]}, headers=KEY)
            assert answer.status_code == 404, "what is RED is not even told of"
            assert answer.json() | {"where": ""} == nothing.json() | {"where": ""}
        for wrong in ({"to": "red"}, {"reason": ""}, {"id": "ab"}, {"to": ""}):
            assert client.post("/api/v1/downgrades", json=ask | wrong, headers=KEY).status_code in (
                400,
                404,
                422,
            )
    assert sum(f.tlp is Tlp.RED for f in lake.findings()) == 2


def test_what_was_red_is_for_administrators(closed: TestClient, state: State) -> None:
    state.audit.tell("cli:x", "downgrade", count=1, what="finding", id="0" * 32, reason="secret", rows=0, kept=0,
                     **{"from": "red", "to": "green"})  # fmt: skip
    head = {"x-api-key": site.add_user(state, "ana", "sharer")}
    assert closed.get("/api/v1/downgrades", headers=head).json()["items"] == []
    assert "secret" not in closed.get("/releases", headers=HTML | head).text
    root = {"x-api-key": site.add_user(state, "root", "admin")}
    assert len(closed.get("/api/v1/downgrades", headers=root).json()["items"]) == 1
    outside = {"x-api-key": site.add_user(state, "ben", "sharer", "community")}
    for path in ("/api/v1/downgrades", "/api/v1/releases"):
        assert closed.get(path, headers=outside).status_code == 403
