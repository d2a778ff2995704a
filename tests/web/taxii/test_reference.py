"""The same requests to the reference server (medallion, from PyPI) and to ours have the same answers.

What differs on purpose is not asked here; docs/conformance.md lists it, with the reason.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.share.taxii import append, collections, schema, store, times
from noroshi.share.taxii.append import Appender, digest_of
from noroshi.share.taxii.filters import Filters
from tests.support.taxii import MEDIA, NOW, Site, thing_of

pytest.importorskip("medallion")
STAMPS = [f"2026-01-0{d}T00:00:00.000Z" for d in range(1, 5)]


def _things() -> list[dict[str, Any]]:
    """Objects with several versions, observables, and one that is there in both spec versions."""
    out = [
        thing_of(n, t, STAMPS[v])
        for v in range(3)
        for n, t in enumerate(["indicator", "malware", "indicator"])
        if n >= v
    ]
    out += [thing_of(n, "ipv4-addr", "") for n in range(3)]
    old = {k: v for k, v in thing_of(9, "tool", STAMPS[0]).items() if k != "spec_version"}
    return [*out, old, thing_of(9, "tool", STAMPS[1]), thing_of(5, "sighting", STAMPS[3])]


class Both:
    """Both servers with the same objects, added at the same times."""

    def __init__(self, folder: Path) -> None:
        from medallion import application_instance as app
        from medallion import register_blueprints
        from medallion.backends.memory_backend import MemoryBackend

        logging.getLogger("medallion").setLevel(logging.CRITICAL)
        self.site = Site.make(folder)
        self.ours = self.site.client()
        held, manifest = self._fill()
        self.backend = MemoryBackend()
        self.backend.data = {
            "/discovery": {"title": "x", "api_roots": ["/shared/"]},
            "shared": {
                "information": {"title": "x", "versions": [MEDIA], "max_content_length": 1 << 20}, "status": [],
                "collections": [
                    {"id": "inbox", "title": "x", "can_read": True, "can_write": True, "media_types": [],
                     "objects": held, "manifest": manifest},
                    {"id": "findings", "title": "x", "can_read": True, "can_write": False, "media_types": [],
                     "objects": [], "manifest": []},
                ],
            },
        }  # fmt: skip
        if not app.blueprints:
            register_blueprints(app)
        app.medallion_backend, app.users_backend, app.taxii_config = (
            self.backend,
            {"u": "p"},
            {"max_page_size": 2000},
        )
        self.theirs = app.test_client()

    def _fill(self) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
        (mine,) = [c for c in collections.of(self.site.to(), self.site.lake.keys) if c.writes]
        things = _things()
        with schema.writing(mine.path(self.site.lake.path)) as con:
            appender = Appender(con, NOW)
            for thing in things:
                json_ = json.dumps(thing).encode()
                stated = thing.get("modified") or ""
                entry = append.Entry(thing["id"], thing["type"], stated, json_)
                appender.now += 1_000_000
                appender.add(entry, digest_of(json_), alone=False)
            appender.close()
            every = Filters(words=frozenset(("all",)), specs=("2.0", "2.1"))
            manifest = store.manifest(store.rows(con, store.page(con, every, None).seqs))
        # The reference keeps the version of an object without one in the object itself.
        held = [
            t if "modified" in t else t | {"_date_added": m["version"]}
            for t, m in zip(things, manifest, strict=True)
        ]
        return held, manifest

    def ask(
        self, method: str, path: str, query: dict[str, Any] | None = None, **more: Any
    ) -> tuple[Any, Any]:
        """(their answer, ours), each as (status, document, headers)."""
        body = json.dumps(more["json"]).encode() if "json" in more else more.get("body")
        headers = {"Accept": more.get("accept", MEDIA)}
        if body is not None:
            headers["Content-Type"] = more.get("content", MEDIA)
        who = {"auth": ("u", "p")} if more.get("known", True) else {}
        theirs = self.theirs.open(path, method=method, query_string=query, headers=headers, data=body, **who)
        if not more.get("known", True):
            headers["authorization"] = ""
        place = path if path.startswith("/taxii2/") else f"/taxii2{path}"
        ours = self.ours.request(method, place, params=query, headers=headers, content=body)
        assert ours.headers.get("content-type") == MEDIA
        return (
            (theirs.status_code, theirs.get_json(silent=True), theirs.headers),
            (ours.status_code, ours.json() if ours.content else None, ours.headers),
        )


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    return Both(tmp_path_factory.mktemp("both"))


def same(theirs: Any, ours: Any, what: object) -> None:
    """Status, objects in their order, more and dates are the same; `next` is each server's own."""
    assert theirs[0] == ours[0], what
    documents = [{k: v for k, v in (d[1] or {}).items() if k not in ("next", "more")} for d in (theirs, ours)]
    for d in documents:  # a page of versions: newest first there, in the order of the log here
        if "versions" in d:
            d["versions"] = sorted(d["versions"])
    if theirs[0] == 200:
        assert documents[0] == documents[1], what
        assert bool((theirs[1] or {}).get("more")) == bool((ours[1] or {}).get("more")), what
        for name in ("X-TAXII-Date-Added-First", "X-TAXII-Date-Added-Last"):
            assert theirs[2].get(name) == ours[2].get(name), (what, name)


