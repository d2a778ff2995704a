"""Findings and cases as pages: filters, triage, cases, and who may do what."""

from __future__ import annotations

from pathlib import Path

import pytest

from noroshi.ask.verdicts import newest
from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.model.finding import Finding, Rule, Subject
from noroshi.model.tlp import Tlp
from noroshi.web.pages.findings import evidence
from tests.web import site

HTML = {"accept": "text/html"}
ANY = {"authorization": "Bearer any"}
"""`serve --open` takes any key; with one, no form's token is asked for."""


@pytest.fixture
def own(tmp_path: Path) -> Lake:
    """A lake of its own, for tests that write: findings of three markings, one of them hostile."""
    from datetime import UTC, datetime

    lake = Lake.open(tmp_path / "lake")
    start = datetime(2024, 4, 1, tzinfo=UTC)
    lake.put_findings(
        [
            Finding("scanner", Subject("ip", f"203.0.113.{n}"), Rule("scanner", 1), start, start, 80,
                    {"en": f"<script>alert({n})</script>\u202e", "ja": "x"}, {"text": "<b>\x1b[2J", "n": n}, tlp=tlp)
            for n, tlp in enumerate((Tlp.CLEAR, Tlp.GREEN, Tlp.AMBER_STRICT))
        ]
    )  # fmt: skip
    return lake


def ids(lake: Lake) -> list[str]:
    return [f.id for f in sorted(lake.findings(), key=lambda f: f.subject.value)]


def test_filters_and_hostile_text(own: Lake, state: State) -> None:
    with site.client(own, state) as client:
        page = client.get("/findings?range=all", headers=HTML).text
        assert page.count('name="ids"') == 3
        assert "<script>alert" not in page
        assert "&lt;script&gt;" in page
        assert "\u202e" not in page
        assert client.get("/findings?range=all&tlp=green", headers=HTML).text.count('name="ids"') == 1
        assert client.get("/findings?kind=nonsense", headers=HTML).status_code == 400
        one = client.get(f"/findings/{ids(own)[0]}", headers=HTML).text
        assert "\x1b" not in one
        assert "&lt;b&gt;\\x1b[2J" in one


def test_triage_shows_at_once(own: Lake, state: State) -> None:
    with site.client(own, state) as client:
        client.headers.update(ANY)
        chosen = ids(own)[:2]
        answer = client.post(
            "/api/v1/verdicts", json={"findings": chosen, "verdict": "false", "comment": "lab"}
        )
        assert answer.status_code == 201, answer.text
        assert {v["verdict"] for v in client.get("/api/v1/verdicts").json()} == {"false"}
        assert client.get("/findings?range=all&verdict=false", headers=HTML).text.count('name="ids"') == 2
        assert client.get("/api/v1/verdicts/rules").json()[0]["false"] == 2
    assert set(newest(own.snapshot())) == set(chosen)
    assert [e.action for e in state.audit.newest()][:1] == ["verdict"]


def test_who_may_not_see_is_told_nothing(own: Lake, state: State) -> None:
    key = site.add_user(state, "partner", "analyst", "public")
    with site.client(own, state, open=False) as client:
        head = {"authorization": f"Bearer {key}"}
        listed = client.get("/api/v1/findings", headers=head).json()
        assert [f["id"] for f in listed["items"]] == ids(own)[:1]
        hidden = client.post(
            "/api/v1/verdicts", json={"findings": ids(own)[2:], "verdict": "true"}, headers=head
        )
        unknown = client.post(
            "/api/v1/verdicts", json={"findings": ["0" * 36], "verdict": "true"}, headers=head
        )
        assert hidden.status_code == unknown.status_code == 404
        assert hidden.json()["what"] == unknown.json()["what"]


def test_a_viewer_may_only_look(own: Lake, state: State) -> None:
    key = site.add_user(state, "viewer", "viewer")
    with site.client(own, state, open=False) as client:
        head = {"authorization": f"Bearer {key}"}
        assert client.get("/cases", headers=head | HTML).status_code == 200
        for path, body in (
            ("/api/v1/verdicts", {"findings": ids(own), "verdict": "true"}),
            ("/api/v1/cases", {"title": "x"}),
        ):
            assert client.post(path, json=body, headers=head).status_code == 403
        assert '<form method="post"' not in client.get("/cases", headers=head | HTML).text


def test_a_case_by_the_api(own: Lake, state: State) -> None:
    with site.client(own, state) as client:
        client.headers.update(ANY)
        made = client.post(
            "/api/v1/cases", json={"title": "Wave", "findings": ids(own), "values": ["203.0.113.9"]}
        ).json()
        assert (made["items"], made["tlp"]) == (4, "amber+strict")
        where = f"/api/v1/cases/{made['id']}"
        assert client.post(f"{where}/comments", json={"text": "見ました"}).status_code == 201
        assert client.patch(where, json={"state": "closed", "assignee": "aya"}).json()["state"] == "closed"
        assert client.patch(where, json={"state": "burning"}).status_code == 422
        assert (
            client.post(f"{where}/items", json={"values": ["203.0.113.9", "example.com"]}).json()["items"]
            == 5
        )
        page = client.get(f"/cases/{made['id']}", headers=HTML).text
        assert "見ました" in page
        assert client.get("/api/v1/cases?state=active").json()["items"] == []
        assert client.get("/api/v1/cases/999").status_code == 404
        assert client.get("/api/v1/cases?format=csv&state=").text.count("Wave") == 1


def test_cases_page_by_page(own: Lake, state: State) -> None:
    with site.client(own, state) as client:
        for n in range(5):
            client.post("/api/v1/cases", json={"title": f"case {n}"}, headers=ANY)
        seen, cursor = [], ""
        for _ in range(9):
            page = client.get("/api/v1/cases", params={"limit": 2, "cursor": cursor}).json()
            seen += [c["title"] for c in page["items"]]
            cursor = page["next"]
            if not cursor:
                break
        assert seen == [f"case {n}" for n in (4, 3, 2, 1, 0)]
        assert client.get("/api/v1/cases?cursor=forged").status_code == 400


def test_a_case_is_for_who_may_see_what_is_in_it(own: Lake, state: State) -> None:
    key = site.add_user(state, "partner", "analyst", "community")
    with site.client(own, state) as client:
        number = client.post(
            "/api/v1/cases", json={"title": "secret", "findings": ids(own)[2:]}, headers=ANY
        ).json()["id"]
    with site.client(own, state, open=False) as client:
        head = {"authorization": f"Bearer {key}"}
        assert client.get(f"/api/v1/cases/{number}", headers=head).status_code == 404
        assert client.get("/api/v1/cases", headers=head).json()["items"] == []
        assert (
            client.post(f"/api/v1/cases/{number}/comments", json={"text": "x"}, headers=head).status_code
            == 404
        )


def test_evidence_is_shown_by_its_kind(own: Lake) -> None:
    from dataclasses import replace

    finding = replace(
        own.findings()[0], evidence={"t": [{"a": 1}], "l": [1], "p": {"a": 1}, "s": "x", "n": 3, "e": []}
    )
    assert [(name, how) for name, _, how in evidence(finding)] == [
        ("n", "number"), ("s", "text"), ("p", "pairs"), ("l", "list"), ("t", "table")
    ]  # fmt: skip
