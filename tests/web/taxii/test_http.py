"""What stands around the objects: who asks, media types, tags, compression, errors, methods."""

from __future__ import annotations

import base64
import gzip
import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from noroshi.lake.state.recipients import RecipientRow
from noroshi.share.taxii import inbox
from tests.support.taxii import FINDINGS, INBOX, MEDIA, NOW, ROOT, Site, entry, thing_of

OBJECTS = f"{FINDINGS}/objects/"


def error(found: httpx.Response, status: int) -> str:
    """The description of an error, which has the standard's shape."""
    assert found.status_code == status, found.text
    assert found.headers["content-type"] == MEDIA
    told = found.json()
    assert told["http_status"] == str(status)
    assert told["title"]
    return str(told["description"])


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_who_may_ask(site: Site) -> None:
    client = site.client()
    for given in (f"bearer  {site.key}", basic("", site.key), basic("partner", site.key)):
        assert client.get("/taxii2/", headers={"authorization": given}).status_code == 200
    for given in (
        "", "Bearer", f"Bearer {site.key}x", f"Token {site.key}", "Basic !!!", "Basic " + "x" * 5000,
        basic(site.key, ""), "Bearer " + "é",
    ):  # fmt: skip
        found = client.get("/taxii2/", headers=[(b"authorization", given.encode())])
        assert "key" in error(found, 401)
        assert "Basic" in found.headers["www-authenticate"]
        assert "Bearer" in found.headers["www-authenticate"]


def test_keys_of_users_ended_keys_and_old_keys_are_none(site: Site) -> None:
    client = site.client()
    _, of_user = site.state.tokens.issue("user", "partner")
    token, ended = site.state.tokens.issue("recipient", "partner")
    site.state.tokens.revoke(token.id)
    _, old = site.state.tokens.issue("recipient", "partner", expires=datetime.now(UTC) - timedelta(days=1))
    _, of_nobody = site.state.tokens.issue("recipient", "nobody")
    for key in (of_user, ended, old, of_nobody):
        error(client.get("/taxii2/", headers={"authorization": f"Bearer {key}"}), 401)


def test_nothing_is_told_before_the_key(site: Site) -> None:
    client = site.client(authorization="")
    for path in ("/taxii2/", f"{ROOT}/", OBJECTS, "/taxii2/no/such/thing", f"{ROOT}/status/1/"):
        error(client.get(path), 401)
    error(client.post(f"{INBOX}/objects/", content=b"{"), 401)


@pytest.mark.parametrize("media", [MEDIA, "application/taxii+json", "*/*", "application/*",
                                   "application/taxii+json; version=2.1",
                                   'text/html, application/taxii+json;version="2.1";q=0.5', ""])  # fmt: skip
def test_media_types_we_speak(site: Site, media: str) -> None:
    found = site.client(accept=media).get("/taxii2/")
    assert found.status_code == 200
    assert found.headers["content-type"] == MEDIA


@pytest.mark.parametrize("media", ["application/json", "application/taxii+json;version=2.0", "text/*",
                                   "taxii",
                                   "application/taxii+json;q=0",
                                   "application/vnd.oasis.taxii+json; version=2.0"])  # fmt: skip
def test_media_types_we_do_not_speak(site: Site, media: str) -> None:
    assert "2.1" in error(site.client(accept=media).get("/taxii2/"), 406)


def test_resources(site: Site) -> None:
    client = site.client()
    found = client.get("/taxii2/").json()
    assert found["api_roots"] == [f"{ROOT}/"] == [found["default"]]
    assert client.get(f"{ROOT}/").json()["versions"] == [MEDIA]
    listed = client.get(f"{ROOT}/collections/").json()["collections"]
    assert [c["alias"] for c in listed] == ["findings", "intelligence", "inbox"]
    for one in listed:
        assert client.get(f"{ROOT}/collections/{one['id']}/").json() == one
        assert (
            client.get(f"{ROOT}/collections/{one['alias']}").json() == one
        )  # with and without the last slash


