"""Reports over the API: made beside the requests, opened under a policy of their own."""

from __future__ import annotations

from starlette.testclient import TestClient

from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.web.security.headers import CSP
from tests.web import site
from tests.web.api.test_recipients import ended

PATH = "/api/v1/reports"
ANY = {"authorization": "Bearer any"}


def test_in_both_languages(client: TestClient, state: State) -> None:
    client.headers.update(ANY)
    made = client.post(PATH, json={"period": "month", "langs": ["en", "ja"]})
    assert (made.status_code, made.headers["location"]) == (202, f"/api/v1/works/{made.json()['id']}")
    work = ended(client, made.json(), ANY)
    assert work["result"]["langs"] == ["en", "ja"], work
    for lang in ("en", "ja"):
        for path in (f"{PATH}/{work['id']}/{lang}", f"/reports/{work['id']}/{lang}"):
            shown = client.get(path)
            policy = shown.headers["content-security-policy"]
            assert f'<html lang="{lang}">' in shown.text
            assert policy.startswith("sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:")
            assert "script-src" not in policy
            assert "allow-scripts" not in policy
    assert client.get("/reports", headers={"accept": "text/html"}).headers["content-security-policy"] == CSP
    assert [e.detail["format"] for e in state.audit.newest() if e.action == "export"] == ["report"]
    assert client.get(f"{PATH}/{work['id']}/fr").status_code == 422
    assert client.get(f"{PATH}/nothing/en").status_code == 404


def test_a_period_that_is_none(client: TestClient) -> None:
    work = ended(client, client.post(PATH, json={"period": "<script>"}, headers=ANY).json(), ANY)
    assert (work["state"], work["files"]) == ("failed", [])
    assert "no period" in work["problem"]["what"]
    page = client.get(f"/works/{work['id']}", headers={"accept": "text/html"} | ANY).text
    assert "<script>'" not in page


def test_others_reports_are_for_sharers(lake: Lake, state: State) -> None:
    keys = {r: site.add_user(state, r, r, to) for r, to in (("viewer", "public"), ("sharer", "own"))}
    with site.client(lake, state, open=False) as client:
        head = {"x-api-key": keys["viewer"]}
        assert client.post(PATH, json={"recipient": "own"}, headers=head).status_code == 403
        assert (
            client.post(PATH, json={"period": "month"}, headers=head).json()["about"]["recipient"] == "public"
        )
        told = client.post(PATH, json={"recipient": "community"}, headers={"x-api-key": keys["sharer"]})
        assert told.json()["about"]["recipient"] == "community"
        ended(client, told.json(), {"x-api-key": keys["sharer"]})
