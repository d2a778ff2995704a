"""SQL of users: reads what it may and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from noroshi.lake.handle import Lake
from noroshi.lake.snapshot import Snapshot
from noroshi.model import address
from noroshi.model.errors import LakeError, UsageError
from noroshi.model.tables import TABLES
from noroshi.model.tlp import Tlp
from tests.lake.support import count, flows, links, some, store


@pytest.fixture
def shot(lake: Lake) -> Snapshot:
    store(lake, "a", flows(some(20, days=2)), links(("192.0.2.1", 1)))
    return lake.snapshot()


def test_every_table_is_there_before_anything_was_stored(lake: Lake) -> None:
    shot = lake.snapshot()
    for name, table in TABLES.items():
        got = shot.sql(f"SELECT * FROM {name}")
        want = table.arrow(partition=True)
        assert got.num_rows == 0
        assert [(f.name, f.type) for f in got.schema] == [(f.name, f.type) for f in want], name


def test_types_are_the_same_with_rows(shot: Snapshot) -> None:
    for name in ("flows", "links", "runs"):
        want = TABLES[name].arrow(partition=True)
        got = shot.sql(f"SELECT * FROM {name}").schema
        assert [(f.name, f.type) for f in got] == [(f.name, f.type) for f in want], name


ALLOWED = [
    "SELECT count(*) FROM flows",
    "FROM flows LIMIT 1",
    "WITH f AS (FROM flows) SELECT count(*) FROM f",
    "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT * FROM n",
    "SELECT * FROM (VALUES (1), (2)) t(x), flows LIMIT 1",
    "DESCRIBE flows",
    "SUMMARIZE links",
    "SHOW TABLES",
    "SELECT unnest([1, 2])",
    "SELECT * FROM range(3), unnest([1])",
    "SELECT * FROM FLOWS LIMIT 1 -- words",
    "(SELECT 1) UNION (SELECT 2);",
    "SELECT (SELECT max(dst_port) FROM flows)",
    "SELECT * FROM main.flows",
    "SELECT f.src_ip FROM flows f JOIN links l ON l.value = ip_text(f.src_ip) ASOF JOIN runs r ON r.at > f.first_seen",
]


@pytest.mark.parametrize("text", ALLOWED)
def test_allowed(shot: Snapshot, text: str) -> None:
    assert shot.sql(text).num_rows >= 0


REFUSED = [
    "COPY flows TO '/tmp/nrs-lake-test-out.csv'",
    "COPY (SELECT 1) TO '/tmp/nrs-lake-test-out.csv'",
    "ATTACH '/tmp/nrs-lake-test-x.db'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "PRAGMA database_list",
    "SET threads = 1",
    "RESET threads",
    "CALL pragma_version()",
    "CREATE TABLE x AS SELECT 1",
    "CREATE TEMP TABLE x AS SELECT 1",
    "DROP VIEW flows",
    "INSERT INTO runs SELECT * FROM runs",
    "UPDATE runs SET path = ''",
    "DELETE FROM runs",
    "CHECKPOINT",
    "VACUUM",
    "USE memory",
    "EXPORT DATABASE '/tmp/nrs-lake-test'",
    "PREPARE x AS SELECT 1",
    "EXPLAIN ANALYZE SELECT 1",
    "BEGIN",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP VIEW flows",
    "",
    "nonsense",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/etc/passwd')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM read_json('/etc/passwd')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM parquet_metadata('/etc/passwd')",
    "SELECT (SELECT max(content) FROM read_text('/etc/passwd'))",
    "WITH x AS (FROM read_text('/etc/passwd')) FROM x",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table('flows')",
    "SELECT * FROM duckdb_views()",
    "SELECT * FROM 'http://127.0.0.1:1/x.parquet'",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM shot",
    "SELECT * FROM lake",
    "PIVOT flows ON class USING count(*)",
    "SELECT * FROM enable_logging()",
    "SELECT getenv('HOME')",
    "SELECT * FROM unnest((SELECT list(content) FROM read_text('/etc/passwd')))",
]


@pytest.mark.parametrize("text", REFUSED)
def test_refused(shot: Snapshot, text: str) -> None:
    with pytest.raises(UsageError):
        shot.sql(text)
    assert count(shot) == 20
    assert not list(Path("/tmp").glob("nrs-lake-test*"))


def test_engine_itself_is_locked_too(shot: Snapshot, lake: Lake) -> None:
    import duckdb

    shot.sql("SELECT 1")
    assert shot._con is not None
    con = shot._con._con
    for text in (
        "SELECT * FROM read_text('/etc/passwd')",
        "COPY flows TO '/tmp/nrs-lake-test-out.csv'",
        "SET threads = 1",
        f"SELECT * FROM read_text('{lake.path}/lake.json')",
        "ATTACH '/tmp/nrs-lake-test-x.db'",
        "INSTALL httpfs",
    ):
        with pytest.raises(duckdb.Error):
            con.cursor().execute(text).fetchall()


def test_data_files_cannot_be_named_past_a_restriction(shot: Snapshot) -> None:
    file = shot.files("flows")[0]
    seen = shot.restricted(tlp=Tlp.CLEAR)
    assert count(seen) == 0
    for text in (f"SELECT * FROM read_parquet('{file}')", f"SELECT * FROM '{file}'"):
        with pytest.raises(UsageError):
            seen.sql(text)


def test_parameters_addresses_and_macros(shot: Snapshot) -> None:
    got = shot.sql("SELECT DISTINCT src_ip, ip_text(src_ip) AS t FROM flows WHERE src_ip = ip($a) AND dst_port < $p",
                   {"a": "192.0.2.7", "p": 65535})  # fmt: skip
    assert got.to_pylist() == [{"src_ip": address.pack("192.0.2.7"), "t": "192.0.2.7"}]
    assert count(shot, "flows WHERE in_net(src_ip, '192.0.2.0/29')") == 8


def test_days_of_times_are_utc(shot: Snapshot) -> None:
    got = shot.sql(
        "SELECT first_seen, date_trunc('day', first_seen) AS d, hour(first_seen) AS h FROM flows LIMIT 1"
    )
    assert got["h"][0].as_py() == 12
    assert str(got.schema.field("d").type) == "timestamp[us, tz=UTC]"


def test_wrong_sql_names_the_column(shot: Snapshot) -> None:
    with pytest.raises(UsageError, match="colour"):
        shot.sql("SELECT colour FROM flows")
    with pytest.raises(UsageError, match="Tables: affected"):
        shot.sql("SELECT * FROM packets")


def test_restriction_by_marking_and_runs(lake: Lake) -> None:
    for tlp in Tlp:
        store(lake, tlp.value, flows(some(10)), links(("192.0.2.1", 1)), tlp=tlp)
    shot = lake.snapshot()
    for tlp in Tlp:
        for _ in range(2):
            seen = lake.snapshot().restricted(tlp=tlp)
            n = tlp.rank + 1
            assert (count(seen), count(seen, "links"), count(seen, "runs")) == (10 * n, n, n)
            assert seen.count("flows") == 10 * n
            assert len(seen.runs()) == n
            assert seen.links("ip", "192.0.2.1").num_rows == n
            assert seen.rows("flows", "src_ip", address.pack("192.0.2.1")).num_rows == n
            lake.compact()
    green = [r.run_id for r in shot.runs() if r.tlp is Tlp.GREEN]
    assert count(shot.restricted(runs=green)) == 10
    assert count(shot.restricted(runs=green).restricted(tlp=Tlp.CLEAR)) == 0
    assert count(shot.restricted(tlp=Tlp.CLEAR).restricted(tlp=Tlp.RED)) == 10
    assert count(shot.restricted(runs=[])) == 0


def test_a_runaway_query_ends(lake: Lake) -> None:
    store(lake, "a", flows(some(10)))
    shot = lake.snapshot()
    endless = "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range * b.range % 7 = 3"
    with pytest.raises(LakeError, match="longer than") as e:
        shot.sql(endless, seconds=0.5)
    assert "--timeout" in e.value.todo
    assert count(shot) == 10, "the connection goes on"


@pytest.mark.parametrize(
    "hog",
    [
        "SELECT range AS n FROM range(100000000000)",
        "SELECT list(range) FROM range(1000000000)",
        "SELECT repeat('x', 1000000000)",
    ],
)
def test_a_memory_hog_is_refused(lake: Lake, hog: str) -> None:
    shot = lake.snapshot().restricted(memory=64_000_000)
    with pytest.raises(LakeError, match=r"memory|larger than") as e:
        shot.sql(hog, seconds=60)
    assert e.value.todo


def test_what_does_not_fit_is_spilled(lake: Lake) -> None:
    shot = lake.snapshot().restricted(memory=128_000_000)
    text = (
        "SELECT max(n) AS n FROM (SELECT range AS n FROM range(20000000) ORDER BY hash(range) LIMIT 15000000)"
    )
    assert shot.sql(text, seconds=300)["n"][0].as_py() > 19_000_000
