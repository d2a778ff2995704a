"""Pulling in: what is new is stored once, marks move only then, and no server can make us do more than it may."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from noroshi.config import Config, File, JobEntry, load
from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.model.errors import ConfigError, LakeError
from noroshi.share.pull.http import Limits
from noroshi.work import pull as work
from noroshi.work.pull import Pulled, access, backed_off
from tests.share.pull.servers import Asked, Reply, Server, as_json, serving, site, thing

CONFIG = load(None)
SMALL = Limits(answer=1 << 20, total=4 << 20, answer_s=5, total_s=20)
NOW = datetime(2026, 11, 20, tzinfo=UTC)
ROOT = "/api/"
ID = "365fed99-08fa-fdcd-a1b3-fb247eb41d01"
HERE = f"{ROOT}collections/{ID}/"
OBJECTS = f"{HERE}objects/"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake")


@pytest.fixture
def state(lake: Lake) -> State:
    return State(lake.path)


def taxii(pages: Callable[[Asked], Reply] | Any) -> dict[str, Any]:
    """A server with one collection that may be read and one that may not."""
    return {
        "/taxii2/": {"title": "t", "default": "/api/", "api_roots": ["/api/"]},
        ROOT: {"title": "r", "versions": ["application/taxii+json;version=2.1"], "max_content_length": 9},
        f"{ROOT}collections/": {"collections": [
            {"id": ID, "title": "open", "can_read": True, "can_write": False},
            {"id": "0", "title": "closed", "can_read": False, "can_write": True},
        ]},
        OBJECTS: pages,
    }  # fmt: skip


def go(lake: Lake, state: State, url: str, kind: str = "taxii", **more: Any) -> Pulled:
    given = {k: more.pop(k) for k in ("now", "limits", "force", "stopped", "environ") if k in more}
    entry = JobEntry(do="pull", name="partner", url=url, kind=kind, every="1h", **more)  # type: ignore[arg-type]
    more_of: dict[str, Any] = {"now": NOW, "limits": SMALL} | given
    return work.pull(lake, CONFIG, state, entry, **more_of)


def values(lake: Lake) -> list[str]:
    found = lake.snapshot().sql("SELECT value FROM indicators ORDER BY value")["value"].to_pylist()
    return [str(v) for v in found]


def whole(things: list[dict[str, Any]], size: int = 2) -> Callable[[Asked], Reply]:
    """An honest server: pages by `next`, dates in the headers."""
    dates = [f"2026-02-01T00:00:{n:02d}.000000Z" for n in range(len(things))]

    def answer(asked: Asked) -> Reply:
        after = asked.query.get("added_after", "")
        held = [(t, d) for t, d in zip(things, dates, strict=True) if d > after]
        start = int(asked.query.get("next", "0"))
        part = held[start : start + size]
        more = start + size < len(held)
        envelope: dict[str, Any] = {"more": more, "objects": [t for t, _ in part]} if part else {}
        if more:
            envelope["next"] = str(start + size)
        headers = (
            {"X_TAXII_Date_Added_First": part[0][1], "X_TAXII_Date_Added_Last": part[-1][1]} if part else {}
        )
        return as_json(envelope, **headers)

    return answer


@pytest.mark.parametrize("path", ["/taxii2/", ROOT, f"{ROOT}collections/", HERE, OBJECTS])
def test_every_address_of_a_server_leads_to_its_objects(lake: Lake, state: State, path: str) -> None:
    with serving(site(taxii(whole([thing(n) for n in range(5)])))) as server:
        done = go(lake, state, server.url + path)
    assert (done.objects, done.error, done.problems) == (5, "", [])
    assert values(lake) == [f"203.0.113.{n}" for n in range(5)]


def test_only_what_is_new_is_asked_for_and_stored(lake: Lake, state: State) -> None:
    things = [thing(n) for n in range(3)]
    with serving(site(taxii(whole(things)))) as server:
        go(lake, state, server.url + HERE)
        mark = state.pulls.all()[0].mark[server.url + HERE]
        assert mark == {"added_after": "2026-02-01T00:00:02.000000Z", "next": "", "last": ""}
        server.asked.clear()
        assert go(lake, state, server.url + HERE).objects == 0
        assert [a.query.get("added_after") for a in server.asked] == ["2026-02-01T00:00:02.000000Z"]
        things += [thing(7)]
    with serving(site(taxii(whole(things)))) as again:
        assert go(lake, state, again.url + HERE).objects == 4  # another address is another server
    assert len(values(lake)) == 4 + 3  # pages of other sizes are other documents


def test_the_marking_and_the_source_are_the_jobs(lake: Lake, state: State) -> None:
    with serving(site(taxii(whole([thing(1)])))) as server:
        go(lake, state, server.url + HERE, tlp="green", source="Partner ISAC")
    (run,) = lake.snapshot().sql("SELECT source, tlp, path, format FROM runs").to_pylist()
    assert run["source"] == "Partner ISAC"
    assert (run["tlp"], run["format"]) == ("green", "stix")
    assert run["path"] == server.url + HERE


def test_what_is_unmarked_is_amber_strict(lake: Lake, state: State) -> None:
    with serving(site(taxii(whole([thing(1)])))) as server:
        go(lake, state, server.url + HERE)
    assert lake.snapshot().sql("SELECT tlp FROM runs")["tlp"].to_pylist() == ["amber+strict"]


def test_a_server_that_pages_by_date_alone_is_read_to_its_end(lake: Lake, state: State) -> None:
    things = [thing(n) for n in range(7)]

    def answer(asked: Asked) -> Reply:
        after = asked.query.get("added_after", "")
        held = [t for n, t in enumerate(things) if f"2026-02-01T00:00:0{n}Z" > after]
        part = held[:3]
        last = f"2026-02-01T00:00:0{things.index(part[-1])}Z" if part else ""
        return as_json(
            {"more": len(held) > 3, "objects": part}, **({"X_TAXII_Date_Added_Last": last} if last else {})
        )

    with serving(site(taxii(answer))) as server:
        done = go(lake, state, server.url + HERE)
    assert (done.objects, done.problems) == (7, [])


def test_without_dates_the_newest_version_is_the_mark(lake: Lake, state: State) -> None:
    with serving(site(taxii({"more": False, "objects": [thing(5), thing(3)]}))) as server:
        go(lake, state, server.url + HERE)
    (kept,) = state.pulls.all()[0].mark.values()
    assert kept["added_after"] == thing(5)["modified"]


def test_one_collection_is_chosen_by_id_or_title(lake: Lake, state: State) -> None:
    pages = taxii(whole([thing(1)]))
    with serving(site(pages)) as server:
        assert go(lake, state, server.url + ROOT, collections=["open"]).objects == 1
        done = go(lake, state, server.url + ROOT, collections=["closed"])
        assert "no collection 'closed'" in done.error


def test_an_interrupted_sweep_goes_on_where_it_was(lake: Lake, state: State) -> None:
    calls = itertools.count()
    with serving(site(taxii(whole([thing(n) for n in range(6)])))) as server:
        done = go(lake, state, server.url + HERE, stopped=lambda: next(calls) >= 2)
        assert done.objects == 4
        server.asked.clear()
        assert go(lake, state, server.url + HERE).objects == 2
        assert server.asked[0].query["next"] == "4"
    assert len(values(lake)) == 6


def test_a_token_that_no_longer_holds_begins_the_sweep_again(lake: Lake, state: State) -> None:
    inner = whole([thing(n) for n in range(6)])
    refuse = threading.Event()

    def answer(asked: Asked) -> Reply:
        return Reply(status=400) if refuse.is_set() and asked.query.get("next") == "2" else inner(asked)

    calls = itertools.count()
    with serving(site(taxii(answer))) as server:
        go(lake, state, server.url + HERE, stopped=lambda: next(calls) >= 1)
        refuse.set()
        done = go(lake, state, server.url + HERE)
        assert "next" not in server.asked[-2].query or done.error
    # The first page is known and not stored twice.
    assert len(values(lake)) == len(set(values(lake)))


def test_a_page_is_stored_before_its_mark_moves(
    lake: Lake, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    import noroshi.work.ingest as module

    def full(*args: Any, **more: Any) -> Any:
        raise LakeError("the disk is full")

    with serving(site(taxii(whole([thing(1)])))) as server:
        with monkeypatch.context() as patch:
            patch.setattr(module, "ingest", full)
            with pytest.raises(LakeError):
                go(lake, state, server.url + HERE)
        assert state.pulls.all()[0].mark == {}
        assert go(lake, state, server.url + HERE).objects == 1


# What a server can do wrong --------------------------------------------------------------------------------
def endless() -> Callable[[Asked], Reply]:
    count = itertools.count(1)

    def answer(asked: Asked) -> Reply:
        n = next(count)
        return as_json(
            {"more": True, "next": f"t{n}", "objects": [thing(n)]},
            X_TAXII_Date_Added_Last="2026-02-01T00:00:00Z",
        )

    return answer


HOSTILE: dict[str, tuple[Callable[[], Any], str]] = {
    "the same token again": (
        lambda: lambda a: as_json({"more": True, "next": "t", "objects": [thing(len(a.query))]}), "same page"),
    "the same page under new tokens": (
        lambda: (lambda c: lambda a: as_json({"more": True, "next": str(next(c)), "objects": [thing(1)]}))(
            itertools.count()), "same page"),
    "empty pages": (
        lambda: (lambda c: lambda a: as_json({"more": True, "next": str(next(c))}))(itertools.count()), "empty"),
    "more without anything": (lambda: {"more": True, "objects": [thing(1, modified="x")]}, "moves on"),
    "a token that is a book": (lambda: {"more": True, "next": "x" * 10_000, "objects": [thing(1)]}, "too long"),
    "not JSON": (lambda: as_json(b"{"), "not TAXII"),
    "HTML": (lambda: as_json(b"<html>", "text/html"), "text/html"),
    "a list": (lambda: as_json(b"[]"), "not TAXII"),
    "deep": (lambda: as_json(b'{"objects":[' + b"[" * 200_000 + b"]" * 200_000 + b"]}"), "not TAXII"),
    "wrong types": (lambda: {"more": "yes", "objects": {}}, "not TAXII"),
    "objects that are none": (lambda: {"more": False, "objects": [7, "x", None, []]}, ""),
    "huge": (lambda: as_json(b" " * (2 << 20)), "more than"),
    "a refusal": (lambda: Reply(status=403), "403"),
    "a fault": (lambda: Reply(status=503, headers={"Retry-After": "600"}), "503"),
    "gone": (lambda: Reply(status=404), "404"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_lying_server_costs_a_message(lake: Lake, state: State, name: str) -> None:
    make, said = HOSTILE[name]
    with serving(site(taxii(make()))) as server:
        done = go(lake, state, server.url + HERE)
        assert len(server.asked) <= 20
    told = " ".join([done.error, *done.problems])
    assert said in told
    kept = state.pulls.all()[0]
    assert bool(kept.problem) == bool(done.error)
    assert lake.verify() == []


def test_endless_pages_end_at_the_bounds_and_go_on_the_next_time(
    lake: Lake, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    from noroshi.share.pull import taxii as client

    monkeypatch.setattr(client.pages, "__defaults__", (5,))
    with serving(site(taxii(endless()))) as server:
        done = go(lake, state, server.url + HERE)
        assert (done.objects, len(server.asked)) == (5, 5)
        assert "more than 5 pages" in done.problems[0]
        go(lake, state, server.url + HERE)
        assert server.asked[5].query["next"] == "t5"


def test_endless_bytes_end_at_the_bounds(lake: Lake, state: State) -> None:
    with serving(site(taxii(endless()))) as server:
        done = go(lake, state, server.url + HERE, limits=Limits(total=3_000))
    assert "more than" in done.error
    assert 3 <= done.objects <= 12


def test_a_date_far_ahead_does_not_hide_what_comes_later(lake: Lake, state: State) -> None:
    page = as_json({"objects": [thing(1)]}, X_TAXII_Date_Added_Last="9999-01-01T00:00:00Z")
    with serving(site(taxii(page))) as server:
        go(lake, state, server.url + HERE)
    (kept,) = state.pulls.all()[0].mark.values()
    assert kept["added_after"] == thing(1)["modified"]


@pytest.mark.parametrize(
    "collections",
    [
        {"collections": [{"id": "../../evil", "can_read": True}, {"id": "..", "can_read": True}]},
        {"collections": [{"id": "a/b?x=1", "can_read": True}]},
        {"collections": "x"},
        {"collections": [{"id": 7}]},
        {},
    ],
)
def test_collections_that_are_none_are_not_asked_for(lake: Lake, state: State, collections: Any) -> None:
    with serving(site({ROOT: {"title": "r"}, f"{ROOT}collections/": collections})) as server:
        go(lake, state, server.url + ROOT)
        assert set(server.paths) == {ROOT, f"{ROOT}collections/"}


def test_api_roots_elsewhere_are_not_followed(lake: Lake, state: State) -> None:
    with serving(lambda a: Reply()) as other:
        with serving(site({"/taxii2/": {"title": "t", "api_roots": [f"{other.url}/api/"]}})) as server:
            assert "leads to" in go(lake, state, server.url + "/taxii2/").error
        assert other.asked == []


def test_failures_are_waited_for_and_a_good_time_forgets_them(lake: Lake, state: State) -> None:
    down = threading.Event()
    down.set()
    inner = whole([thing(1)])
    with serving(site(taxii(lambda a: Reply(status=500) if down.is_set() else inner(a)))) as server:
        url = server.url + HERE
        first = go(lake, state, url)
        assert first.waits_until is not None
        assert timedelta(seconds=30) <= first.waits_until - NOW <= timedelta(seconds=60)
        n = len(server.asked)
        assert go(lake, state, url, now=NOW + timedelta(seconds=20)).told().startswith("waits until")
        assert len(server.asked) == n
        second = go(lake, state, url, now=NOW + timedelta(seconds=61))
        assert second.waits_until is not None
        assert second.waits_until - (NOW + timedelta(seconds=61)) >= timedelta(seconds=60)
        down.clear()
        assert go(lake, state, url, force=True).objects == 1
        kept = state.pulls.all()[0]
        assert (kept.tries, kept.next_try, kept.problem) == (0, None, "")


def test_waits_grow_up_to_a_day_and_are_never_the_same_for_all() -> None:
    waits = [backed_off(n) for n in range(30)]
    assert waits[:4] == [timedelta(minutes=m) for m in (1, 2, 4, 8)]
    assert waits[-1] == timedelta(days=1)
    assert backed_off(0, chance=1.0) == timedelta(seconds=30)
    assert backed_off(0, asked_s=600) == timedelta(minutes=10)
    assert backed_off(0, asked_s=10**9) == timedelta(days=1)


def test_keys_come_from_the_environment_and_go_to_nobody_else(lake: Lake, state: State) -> None:
    with serving(site(taxii(whole([thing(1)])))) as server:
        go(lake, state, server.url + HERE, api_key_env="K", environ={"K": "s3cret"})
        assert server.asked[-1].headers["Authorization"] == "Bearer s3cret"
        go(lake, state, server.url + HERE, user_env="U", password_env="P", environ={"U": "ann", "P": "pw"})
        assert server.asked[-1].headers["Authorization"] == "Basic YW5uOnB3"
        go(lake, state, server.url + HERE, api_key_env="K", api_key_header="X-Key", environ={"K": "s3cret"})
        assert server.asked[-1].headers["X-Key"] == "s3cret"
    assert "s3cret" not in (lake.path / "state.db").read_bytes().decode("latin-1")


@pytest.mark.parametrize("environ", [{}, {"K": ""}, {"K": "a\nb"}, {"K": "é"}])
def test_a_key_that_is_missing_or_no_key_is_told(environ: dict[str, str]) -> None:
    entry = JobEntry(do="pull", url="https://x.example/", kind="taxii", api_key_env="K")
    with pytest.raises(ConfigError, match="K is missing"):
        access(entry, CONFIG, environ)


def test_no_key_is_sent_without_tls() -> None:
    entry = JobEntry(do="pull", url="http://x.example/", kind="taxii", api_key_env="K")
    with pytest.raises(ConfigError, match="without TLS"):
        access(entry, CONFIG, {"K": "x"})


# MISP feeds -------------------------------------------------------------------------------------------------
def uuid(n: int) -> str:
    return f"5f2e3a54-0000-4000-8000-{n:012d}"


def misp_event(n: int, stamp: int, value: str = "") -> dict[str, Any]:
    return {"Event": {
        "uuid": uuid(n), "info": f"event {n}", "date": "2026-01-01", "timestamp": str(stamp), "analysis": "2",
        "threat_level_id": "4", "Orgc": {"name": "ISAC", "uuid": uuid(999)}, "Tag": [{"name": "tlp:green"}],
        "Attribute": [{"uuid": uuid(1000 + n), "type": "ip-dst", "category": "Network activity", "to_ids": True,
                       "value": value or f"203.0.113.{n}", "timestamp": str(stamp)}],
    }}  # fmt: skip


def feed(events: dict[int, int]) -> dict[str, Any]:
    pages: dict[str, Any] = {"/feed/manifest.json": as_json(
        {uuid(n): {"timestamp": str(s), "info": "x"} for n, s in events.items()}, "application/json")}  # fmt: skip
    for n, stamp in events.items():
        pages[f"/feed/{uuid(n)}.json"] = as_json(misp_event(n, stamp), "application/json")
    return pages


def test_a_misp_feed_is_read_and_then_only_what_changed(lake: Lake, state: State) -> None:
    pages = feed({1: 100, 2: 200})
    with serving(site(pages)) as server:
        assert go(lake, state, server.url + "/feed", "misp-feed").objects == 2
        assert values(lake) == ["203.0.113.1", "203.0.113.2"]
        server.asked.clear()
        assert go(lake, state, server.url + "/feed", "misp-feed").objects == 0
        assert server.paths == ["/feed/manifest.json"]
        pages.update(feed({1: 100, 2: 201, 3: 300}))
        server.asked.clear()
        assert go(lake, state, server.url + "/feed", "misp-feed").objects == 2
        assert server.paths == ["/feed/manifest.json", f"/feed/{uuid(2)}.json", f"/feed/{uuid(3)}.json"]
    assert lake.snapshot().sql("SELECT DISTINCT tlp FROM indicators")["tlp"].to_pylist() == ["green"]


def test_our_own_feed_is_read_back(lake: Lake, state: State, tmp_path: Path) -> None:
    from noroshi.share.misp import feed as writer
    from noroshi.share.misp.make import Maker, events
    from tests.support.findings import one_of_each

    folder = tmp_path / "feed"
    writer.write(folder, events(one_of_each(), Maker.of("Us", "own")))
    pages = {f"/{p.name}": as_json(p.read_bytes(), "application/json") for p in folder.glob("*.json")}
    with serving(site(pages)) as server:
        done = go(lake, state, server.url + "/manifest.json", "misp-feed")
    assert (done.error, done.problems) == ("", [])
    assert done.objects == len(pages) - 1
    told = {
        (r["value"], r["tlp"]) for r in lake.snapshot().sql("SELECT value, tlp FROM indicators").to_pylist()
    }
    assert {("198.51.100.7", "clear"), ("2001:db8::/48", "amber+strict"), ("2001:db8::1", "green")} <= told


BAD_FEEDS: dict[str, tuple[dict[str, Any], str, int]] = {
    "path traversal": ({"/feed/manifest.json": {"../../etc/passwd": {"timestamp": "1"}, "..": {"timestamp": "1"},
                                                f"{uuid(1)}/../x": {"timestamp": "1"}}}, "are no events", 0),
    "another event under the name": (
        feed({1: 1}) | {f"/feed/{uuid(1)}.json": as_json(misp_event(2, 1), "application/json")}, "gives event", 0),
    "no timestamps": ({"/feed/manifest.json": {uuid(1): {}, uuid(2): {"timestamp": "?"}, uuid(3): 7}}, "no events", 0),
    "a list": ({"/feed/manifest.json": []}, "not what a MISP feed holds", 0),
    "HTML": ({"/feed/manifest.json": as_json(b"<html>", "text/html")}, "not what a MISP feed holds", 0),
    "deep": ({"/feed/manifest.json": as_json(b'{"a":' * 100_000 + b"1" + b"}" * 100_000)}, "not what", 0),
    "huge": ({"/feed/manifest.json": as_json(b" " * (2 << 20))}, "more than", 0),
    "one event missing": (
        {k: v for k, v in feed({1: 1, 2: 2, 3: 3}).items() if uuid(2) not in k}, "404", 2),
    "one event is junk": (
        feed({1: 1, 2: 2}) | {f"/feed/{uuid(1)}.json": as_json(b'{"Event": []}')}, "not what", 1),
    "nothing at all": ({}, "404", 0),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_FEEDS)
def test_a_lying_feed_costs_a_message(lake: Lake, state: State, name: str) -> None:
    pages, said, taken = BAD_FEEDS[name]
    with serving(site(pages)) as server:
        done = go(lake, state, server.url + "/feed/", "misp-feed")
        assert all(p.startswith("/feed/") and ".." not in p for p in server.paths)
    assert said in " ".join([done.error, *done.problems])
    assert done.objects == taken
    assert len(state.pulls.items("partner")) == taken


def test_a_feed_whose_events_are_all_gone_is_left_early(lake: Lake, state: State) -> None:
    manifest = {uuid(n): {"timestamp": "1"} for n in range(100)}
    with serving(site({"/feed/manifest.json": manifest})) as server:
        done = go(lake, state, server.url + "/feed", "misp-feed")
        assert len(server.asked) == 1 + 5
    assert "404" in done.error


# As a job and as a verb -------------------------------------------------------------------------------------
def config(tmp_path: Path, server: Server, **more: str) -> Config:
    lines = [
        "[[job]]",
        'do = "pull"',
        'name = "partner"',
        'kind = "taxii"',
        f'url = "{server.url}{HERE}"',
        'every = "1h"',
    ]
    path = tmp_path / "noroshi.toml"
    path.write_text("\n".join([*lines, *(f'{k} = "{v}"' for k, v in more.items())]))
    return load(path)


def test_the_job_pulls(lake: Lake, state: State, tmp_path: Path) -> None:
    from noroshi.work.jobs import Runner

    told: list[str] = []
    with serving(site(taxii(whole([thing(1)])))) as server:
        runner = Runner(
            lake, config(tmp_path, server), state, lambda name, text: told.append(f"{name}: {text}")
        )
        assert runner.run(once=True) == 0
    assert told[0].startswith("partner: 1 objects, ")


def test_a_job_that_fails_is_told_and_does_not_stop_the_others(
    lake: Lake, state: State, tmp_path: Path
) -> None:
    from noroshi.work.jobs import Runner

    told: list[str] = []
    with serving(lambda a: Reply(status=500)) as server:
        runner = Runner(lake, config(tmp_path, server), state, lambda name, text: told.append(text))
        assert runner.run(once=True) == 1
    assert "status 500" in told[0]
    assert "fault in Noroshi" not in told[0]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('kind = "ftp"', "kind"), ('url = "https://u:p@x/"', "web address"), ('url = "x"', "web address"),
        ('user_env = "U"', "one of user_env"), ('tlp = "pink"', "TLP"), ('max_mb = 0', "max_mb"),
        ('api_key_header = "a b"', "api_key_header"),
    ],
)  # fmt: skip
def test_configuration_that_cannot_be_followed_is_told(tmp_path: Path, line: str, said: str) -> None:
    given = {"do": '"pull"', "kind": '"taxii"', "url": '"https://x.example/"', "every": '"1h"'}
    name, _, value = line.partition(" = ")
    path = tmp_path / "noroshi.toml"
    path.write_text("[[job]]\n" + "\n".join(f"{k} = {v}" for k, v in (given | {name: value}).items()))
    with pytest.raises(ConfigError, match=said):
        load(path)


def test_the_verb(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from click.testing import CliRunner

    from noroshi.cli.pull import command
    from noroshi.cli.state import State as Given

    def run(*words: str) -> tuple[int, Any]:
        found = CliRunner().invoke(
            command, [*words, "--json"], obj=Given(lake_given=tmp_path / "lake"), standalone_mode=False
        )
        out = found.stdout if hasattr(found, "stdout") else found.output
        line = next((t for t in out.splitlines() if t.startswith("[")), "[]")
        return found.return_value if found.exception is None else -1, json.loads(line)

    with serving(site(taxii(whole([thing(n) for n in range(3)])))) as server:
        code, told = run(server.url + HERE, "--kind", "taxii")
        assert (code, told[0]["objects"], told[0]["error"]) == (0, 3, "")
        assert run(server.url + HERE, "--kind", "taxii")[1][0]["objects"] == 0
        assert run(server.url + HERE, "--kind", "taxii", "--again")[1][0]["objects"] == 3
    code, told = run(server.url + HERE, "--kind", "taxii")
    assert code == 3
    assert "cannot be reached" in told[0]["error"]
    assert run("--list")[1][0]["problem"]


def test_an_empty_configuration_has_nothing_to_pull() -> None:
    assert Config(File(), None).jobs == ()
