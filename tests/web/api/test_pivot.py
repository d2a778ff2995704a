"""Pivot, why and search over the API."""

from __future__ import annotations

import csv
import io

import pytest
from starlette.testclient import TestClient

from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.work.pivot import ask
from tests.web import site

PATH = "/api/v1/pivot"
ATTACKER = "198.51.100.23"
ANY = {"authorization": "Bearer any"}


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.lstrip("\ufeff"))))


def test_it_says_what_the_command_says(client: TestClient, lake: Lake) -> None:
    told = client.get(PATH, params={"value": "198.51.100[.]23", "below": True}).json()
    same = ask(lake.snapshot(), site.config_of(), ATTACKER).to_json()
    for name in ("kind", "value", "count", "first_seen", "last_seen", "histogram", "related_total"):
        assert told[name] == same[name], name
    assert [(t["table"], t["role"], t["count"]) for t in told["tables"]] == [
        (t["table"], t["role"], t["count"]) for t in same["tables"]
    ]
    assert {f["id"] for f in told["findings"]} == {f["id"] for f in same["findings"]}
    assert all(row["row"] for t in told["tables"] for row in t["rows"])


def test_a_tag_and_lists_as_csv(client: TestClient) -> None:
    first = client.get(PATH, params={"value": ATTACKER})
    again = client.get(PATH, params={"value": ATTACKER}, headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304
    told = first.json()
    for name, n in (
        ("tables", len(told["tables"])), ("related", len(told["related"])), ("histogram", len(told["histogram"])),
        ("rows", sum(len(t["rows"]) for t in told["tables"])),
    ):  # fmt: skip
        answer = client.get(PATH, params={"value": ATTACKER, "list": name, "format": "csv"})
        assert answer.headers["content-type"].startswith("text/csv")
        assert len(rows(answer.text)) == n, name


@pytest.mark.parametrize("by", ["table", "source", "role"])
def test_every_observation_is_in_the_timeline(client: TestClient, by: str) -> None:
    told = client.get(f"{PATH}/timeline", params={"value": ATTACKER, "by": by}).json()
    assert (
        sum(s["total"] for s in told["series"])
        == client.get(PATH, params={"value": ATTACKER}).json()["count"]
    )
    assert all(sum(s["values"]) == s["total"] and len(s["values"]) == len(told["x"]) for s in told["series"])
    table = rows(client.get(f"{PATH}/timeline", params={"value": ATTACKER, "by": by, "format": "csv"}).text)
    assert [r["day"] for r in table] == told["x"]
    nothing = client.get(f"{PATH}/timeline", params={"value": ATTACKER, "until": "2020-01-01"}).json()
    assert nothing["x"] == nothing["series"] == []


def test_the_graph_joins_what_stands_together(client: TestClient) -> None:
    told = client.get(f"{PATH}/graph", params={"value": ATTACKER}).json()
    nodes, edges = told["nodes"], told["edges"]
    assert nodes[0]["value"] == ATTACKER
    assert {j for i, j, _ in edges if i == 0} == set(range(1, len(nodes)))
    among = {frozenset((nodes[i]["value"], nodes[j]["value"])) for i, j, _ in edges if i}
    # A download's URL and the file's hash stand in one row.
    assert any("cdn.update-node" in a + b for a, b in map(tuple, among))
    assert all(0 <= i < j < len(nodes) and n > 0 for i, j, n in edges)


def test_a_time(client: TestClient) -> None:
    whole = client.get(PATH, params={"value": ATTACKER}).json()
    day = whole["histogram"][0]["day"]
    same = client.get(
        PATH, params={"value": ATTACKER, "since": day, "until": whole["histogram"][-1]["day"]}
    ).json()
    assert same["count"] == whole["count"]
    before = client.get(PATH, params={"value": ATTACKER, "until": "2020-01-01"}).json()
    assert (before["count"], before.get("first_seen")) == (0, None)


def test_wrong_questions(client: TestClient) -> None:
    for params in (
        {"value": ""}, {"value": "x" * 5000}, {"value": "1.2.3.4", "kind": "nonsense"}, {"value": "no", "kind": "ip"},
        {"value": "1.2.3.4", "since": "yesterday"}, {"value": "1.2.3.4", "rows": 0}, {"value": "a\0b"},
        {"value": "root:root", "kind": "credential"}, {"value": ATTACKER, "list": "everything"},
    ):  # fmt: skip
        answer = client.get(PATH, params=params)
        assert 400 <= answer.status_code < 500, params
        assert set(answer.json()) == {"what", "where", "todo"}


def test_a_credential_is_asked_for_in_a_body(client: TestClient, lake: Lake) -> None:
    one = (
        lake.snapshot()
        .sql("SELECT username, password FROM logins WHERE password IS NOT NULL LIMIT 1")
        .to_pylist()[0]
    )
    pair = f"{one['username']}:{one['password']}"
    told = client.post(PATH, json={"value": pair, "kind": "credential"}, headers=ANY).json()
    assert told["value"] == lake.credential(one["username"], one["password"])
    assert told["count"] > 0
    assert client.post(PATH, json={"value": "nocolon", "kind": "credential"}, headers=ANY).status_code == 400
    found = client.post("/api/v1/search", json={"q": pair}, headers=ANY).json()
    assert [(m["kind"], m["value"]) for m in found["meanings"]] == [("credential", told["value"])]


def test_why_by_both_names(client: TestClient, lake: Lake) -> None:
    tables = client.get(PATH, params={"value": ATTACKER}).json()["tables"]
    row = next(t["rows"][0] for t in tables if t["table"] == "logins")
    by_place = client.get(f"/api/v1/why/{row['row']}").json()
    (run,) = by_place["runs"]
    run_id, _, offset = row["row"].partition(":")
    assert run["run_id"].startswith(run_id)
    by_digest = client.get(f"/api/v1/why/logins:{run['sha256'][:12]}:{offset}").json()
    assert by_digest["raw"] == by_place["raw"]
    assert ATTACKER in by_digest["raw"]
    assert by_digest["raw_from"] == "source"
    finding = lake.findings()[0]
    assert client.get(f"/api/v1/why/{finding.id}").json()["finding"]["id"] == finding.id
    assert client.get("/api/v1/why/logins:000000000000:1").status_code == 404


def test_why_tells_a_view_what_it_may_see(lake: Lake, state: State) -> None:
    """A partner is told neither paths nor digests nor raw text, and nothing at all of what is not theirs to see."""
    from noroshi.lake.state.recipients import RecipientRow

    state.recipients.add(RecipientRow("partner", "community", "green", "plain"))
    key = site.add_user(state, "them", "analyst", "partner")
    with site.client(lake, state) as client:
        tables = client.get(PATH, params={"value": ATTACKER}).json()["tables"]
        names = [t["rows"][0]["row"] for t in tables if t["rows"]]
        whole = [client.get(f"/api/v1/why/{n}").json() for n in names]
    with site.client(lake, state, open=False) as client:
        head = {"authorization": f"Bearer {key}"}
        for name, all_of_it in zip(names, whole, strict=True):
            answer = client.get(f"/api/v1/why/{name}", headers=head)
            marking = all_of_it["runs"][0]["tlp"]
            assert answer.status_code == (200 if marking in ("clear", "green") else 404), (name, marking)
            if answer.status_code == 200:
                told = answer.json()
                assert told["raw"] == ""
                assert [(r["sha256"], r["path"]) for r in told["runs"]] == [(None, "")]
        digest = whole[-1]["runs"][0]["sha256"][:12]
        assert client.get(f"/api/v1/why/logins:{digest}:0", headers=head).status_code == 404


def test_search(client: TestClient) -> None:
    told = client.get("/api/v1/search", params={"q": "wget", "words": True}).json()
    assert told["complete"] is True
    assert {w["table"] for w in told["words"]} >= {"commands"}
    assert client.get("/api/v1/search", params={"q": "198.51.100[.]23"}).json()["meanings"] == [
        {"kind": "ip", "value": ATTACKER, "count": 140, "path": f"/entity/ip/{ATTACKER}"}
    ]
    assert client.get("/api/v1/search", params={"q": ""}).status_code == 422