IDS = sorted({t["id"] for t in _things()})
times_ = st.sampled_from([times.text(NOW + n * 1_000_000 + d) for n in range(14) for d in (-1, 0, 1)])
versions = st.lists(st.sampled_from(["last", "all", *STAMPS]), min_size=1, max_size=3, unique=True).map(
    ",".join
)
firsts = st.just({"match[version]": "first"}) | st.just({"match[version]": "first,last"})
# `first` of what is left after `added_after` is where the two differ on purpose: asked without it.
filters = st.one_of(
    st.fixed_dictionaries({}, optional={"added_after": times_, "match[version]": versions}), firsts
)  # fmt: skip
narrow = st.fixed_dictionaries(
    {},
    optional={
        "match[type]": st.sampled_from(["indicator", "malware,tool", "ipv4-addr", "note"]),
        "match[id]": st.lists(st.sampled_from(IDS), min_size=1, max_size=3, unique=True).map(",".join),
    },
)
specs = st.fixed_dictionaries(
    {}, optional={"match[spec_version]": st.sampled_from(["2.0", "2.1", "2.0,2.1", "2.2"])}
)
places = st.sampled_from(
    ["objects/", "manifest/", *(f"objects/{i}/" for i in IDS), *(f"objects/{i}/versions/" for i in IDS)]
)


