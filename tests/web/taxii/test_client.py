"""taxii2-client, the client of the standard's own makers, through every method against our server on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import requests
from starlette.applications import Starlette
from taxii2client.common import TokenAuth
from taxii2client.v21 import ApiRoot, Collection, Server, as_pages

from noroshi.config import load
from noroshi.web.taxii import routes
from tests.support.taxii import NOW, Site, entry, listening, thing_of


@contextmanager
def server(site: Site, path: str = "/taxii2/") -> Iterator[Server]:
    app = Starlette(routes=routes(site.lake, load(None), site.state))
    with listening(app) as url, Server(f"{url}{path}", user="anybody", password=site.key) as found:
        yield found


def collection(found: Server, alias: str) -> Collection:
    return next(
        c for c in found.api_roots[0].collections if c.custom_properties.get("alias", c.alias) == alias
    )


def test_every_method(site: Site) -> None:
    site.publish([entry(n, t) for n in range(3) for t in ("indicator", "sighting")])
    with server(site) as found:
        assert found.title == "Noroshi"
        assert found.default is found.api_roots[0]
        root = found.api_roots[0]
        assert isinstance(root, ApiRoot)
        assert root.versions == ["application/taxii+json;version=2.1"]
        assert root.max_content_length == 10 << 20
        findings, inbox = collection(found, "findings"), collection(found, "inbox")
        assert (findings.can_read, findings.can_write, inbox.can_write) == (True, False, True)

        assert len(findings.get_objects()["objects"]) == 6
        assert len(findings.get_objects(type="sighting")["objects"]) == 3
        one = entry(1).id
        assert findings.get_object(one)["objects"][0]["id"] == one
        assert findings.object_versions(one)["versions"] == ["2026-01-01T00:00:00.000Z"]
        assert [m["id"] for m in findings.get_manifest(id=one)["objects"]] == [one]

        status = inbox.add_objects({"objects": [thing_of(n) for n in range(3)]})
        assert (status.status, status.success_count, status.failure_count) == ("complete", 3, 0)
        assert root.get_status(status.id).success_count == 3
        inbox.delete_object(one)
        assert {o["id"] for o in inbox.get_objects()["objects"]} == {entry(0).id, entry(2).id}
        with pytest.raises(requests.HTTPError, match="404"):
            inbox.get_object(one)


def test_without_the_last_slash(site: Site) -> None:
    site.publish([entry(0)])
    # The client adds the slash it misses; what it is told to ask for it asks for.
    for path in ("/taxii2", "/taxii2/"):
        with server(site, path) as found:
            assert found.title == "Noroshi"
            assert len(collection(found, "findings").get_objects()["objects"]) == 1
    assert site.client().get("/taxii2").json() == site.client().get("/taxii2/").json()
    assert site.client().get("/taxii2", follow_redirects=False).status_code == 200
    assert site.client().get("/taxii2x", follow_redirects=False).status_code == 404
    assert site.client(authorization="").get("/taxii2").status_code == 401


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 12, 13, 100])
def test_pages_of_every_size_give_everything_once(site: Site, size: int) -> None:
    entries = [entry(n) for n in range(12)]
    site.publish(entries)
    with server(site) as found:
        findings = collection(found, "findings")
        pages = list(as_pages(findings.get_objects, per_request=size))
        assert [o["id"] for p in pages for o in p["objects"]] == [e.id for e in entries]
        assert len(pages) == -(-12 // size)  # none after an exactly full last page
        assert [p["more"] for p in pages] == [True] * (len(pages) - 1) + [False]
        assert all(("next" in p) == p["more"] for p in pages)
        pages = list(as_pages(findings.get_manifest, per_request=size))
        assert [o["id"] for p in pages for o in p["objects"]] == [e.id for e in entries]


def test_a_client_that_pages_by_added_after_ends(site: Site) -> None:
    site.publish([entry(n) for n in range(50)])
    with server(site) as found:
        findings = collection(found, "findings")
        seen: list[str] = []
        after = None
        for _ in range(60):
            page = findings.get_manifest(limit=7, added_after=after).get("objects", [])
            if not page:
                break
            seen += [m["id"] for m in page]
            after = page[-1]["date_added"]
        assert seen == [entry(n).id for n in range(50)]


def test_a_client_that_mixes_next_and_added_after_ends(site: Site) -> None:
    site.publish([entry(n) for n in range(50)])
    with server(site) as found:
        findings = collection(found, "findings")
        seen: list[str] = []
        given: dict[str, object] = {"added_after": datetime(2020, 1, 1, tzinfo=UTC)}
        for _ in range(60):
            page = findings.get_manifest(limit=7, **given)
            seen += [m["id"] for m in page.get("objects", [])]
            if not page.get("more"):
                break
            # Both at once, the time moved on: as some clients do (OpenCTI issue 5681).
            given = {"next": page["next"], "added_after": page["objects"][-1]["date_added"]}
        assert seen == [entry(n).id for n in range(50)]


def test_new_objects_alone_come_after_the_last(site: Site) -> None:
    site.publish([entry(n) for n in range(3)])
    site.publish([entry(n) for n in range(4)], NOW + 5_000_000)
    with server(site) as found:
        findings = collection(found, "findings")
        after = datetime.fromtimestamp(NOW / 1e6, UTC) + timedelta(seconds=1)
        assert [o["id"] for o in findings.get_objects(added_after=after)["objects"]] == [entry(3).id]


def test_bearer_and_wrong_keys(site: Site) -> None:
    app = Starlette(routes=routes(site.lake, load(None), site.state))
    with listening(app) as url:

        class Bearer(TokenAuth):  # type: ignore[misc]
            def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
                r.headers["Authorization"] = f"Bearer {self.key}"
                return r

        assert Server(f"{url}/taxii2/", auth=Bearer(site.key)).title == "Noroshi"
        with pytest.raises(requests.HTTPError, match="401"):
            _ = Server(f"{url}/taxii2/", user="partner", password=site.key[:-1] + "x").title
