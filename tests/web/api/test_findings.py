"""Findings over the API: the pattern of tests of nouns."""

from __future__ import annotations

import csv
import io

from starlette.testclient import TestClient

from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.model.tlp import Tlp
from tests.web import site

PATH = "/api/v1/findings"


def test_pages_hold_all_once(client: TestClient, lake: Lake) -> None:
    ids: list[str] = []
    cursor = ""
    while True:
        page = client.get(PATH, params={"limit": 400, "cursor": cursor}).json()
        ids += [f["id"] for f in page["items"]]
        cursor = page["next"]
        if not cursor:
            break
    assert len(ids) == len(set(ids)) == page["total"]
    assert set(ids) == {f.id for f in lake.findings(tlp=Tlp.AMBER_STRICT)}


def test_newest_first(client: TestClient) -> None:
    times = [f["last_seen"] for f in client.get(PATH).json()["items"]]
    assert times == sorted(times, reverse=True)


def test_filters(client: TestClient) -> None:
    found = client.get(PATH, params={"kind": "dos-victim,scanner", "confidence": 70}).json()["items"]
    assert found
    assert all(f["kind"] in ("dos-victim", "scanner") and f["confidence"] >= 70 for f in found)
    one = found[0]
    same = client.get(PATH, params={"subject": one["subject"]["value"]}).json()["items"]
    assert one["id"] in [f["id"] for f in same]
    assert client.get(PATH, params={"q": "no such words anywhere"}).json()["total"] == 0


def test_the_time_range(client: TestClient) -> None:
    inside = client.get(PATH, params={"from": "2026-04-01", "to": "2026-04-02"}).json()
    assert inside["total"] > 0
    assert client.get(PATH, params={"from": "2001-01-01", "to": "2001-01-02"}).json()["total"] == 0
    wrong = client.get(PATH, params={"from": "2026-04-02", "to": "2026-04-01"})
    assert wrong.status_code == 400
    assert set(wrong.json()) == {"what", "where", "todo"}


def test_a_wrong_kind_is_told(client: TestClient) -> None:
    answer = client.get(PATH, params={"kind": "' OR 1=1 --"})
    assert answer.status_code == 400
    assert answer.json()["where"] == "kind"


def test_csv(client: TestClient) -> None:
    answer = client.get(PATH, params={"format": "csv", "limit": 5})
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text.lstrip("\ufeff"))))
    assert len(rows) == 5
    assert rows[0]["id"]
    assert client.get(PATH, headers={"accept": "text/csv"}).headers["content-type"].startswith("text/csv")


def test_a_tag_saves_the_way(client: TestClient) -> None:
    first = client.get(PATH)
    again = client.get(PATH, headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304
    assert not again.content


def test_a_cursor_of_another_question_is_none(client: TestClient) -> None:
    cursor = client.get(PATH, params={"limit": 1}).json()["next"]
    assert client.get(PATH, params={"limit": 1, "cursor": cursor}).status_code == 200
    for wrong in ({"kind": "scanner", "cursor": cursor}, {"cursor": cursor[:-2] + "AA"}, {"cursor": "ü"}):
        assert client.get(PATH, params=wrong).status_code == 400


def test_one(client: TestClient) -> None:
    first = client.get(PATH, params={"limit": 1}).json()["items"][0]
    assert client.get(f"{PATH}/{first['id']}").json() == first
    assert client.get(f"{PATH}/{first['id'][:8]}").json() == first
    missing = client.get(f"{PATH}/00000000-0000")
    assert missing.status_code == 404
    assert missing.json()["what"]


def test_the_public_gets_what_it_may_see(lake: Lake, state: State) -> None:
    from noroshi.share.marking import RECIPIENTS
    from noroshi.work.gate import open_view

    key = site.add_user(state, "guest", "viewer", "public")
    view = open_view(lake, site.config_of(), RECIPIENTS["public"])
    with site.client(lake, state, open=False) as client:
        told = client.get(PATH, params={"limit": 1000}, headers={"authorization": f"Bearer {key}"}).json()
    assert told["total"] == len(view.findings(wanted=False))
