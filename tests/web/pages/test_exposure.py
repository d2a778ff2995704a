"""The page of exposure and of a host: what surveys found, filters in the URL, hostile texts harmless."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.web.api.services import concerns
from tests.web import hostile_lake, site

HTML = {"accept": "text/html"}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder: Path = tmp_path_factory.mktemp("exposure")
    with site.client(hostile_lake.build(folder / "lake"), State(folder)) as made:
        yield made


def clean(page: str) -> None:
    """No markup and no sign from outside stands in a page as such."""
    assert "<script>" not in page
    assert 'onmouseover="' not in page  # escaped, its quotes are &#34;
    assert not re.search("[\x00\x07\x1b\u202e\u2066\u200b]", page)


def test_it_tells_services_and_findings(client: TestClient, lake: Lake) -> None:
    page = client.get("/exposure?range=all", headers=HTML).text
    assert "5 services stood open on 4 hosts" in page
    assert "One host runs something with a known vulnerability." in page
    (finding,) = [f for f in lake.findings() if f.kind == "vulnerable-service"]
    row = next(r for r in page.split("<tr>") if finding.subject.value in r and "tcp/443" in r)
    assert f"/findings/{finding.id}" in row
    assert f"/exposure/host/{finding.subject.value}#p6-443" in row
    assert sum(f"/findings/{finding.id}" in r for r in page.split("<tr>")) == 1


@pytest.mark.parametrize("by", ["network", "scanner", "device", "<script>", "port'--"])
def test_groups_are_by_known_words_only(client: TestClient, by: str) -> None:
    page = client.get("/exposure", params={"range": "all", "by": by}, headers=HTML).text
    (asked,) = re.findall(r'data-src="/api/v1/services/groups\?by=([^&]*)&', page)
    assert asked == (by if by.isalpha() else "port")
    clean(page)


def test_filters_hold_for_all_of_it(hostile: TestClient) -> None:
    page = hostile.get("/exposure?range=all&net=203.0.113.0/29&port=53&device=", headers=HTML).text
    assert "16 services stood open on 8 hosts" in page
    (src,) = re.findall(r'data-src="([^"]*groups[^"]*)"', page)
    told = hostile.get(unescape(src)).json()
    assert told["services"] == 16
    assert 'value="203.0.113.0/29"' in page


def test_pages_join(hostile: TestClient) -> None:
    url, seen = "/exposure?range=all", []
    for _ in range(9):
        page = hostile.get(url, headers=HTML).text
        seen += re.findall(r'href="/exposure/host/([^"]*)"', page)
        following = re.search(r'href="([^"]*)" rel="next"', page)
        if not following:
            break
        url = unescape(following[1])
    assert len(seen) == len(set(seen)) == 82


def test_hostile_texts(hostile: TestClient) -> None:
    for path in ("/exposure?range=all&net=198.51.100.9", "/exposure?range=all&by=product&net=::/0",
                 "/exposure?range=all&by=org", "/exposure/host/198.51.100.9",
                 "/exposure/host/2001:db8::5"):  # fmt: skip
        page = hostile.get(path, headers=HTML).text
        clean(page)
    page = hostile.get("/exposure/host/198.51.100.9", headers=HTML).text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\x1b[2J" in page
    assert "\\u202etxt.exe" in page


@pytest.mark.parametrize(
    "words",
    [{"text": hostile_lake.SCRIPT}, {"product": "' OR 1=1 --"}, {"org": hostile_lake.ATTRIBUTE + "zz"}, {"port": "x"}],
)  # fmt: skip
def test_hostile_filters(hostile: TestClient, words: dict[str, str]) -> None:
    answer = hostile.get("/exposure", params={"range": "all", **words}, headers=HTML)
    assert answer.status_code == 200
    clean(answer.text)


def test_a_wrong_network_is_told(hostile: TestClient) -> None:
    answer = hostile.get("/exposure?range=all&net=nonsense", headers=HTML)
    assert answer.status_code == 400
    assert "nonsense" in answer.text


def test_a_host_tells_what_changed(hostile: TestClient) -> None:
    page = hostile.get("/exposure/host/198.51.100.9", headers=HTML).text
    assert "One port open when last seen. 4 looks in all." in page
    assert re.search(r'<span class="changed"><bdi>2\.4\.2</bdi>', page)
    assert not re.search(r'class="changed"><bdi>2\.4\.1', page)
    assert page.index('id="p6-80"') < page.index('id="p6-23"')  # what is open comes first
    assert "/entity/ip/198.51.100.9" in page
    assert "noroshi pivot 198.51.100.9" in page


def test_a_host_nobody_looked_at(hostile: TestClient) -> None:
    answer = hostile.get("/exposure/host/192.0.2.200", headers=HTML)
    assert answer.status_code == 404
    assert "noroshi ingest nmap.xml" in answer.text
    assert hostile.get("/exposure/host/example.net", headers=HTML).status_code == 400


def test_empty_states_say_what_to_do(hostile: TestClient, tmp_path: Path) -> None:
    elsewhen = hostile.get("/exposure?from=2001-01-01&to=2001-02-01", headers=HTML).text
    assert "2026-04-01" in elsewhen
    assert 'href="/exposure?range=all"' in elsewhen
    assert "Nothing fits." in hostile.get("/exposure?range=all&port=1", headers=HTML).text
    with site.client(Lake.open(tmp_path / "lake", create=True), State(tmp_path)) as bare:
        assert "noroshi ingest nmap.xml" in bare.get("/exposure", headers=HTML).text


def test_a_finding_concerns_the_port_it_names(lake: Lake) -> None:
    (finding,) = [f for f in lake.findings() if f.kind == "vulnerable-service"]
    assert concerns(finding, {"port": 443, "protocol": 6})
    assert not concerns(finding, {"port": 443, "protocol": 17})
    assert not concerns(finding, {"port": 80, "protocol": 6})
