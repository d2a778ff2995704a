"""Point queries give what SQL gives, and open only the row groups they must."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from noroshi.lake import encoding
from noroshi.lake.footers import Footer
from noroshi.lake.handle import Lake
from noroshi.model import address
from tests.lake.support import flows, some, store
from tests.support.memory import flow


def both(lake: Lake, column: str, value: object) -> tuple[list[str], list[str]]:
    shot = lake.snapshot()
    got = shot.rows("flows", column, value)
    want = shot.sql(f"SELECT * FROM flows WHERE {column} = $v", {"v": value})
    assert got.schema.names == want.schema.names
    return sorted(map(str, got.to_pylist())), sorted(map(str, want.to_pylist()))


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3), st.booleans()), min_size=1, max_size=40))
def test_as_sql(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int, bool]]) -> None:
    lake = Lake.open(tmp_path_factory.mktemp("rows"))
    made = [
        flow(f"2001:db8::{s}" if six else f"10.0.0.{s}", "198.51.100.1", at=day * 86_400.0, dport=s)
        for s, day, six in rows
    ]
    for i in range(0, len(made), 15):
        store(lake, f"d{i}", flows(made[i : i + 15]))
    for _ in range(2):
        for text in ("10.0.0.0", "10.0.0.6", "2001:db8::3", "10.0.0.99", "255.255.255.255"):
            got, want = both(lake, "src_ip", address.pack(text))
            assert got == want
        got, want = both(lake, "dst_port", 3)
        assert got == want
        lake.compact()


def test_columns_limit_and_order(lake: Lake) -> None:
    store(
        lake,
        "a",
        flows([flow("10.0.0.1", "198.51.100.1", at=d * 86_400.0) for d in range(5) for _ in range(3)]),
    )
    shot, value = lake.snapshot(), address.pack("10.0.0.1")
    got = shot.rows("flows", "src_ip", value, columns=["day", "dst_ip"], limit=4, newest_first=True)
    assert got.column_names == ["dst_ip", "day"] or got.column_names == ["day", "dst_ip"]
    assert [str(d) for d in got["day"].to_pylist()] == ["2024-04-05"] * 3 + ["2024-04-04"]
    assert shot.rows("flows", "src_ip", value).num_rows == 15
    with pytest.raises(KeyError, match="colour"):
        shot.rows("flows", "colour", 1)
    assert lake.snapshot().rows("links", "key", 5).num_rows == 0


def test_only_groups_that_may_hold_it(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "SORTED_GROUP", 50)
    store(lake, "a", flows(some(2500)))
    lake.compact()
    asked: list[list[int]] = []
    real = Footer.groups

    def groups(self: Footer, column: str, value: object) -> list[int]:
        asked.append(real(self, column, value))
        return asked[-1]

    monkeypatch.setattr(Footer, "groups", groups)
    assert lake.snapshot().rows("flows", "src_ip", address.pack("192.0.2.7")).num_rows == 10
    assert 1 <= len(asked[0]) <= 2


def test_forgotten_runs_are_left_out_before_they_are_deleted(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = store(lake, "a", flows(some(10)))
    store(lake, "b", flows(some(10)))
    lake.compact()
    monkeypatch.setattr(Lake, "purge", lambda self, runs: {})
    lake.forget(a.run_id)
    shot = lake.snapshot()
    assert shot.rows("flows", "src_ip", address.pack("192.0.2.7")).num_rows == 1
    assert shot.sql("SELECT count(*) AS n FROM flows")["n"][0].as_py() == 10
    assert "forgotten" in shot.sql("SELECT state FROM runs")["state"].to_pylist()