def pages(both: Both, path: str, query: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Both servers' pages side by side, each with its own `next`."""
    next_: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    for _ in range(30):
        theirs, _ = both.ask("GET", path, query | next_[0])
        _, ours = both.ask("GET", path, query | next_[1]) if next_[1] else both.ask("GET", path, query)
        yield theirs, ours
        if not (ours[1] or {}).get("more") or theirs[0] != 200:
            return
        next_ = ({"next": theirs[1]["next"]}, {"next": ours[1]["next"]})
    raise AssertionError("it does not end")


@settings(max_examples=80)
@given(places, st.integers(1, 6), filters, narrow, specs)
def test_questions_in_pages(
    both: Both, place: str, limit: int, f: dict[str, str], n: dict[str, str], s: dict[str, str]
) -> None:
    query: dict[str, Any] = {"limit": limit} | f | n | s
    if place.endswith("versions/"):
        query.pop("match[version]", None)
    if "first" in query.get("match[version]", ""):
        query.pop("match[spec_version]", None)
    first = True
    for theirs, ours in pages(both, f"/shared/collections/inbox/{place}", query):
        if not first and theirs[0] == 200:
            # On pages after the first the reference leaves out the last date of a page of one object.
            theirs[2]["X-TAXII-Date-Added-Last"] = ours[2].get("X-TAXII-Date-Added-Last", "")
        same(theirs, ours, (place, query))
        first = False


@pytest.mark.parametrize(
    ("method", "path", "more"),
    [
        ("GET", "/taxii2/", {"known": False}),
        ("GET", "/shared/", {"known": False}),
        ("GET", "/shared/collections/", {"known": False}),
        ("GET", "/taxii2/", {"accept": "application/taxii+json;version=2.0"}),
        ("GET", "/shared/", {"accept": "application/json"}),
        ("GET", "/shared/collections/inbox/objects/", {"accept": "text/html"}),
        ("GET", "/none/", {}),
        ("GET", "/none/collections/", {}),
        ("GET", "/shared/collections/none/", {}),
        ("GET", "/shared/collections/none/objects/", {}),
        ("GET", "/shared/collections/none/manifest/", {}),
        ("GET", "/shared/collections/inbox/objects/indicator--00000000-0000-4000-8000-000000000000/", {}),
        (
            "GET",
            "/shared/collections/inbox/objects/indicator--00000000-0000-4000-8000-000000000000/versions/",
            {},
        ),
        ("GET", "/shared/status/00000000-0000-4000-8000-000000000000/", {}),
        ("GET", "/shared/collections/inbox/objects/", {"query": {"limit": "0"}}),
        ("GET", "/shared/collections/inbox/objects/", {"query": {"limit": "-3"}}),
        ("GET", "/shared/collections/inbox/manifest/", {"query": {"limit": "x"}}),
        ("GET", "/shared/collections/inbox/objects/", {"query": {"limit": "1", "next": "none"}}),
        (
            "POST",
            "/shared/collections/inbox/objects/",
            {"json": {"objects": []}, "content": "application/json"},
        ),
        ("POST", "/shared/collections/inbox/objects/", {"json": {"type": "indicator"}}),
        ("POST", "/shared/collections/findings/objects/", {"json": {"objects": []}}),
        ("POST", "/shared/collections/none/objects/", {"json": {"objects": []}}),
        ("DELETE", "/shared/collections/findings/objects/x/", {}),
        ("DELETE", "/shared/collections/none/objects/x/", {}),
        ("DELETE", "/shared/collections/inbox/objects/x/", {}),
    ],
)
def test_refusals_have_the_same_status(both: Both, method: str, path: str, more: dict[str, Any]) -> None:
    theirs, ours = both.ask(method, path, more.pop("query", None), **more)
    assert theirs[0] == ours[0]
    if theirs[1] is not None:
        assert ours[1].keys() >= {"title", "description", "http_status"}


def test_resources_have_the_same_members(both: Both) -> None:
    for path in ("/taxii2/", "/shared/"):
        theirs, ours = both.ask("GET", path)
        assert set(theirs[1]) <= set(ours[1])
    theirs, ours = both.ask("GET", "/shared/collections/")
    assert set(theirs[1]["collections"][0]) <= set(ours[1]["collections"][0])


def test_adding_and_deleting(tmp_path: Path) -> None:
    both = Both(tmp_path)
    path = "/shared/collections/inbox/objects/"
    name = thing_of(50)["id"]
    things = [thing_of(50, version=s) for s in STAMPS] + [thing_of(51, "ipv4-addr", "")]
    theirs, ours = both.ask("POST", path, json={"objects": things})
    assert (theirs[0], ours[0]) == (202, 202)
    for key in ("status", "total_count", "success_count", "failure_count", "pending_count"):
        assert theirs[1][key] == ours[1][key]
    assert set(theirs[1]) == set(ours[1])
    assert [s["id"] for s in theirs[1]["successes"]] == [s["id"] for s in ours[1]["successes"]]
    assert [s["version"] for s in theirs[1]["successes"]][:4] == [s["version"] for s in ours[1]["successes"]][
        :4
    ]
    for query in ({"match[version]": STAMPS[1]}, {}, {"match[version]": "first"}, {"match[version]": "all"}):
        theirs, ours = both.ask("DELETE", f"{path}{name}/", query)
        assert (theirs[0], ours[0]) == (200, 200)
        theirs, ours = both.ask("GET", f"{path}{name}/versions/")
        assert theirs[0] == ours[0]
        if theirs[0] == 200:
            assert sorted(theirs[1]["versions"]) == sorted(ours[1]["versions"])
    theirs, ours = both.ask("DELETE", f"{path}{name}/")
    assert (theirs[0], ours[0]) == (404, 404)