def test_a_recipient_that_may_not_write_has_no_inbox(site: Site) -> None:
    row = site.state.recipients.get("partner")
    assert row
    site.state.recipients.change(RecipientRow("partner", row.kind, row.ceiling, row.profile, writes=False))
    client = site.client()
    assert [c["alias"] for c in client.get(f"{ROOT}/collections/").json()["collections"]] == [
        "findings",
        "intelligence",
    ]
    error(client.get(f"{INBOX}/objects/"), 404)
    error(client.post(f"{INBOX}/objects/", json={"objects": []}, headers={"content-type": MEDIA}), 404)


def test_collections_of_others_are_not_there(site: Site) -> None:
    site.publish([entry(0)])
    site.state.recipients.add(RecipientRow("other", "organisation", "amber", "plain", writes=True))
    _, key = site.state.tokens.issue("recipient", "other")
    mine = [c["id"] for c in site.client().get(f"{ROOT}/collections/").json()["collections"]]
    other = site.client(authorization=f"Bearer {key}")
    theirs = [c["id"] for c in other.get(f"{ROOT}/collections/").json()["collections"]]
    assert not set(mine) & set(theirs)
    for name in mine:
        error(other.get(f"{ROOT}/collections/{name}/objects/"), 404)
    assert other.get(OBJECTS).json() == {}
    next_ = (
        site.publish([entry(n) for n in range(3)]) and site.client().get(f"{OBJECTS}?limit=1").json()["next"]
    )
    error(other.get(f"{OBJECTS}?next={next_}"), 400)


def test_an_empty_collection_is_an_empty_envelope(site: Site) -> None:
    client = site.client()
    for place in ("objects", "manifest"):
        found = client.get(f"{FINDINGS}/{place}/")
        assert (found.status_code, found.json()) == (200, {})
        assert "x-taxii-date-added-first" not in found.headers
    site.publish([entry(0)])
    assert client.get(f"{OBJECTS}?match[type]=malware").json() == {}
    assert client.get(f"{OBJECTS}{entry(0).id}/?added_after=2099-01-01T00:00:00Z").json() == {}
    assert client.get(f"{OBJECTS}{entry(0).id}/versions/?added_after=2099-01-01T00:00:00Z").json() == {}


def test_dates_of_a_page(site: Site) -> None:
    site.publish([entry(n) for n in range(5)])
    for place in ("objects", "manifest"):
        found = site.client().get(f"{FINDINGS}/{place}/?limit=2")
        dates = [m["date_added"] for m in site.client().get(f"{FINDINGS}/manifest/").json()["objects"]]
        assert found.headers["x-taxii-date-added-first"] == dates[0]
        assert found.headers["x-taxii-date-added-last"] == dates[1]
    after = site.client().get(f"{OBJECTS}?added_after={dates[1]}").json()["objects"]
    assert [o["id"] for o in after] == [entry(n).id for n in (2, 3, 4)]  # exclusive


@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "limit=x", "added_after=yesterday", "match[version]=newest",
                                   "next=abc", "next=", "limit=1&limit=2", "x&" * 101,
                                   "match[id]=" + "x" * 9000])  # fmt: skip
def test_wrong_questions(site: Site, query: str) -> None:
    site.publish([entry(0)])
    error(site.client().get(f"{OBJECTS}?{query}"), 400)


NOWHERE = (
    "/taxii2/other/", "/taxii2/shared/collections/none/", "/taxii2/shared/status/1/", "/taxii2/shared/x/",
    "/taxii2//shared/", f"{FINDINGS}/x/", f"{FINDINGS}/objects//", f"{OBJECTS}indicator--1/", f"{OBJECTS}%00/",
    f"{OBJECTS}indicator--1/versions/", f"{OBJECTS}a/versions/b/", f"{OBJECTS}{'x' * 301}/",
)  # fmt: skip


