"""The lake's page: the pattern of tests of pages."""

from __future__ import annotations

from starlette.testclient import TestClient

from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from tests.web import site

HTML = {"accept": "text/html"}


def test_it_tells_sources_and_rows(client: TestClient) -> None:
    page = client.get("/lake", headers=HTML)
    assert page.status_code == 200
    assert "published-captures" in page.text
    assert "synthetic-day" in page.text
    assert "noroshi lake status" in page.text


def test_in_japanese(client: TestClient) -> None:
    page = client.get("/lake", headers=HTML | {"accept-language": "ja,en;q=0.5"})
    assert '<html lang="ja"' in page.text
    assert "情報源" in page.text


def test_a_part_is_the_table_alone(client: TestClient) -> None:
    part = client.get("/lake?part=runs&source=synthetic-day", headers=HTML).text
    assert "<html" not in part
    assert "day.pcap.zst" in part
    assert "cowrie.json" not in part


def test_the_first_page_leads_somewhere(client: TestClient) -> None:
    found = client.get("/", headers=HTML)
    assert found.status_code == 303
    assert client.get(found.headers["location"], headers=HTML).status_code == 200


def test_an_empty_lake_says_what_to_do(tmp_path: object, state: State) -> None:
    from pathlib import Path

    assert isinstance(tmp_path, Path)
    with site.client(Lake.open(tmp_path / "empty"), state) as client:
        page = client.get("/lake", headers=HTML)
    assert page.status_code == 200
    assert "noroshi ingest FILE" in page.text


def test_the_public_sees_no_more_than_it_may(lake: Lake, state: State) -> None:
    key = site.add_user(state, "guest", "viewer", "public")
    with site.client(lake, state, open=False) as client:
        page = client.get("/lake", headers=HTML | {"x-api-key": key})
    assert page.status_code == 200
    assert "On disk" not in page.text, "sizes speak of rows nobody else may see"
