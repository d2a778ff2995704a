"""A run is all or nothing, and the same bytes are stored once."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from noroshi.lake import writer as writing
from noroshi.lake.delta import Store
from noroshi.lake.handle import Lake
from noroshi.model.errors import LakeError
from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch
from noroshi.model.tables import TABLES
from noroshi.model.tlp import Tlp
from tests.lake.support import content, count, flows, links, put, some, store
from tests.support.memory import DAY, NOON, flow


@pytest.fixture(params=["gathered", "streamed"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways a run can take: waiting in memory, or to files at once."""
    if request.param == "streamed":
        monkeypatch.setattr(writing, "SMALL_RUN_BYTES", 0)
    return str(request.param)


def test_rows_come_back_as_they_were(lake: Lake, way: str) -> None:
    rows = [
        flow("255.255.255.255", "0.0.0.0", sport=65535, dport=65535, ip_id=65535, seq=2**32 - 1, ack=0),
        flow("2001:db8::1", "2001:db8:42::ffff", proto=58, inner_dst_ip="::1", inner_protocol=17),
        flow("192.0.2.1", "198.51.100.1", tool="zmap-4.1", df=True, tcp_options="M,N", payload="x"),
    ]  # fmt: skip
    result = store(lake, "a", flows(rows))
    assert result.rows == {"flows": 3}
    assert not result.known
    got = lake.snapshot().sql("SELECT * EXCLUDE (day) FROM flows ORDER BY src_ip").to_pylist()
    for want in rows:
        want["run_id"] = result.run_id
    assert got == sorted(rows, key=lambda r: r["src_ip"])


def test_day_is_the_utc_day_of_the_row(lake: Lake, way: str) -> None:
    at = [43_199.999999, 43_200.0, 129_600.0]  # just before midnight, at midnight, a day later
    store(lake, "a", flows([flow("192.0.2.1", "198.51.100.1", at=s) for s in at]))
    shot = lake.snapshot()
    got = shot.sql("SELECT first_seen, day, first_seen::DATE AS want FROM flows").to_pylist()
    assert [r["day"] for r in got if r["day"] != r["want"]] == []
    assert shot.days("flows") == [DAY, date(2024, 4, 2), date(2024, 4, 3)]
    assert count(shot, "flows WHERE day = '2024-04-02'") == 1


def test_many_batches_plain_or_coded_are_the_same(lake: Lake, way: str) -> None:
    rows = some(3000, days=3)
    store(lake, "a", *[flows(rows[i : i + 100], coded=i % 200 == 0) for i in range(0, 3000, 100)])
    shot = lake.snapshot()
    assert count(shot) == 3000 == shot.count("flows")
    assert shot.sql("SELECT count(DISTINCT src_ip) AS n FROM flows")["n"][0].as_py() == 250


def test_run_is_described(lake: Lake, way: str) -> None:
    with lake.writer() as writer:
        run = writer.begin(path="/x/a.pcap", format="pcap", parser_version=3, tlp=Tlp.AMBER)
        run.write(Batch("flows", flows(some(5, days=2))))
        run.reject(Reject(7, "short", "3 of 16 bytes", b"\xff" * 100, count=2))
        result = run.finish(sha256="ab", size=9, counts={"packets": 50}, problem="cut short at byte 9")
    assert result.rejects == 2
    (info,) = lake.snapshot().runs()
    assert (info.source, info.state, info.tlp, info.size) == ("/x/a.pcap", "closed", Tlp.AMBER, 9)
    assert info.problem == "cut short at byte 9"
    assert info.counts == {"packets": 50, "rejects": 2, "tables": {"flows": 5, "hourly": 5, "rejects": 1}}
    assert info.first_seen == NOON
    assert info.last_seen == NOON + timedelta(days=1)
    (reject,) = lake.snapshot().sql("SELECT * FROM rejects").to_pylist()
    assert reject["sample"] == "ff" * 64
    assert reject["position"] == 7
    assert reject["path"] == "/x/a.pcap"


def test_same_bytes_are_stored_once(lake: Lake, way: str) -> None:
    store(lake, "a", flows(some(10)))
    before = lake.snapshot()
    again = store(lake, "a", flows(some(10)))
    assert again.known
    assert again.rows == {}
    with lake.writer() as writer:
        assert put(writer, "b", flows(some(3))).known is False
        assert put(writer, "b", flows(some(3))).known is True
    shot = lake.snapshot()
    assert count(before) == 10
    assert count(shot) == 13
    assert [r.sha256 for r in shot.runs()] == ["a", "b"]
    assert lake.verify() == []


def test_known_only_for_the_same_format_version_and_source(lake: Lake) -> None:
    with lake.writer() as writer:
        for source in ("one", "two"):
            run = writer.begin(path="p", source=source, format="pcap", parser_version=1, tlp=Tlp.GREEN)
            run.write(Batch("flows", flows(some(2))))
            assert not run.finish(sha256="a", size=1).known
    assert count(lake.snapshot()) == 4


def test_newer_parser_version_replaces(lake: Lake, way: str) -> None:
    store(lake, "a", flows(some(10)), links(("192.0.2.1", 4)))
    store(lake, "a", flows(some(7)), links(("192.0.2.1", 2)), version=2)
    shot = lake.snapshot()
    assert count(shot) == 7
    assert count(shot, "links") == 1
    assert [r.parser_version for r in shot.runs()] == [2]
    assert store(lake, "a", flows(some(10)), version=1).known
    assert lake.verify() == []


