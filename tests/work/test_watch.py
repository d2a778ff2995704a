"""Watches: added, found in what is new, told once, delivered until they arrive."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.model.address import pack
from noroshi.model.errors import UsageError
from noroshi.model.sensor import Batch
from noroshi.model.tlp import Tlp
from noroshi.model.watch import parse
from noroshi.share.deliver.file import FileSender
from noroshi.share.deliver.target import DeliveryError, Target
from noroshi.work.deliver import enqueue, flush
from noroshi.work.watch import check

MAY = datetime(2024, 5, 1, 12, tzinfo=UTC)


def _store(lake: Lake, name: str, ip: str = "203.0.113.7", tlp: Tlp = Tlp.AMBER, **more: str) -> str:
    row = {
        "ts": MAY, "session_id": "s", "src_ip": pack(ip), "src_port": 1, "dst_ip": pack("192.0.2.1"),
        "dst_port": 22, "success": False, "offset": 0, "service": "ssh", "username": "root", "password": "x",
    }  # fmt: skip
    command = {
        "ts": MAY, "session_id": "s", "src_ip": pack(ip), "src_port": 1, "offset": 9,
        "text": more.get("text", "uname -a"), "mentions": [more["mention"]] if "mention" in more else [],
    }  # fmt: skip
    with lake.writer() as writer:
        run = writer.begin(path=name, format="test", parser_version=1, tlp=tlp)
        run.write(Batch("logins", _rows("logins", row)))
        run.write(Batch("commands", _rows("commands", command)))
        run.finish(sha256=name, size=1)
    return run.run_id


def _rows(table: str, row: dict[str, object]) -> pa.Table:
    from noroshi.model.tables import TABLES

    schema = TABLES[table].arrow()
    return pa.Table.from_pylist([row], schema=pa.schema([f for f in schema if f.name in row]))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake")


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("203.0.113.7", "ip", "203.0.113.7"), ("203.0.113.0/24", "prefix", "203.0.113.0/24"),
        ("EXAMPLE.com.", "domain", "example.com"), ("cve-2024-0001", "cve", "CVE-2024-0001"),
        ("Acme  Router", "keyword", "acme router"),
        ("cpe:2.3:a:acme:router:*:*:*:*:*:*:*:*", "cpe", "cpe:2.3:a:acme:router:*:*:*:*:*:*:*:*"),
    ],
)  # fmt: skip
def test_what_is_watched(text: str, kind: str, value: str) -> None:
    assert parse(text) == (kind, value)


def test_a_keyword_may_not_be_too_short() -> None:
    with pytest.raises(UsageError, match="keyword"):
        parse("ab")


def test_a_hit_is_told_once(lake: Lake) -> None:
    state = State(lake.path)
    watch, fresh = state.watches.add(*parse("203.0.113.7"), "ours")
    assert fresh
    assert not state.watches.add("ip", "203.0.113.7")[1]
    assert check(lake, state).hits == []
    run = _store(lake, "a")
    ((hit, change),) = check(lake, state).hits
    assert (hit.kind, hit.subject.value, change, hit.tlp, hit.runs) == (
        "watch-hit", "203.0.113.7", "new", Tlp.AMBER, (run,),
    )  # fmt: skip
    assert hit.evidence["note"] == "ours"
    assert {(p["table"], p["role"]) for p in hit.evidence["places"]} == {
        ("logins", "src"),
        ("commands", "src"),
    }
    assert check(lake, state).hits == []
    assert state.watches.all()[0].checked is not None
    state.watches.remove(watch.id)
    with pytest.raises(UsageError):
        state.watches.remove(watch.id)


@pytest.mark.parametrize(
    "watched",
    ["203.0.113.0/24", "malware.example", "http://c2.malware.example/x.sh", "BusyBox MIRAI"],
)
def test_networks_domains_urls_and_keywords(lake: Lake, watched: str) -> None:
    state = State(lake.path)
    state.watches.add(*parse(watched))
    _store(lake, "other", ip="198.51.100.9")
    assert check(lake, state).hits == []
    _store(lake, "b", text="/bin/busybox MIRAI", mention="url http://c2.malware.example/x.sh")
    ((hit, _),) = check(lake, state).hits
    assert hit.evidence["count"] >= 1


def test_two_sources_of_a_day_are_one_finding_with_the_strictest_marking(lake: Lake) -> None:
    state = State(lake.path)
    state.watches.add(*parse("203.0.113.7"))
    _store(lake, "a", tlp=Tlp.GREEN)
    ((first, _),) = check(lake, state).hits
    _store(lake, "b", tlp=Tlp.AMBER)
    found = check(lake, state).hits
    assert {(f.id, f.tlp) for f, _ in found} == {(first.id, Tlp.AMBER)}
    assert found[0][0].evidence["count"] == 2 * first.evidence["count"]


class _Broken:
    def send(self, findings: object) -> None:
        raise DeliveryError("is down", where="there", todo="Wait.")


def test_deliveries_are_tried_until_they_arrive_and_never_twice(lake: Lake, tmp_path: Path) -> None:
    state = State(lake.path)
    state.watches.add(*parse("203.0.113.7"))
    _store(lake, "a")
    hits = [f for f, _ in check(lake, state).hits]
    target = Target("log", ("watch-hit",), Tlp.AMBER)
    enqueue(state, [target], hits)
    enqueue(state, [target], hits)
    sent = flush(lake, state, [(target, _Broken())])
    assert sent.delivered == {}
    assert "is down" in sent.problems[0]
    out = tmp_path / "hits.jsonl"
    assert flush(lake, state, [(target, FileSender(out))]).delivered == {"log": 1}
    assert flush(lake, state, [(target, FileSender(out))]).delivered == {}
    assert [json.loads(line)["id"] for line in out.read_text().splitlines()] == [hits[0].id]
    assert out.stat().st_mode & 0o777 == 0o600


def test_nothing_goes_where_its_marking_forbids(lake: Lake, tmp_path: Path) -> None:
    state = State(lake.path)
    state.watches.add(*parse("203.0.113.7"))
    _store(lake, "a", tlp=Tlp.RED)
    hits = [f for f, _ in check(lake, state).hits]
    for target in (Target("public", ("watch-hit",), Tlp.CLEAR), Target("all", ("watch-hit",), Tlp.RED)):
        enqueue(state, [target], hits)
        assert flush(lake, state, [(target, FileSender(tmp_path / "x"))]).delivered == {}
    assert not (tmp_path / "x").exists()
