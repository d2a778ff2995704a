"""The page of a value, its provenance and the search: every kind, hostile values, and what a view is not told."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.lake.state.recipients import RecipientRow
from noroshi.model.observable import CANONICAL, canonical
from noroshi.model.tlp import Tlp
from noroshi.web.render import entity_url
from tests.web import site

HTML = {"accept": "text/html"}
ANY = {"authorization": "Bearer any"}
ATTACKER = "198.51.100.23"
EXAMPLES = {
    "ip": "192.0.2.77", "prefix": "192.0.2.0/25", "asn": "AS64511", "cve": "CVE-2099-0001", "technique": "T1999",
    "purl": "pkg:npm/nobody@1.0", "cpe": "cpe:2.3:a:no:body:1.0:*:*:*:*:*:*:*", "advisory": "GHSA-2222-3333-4444",
    "md5": "0" * 32, "sha1": "0" * 40, "sha256": "0" * 64, "sha512": "0" * 128, "imphash": "1" * 32,
    "ssdeep": "3:AXGBicFlgVNhBGcL6wCrFQEv:AXGHsNhxLsr2C", "tlsh": "T1" + "A" * 70, "hassh": "2" * 32,
    "ja3": "3" * 32, "ja3s": "4" * 32, "ja4": "t13d1516h2_8daaf6152771_b186095e22b6",
    "ja4s": "t130200_1301_234ea6891581", "certificate": "5" * 64, "ssh-key": "SHA256:" + "A" * 43,
    "credential": "hmac:" + "6" * 64, "wallet": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
    "url": "http://nobody.example/a?b=c&d=%2e%2e#x", "email": "nobody@nobody.example", "domain": "nobody.example",
    "malware": "nobody's bot", "actor": "no/body",
}  # fmt: skip
"""One of each kind that nothing is stored of."""


def known(lake: Lake) -> dict[str, str]:
    """A stored value of each kind there is."""
    rows = lake.snapshot().sql("SELECT kind, min(value) AS value FROM links GROUP BY kind").to_pylist()
    return {r["kind"]: r["value"] for r in rows}


def test_the_page_of_an_attacker(client: TestClient, lake: Lake) -> None:
    page = client.get(entity_url("ip", ATTACKER), headers=HTML).text
    count = (
        lake.snapshot()
        .sql("SELECT sum(count)::BIGINT AS n FROM links WHERE kind = 'ip' AND value = $v", {"v": ATTACKER})[
            "n"
        ][0]
        .as_py()
    )
    assert f"Seen {count:,} times" in page
    findings = [f for f in lake.findings(tlp=Tlp.AMBER_STRICT) if f.subject.value == ATTACKER]
    assert findings
    assert all(f"/findings/{f.id}" in page for f in findings)
    assert f"noroshi pivot {ATTACKER} --kind ip" in page
    assert 'data-copy="198[.]51[.]100[.]23"' in page
    assert "data-graph=" in page
    assert 'data-flag="own"' in page


def test_every_kind_that_is_stored(client: TestClient, lake: Lake) -> None:
    for kind, value in known(lake).items():
        answer = client.get(entity_url(kind, value), headers=HTML)
        assert answer.status_code == 200, (kind, value)
        assert "Nothing is stored" not in answer.text, (kind, value)


@pytest.mark.parametrize("kind", CANONICAL)
def test_every_kind_that_is_not(client: TestClient, kind: str) -> None:
    value = canonical(kind, EXAMPLES[kind])
    answer = client.get(entity_url(kind, value), headers=HTML | {"accept-language": "ja"})
    assert answer.status_code == 200
    assert "この値の記録はありません" in answer.text
    assert "<script>" not in answer.text


@pytest.mark.parametrize(
    "value",
    ["<script>alert(1)</script>", "'; DROP TABLE links;--", '"><img src=x onerror=alert(1)>', "a\u202eexe.txt",
     "../../etc/passwd", "%2e%2e%2f%2e%2e", "..", "{{7*7}}", "\x1b[2J", "a\u200bb", "ｅｘａｍｐｌｅ", "x" * 300],
)  # fmt: skip
def test_hostile_values_are_values(client: TestClient, value: str) -> None:
    answer = client.get(f"/entity/malware/{quote(value, safe='')}", headers=HTML, follow_redirects=True)
    assert answer.status_code in (200, 400)
    assert "<script>alert" not in answer.text
    assert "<img src=x" not in answer.text
    assert not re.search("[\u200b-\u200f\u202a-\u202e\x1b]", answer.text)
    assert "49" not in re.findall(r"<h1>.*</h1>", answer.text)[0]


@pytest.mark.parametrize("path", [f"/entity/malware/{'x' * 10_000}", "/entity/malware/a%00b", "/entity/ip/%00",
                                  "/entity/ip/no", "/entity/nonsense/1", "/entity/ip/",
                                  "/entity/domain/%ff%fe"])  # fmt: skip
def test_what_is_no_value_is_refused(client: TestClient, path: str) -> None:
    answer = client.get(path, headers=HTML)
    assert 400 <= answer.status_code < 500
    assert "Traceback" not in answer.text


def test_forms_of_a_value_lead_to_one_page(client: TestClient) -> None:
    for kind, value, path in (
        ("domain", "WWW.Example.COM", "/entity/domain/www.example.com"),
        ("ip", "192.0.2[.]1", "/entity/ip/192.0.2.1"),
        ("url", "hxxp://example[.]com/a", "/entity/url/http%3A%2F%2Fexample.com%2Fa"),
    ):
        answer = client.get(f"/entity/{kind}/{quote(value, safe='')}", headers=HTML)
        assert (answer.status_code, answer.headers["location"]) == (303, path)


def test_links_keep_what_an_address_holds(client: TestClient) -> None:
    """The way to the other language and to another time leads to the same value, whatever stands in it."""
    value = canonical("url", "http://nobody.example/a?b=c&d=1#x")
    path = entity_url("url", value)
    page = client.get(path, headers=HTML).text
    assert f'href="{path}?lang=ja"' in page
    assert f'href="{path}?range=7d"' in page
    away = client.get("//evil.example/%2e", headers=HTML).text
    assert 'href="//' not in away


def test_a_time_is_followed_by_the_whole_page(client: TestClient) -> None:
    path = entity_url("ip", ATTACKER)
    page = client.get(path, params={"from": "2026-04-01", "to": "2026-04-02"}, headers=HTML).text
    assert "since=2026-04-01" in page
    assert "Seen 140 times" in page
    empty = client.get(path, params={"from": "2020-01-01", "to": "2020-01-02"}, headers=HTML).text
    assert "Nothing is stored about it in this time" in empty
    assert (
        client.get(path, params={"from": "2020-01-02", "to": "2020-01-01"}, headers=HTML).status_code == 400
    )


def test_a_network_and_names_below(client: TestClient, lake: Lake) -> None:
    page = client.get(entity_url("prefix", "198.51.100.0/24"), headers=HTML).text
    assert entity_url("ip", ATTACKER) in page
    part = client.get(
        entity_url("domain", "update-node.example"), params={"part": "below"}, headers=HTML
    ).text
    assert "<html" not in part
    assert "cdn.update-node.example" in part


def test_provenance_down_to_the_line(client: TestClient) -> None:
    page = client.get(entity_url("ip", ATTACKER), headers=HTML).text
    names = list(dict.fromkeys(re.findall(r'href="/why/([^"]+)"', page)))
    assert names
    texts = [client.get(f"/why/{n}", headers=HTML) for n in names]
    assert {t.status_code for t in texts} == {200}
    lines = [t.text for t in texts if 'class="raw"' in t.text]
    assert lines, "no row came from a text"
    assert any(ATTACKER in re.findall(r'class="raw"[^>]*><code>(.*?)</code>', t, re.DOTALL)[0] for t in lines)
    assert any("open it with a packet analyser" in t.text for t in texts)
    assert all(re.search("[0-9a-f]{64}", t) for t in lines)


def test_rows_nobody_knows(client: TestClient) -> None:
    for name in ("logins:000000000000:1", "0" * 32 + ":5", "zzz", "x" * 500, "..%2f..%2fetc"):
        answer = client.get(f"/why/{name}", headers=HTML)
        assert answer.status_code in (400, 404), name
        assert "Traceback" not in answer.text


def test_watching(lake: Lake, state: State) -> None:
    key = site.add_user(state, "viewer", "viewer")
    with site.client(lake, state) as client:
        form = {"kind": "ip", "value": "198.51.100[.]23"}
        assert client.post("/entity/watch", data=form, headers=ANY | HTML).status_code == 303
        assert [(w.kind, w.value) for w in state.watches.all()] == [("ip", ATTACKER)]
        assert "/entity/unwatch" in client.get(entity_url("ip", ATTACKER), headers=HTML).text
        assert client.post("/entity/unwatch", data=form, headers=ANY | HTML).status_code == 303
        assert client.post("/entity/unwatch", data=form, headers=ANY | HTML).status_code == 404
        assert not state.watches.all()
        assert (
            client.post("/entity/watch", data={"kind": "ip", "value": "no"}, headers=ANY).status_code == 400
        )
    assert [e.action for e in state.audit.newest()][:2] == ["watch removed", "watch added"]
    with site.client(lake, state, open=False) as client:
        head = {"authorization": f"Bearer {key}"} | HTML
        page = client.get(entity_url("ip", ATTACKER), headers=head).text
        assert "/entity/watch" not in page
        assert "/why/" not in page
        assert client.post("/entity/watch", data=form, headers=head).status_code == 403
        assert client.get("/why/logins:000000000000:1", headers=head).status_code == 403


def test_cases_are_told_to_who_may_see_them(lake: Lake, state: State) -> None:
    key = site.add_user(state, "partner", "viewer", "community")
    with site.client(lake, state) as client:
        client.post("/api/v1/cases", json={"title": "Wave of April", "values": [ATTACKER]}, headers=ANY)
        assert "Wave of April" in client.get(entity_url("ip", ATTACKER), headers=HTML).text
    with site.client(lake, state, open=False) as client:
        page = client.get(entity_url("ip", ATTACKER), headers=HTML | {"authorization": f"Bearer {key}"}).text
        assert "Wave of April" not in page


def test_a_masked_view_is_told_findings_only(lake: Lake, state: State) -> None:
    key = site.add_user(state, "guest", "analyst", "public")
    with site.client(lake, state, open=False) as client:
        head = HTML | {"authorization": f"Bearer {key}"}
        page = client.get(entity_url("ip", ATTACKER), headers=head)
        assert page.status_code == 200
        assert "anonymised" in page.text
        assert "Where it stands" not in page.text
        for path in (
            "/api/v1/pivot?value=198.51.100.23",
            "/api/v1/pivot/graph?value=198.51.100.23",
            "/why/000000:1",
        ):
            assert client.get(path, headers=head).status_code == 403, path


def test_the_search_finds_pages(client: TestClient, lake: Lake) -> None:
    pairs = (
        lake.snapshot()
        .sql("SELECT username, password FROM logins WHERE password IS NOT NULL LIMIT 1")
        .to_pylist()
    )
    stored = f"{pairs[0]['username']}:{pairs[0]['password']}"
    finding = lake.findings()[0]
    for text, path in (
        ("198.51.100[.]23", f"/entity/ip/{ATTACKER}"),
        (" 198.51.100.23:23 ", f"/entity/ip/{ATTACKER}"),
        ("198.51.100.0/26", "/entity/prefix/198.51.100.0%2F26"),
        ("cve-2024-3400", "/entity/cve/CVE-2024-3400"),
        ("hxxp://cdn.update-node[.]example/bins/mips", entity_url("url", "http://cdn.update-node.example/bins/mips")),
        ("64511", "/entity/asn/AS64511"),
        ("2001:db8::1", "/entity/ip/2001%3Adb8%3A%3A1"),
        ("logins:abcdef012345:17", "/why/logins%3Aabcdef012345%3A17"),
        ("a0059763134574f6:9612", "/why/a0059763134574f6%3A9612"),
        (finding.id, f"/findings/{finding.id}"),
        (stored, entity_url("credential", lake.credential(*stored.split(":", 1)))),
    ):  # fmt: skip
        answer = client.post("/search", data={"q": text}, headers=ANY | HTML)
        assert (answer.status_code, answer.headers.get("location")) == (303, path), text


def test_several_meanings_are_a_choice(client: TestClient) -> None:
    page = client.get("/search", params={"q": "9" * 32}, headers=HTML).text
    assert page.count('href="/entity/') >= 4
    assert "This can mean" in page
    # What stands here is meant, whatever else it could be.
    hassh = client.get("/search", params={"q": "0a07365cc01fa9fc82608ba4019af499"}, headers=HTML)
    assert hassh.headers["location"] == "/entity/hassh/0a07365cc01fa9fc82608ba4019af499"


def test_a_password_stands_in_no_address(client: TestClient) -> None:
    for text in ("nobody:hunter2 & more", "error: it is not"):
        answer = client.post("/search", data={"q": text}, headers=ANY | HTML)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        assert not re.search(r'(href|action|src)="[^"]*(hunter2|not)[^"]*"', answer.text)
        assert "/entity/credential/hmac%3A" in answer.text
    assert client.get("/api/v1/pivot", params={"kind": "credential", "value": "a:b"}).status_code == 400


def test_words_and_nothing(client: TestClient) -> None:
    page = client.post("/search", data={"q": "busybox wget"}, headers=ANY | HTML)
    assert page.headers["location"] == "/search?q=busybox+wget"
    page = client.get("/search", params={"q": "scanned 119"}, headers=HTML).text
    assert "Findings that say it" in page
    words = client.post("/search/words", data={"q": "wget"}, headers=ANY | HTML).text
    assert "<html" not in words
    assert "wget" in words
    none = client.post("/search/words", data={"q": "no such words at all"}, headers=ANY | HTML).text
    assert "No text that is stored holds it" in none
    assert "One box for any value" in client.get("/search", headers=HTML).text
    for hostile in ("\x00", "<script>alert(1)</script>", "'\"--", "x" * 4001, "\ud7ff\u202e"):
        answer = client.get("/search", params={"q": hostile}, headers=HTML)
        assert answer.status_code in (200, 400)
        assert "<script>alert" not in answer.text


def test_others_are_given_no_texts(lake: Lake, state: State, tmp_path: Path) -> None:
    state.recipients.add(RecipientRow("partner", "organisation", "green", "plain"))
    key = site.add_user(state, "them", "analyst", "partner")
    with site.client(lake, state, open=False) as client:
        head = {"authorization": f"Bearer {key}"}
        told = client.get("/api/v1/search", params={"q": "wget", "words": True}, headers=head)
        assert told.status_code == 200
        assert told.json()["words"] == []
