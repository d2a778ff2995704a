"""The TAXII server beside the reference server, its pages at 10 million objects, and a pull of 800 thousand by
taxii2-client: python -m bench.taxii.

Reference: medallion, memory backend, in process, the same objects, times and pages; its answers are compared with ours
before anything is timed. Its pages cost more with every object it holds, so it is measured at 250 to 2,000.
Pages are timed in the thread's CPU seconds, because a shared machine makes wall time a matter of who else is there;
the pull is timed in both, client and server being processes of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from bench import harness

MEDIA = "application/taxii+json;version=2.1"
BEGAN = 1_700_000_000_000_000
"""When the first object was added, in microseconds since 1970."""
TYPES = ("indicator", "sighting", "observed-data", "ipv4-addr", "relationship", "malware", "note")
WEIGHTS = (20, 20, 20, 30, 8, 1, 1)
RARE = "course-of-action"
"""A type of one object in 100,000."""


def main() -> None:
    """Runs all and keeps the result; with --serve, answers for a site until it is ended."""
    p = argparse.ArgumentParser(prog="python -m bench.taxii", description=__doc__.split("\n")[0])
    p.add_argument("--objects", type=int, default=10_000_000)
    p.add_argument("--pull", type=int, default=800_000)
    p.add_argument("--rounds", type=int, default=40)
    p.add_argument("--name", default="taxii")
    p.add_argument("--only", choices=("peers", "pages", "pull"), help="print one part and keep nothing")
    p.add_argument("--serve", type=Path)
    p.add_argument("--client", nargs=2)
    a = p.parse_args()
    if a.serve:
        _serve(a.serve)
        return
    if a.client:
        _client(*a.client)
        return
    harness.DATA.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=harness.DATA) as room:
        if a.only == "pages":
            print(json.dumps(_pages(Path(room) / "pages", a.objects, a.rounds), indent=1))
        if a.only == "peers":
            print(json.dumps(_peers(Path(room)), indent=1))
        if a.only == "pull":
            print(json.dumps(_pull(Path(room) / "pull", a.pull), indent=1))
        if a.only:
            return
        pages = _pages(Path(room) / "pages", a.objects, a.rounds)
        print(json.dumps(pages), file=sys.stderr)
        pull = _pull(Path(room) / "pull", a.pull)
        print(json.dumps(pull), file=sys.stderr)
        peers = _peers(Path(room))
    harness.write(a.name, {"peers": peers, "pages": pages, "pull": pull}, _words(a, peers, pages, pull))


def _words(a: argparse.Namespace, peers: Any, pages: Any, pull: Any) -> str:
    ms = [
        (q, *(f"{1e3 * v[k]:.1f}" for k in ("median", "p95", "max"))) for q, v in pages["questions"].items()
    ]
    beside = [
        (f"{int(n):,}", f"{1e3 * r['noroshi']['median']:.1f}", f"{1e3 * r['medallion']['median']:,.0f}",
         f"{r['medallion']['median'] / r['noroshi']['median']:,.0f}")
        for n, r in peers.items()
    ]  # fmt: skip
    parts = [
        f"A page of 1,000 objects out of {pages['objects']:,} ({pages['bytes'] / 1e9:.1f} GB), "
        f"at {a.rounds} random places; "
        "the whole answer, from the request to the bytes, compressed or not as said; CPU milliseconds.",
        harness.table(("question", "median", "p95", "max"), ms),
        "The first page of 100 objects, beside medallion with the same objects and answers; CPU milliseconds.",
        harness.table(("objects held", "Noroshi", "medallion", "times"), beside),
        f"taxii2-client pulls {pull['objects']:,} objects over loopback in {pull['pages']:,} pages: "
        f"{pull['wall_s']:.0f} s on this machine with a load of {pull['load']:.1f}; CPU "
        f"{pull['client_cpu_s']:.0f} s of the client and {pull['server_cpu_s']:.0f} s of the server. "
        f"Publishing them took {pull['publish_cpu_s']:.0f} CPU seconds, the second time, with nothing new, "
        f"{pull['again_cpu_s']:.0f}.",
    ]  # fmt: skip
    return "\n\n".join(parts)


# Sites -----------------------------------------------------------------------------------------------------
def _site(folder: Path) -> tuple[Any, Any, str]:
    """(lake, state, key of the recipient `partner`)."""
    from noroshi.lake.handle import Lake
    from noroshi.lake.state import State
    from noroshi.lake.state.recipients import RecipientRow

    lake = Lake.open(folder / "lake")
    state = State(lake.path)
    state.recipients.add(RecipientRow("partner", "organisation", "amber", "plain", writes=True))
    _, key = state.tokens.issue("recipient", "partner")
    return lake, state, key


def _findings(lake: Any, state: Any) -> tuple[Any, Any]:
    """(recipient, their collection of findings)."""
    from noroshi.share.taxii import collections
    from noroshi.work.gate import recipient

    to = recipient("partner", state)
    return to, collections.of(to, lake.keys)[0]


def _things(n: int, seed: int = 4) -> Iterator[dict[str, Any]]:
    """n objects of about 400 bytes; the same every time."""
    rng = random.Random(seed)
    for i in range(n):
        kind = RARE if i % 100_000 == 50_000 else rng.choices(TYPES, WEIGHTS)[0]
        thing: dict[str, Any] = {
            "type": kind,
            "spec_version": "2.1",
            "id": f"{kind}--{uuid.UUID(int=rng.getrandbits(128), version=4)}",
        }
        if kind == "ipv4-addr":
            yield thing | {"value": f"198.51.{i >> 8 & 255}.{i & 255}"}
            continue
        stamp = f"2026-{1 + i % 12:02d}-{1 + i % 28:02d}T{i % 24:02d}:00:00.{i % 1000:03d}Z"
        yield thing | {
            "created": stamp, "modified": stamp, "created_by_ref": "identity--0c2f8a4e-0000-4000-8000-000000000001",
            "confidence": i % 101, "name": f"Scanner 198.51.{i >> 8 & 255}.{i & 255}", "labels": ["scanner"],
            "description": "Sent packets to many addresses of a telescope, and to none of them twice in a minute.",
        }  # fmt: skip


def _entries(n: int) -> Iterator[Any]:
    import msgspec

    from noroshi.share.taxii.append import Entry

    for thing in _things(n):
        yield Entry(thing["id"], thing["type"], thing.get("modified", ""), msgspec.json.encode(thing))


def _keep(con: Any, lake: Any, to: Any) -> None:
    """Says that a log was made from the lake as it is now: another is not shown."""
    from datetime import UTC, datetime

    from noroshi.config import load
    from noroshi.work import published

    published.keep(con, published.made(lake, load(None), to, "findings", datetime.now(UTC)))


def _asking(lake: Any, state: Any, key: str) -> Callable[..., tuple[bytes, dict[str, str]]]:
    """A function that sends one GET through the whole application and gives (body, headers)."""
    from starlette.requests import Request

    from noroshi.config import load
    from noroshi.web.taxii.app import _response
    from noroshi.web.taxii.service import Asked, Service

    service = Service(lake, load(None), state)

    def ask(place: str, query: dict[str, Any], gzip: bool = False) -> tuple[bytes, dict[str, str]]:
        to = service.recipient(key)
        assert to is not None
        pairs = [(k, str(v)) for k, v in query.items()]
        answer = service.get(
            Asked(to, ["shared", "collections", "findings", *place.split("/")], pairs, "/taxii2")
        )
        headers = [(b"accept-encoding", b"gzip")] if gzip else []
        scope = {"type": "http", "method": "GET", "headers": headers, "path": "/", "query_string": b""}
        sent = _response(Request(scope), answer)
        assert sent.status_code == 200, sent.body
        return bytes(sent.body), dict(answer.headers)

    return ask


# Pages -----------------------------------------------------------------------------------------------------
def _pages(folder: Path, n: int, rounds: int) -> dict[str, Any]:
    from noroshi.share.taxii import schema, times

    folder.mkdir()
    lake, state, key = _site(folder)
    to, collection = _findings(lake, state)
    path = collection.path(lake.path)
    began = time.process_time()
    with schema.writing(path) as con:
        _fill(con, n)
        schema.put(con, "high", BEGAN + n - 1)
        _keep(con, lake, to)
    made = time.process_time() - began
    ask = _asking(lake, state, key)
    rng = random.Random(7)

    def somewhere() -> str:
        return times.text(BEGAN + rng.randrange(n))

    sample = json.loads(ask("objects", {"limit": 2000, "added_after": somewhere()})[0])["objects"]
    ids = [o["id"] for o in sample]
    stamps = [o["modified"] for o in sample if "modified" in o]
    asked: dict[str, Callable[[], tuple[str, dict[str, Any], bool]]] = {
        "everything": lambda: ("objects", {"limit": 1000, "added_after": somewhere()}, False),
        "everything, gzip": lambda: ("objects", {"limit": 1000, "added_after": somewhere()}, True),
        "all versions": lambda: (
            "objects", {"limit": 1000, "added_after": somewhere(), "match[version]": "all"}, False),
        "one type": lambda: ("objects", {"limit": 1000, "added_after": somewhere(), "match[type]": "indicator"}, False),
        "a rare type": lambda: ("objects", {"limit": 1000, "match[type]": RARE}, False),
        "a type that is not there": lambda: ("objects", {"limit": 1000, "match[type]": "vulnerability"}, False),
        "spec version 2.0": lambda: ("objects", {"limit": 1000, "match[spec_version]": "2.0"}, False),
        "100 ids": lambda: ("objects", {"limit": 1000, "match[id]": ",".join(rng.sample(ids, 100))}, False),
        "20 versions": lambda: (
            "objects", {"limit": 1000, "added_after": somewhere(), "match[version]": ",".join(rng.sample(stamps, 20))},
            False),
        "manifest": lambda: ("manifest", {"limit": 1000, "added_after": somewhere()}, False),
        "one object": lambda: (f"objects/{rng.choice(ids)}", {}, False),
    }  # fmt: skip
    questions = {}
    for name, make in asked.items():
        spent, found = [], 0
        for k in range(rounds + 3):
            place, query, gzip = make()
            began = time.thread_time()
            body, _ = ask(place, query, gzip)
            if k >= 3:  # the first ones bring the file's inner pages into memory
                spent.append(time.thread_time() - began)
            found = max(found, 0 if gzip else len(json.loads(body).get("objects", [])))
        spent.sort()
        at95 = spent[min(len(spent) - 1, int(0.95 * len(spent)))]
        questions[name] = harness.spread(spent) | {"p95": at95, "objects": found}
    size = sum(f.stat().st_size for f in path.parent.glob(path.name + "*"))
    shutil.rmtree(folder)
    return {"objects": n, "bytes": size, "made_cpu_s": made, "questions": questions}


def _fill(con: Any, n: int) -> None:
    """Rows as a publication makes them, ten times faster: without looking for what is there, indexes at the end."""
    from noroshi.share.taxii import append, schema
    from noroshi.share.taxii.store import ALONE, UNVERSIONED, key_of

    con.execute("PRAGMA cache_size=-1000000")
    names = ("by_key", "by_kind", "by_version")
    for name in names:
        con.execute(f"DROP INDEX {name}")
    appender = append.Appender(con, BEGAN)
    kinds = [appender.kind(t, "2.1", ALONE) for t in (*TYPES, RARE)]
    often = [k for k, weight in enumerate(WEIGHTS) for _ in range(weight)]
    turn = random.Random(4)
    turn.shuffle(often)
    stamp = 1_767_225_600_000_000

    def log() -> Iterator[tuple[Any, ...]]:
        for i in range(n):
            k = _kind(i, often)
            name = _name(i, k)
            version = (BEGAN + i, UNVERSIONED) if k == 3 else (stamp + i % 1_000_000 * 1000, 3)
            yield (BEGAN + i, key_of(name), name, kinds[k], *version, b"")

    con.executemany("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?)", log())
    con.executemany(
        "INSERT INTO bodies VALUES (?, ?)",
        ((BEGAN + i, _body(_name(i, k := _kind(i, often)), k, i)) for i in range(n)),
    )
    for statement in schema.TABLES.split(";\n"):
        con.execute(statement)


def _kind(i: int, often: list[int]) -> int:
    return len(TYPES) if i % 100_000 == 50_000 else often[i * 7919 % 100]


def _name(i: int, k: int) -> str:
    return f"{(*TYPES, RARE)[k]}--{i * 2654435761 % (1 << 32):08x}-0000-4000-8000-{i:012x}"


def _body(name: str, k: int, i: int) -> bytes:
    from noroshi.share.taxii import times

    head = f'{{"type":"{(*TYPES, RARE)[k]}","spec_version":"2.1","id":"{name}",'
    address = f"198.51.{i >> 8 & 255}.{i & 255}"
    if k == 3:
        return f'{head}"value":"{address}"}}'.encode()
    at = times.text(1_767_225_600_000_000 + i % 1_000_000 * 1000, 3)
    return (
        f'{head}"created":"{at}","modified":"{at}","created_by_ref":"identity--0c2f8a4e-0000-4000-8000-000000000001",'
        f'"confidence":{i % 101},"name":"Scanner {address}","labels":["scanner"],"description":"Sent packets to many '
        'addresses of a telescope, and to none of them twice in a minute."}'
    ).encode()


# Beside the reference --------------------------------------------------------------------------------------
def _peers(room: Path) -> dict[str, Any]:
    out = {}
    for n in (250, 500, 1000, 2000):
        folder = room / f"peers-{n}"
        folder.mkdir()
        lake, state, key = _site(folder)
        from noroshi.share.taxii import append, schema

        to, collection = _findings(lake, state)
        with schema.writing(collection.path(lake.path)) as con:
            append.publish(con, _entries(n), BEGAN)
            _keep(con, lake, to)
        ask = _asking(lake, state, key)
        theirs = _medallion(list(_things(n)))
        query = {"limit": 100}
        ours = json.loads(ask("objects", query)[0])
        other = theirs(query)
        assert (ours["objects"], ours["more"]) == (other["objects"], other["more"]), "the answers differ"
        spent: dict[str, list[float]] = {"noroshi": [], "medallion": []}
        _spend(spent["noroshi"], partial(ask, "objects", query), 50)
        _spend(spent["medallion"], partial(theirs, query), max(1, 1000 // n))
        out[str(n)] = {name: harness.spread(v) for name, v in spent.items()}
        shutil.rmtree(folder)
    return out


def _spend(spent: list[float], one: Callable[[], Any], times: int) -> None:
    for _ in range(times):
        began = time.thread_time()
        one()
        spent.append(time.thread_time() - began)


def _medallion(things: list[dict[str, Any]]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A function that asks the reference server, which holds these objects, added a microsecond apart."""
    import logging

    from medallion import application_instance as app
    from medallion import register_blueprints
    from medallion.backends.memory_backend import MemoryBackend

    from noroshi.share.taxii import times

    logging.getLogger("medallion").setLevel(logging.ERROR)
    manifest = [
        {"id": t["id"], "date_added": times.text(BEGAN + i), "media_type": "application/stix+json;version=2.1",
         "version": t.get("modified", times.text(BEGAN + i))}
        for i, t in enumerate(things)
    ]  # fmt: skip
    # It keeps the version of an object without one in the object itself.
    held = [
        t if "modified" in t else t | {"_date_added": m["version"]}
        for t, m in zip(things, manifest, strict=True)
    ]
    backend = MemoryBackend()
    backend.data = {
        "shared": {
            "information": {"title": "x", "versions": [MEDIA], "max_content_length": 1 << 20}, "status": [],
            "collections": [{
                "id": "findings", "title": "x", "can_read": True, "can_write": True, "media_types": [],
                "objects": held, "manifest": manifest,
            }],
        }
    }  # fmt: skip
    if not app.blueprints:
        register_blueprints(app)
    app.medallion_backend, app.users_backend, app.taxii_config = (
        backend,
        {"user": "pass"},
        {"max_page_size": 2000},
    )
    client = app.test_client()

    def ask(query: dict[str, Any]) -> dict[str, Any]:
        found = client.get(
            "/shared/collections/findings/objects/",
            query_string=query,
            headers={"Accept": MEDIA},
            auth=("user", "pass"),
        )
        assert found.status_code == 200, found.data
        answer: dict[str, Any] = found.get_json()
        return answer

    return ask