@pytest.mark.parametrize("path", NOWHERE)
def test_what_is_not_there(site: Site, path: str) -> None:
    site.publish([entry(0)])
    error(site.client().get(path), 404)


def test_an_altered_next(site: Site) -> None:
    site.publish([entry(n) for n in range(5)])
    client = site.client()
    next_ = client.get(f"{OBJECTS}?limit=2").json()["next"]
    assert client.get(f"{OBJECTS}?limit=3&next={next_}").json()["more"] is False
    error(client.get(f"{OBJECTS}?limit=2&next={next_[:-2]}AA"), 400)
    error(client.get(f"{FINDINGS}/manifest/?limit=2&next={next_}"), 400)
    error(client.get(f"{OBJECTS}?limit=2&match[type]=malware&next={next_}"), 400)


def test_tags(site: Site) -> None:
    site.publish([entry(n) for n in range(5)])
    client = site.client()
    first = client.get(OBJECTS)
    tag = first.headers["etag"]
    assert client.get(OBJECTS).headers["etag"] == tag
    assert client.get(f"{OBJECTS}?limit=2").headers["etag"] != tag
    for given in (tag, tag.removeprefix("W/"), f'"x", {tag}', "*"):
        again = client.get(OBJECTS, headers={"if-none-match": given})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert client.get(OBJECTS, headers={"if-none-match": '"x"'}).status_code == 200
    site.publish([entry(n) for n in range(5)], NOW + 99)  # nothing new: nothing to fetch
    assert client.get(OBJECTS, headers={"if-none-match": tag}).status_code == 304
    site.publish([entry(n) for n in range(6)], NOW + 999)
    assert client.get(OBJECTS, headers={"if-none-match": tag}).status_code == 200