def test_dropped_run_leaves_nothing(lake: Lake, way: str) -> None:
    with lake.writer() as writer:
        run = writer.begin(path="a", format="pcap", parser_version=1, tlp=Tlp.GREEN)
        run.write(Batch("flows", flows(some(10))))
        run.drop()
    assert count(lake.snapshot()) == 0
    assert list((lake.path / "flows").glob("**/*.parquet")) == []
    assert lake.verify() == []


def test_exception_drops_the_run_and_keeps_those_finished(lake: Lake, way: str) -> None:
    def interrupted() -> None:
        with lake.writer() as writer:
            put(writer, "done", flows(some(4)))
            run = writer.begin(path="a", format="pcap", parser_version=1, tlp=Tlp.GREEN)
            run.write(Batch("flows", flows(some(10))))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted()
    assert count(lake.snapshot()) == 4
    assert lake.verify() == []


def test_small_runs_share_commits_and_files(lake: Lake) -> None:
    with lake.writer() as writer:
        for i in range(20):
            put(writer, f"d{i}", flows(some(5)), links(("192.0.2.1", 1)))
        assert count(lake.snapshot()) == 0  # none, rather than some
    shot = lake.snapshot()
    assert count(shot) == 100
    assert len(shot.runs()) == 20
    assert len(shot.files("flows")) == len(shot.files("links")) == 1
    assert lake.stores["flows"]._delta.version() == 1


def test_group_is_committed_when_it_is_large(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "GROUP_BYTES", 1)
    with lake.writer() as writer:
        put(writer, "a", flows(some(5)))
        assert count(lake.snapshot()) == 5


def test_links_are_summed_by_run(lake: Lake, way: str) -> None:
    a, b = ("192.0.2.1", 3), ("192.0.2.2", 5)
    store(lake, "a", links(a, b), links(a), links(b, role="victim"))
    store(lake, "b", links(a))
    got = lake.snapshot().sql(
        "SELECT value, role, sum(count) AS n, count(*) AS rows FROM links GROUP BY ALL ORDER BY ALL"
    )
    assert [tuple(r.values()) for r in got.to_pylist()] == [
        ("192.0.2.1", "src", 9, 2), ("192.0.2.2", "src", 5, 1), ("192.0.2.2", "victim", 5, 1),
    ]  # fmt: skip


def test_links_beyond_memory_add_up(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    from noroshi.lake import links as module

    monkeypatch.setattr(module.LinkBuffer.__init__, "__defaults__", (10,))
    batches = [links(*[(f"192.0.2.{i}", 1) for i in range(k, k + 9)]) for k in range(0, 100, 3)]
    store(lake, "a", *batches)
    shot = lake.snapshot()
    assert shot.sql("SELECT sum(count)::BIGINT AS n FROM links")["n"][0].as_py() == 9 * len(batches)
    assert pc.sum(shot.links("ip", "192.0.2.50")["count"]).as_py() == 3


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda t: t.drop_columns(["src_ip"]), "src_ip"),
        (lambda t: t.append_column("colour", pa.nulls(len(t), pa.string())), "colour"),
        (lambda t: t.set_column(2, "src_port", pa.nulls(len(t), pa.int32())), "null"),
        (lambda t: t.set_column(2, "src_port", pa.array([2**40] * len(t))), "src_port"),
    ],
)
def test_wrong_batches_are_refused(lake: Lake, way: str, change: object, word: str) -> None:
    with pytest.raises(LakeError, match=word), lake.writer() as writer:
        put(writer, "a", change(flows(some(5))))  # type: ignore[operator]
    assert count(lake.snapshot()) == 0
    assert lake.verify() == []


def test_sensor_cannot_write_runs_or_findings(lake: Lake) -> None:
    with lake.writer() as writer:
        run = writer.begin(path="a", format="pcap", parser_version=1, tlp=Tlp.GREEN)
        with pytest.raises(LakeError, match="findings"):
            run.write(Batch("findings", TABLES["findings"].arrow().empty_table()))


def test_snapshot_between_commits_sees_no_half(lake: Lake, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store(lake, "old", flows(some(3)), links(("192.0.2.1", 1)))
    seen: list[tuple[int, int]] = []
    other, real = Lake.open(lake.path), Store.commit

    def spy(self: Store, *args: object, **more: object) -> None:
        real(self, *args, **more)  # type: ignore[arg-type]
        shot = other.snapshot()
        seen.append((count(shot), count(shot, "links")))

    monkeypatch.setattr(Store, "commit", spy)
    store(lake, "new", flows(some(4)), links(("192.0.2.2", 1)))
    assert len(seen) >= 4
    assert seen[-1] == (7, 2)
    assert set(seen[:-1]) == {(3, 1)}


def test_snapshot_does_not_change(lake: Lake) -> None:
    store(lake, "a", flows(some(3)))
    shot = lake.snapshot()
    store(lake, "b", flows(some(4)))
    lake.compact()
    assert count(shot) == 3
    assert len(content(shot)) == 3
    assert count(lake.snapshot()) == 7


def test_other_engines_read_the_table(lake: Lake) -> None:
    from deltalake import DeltaTable

    store(lake, "a", flows(some(30, days=2)))
    table = DeltaTable(lake.path / "flows")
    assert table.to_pyarrow_table().num_rows == 30
    assert table.metadata().partition_columns == ["day"]
    schema = pa.schema(cast("Any", table.schema()))
    assert schema.field("src_port").type == pa.int32()
    assert not schema.field("src_port").nullable
    assert schema.field("first_seen").type == pa.timestamp("us", "UTC")


def test_opening(lake: Lake, tmp_path: object) -> None:
    with pytest.raises(LakeError, match="no lake"):
        Lake.open(lake.path / "nowhere", create=False)
    (lake.path / "lake.json").write_text('{"format": 99}')
    with pytest.raises(LakeError, match="99"):
        Lake.open(lake.path)