# The pull --------------------------------------------------------------------------------------------------
def _pull(folder: Path, n: int) -> dict[str, Any]:
    from noroshi.share.taxii import append, schema

    folder.mkdir()
    lake, state, key = _site(folder)
    to, collection = _findings(lake, state)
    took = []
    for _ in range(2):
        began = time.process_time()
        with schema.writing(collection.path(lake.path)) as con:
            append.publish(con, _entries(n), BEGAN)
            _keep(con, lake, to)
        took.append(time.process_time() - began)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "port").write_text(str(port))
    server = subprocess.Popen([sys.executable, "-m", "bench.taxii", "--serve", str(folder)], cwd=harness.ROOT)
    try:
        _wait(port)
        client = [sys.executable, "-m", "bench.taxii", "--client", f"http://127.0.0.1:{port}/taxii2/", key]
        cost = harness.ok(harness.run(client, env={"PYTHONPATH": str(harness.ROOT)}), "the client")
    finally:
        server.terminate()
        _, _, usage = os.wait4(server.pid, 0)
        server.returncode = 0
    found: dict[str, Any] = json.loads(cost.out)
    assert found["objects"] == found["different"] == n, found
    shutil.rmtree(folder)
    return found | {
        "wall_s": cost.wall_s, "client_cpu_s": cost.cpu_s, "server_cpu_s": usage.ru_utime + usage.ru_stime,
        "publish_cpu_s": took[0], "again_cpu_s": took[1], "load": os.getloadavg()[0],
    }  # fmt: skip


def _wait(port: int) -> None:
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the server did not start")


def _serve(folder: Path) -> None:
    import uvicorn
    from starlette.applications import Starlette

    from noroshi.config import load
    from noroshi.lake.handle import Lake
    from noroshi.lake.state import State
    from noroshi.web.taxii import routes

    lake = Lake.open(folder / "lake")
    app = Starlette(routes=routes(lake, load(None), State(lake.path)))
    uvicorn.run(app, port=int((folder / "port").read_text()), log_level="error", access_log=False)


def _client(url: str, key: str) -> None:
    from taxii2client.v21 import Server, as_pages

    findings = next(
        c for c in Server(url, user="partner", password=key).default.collections if c.title == "Findings"
    )
    pages, n = 0, 0
    seen: set[str] = set()
    for page in as_pages(findings.get_objects, per_request=1000):
        pages += 1
        n += len(page["objects"])
        seen.update(o["id"] for o in page["objects"])
    print(json.dumps({"pages": pages, "objects": n, "different": len(seen)}))


if __name__ == "__main__":
    main()