def test_gzip(site: Site) -> None:
    site.publish([entry(n) for n in range(50)])
    client = site.client()
    plain = client.get(OBJECTS, headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    for given, small in (
        ("gzip", True),
        ("br, gzip;q=0.5", True),
        ("gzip;q=0", False),
        ("deflate", False),
        ("x-gzip", True),
    ):
        with client.stream("GET", OBJECTS, headers={"accept-encoding": given}) as found:
            raw = b"".join(found.iter_raw())
        assert (found.headers.get("content-encoding") == "gzip") is small, given
        assert (gzip.decompress(raw) if small else raw) == plain.content
        assert found.headers["etag"] == plain.headers["etag"]
        assert "Accept-Encoding" in found.headers["vary"]
    assert "content-encoding" not in client.get("/taxii2/").headers


def test_methods(site: Site) -> None:
    site.publish([entry(0)])
    client = site.client()
    found = client.head(OBJECTS)
    assert (found.status_code, found.content) == (200, b"")
    assert found.headers["etag"] == client.get(OBJECTS).headers["etag"]
    for method in ("PUT", "PATCH", "OPTIONS", "PROPFIND"):
        told = client.request(method, OBJECTS)
        error(told, 405)
        assert "GET" in told.headers["allow"]
    for path in ("/taxii2/", f"{ROOT}/collections/", f"{FINDINGS}/manifest/", FINDINGS):
        error(client.post(path, json={}, headers={"content-type": MEDIA}), 405)
        error(client.delete(path), 405)
    error(client.delete("/taxii2/other/"), 404)
    error(client.delete(f"{FINDINGS}/x/"), 404)


def test_only_what_one_wrote_is_deleted(site: Site) -> None:
    site.publish([entry(0)])
    client = site.client()
    error(client.post(OBJECTS, json={"objects": []}, headers={"content-type": MEDIA}), 403)
    error(client.delete(f"{OBJECTS}{entry(0).id}/"), 403)
    error(client.delete(f"{INBOX}/objects/{entry(0).id}/"), 404)
    assert client.get(f"{OBJECTS}{entry(0).id}/").status_code == 200


def test_a_log_made_for_other_rights_is_not_shown(site: Site) -> None:
    site.publish([entry(0)])
    client = site.client()
    assert client.get(OBJECTS).status_code == 200
    site.state.recipients.change(RecipientRow("partner", "organisation", "green", "plain", writes=True))
    assert "made anew" in error(client.get(OBJECTS), 503)
    site.publish([])
    assert client.get(OBJECTS).json() == {}


def test_what_is_wrong_with_the_store_is_not_told(site: Site) -> None:
    site.publish([entry(0)])
    (path,) = (site.lake.path / "taxii").glob("*.db")
    for file in path.parent.iterdir():
        file.write_bytes(b"rubbish" * 5000)
    told = error(site.client().get(OBJECTS), 503)
    assert str(site.lake.path) not in told


def test_exports_are_logged(site: Site) -> None:
    site.publish([entry(n) for n in range(5)])
    client = site.client()
    client.get(f"{OBJECTS}?limit=2")
    client.get(f"{OBJECTS}?added_after=2099-01-01T00:00:00Z")
    (told,) = site.state.audit.newest(action="export")
    assert (told.actor, told.recipient, told.count) == ("recipient:partner", "partner", 2)
    assert told.detail["format"] == "taxii"


# What is sent in --------------------------------------------------------------------------------------------
def post(site: Site, body: object, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return site.client().post(f"{INBOX}/objects/", content=content, headers={"content-type": MEDIA} | headers)


def test_a_status_for_each_object(site: Site) -> None:
    good, twice = thing_of(0), thing_of(1)
    red = thing_of(2, object_marking_refs=["marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1"])
    found = post(
        site, {"objects": [good, twice, twice, twice | {"name": "another"}, red, {"type": "x"}, 7, "x"]}
    )
    assert found.status_code == 202
    status = found.json()
    assert status["status"] == "complete"
    assert (status["total_count"], status["success_count"], status["failure_count"]) == (8, 3, 5)
    assert [s["id"] for s in status["successes"]] == [good["id"], twice["id"], twice["id"]]
    assert [f["id"] for f in status["failures"]] == [twice["id"], red["id"], "#6", "#7", "#8"]
    assert "new `modified`" in status["failures"][0]["message"]
    assert "RED" in status["failures"][1]["message"]
    assert site.client().get(f"{ROOT}/status/{status['id']}/").json() == status
    held = site.client().get(f"{INBOX}/objects/").json()["objects"]
    assert held == [good, twice]


def test_what_is_sent_comes_back_as_it_was(site: Site) -> None:
    raw = b'{"type":"x-own","id":"x-own--12345678-1234-4234-8234-123456789012", "n": 12345678901234567890, "x":1.0e2}'
    assert post(site, b'{"objects":[' + raw + b"]}").json()["success_count"] == 1
    assert site.client().get(f"{INBOX}/objects/").content == b'{"more":false,"objects":[' + raw + b"]}"


def test_the_same_in_other_words_is_the_same(site: Site) -> None:
    thing = thing_of(0)
    post(site, {"objects": [thing]})
    found = post(site, {"objects": [dict(reversed(thing.items()))]}).json()
    assert (found["success_count"], found["failure_count"]) == (1, 0)
    assert len(site.client().get(f"{INBOX}/manifest/?match[version]=all").json()["objects"]) == 1


def test_red_is_not_taken_in_any_form(site: Site) -> None:
    own = {
        "type": "marking-definition", "spec_version": "2.1",
        "id": "marking-definition--11111111-1111-4111-8111-111111111111",
        "created": "2026-01-01T00:00:00Z", "definition_type": "tlp", "definition": {"tlp": "RED"},
    }  # fmt: skip
    things = [
        own, thing_of(0, object_marking_refs=[own["id"]]),
        thing_of(1, granular_markings=[{"marking_ref": own["id"], "selectors": ["name"]}]),
        thing_of(2, object_marking_refs=["marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed"]),
    ]  # fmt: skip
    found = post(site, {"objects": things}).json()
    assert (found["success_count"], found["failure_count"]) == (0, 4)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"id": "indicator--1"}, "UUID"), ({"type": "malware"}, "UUID"), ({"spec_version": "3.0"}, "spec_version"),
        ({"modified": "yesterday"}, "modified"), ({"modified": 7}, "modified"), ({"created": None}, ""),
        ({"id": 7}, "needs"), ({"spec_version": ["2.1"]}, "spec_version"),
    ],
)  # fmt: skip
def test_objects_that_are_wrong(site: Site, wrong: dict[str, object], word: str) -> None:
    found = post(site, {"objects": [thing_of(0) | wrong]}).json()
    if word:
        assert word in found["failures"][0]["message"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400), (b"{", 400), (b"[]", 422), (b"7", 422), (b"{}", 422), (b'{"objects":{}}', 422), (b"\xff", 400),
        (b'{"objects":' + b"[" * 100_000, 400), (b'{"objects":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}", 400),
        (b'{"objects":[' + b"7," * inbox.OBJECTS + b"7]}", 413), (b'{"objects":[]}', 202),
    ],
)  # fmt: skip
def test_bodies_that_are_none(site: Site, body: bytes, status: int) -> None:
    assert post(site, body).status_code == status


