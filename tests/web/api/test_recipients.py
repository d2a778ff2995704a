"""Recipients over the API: what is told of them, what they would receive, their keys; who may ask."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.model.finding import Finding, Rule, Subject
from noroshi.model.tlp import Tlp
from tests.web import site

PATH = "/api/v1/recipients"
ANY = {"authorization": "Bearer any"}
HTML = {"accept": "text/html"}
HOSTILE = "<script>alert(1)</script>'\"=1+1"


def ended(client: TestClient, work: dict[str, Any], head: dict[str, str]) -> dict[str, Any]:
    """The work, once it is over."""
    for _ in range(600):
        work = client.get(f"/api/v1/works/{work['id']}", headers=head).json()
        if work["state"] in ("done", "failed"):
            return work
        time.sleep(0.05)
    pytest.fail(f"not over: {work}")


@pytest.fixture
def own(tmp_path: Path) -> Lake:
    """Findings of each marking, one of them hostile, one about our own host."""
    from datetime import UTC, datetime

    lake = Lake.open(tmp_path / "lake")
    start = datetime(2024, 4, 1, 3, 4, 5, tzinfo=UTC)
    lake.put_findings(
        [
            Finding("scanner", Subject("ip", f"203.0.113.{n}"), Rule("scanner", 1), start, start, 80,
                    {"en": HOSTILE, "ja": HOSTILE}, {"text": HOSTILE, "n": n}, tlp=tlp)
            for n, tlp in enumerate((Tlp.CLEAR, Tlp.GREEN, Tlp.AMBER, Tlp.AMBER_STRICT, Tlp.RED))
        ] + [
            Finding("dos-victim", Subject("ip", "203.0.113.77"), Rule("dos-victim", 1), start, start, 80,
                    {"en": "203.0.113.77 was attacked", "ja": "x"}, {}, tlp=Tlp.CLEAR)
        ]
    )  # fmt: skip
    return lake


def test_from_adding_to_removing(client: TestClient, state: State) -> None:
    client.headers.update(ANY)
    new = {
        "name": "isac",
        "kind": "sector",
        "title": HOSTILE,
        "ranges": ["192.0.2.0/25", "192.0.2.128/25"],
        "lang": "ja",
    }
    made = client.post(PATH, json=new)
    assert made.status_code == 201, made.text
    assert (made.json()["ceiling"], made.json()["ranges"]) == ("green", ["192.0.2.0/24"])
    assert client.post(PATH, json=new).status_code == 400, "the name is taken"
    changed = client.patch(f"{PATH}/isac", json={"wants": ["scanner"], "mail": "a@example.org"}).json()
    assert (changed["wants"], changed["mail"], changed["title"]) == (["scanner"], "a@example.org", HOSTILE)
    assert client.patch(f"{PATH}/isac", json={"wants": []}).json()["wants"] == []
    assert client.patch(f"{PATH}/isac", json={"kind": "organisation"}).json()["ceiling"] == "amber"
    assert "isac" in [r["name"] for r in client.get(PATH).json()]
    page = client.get("/sharing/isac", headers=HTML).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    assert client.delete(f"{PATH}/isac").json() == {"name": "isac", "keys_ended": 0}
    assert client.get(f"{PATH}/isac").status_code == 404
    told = [e.action for e in state.audit.newest()]
    assert told == ["recipient-remove", *["recipient-set"] * 3, "recipient-add"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "../../etc", "kind": "sector"}, {"name": "A", "kind": "sector"}, {"name": "<b>", "kind": "sector"},
        {"name": "own", "kind": "organisation"}, {"name": "x", "kind": "sector", "ceiling": "amber"},
        {"name": "x", "kind": "sector", "ceiling": "nonsense"}, {"name": "x", "kind": "king"},
        {"name": "x", "kind": "sector", "ranges": ["0.0.0.0/0"]}, {"name": "x", "kind": "sector", "ranges": ["x"]},
        {"name": "x", "kind": "sector", "wants": ["nonsense"]}, {"name": "x", "kind": "sector", "profile": "missing"},
        {"name": "x", "kind": "sector", "profile": "../own"}, {"name": "x", "kind": "sector", "title": "a\u202eb"},
        {"name": "x", "kind": "sector", "mail": "a@b\nBcc: c@d"}, {"name": "x" * 65, "kind": "sector"}, {"name": "x"},
    ],
)  # fmt: skip
def test_what_cannot_be(client: TestClient, state: State, wrong: dict[str, Any]) -> None:
    answer = client.post(PATH, json=wrong, headers=ANY)
    assert answer.status_code in (400, 422), answer.text
    assert set(answer.json()) == {"what", "where", "todo"}
    assert not state.recipients.all()


def test_those_of_the_package_stay(client: TestClient) -> None:
    assert client.patch(f"{PATH}/public", json={"ceiling": "red"}, headers=ANY).status_code == 400
    assert client.delete(f"{PATH}/public", headers=ANY).status_code == 400


def test_a_secret_is_told_once(client: TestClient, state: State, caplog: pytest.LogCaptureFixture) -> None:
    client.headers.update(ANY)
    caplog.set_level("DEBUG")
    made = client.post(f"{PATH}/public/keys", json={"note": "their client"})
    secret = made.json()["secret"]
    assert made.headers["cache-control"] == "no-store"
    assert state.tokens.verify(secret) is not None
    for path in (f"{PATH}/public/keys", "/sharing/public", "/audit", "/api/v1/audit"):
        assert secret not in client.get(path, headers=HTML | ANY).text, path
    assert secret not in caplog.text
    assert secret not in repr(state.audit.newest())
    number = made.json()["id"]
    assert client.delete(f"{PATH}/community/keys/{number}").status_code == 404, "another's"
    assert client.delete(f"{PATH}/public/keys/{number}").json()["revoked"]
    assert state.tokens.verify(secret) is None
    late = client.post(f"{PATH}/public/keys", json={"expires": "2001-01-01T00:00:00Z"})
    assert late.status_code == 400


def test_a_page_shows_a_secret_in_one_answer(client: TestClient, state: State) -> None:
    token = site.token(client, "/sharing/public")
    made = client.post("/sharing/public/keys", data={"csrf": token, "note": HOSTILE}, headers=HTML)
    (kept,) = state.tokens.of("recipient", "public")
    assert made.status_code == 200
    assert made.text.count(kept.shown) >= 2
    assert "location" not in made.headers
    assert made.headers["cache-control"] == "no-store"
    after = client.get("/sharing/public/keys", headers=HTML)
    assert (after.status_code, after.headers["location"]) == (303, "/sharing/public#keys")
    assert client.get("/sharing/public", headers=HTML).text.count(kept.shown) == 1
    assert client.post("/sharing/public/keys", data={"note": "x"}, headers=HTML).status_code == 403, (
        "no token"
    )


@pytest.mark.parametrize("name", ["public", "community", "isac", "picky", "own"])
def test_a_preview_is_what_an_export_holds(own: Lake, state: State, name: str) -> None:
    from noroshi.lake.state.recipients import RecipientRow

    state.recipients.add(RecipientRow("isac", "sector", "green", ""))
    state.recipients.add(RecipientRow("picky", "organisation", "amber", "", kinds=("dos-victim",)))
    with site.client(own, state) as client:
        client.headers.update(ANY)
        told = client.get(f"{PATH}/{name}/preview").json()
        for format in ("jsonl", "csv", "stix"):
            work = client.post("/api/v1/exports", json={"recipient": name, "format": format}).json()
            work = ended(client, work, ANY)
            assert (work["state"], work["count"]) == ("done", told["findings"]), work
            body = client.get(work["files"][0]["href"])
            assert "attachment" in body.headers["content-disposition"]
            if format == "jsonl":
                assert len(body.text.splitlines()) == told["findings"]
            assert work["result"]["withheld"] == told["withheld"]
            entry = state.audit.newest(1)[0]
            assert (entry.action, entry.recipient, entry.count) == ("export", name, told["findings"])
        assert sum(told["kinds"].values()) == sum(told["tlp"].values()) == told["findings"]
        assert "red" not in told["tlp"]
        assert not any("RED is" in why for why in told["withheld"]), (
            "nor is its number told to who may not see it"
        )


def test_a_sample_shows_what_the_mask_does(own: Lake, state: State) -> None:
    with site.client(own, state) as client:
        pairs = client.get(f"{PATH}/public/preview", headers=ANY).json()["sample"]
        assert {p["ours"]["kind"] for p in pairs} == {"scanner", "dos-victim"}
        victim = next(p for p in pairs if p["ours"]["kind"] == "dos-victim")
        assert victim["ours"]["subject"]["value"] == "203.0.113.77"
        assert victim["theirs"] is None or "203.0.113.77" not in str(victim["theirs"])
        page = client.get("/sharing/public", headers=HTML).text
        assert "<script>alert(1)" not in page


@pytest.mark.parametrize("role", ["viewer", "analyst"])
def test_who_may_not(own: Lake, state: State, role: str) -> None:
    key = site.add_user(state, "somebody", role)
    with site.client(own, state, open=False) as client:
        head = {"x-api-key": key}
        for path in (PATH, f"{PATH}/public/preview", f"{PATH}/public/keys", f"{PATH}/collections", "/api/v1/audit",
                     "/api/v1/notices", "/api/v1/operators", "/api/v1/optouts", "/sharing", "/sharing/public",
                     "/notices", "/audit", "/users", "/api/v1/users"):  # fmt: skip
            assert client.get(path, headers=head).status_code == 403, path
        for path in ("/api/v1/exports", f"{PATH}/public/keys", "/api/v1/notices/send", "/api/v1/users"):
            assert client.post(path, json={}, headers=head).status_code == 403, path
        assert not state.audit.newest()


def test_a_sharer_with_anothers_view_decides_nothing(own: Lake, state: State) -> None:
    """Else whoever sees CLEAR alone could look at what others are given."""
    key = site.add_user(state, "partner", "sharer", "community")
    with site.client(own, state, open=False) as client:
        head = {"x-api-key": key}
        for path in (PATH, f"{PATH}/own/preview", "/api/v1/audit", "/api/v1/recipients/collections", "/api/v1/notices",
                     "/sharing", "/sharing/own", "/sharing?part=counts&name=own", "/api/v1/operators"):  # fmt: skip
            assert client.get(path, headers=head).status_code == 403, path
        made = client.post("/api/v1/exports", json={"recipient": "own", "format": "csv"}, headers=head)
        assert made.status_code == 403
        assert client.post(f"{PATH}/own/keys", json={}, headers=head).status_code == 403


def test_a_recipients_key_shares_nothing(own: Lake, state: State) -> None:
    secret = state.tokens.issue("recipient", "own")[1]
    with site.client(own, state, open=False) as client:
        assert client.get(PATH, headers={"x-api-key": secret}).status_code == 403


def test_work_is_its_owners(own: Lake, state: State) -> None:
    one, two = (site.add_user(state, n, "sharer") for n in ("one", "two"))
    with site.client(own, state, open=False) as client:
        mine = {"x-api-key": one}
        work = client.post(
            "/api/v1/exports", json={"recipient": "public", "format": "plain"}, headers=mine
        ).json()
        work = ended(client, work, mine)
        href = work["files"][0]["href"]
        assert client.get(href, headers=mine).status_code == 200
        for path in (href, f"/api/v1/works/{work['id']}", f"/works/{work['id']}"):
            assert client.get(path, headers={"x-api-key": two}).status_code == 404, path
        assert client.get("/api/v1/works", headers={"x-api-key": two}).json() == []
        assert (
            client.get(f"/api/v1/works/{work['id']}/files/..%2f..%2fstate.db", headers=mine).status_code
            == 404
        )
        state.users.change("one", recipient="public")
        assert client.get(href, headers=mine).status_code == 404, "they see less than then"


def test_publishing(own: Lake, state: State) -> None:
    with site.client(own, state) as client:
        client.headers.update(ANY)
        work = ended(client, client.post(f"{PATH}/collections/publish?recipient=public").json(), ANY)
        assert work["state"] == "done", work
        found = client.get(f"{PATH}/collections?recipient=public").json()
        assert {c["collection"]: c["current"] for c in found} == {"findings": True, "intelligence": True}
        assert next(c for c in found if c["collection"] == "findings")["objects"] > 2
        assert client.get(f"{PATH}/collections?recipient=nobody").status_code == 404
