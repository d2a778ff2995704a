"""What decoys saw: passwords are for analysts, visits are found by any name, twice given ones are told apart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from noroshi.ask import decoys
from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.model.tlp import Tlp
from tests.web import hostile_lake, site

BASE = "/api/v1/decoys"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return hostile_lake.build(tmp_path_factory.mktemp("decoys") / "lake")


@pytest.fixture(scope="module")
def hostile(store: Lake, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with site.client(store, State(tmp_path_factory.mktemp("state"))) as made:
        yield made


def bearer(state: State, role: str) -> dict[str, str]:
    return {"authorization": f"Bearer {site.add_user(state, role, role)}"}


def test_totals(client: TestClient, lake: Lake) -> None:
    told = client.get(f"{BASE}/totals?range=all").json()
    shot = lake.snapshot()
    assert told["sessions"] == shot.count("sessions")
    assert told["logins"] == shot.count("logins")
    assert told["commands"] == shot.count("commands")


@pytest.mark.parametrize("what", list(decoys.TOPS))
def test_rankings(client: TestClient, what: str) -> None:
    told = client.get(f"{BASE}/top?range=all&what={what}").json()
    assert [r["count"] for r in told] == sorted((r["count"] for r in told), reverse=True)
    csv = client.get(f"{BASE}/top?range=all&what={what}&format=csv").text
    assert csv.lstrip("\ufeff").startswith("value,count,sources")


def test_passwords_are_for_analysts(store: Lake, tmp_path: Path) -> None:
    state = State(tmp_path)
    viewer, analyst = bearer(state, "viewer"), bearer(state, "analyst")
    with site.client(store, state, open=False) as closed:
        for what in decoys.SECRET:
            url = f"{BASE}/top?range=all&what={what}"
            # The answer kept for one is not given to the other.
            assert "hunter" in closed.get(url, headers=analyst).text
            assert closed.get(url, headers=viewer).status_code == 403
        for form in ("json", "csv"):
            url = f"{BASE}/session?id=plain-1&format={form}"
            assert "hunter" in closed.get(url, headers=analyst).text
            assert "hunter" not in closed.get(url, headers=viewer).text
        for path in (
            "/honeypots/session/plain-1",
            "/honeypots?range=all",
            "/honeypots/top?what=username&range=all",
        ):
            assert "hunter" not in closed.get(path, headers=viewer).text
        assert "hunter" in closed.get("/honeypots/session/plain-1", headers=analyst).text
        assert closed.get("/honeypots/top?what=password&range=all", headers=viewer).status_code == 403


def test_rows_of_logins_hold_passwords_for_analysts_alone(store: Lake, tmp_path: Path) -> None:
    state = State(tmp_path)
    viewer, analyst = bearer(state, "viewer"), bearer(state, "analyst")
    with site.client(store, state, open=False) as closed:
        url = "/api/v1/tables/logins/rows"
        told = closed.get(url, headers=viewer)
        assert told.status_code == 200
        assert "hunter" not in told.text
        assert "hunter" in closed.get(url, headers=analyst).text
        for query in (
            "password.prefix=h",
            "columns=password",
            "columns=ts,password&format=csv",
            "password=hunter1",
        ):
            assert closed.get(f"{url}?{query}", headers=viewer).status_code == 403, query
            assert closed.get(f"{url}?{query}", headers=analyst).status_code == 200, query


@pytest.mark.parametrize(
    "path",
    ["/exposure", "/exposure/host/198.51.100.9", "/honeypots", "/honeypots/top?what=source",
     "/honeypots/session/plain-1",
     "/api/v1/services", "/api/v1/services/groups", "/api/v1/hosts/198.51.100.9", "/api/v1/decoys/totals",
     "/api/v1/decoys/top", "/api/v1/decoys/sessions", "/api/v1/decoys/session?id=plain-1"],
)  # fmt: skip
def test_a_masked_view_is_refused(tmp_path: Path, path: str) -> None:
    """What is asked here is not masked: who has such a view is told so, and nothing else."""
    state = State(tmp_path)
    key = site.add_user(state, "outside", "analyst", "public")
    lake = hostile_lake.build(tmp_path / "lake", Tlp.CLEAR)
    with site.client(lake, state, open=False) as closed:
        asked = {"authorization": f"Bearer {key}", "accept": "text/html" if "/api/" not in path else "*/*"}
        told = closed.get(path, headers=asked)
    assert told.status_code == 403
    assert "anonymised" in told.text
    assert "203.0.113" not in told.text
    assert "hunter" not in told.text


def test_pages_join(hostile: TestClient) -> None:
    whole = hostile.get(f"{BASE}/sessions?range=all&limit=1000").json()["items"]
    seen, cursor = [], ""
    for _ in range(20):
        page = hostile.get(f"{BASE}/sessions", params={"range": "all", "limit": 2, "cursor": cursor}).json()
        seen += page["items"]
        if not (cursor := page["next"]):
            break
    assert seen == whole
    assert len(seen) == len(hostile_lake.NAMES) + 3
    assert [r["session_id"] for r in hostile.get(f"{BASE}/sessions?range=all&busy=1").json()["items"]] == [
        "plain-1"
    ]


@pytest.mark.parametrize("name", hostile_lake.NAMES)
def test_any_name_is_found(hostile: TestClient, name: str) -> None:
    told = hostile.get(f"{BASE}/session", params={"id": name}).json()
    assert [v["session_id"] for v in told["visits"]] == [name]
    assert told["events"][0]["what"] == "login"


def test_a_visit_in_order(hostile: TestClient) -> None:
    told = hostile.get(f"{BASE}/session?id=plain-1").json()["events"]
    assert [e["what"] for e in told] == ["login", *["command"] * 3, "transfer", "relay", "relay"]
    assert told[1]["text"] == hostile_lake.ESCAPES  # JSON tells what was typed; pages make it harmless
    assert told[0]["password"] == "hunter0\u202e"


def test_a_name_given_twice(hostile: TestClient) -> None:
    told = hostile.get(f"{BASE}/session?id=7").json()
    assert len(told["visits"]) == 3
    begins = {v["first_seen"]: v["decoy"] for v in told["visits"]}
    users = []
    for at, decoy in begins.items():
        one = hostile.get(f"{BASE}/session", params={"id": "7", "at": at, "decoy": decoy}).json()
        assert len(one["visits"]) == 1
        users.append([e["username"] for e in one["events"]])
    assert sorted(users) == [["early"], ["elsewhere"], ["late"]]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{BASE}/session?id=nobody'%20OR%20'1'='1", 404), (f"{BASE}/session?id=", 422), (f"{BASE}/session", 422),
        (f"{BASE}/session?id=7&at=yesterday", 400), (f"{BASE}/top?what=run_id", 422),
        (f"{BASE}/top?what=password;DROP", 422), (f"{BASE}/sessions?busy=perhaps", 422),
        (f"{BASE}/sessions?cursor=AAAA", 400), (f"{BASE}/session?id={'x' * 1001}", 422),
    ],
)  # fmt: skip
def test_wrong_questions_are_refused(hostile: TestClient, path: str, status: int) -> None:
    told = hostile.get(path)
    assert told.status_code == status
    assert set(told.json()) == {"what", "where", "todo"}


def test_what_a_recipient_may_not_see_is_not_counted(tmp_path: Path) -> None:
    strict = hostile_lake.build(tmp_path / "lake", Tlp.RED)
    with site.client(strict, State(tmp_path)) as client:
        assert client.get(f"{BASE}/totals?range=all").json()["sessions"] == 0
        assert client.get(f"{BASE}/session?id=plain-1").status_code == 404
        assert client.get("/api/v1/services/groups?range=all").json()["services"] == 0
