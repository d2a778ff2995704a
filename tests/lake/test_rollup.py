"""Sums beside the facts: ports by hour, sources by day."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pytest

from noroshi.lake import rollup
from noroshi.model import address
from noroshi.model.observable import address_key
from noroshi.model.tables import TABLES

START = int(datetime(2024, 5, 1, tzinfo=UTC).timestamp()) * 1_000_000


def _flows(n: int, seed: int = 1) -> pa.Table:
    random = np.random.default_rng(seed)
    ts = START + random.integers(0, 3 * 3_600_000_000, n)
    ports = np.where(random.random(n) < 0.7, 23, random.integers(0, 65536, n)).astype(np.int32)
    return pa.table(
        {
            "first_seen": pa.array(ts).cast(pa.timestamp("us", tz="UTC")),
            "dst_port": ports,
            "protocol": random.choice(np.array([6, 17], np.int16), n),
            "packet_count": random.integers(1, 5, n),
        }
    )


def test_sums_by_hour_and_port_are_right_and_the_rest_is_not_lost() -> None:
    rows = _flows(300_000)  # more distinct ports than the hash table holds: several partial sums
    made = rollup.Rollup()
    made.facts("flows", rows.slice(0, 100_000))
    made.facts("flows", rows.slice(100_000))
    ((name, hours),) = made.rest()
    assert name == "hourly"
    assert hours.schema.names == [c.name for c in TABLES["hourly"].columns][:-1]
    truth: Counter[tuple[int, int, int]] = Counter()
    for ts, port, protocol, count in zip(*(rows[c].to_numpy() for c in rows.column_names), strict=True):
        truth[int(ts.astype("int64") // 3_600_000_000), int(port), int(protocol)] += int(count)
    got: Counter[tuple[int, int, int]] = Counter()
    for row in hours.to_pylist():
        got[int(row["hour"].timestamp()) // 3600, row["port"], row["protocol"]] += row["count"]
    assert got.total() == truth.total()
    hours_held: Counter[int] = Counter()
    for (hour, _, _), count in truth.items():
        hours_held[hour] += count
    for key, count in truth.items():
        assert got[key] <= count
        assert count - got[key] <= 2 * hours_held[key[0]] / rollup.SHARE
    assert {k: c for k, c in truth.items() if k[1] == 23} == {k: c for k, c in got.items() if k[1] == 23}


@pytest.mark.parametrize("n", [1, 100, 3000, 60_000])
def test_sources_are_estimated_and_sketches_unite(n: int) -> None:
    def links(first: int, last: int) -> pa.Table:
        keys = [
            address_key(address.pack(f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}")) for i in range(first, last)
        ]
        m = len(keys)
        return pa.table(
            {
                "key": keys, "kind": ["ip"] * m, "role": ["src"] * m, "table": ["flows"] * m,
                "day": pa.array([date(2024, 5, 1)] * m, pa.date32()), "count": [2] * m,
            }
        )  # fmt: skip

    one, other = rollup.Rollup(), rollup.Rollup()
    one.links(links(0, n))
    other.links(links(n // 2, n + n // 2))
    ((name, a),), ((_, b),) = one.rest(), other.rest()
    assert name == "daily"
    assert a["count"].to_pylist() == [2 * n]
    assert abs(a["src_ip_nunique"][0].as_py() - n) <= max(1, 0.06 * n)
    both = rollup.estimate(rollup.unite([a["sketch"][0].as_py(), b["sketch"][0].as_py()]))
    assert abs(both - (n + n // 2)) <= max(1, 0.06 * (n + n // 2))


def test_what_is_no_source_is_not_counted() -> None:
    made = rollup.Rollup()
    rows = {"key": [1], "kind": ["domain"], "role": ["src"], "table": ["dns"], "count": [1]}
    made.links(pa.table(rows | {"day": pa.array([date(2024, 5, 1)], pa.date32())}))
    assert made.rest() == []
