"""What pages draw of the telescope equals what counting the rows gives."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from noroshi.ask import traffic
from noroshi.lake.handle import Lake
from noroshi.model.errors import UsageError
from noroshi.model.tlp import Tlp
from tests.ask.support import batch

START = datetime(2024, 4, 1, tzinfo=UTC)
END = START + timedelta(days=2)


def made(seed: int, n: int = 600) -> list[dict[str, Any]]:
    random = np.random.default_rng(seed)
    out = []
    for i in range(n):
        ts = START + timedelta(seconds=float(random.random() * 2 * 86_400))
        out.append(
            {"first_seen": ts, "last_seen": ts, "src_ip": f"203.0.{random.integers(0, 3)}.{random.integers(0, 50)}",
             "dst_ip": f"192.0.2.{random.integers(0, 9)}", "dst_port": int(random.choice([22, 23, 80])),
             "protocol": 6, "packet_count": int(random.integers(1, 5)), "class": "scan", "offset": i,
             "tool": str(random.choice(["mirai", "zmap-2", ""]))}
        )  # fmt: skip
    return out


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Lake, list[dict[str, Any]], list[dict[str, Any]]]:
    lake = Lake.open(tmp_path_factory.mktemp("traffic") / "lake", create=True)
    shown, hidden = made(1), made(2)
    with lake.writer() as writer:
        for tlp, rows in ((Tlp.GREEN, shown), (Tlp.RED, hidden)):
            run = writer.begin(path=tlp.value, source="s", format="pcap", parser_version=1, tlp=tlp)
            run.write(batch("flows", *rows))
            run.finish(sha256=tlp.value, size=1)
    return lake, shown, hidden


@pytest.mark.parametrize("step", [300, 3600, 6 * 3600])
@pytest.mark.parametrize("by", ["tool", "port", ""])
def test_every_packet_stands_in_its_bin(world: Any, by: str, step: int) -> None:
    lake, shown, hidden = world
    for shot, rows in ((lake.snapshot(), shown + hidden), (lake.snapshot().restricted(tlp=Tlp.GREEN), shown)):
        found = traffic.over_time(shot, START, END, by=by, top=2, step_s=step)
        assert found.start == START
        assert found.bins == 2 * 86_400 // step
        truth = np.zeros(found.bins, int)
        for row in rows:
            truth[int((row["first_seen"] - START).total_seconds() // step)] += row["packet_count"]
        assert np.array_equal(sum(np.array(line.values) for line in found.lines), truth)
        assert all(line.total == sum(line.values) for line in found.lines)
        assert len(found.lines) == (3 if by else 1)


def test_parts_are_ranked_and_named(world: Any) -> None:
    lake, shown, _ = world
    shot = lake.snapshot().restricted(tlp=Tlp.GREEN)
    sums = Counter[str]()
    for row in shown:
        sums[row["tool"] or "unknown"] += row["packet_count"]
    found = traffic.over_time(shot, START, END, by="tool", top=9)
    assert {line.name: line.total for line in found.lines} == dict(sums)
    assert [line.total for line in found.lines] == sorted(sums.values(), reverse=True)
    assert traffic.over_time(shot, START, END, by="port").lines[0].name.startswith("tcp/")


def test_nothing_gives_nothing(world: Any) -> None:
    lake, *_ = world
    later = END + timedelta(days=30)
    assert traffic.over_time(lake.snapshot(), later, later + timedelta(days=1)).lines == ()
    assert traffic.changes(lake.snapshot(), later, later + timedelta(days=1)) == ()
    assert traffic.extent(lake.snapshot(), "connections") is None


def test_a_question_too_fine_is_refused(world: Any) -> None:
    lake, *_ = world
    with pytest.raises(UsageError, match="too many bins"):
        traffic.over_time(lake.snapshot(), START, START + timedelta(days=300), step_s=60)
    with pytest.raises(UsageError, match="cannot be split"):
        traffic.over_time(lake.snapshot(), START, END, by="src_ip")


def test_changes_compare_with_the_span_before(world: Any) -> None:
    lake, shown, hidden = world
    middle = START + timedelta(days=1)
    counts = [Counter[int](), Counter[int]()]
    for row in shown + hidden:
        counts[row["first_seen"] >= middle][row["dst_port"]] += row["packet_count"]
    found = traffic.changes(lake.snapshot(), middle, END)
    assert {c.port: (c.count, c.before) for c in found} == {
        p: (counts[1][p], counts[0][p]) for p in (22, 23, 80)
    }
    assert {c.total for c in found} == {counts[1].total()}


def test_space_and_talkers_count_exactly(world: Any) -> None:
    lake, shown, _ = world
    shot = lake.snapshot().restricted(tlp=Tlp.GREEN)
    (only,) = traffic.space(shot, START, END)
    assert only.network == 203 * 256
    assert only.sources == len({r["src_ip"] for r in shown})
    assert only.packets == sum(r["packet_count"] for r in shown)
    sums, ports = Counter[str](), dict[str, set[int]]()
    for row in shown:
        sums[row["src_ip"]] += row["packet_count"]
        ports.setdefault(row["src_ip"], set()).add(row["dst_port"])
    found = traffic.talkers(shot, START, END, limit=5)
    assert [t.packets for t in found] == [n for _, n in sums.most_common(5)]
    assert all(sums[t.ip] == t.packets and len(ports[t.ip]) == t.ports for t in found)
    assert all(t.packets <= sums[t.ip] for t in traffic.talkers(shot, START, END, port=23))


def test_weeks_begin_on_monday(tmp_path: Path) -> None:
    assert traffic._floor(datetime(2024, 4, 3, 5, tzinfo=UTC), 7 * 86_400) == datetime(2024, 4, 1, tzinfo=UTC)
