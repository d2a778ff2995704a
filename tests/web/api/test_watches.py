"""Watches over the API: added, looked for, taken away."""

from __future__ import annotations

from pathlib import Path

import pytest

from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from tests.web import site
from tests.web.api.test_recipients import ended

PATH = "/api/v1/watches"
ANY = {"authorization": "Bearer any"}
HTML = {"accept": "text/html"}


def test_from_adding_to_a_hit(state: State, tmp_path: Path) -> None:
    from noroshi.work.ingest import ingest

    lake = Lake.open(tmp_path / "lake")
    ingest(lake, [site.SAMPLES / "mixed" / "cowrie.json"], config=site.config_of())
    value = lake.snapshot().sql("SELECT value FROM links WHERE kind = 'ip' LIMIT 1").to_pylist()[0]["value"]
    with site.client(lake, state) as client:
        client.headers.update(ANY)
        made = client.post(PATH, json={"value": value, "note": "<script>alert(1)</script>"})
        assert made.status_code == 201, made.text
        assert client.post(PATH, json={"value": value}).json()["id"] == made.json()["id"], "watched once"
        work = ended(client, client.post(f"{PATH}/check").json(), ANY)
        assert work["state"] == "done", work
        assert work["count"] > 0
        (told,) = client.get(PATH).json()
        assert told["hits"] == work["count"]
        hits = client.get(f"{PATH}/{told['id']}/hits").json()
        assert hits["total"] == told["hits"]
        assert hits["items"][0]["subject"]["value"] == value
        page = client.get("/watches", headers=HTML).text
        assert "<script>alert" not in page
        assert client.delete(f"{PATH}/{told['id']}").status_code == 200
        assert client.delete(f"{PATH}/{told['id']}").status_code == 404
        assert client.get(f"{PATH}/{told['id']}/hits").status_code == 404


@pytest.mark.parametrize("wrong", [{}, {"value": ""}, {"value": "ab"}, {"value": "x", "kind": "nonsense"},
                                   {"value": "no address", "kind": "ip"}, {"value": "x" * 3000}])  # fmt: skip
def test_what_cannot_be(client: object, state: State, wrong: dict[str, str]) -> None:
    assert client.post(PATH, json=wrong, headers=ANY).status_code in (400, 422)  # type: ignore[attr-defined]
    assert not state.watches.all()


def test_who_is_told_what_is_watched(lake: Lake, state: State) -> None:
    state.watches.add("ip", "192.0.2.1", "secret")
    keys = {n: site.add_user(state, n, r, to) for n, r, to in (
        ("viewer", "viewer", "own"), ("partner", "analyst", "community"), ("analyst", "analyst", "own"))}  # fmt: skip
    with site.client(lake, state, open=False) as client:
        for name, status in (("viewer", 403), ("partner", 403), ("analyst", 200)):
            for path in (PATH, "/watches"):
                assert client.get(path, headers={"x-api-key": keys[name]}).status_code == status, (name, path)