def test_bounds(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    deep: object = "x"
    for _ in range(70):
        deep = [deep]
    found = post(site, {"objects": [thing_of(0, x=deep), thing_of(1, x="y" * inbox.OBJECT)]}).json()
    assert [f["message"] for f in found["failures"]] == [
        "nested deeper than 64 levels",
        "more than 1,048,576 bytes",
    ]
    monkeypatch.setattr(inbox, "BYTES", 1_000)
    error(post(site, b" " * 1_001), 413)
    error(
        site.client().post(
            f"{INBOX}/objects/", content=iter([b" " * 600] * 2), headers={"content-type": MEDIA}
        ),
        413,
    )
    error(post(site, b"{}", **{"content-length": "x"}), 413)
    monkeypatch.setattr(inbox, "ROOM", 1)
    error(post(site, {"objects": [thing_of(0), thing_of(1)]}), 413)
    monkeypatch.setattr(inbox, "SORTS", 1)
    post(site, {"objects": [thing_of(0)]})
    monkeypatch.setattr(inbox, "ROOM", 100)
    assert "types" in post(site, {"objects": [thing_of(0, "malware")]}).json()["failures"][0]["message"]


@pytest.mark.parametrize(
    "media", ["application/json", "", "application/taxii+json;version=2.0", "text/plain"]
)
def test_other_media_types(site: Site, media: str) -> None:
    error(post(site, {"objects": []}, **{"content-type": media}), 415)
    error(post(site, {"objects": []}, **{"content-encoding": "gzip"}), 415)


def test_versions_are_deleted_one_by_one(site: Site) -> None:
    stamps = [f"2026-01-0{d}T00:00:00.000Z" for d in range(1, 6)]
    name = thing_of(0)["id"]
    assert post(site, {"objects": [thing_of(0, version=s) for s in stamps]}).json()["success_count"] == 5
    client = site.client()

    def versions() -> list[str]:
        found = client.get(f"{INBOX}/objects/{name}/versions/")
        return found.json()["versions"] if found.status_code == 200 else []

    assert versions() == stamps
    for query, left in (
        ("?match[version]=" + stamps[2], [0, 1, 3, 4]), ("", [0, 1, 3]), ("?match[version]=first", [1, 3]),
        ("?match[version]=all", []),
    ):  # fmt: skip
        assert client.delete(f"{INBOX}/objects/{name}/{query}").status_code == 200
        assert versions() == [stamps[n] for n in left]
    error(client.delete(f"{INBOX}/objects/{name}/"), 404)
