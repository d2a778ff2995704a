"""The page of honeypots and of a visit: totals, rankings, what was typed shown and harmless."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.web.api.decoys import address_of
from noroshi.web.pages.honeypots import RANKS
from tests.web import hostile_lake, site
from tests.web.pages.test_exposure import clean

HTML = {"accept": "text/html"}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder: Path = tmp_path_factory.mktemp("honeypots")
    with site.client(hostile_lake.build(folder / "lake"), State(folder)) as made:
        yield made


def test_it_tells_visits_and_logins(client: TestClient, lake: Lake) -> None:
    page = client.get("/honeypots?range=all", headers=HTML).text
    shot = lake.snapshot()
    sources = shot.sql("SELECT count(DISTINCT src_ip) AS n FROM sessions")["n"][0].as_py()
    assert f"{shot.count('sessions')} visits from {sources} sources." in page
    assert page.count("/honeypots/session/") == shot.count("sessions")
    assert {*re.findall(r'hx-get="/honeypots/top\?what=([a-z0-9]+)&', page)} == set(RANKS)


def test_pictures_and_files_answer(client: TestClient) -> None:
    page = client.get("/honeypots?range=all", headers=HTML).text
    sources = re.findall(r'(?:data-src|hx-get)="([^"]+)"', page) + re.findall(
        r'href="([^"]*format=csv[^"]*)"', page
    )
    assert len(sources) > 20
    for src in sources:
        assert client.get(unescape(src)).status_code == 200, src


def test_only_the_busy(client: TestClient, lake: Lake) -> None:
    page = client.get("/honeypots?range=all&busy=1", headers=HTML).text
    busy = lake.snapshot().sql("SELECT session_id FROM sessions WHERE login_success OR command_count > 0")
    assert {*re.findall(r'/honeypots/session/([^?"]+)', page)} == {*busy["session_id"].to_pylist()}


@pytest.mark.parametrize("name", hostile_lake.NAMES)
def test_a_visit_of_any_name(hostile: TestClient, name: str) -> None:
    page = hostile.get("/honeypots?range=all", headers=HTML).text
    links = [unescape(h) for h in re.findall(r'href="(/honeypots/session[^"]*)"', page)]
    found = [h for h in links if (answer := hostile.get(h, headers=HTML)).status_code == 200
             and f"<bdi class=\"mono big\">{_escaped(name)}</bdi>" in answer.text]  # fmt: skip
    assert len(found) == 1
    clean(page)
    clean(hostile.get(found[0], headers=HTML).text)


def _escaped(text: str) -> str:
    from markupsafe import escape

    return str(escape(text))


def test_what_was_typed_is_shown_and_harmless(hostile: TestClient) -> None:
    page = hostile.get("/honeypots/session/plain-1", headers=HTML).text
    clean(page)
    assert "\\x1b[2J\\x1b]0;owned\\x07" in page
    assert "echo \\u202etxt.exe\\u2066\\u200b" in page
    assert "/entity/domain/evil.example" in page
    assert f"/entity/sha256/{'ab' * 32}" in page
    assert "/entity/ip/198.51.100.9" in page
    assert "/entity/domain/mail.example.net" in page
    kinds = re.findall(r'<li data-what="([a-z]+)"', page)
    assert kinds == ["login", *["command"] * 3, "transfer", "relay", "relay"]


@pytest.mark.parametrize("what", RANKS)
def test_rankings(hostile: TestClient, what: str) -> None:
    part = hostile.get(f"/honeypots/top?range=all&what={what}", headers=HTML).text
    assert "<html" not in part
    clean(part)


def test_a_name_given_twice_is_asked_about(hostile: TestClient) -> None:
    page = hostile.get(f"/honeypots/session/{hostile_lake.TWICE}", headers=HTML).text
    assert "3 visits have this name" in page
    links = [unescape(h) for h in re.findall(r'href="(/honeypots/session/7\?decoy=[^"]*)"', page)]
    users = {hostile.get(h, headers=HTML).text.count("data-what=") for h in links}
    assert (len(links), users) == (3, {1})


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/honeypots/session/nobody", 404), ("/honeypots/session/", 404), ("/honeypots/session/a%0Ab", 404),
        ("/honeypots/session?id=%27%20OR%20%271%27=%271", 404), ("/honeypots/session/7?at=<script>", 400),
        ("/honeypots?cursor=%27%20OR%201", 400), ("/honeypots/top?what=run_id", 422),
    ],
)  # fmt: skip
def test_what_there_is_not(hostile: TestClient, path: str, status: int) -> None:
    answer = hostile.get(path, headers=HTML)
    assert answer.status_code == status
    clean(answer.text)


def test_empty_states_say_what_to_do(hostile: TestClient, tmp_path: Path) -> None:
    elsewhen = hostile.get("/honeypots?from=2001-01-01&to=2001-02-01", headers=HTML).text
    assert 'href="/honeypots?range=all"' in elsewhen
    with site.client(Lake.open(tmp_path / "lake", create=True), State(tmp_path)) as bare:
        assert "noroshi ingest cowrie.json" in bare.get("/honeypots", headers=HTML).text


def test_names_that_do_not_fit_a_path_stand_in_the_query() -> None:
    for name in hostile_lake.NAMES[1:]:
        row = {"session_id": name, "decoy": "d", "first_seen": hostile_lake.START}
        assert address_of(row).startswith("/honeypots/session?id=")
