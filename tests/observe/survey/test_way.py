"""From files to the lake and its links: surveys packed as they are downloaded, and what is given along."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from noroshi.config import Config, File
from noroshi.lake.handle import Lake
from noroshi.work.ingest import ingest
from tests.observe.survey.support import HERE, outside, sample


def test_a_folder_of_surveys(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for path in HERE.iterdir():
        if path.name == "shodan.jsonl":
            (folder / "download.json.gz").write_bytes(gzip.compress(path.read_bytes()))
        elif path.name.startswith("2024"):
            (folder / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        elif path.suffix != ".md":
            (folder / path.name).write_bytes(path.read_bytes())
    lake = Lake.open(tmp_path / "lake")
    results = ingest(lake, [folder], config=Config(File(), None))
    assert [r.path for r in results if r.problem or not sum(r.tables.values())] == []
    rows = (
        lake.snapshot()
        .sql("SELECT kind, value, role FROM links WHERE \"table\" IN ('services', 'events', 'logins')")
        .to_pylist()
    )
    links = {(r["kind"], r["role"]) for r in rows}
    assert links >= {
        ("ip", "host"), ("ip", "src"), ("ip", "dst"), ("domain", "host"), ("cpe", "runs"), ("cve", "affects"),
        ("certificate", "presents"), ("ssh-key", "presents"), ("hassh", "server"), ("asn", "network"),
        ("malware", "mentions"), ("md5", "mentions"), ("credential", "tried"), ("technique", "uses"),
    }  # fmt: skip
    assert not any("s3cret" in r["value"] for r in rows)
    feeds = lake.snapshot().sql("SELECT DISTINCT scanner FROM services").to_pylist()
    assert {"scanner": "shadowserver:scan_telnet"} in feeds
    marked = lake.snapshot().sql("SELECT tlp FROM events WHERE malware = 'mirai'").to_pylist()
    assert marked == [{"tlp": "red"}]


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("zmap.csv", "services"),
        ("shodan.jsonl", "services"),
        ("zgrab2.jsonl", "services"),
        ("intelmq.jsonl", "events"),
    ],
)
def test_logs_that_grow_are_read_on(tmp_path: Path, name: str, table: str) -> None:
    """A file stored in two parts gives the rows of the whole, with the same offsets."""
    whole = sample(name)
    if name == "zgrab2.jsonl":
        whole = whole * 2
    cut = whole.rindex(b"\n", 0, len(whole) - 1) + 1
    lake, log = Lake.open(tmp_path / "lake"), tmp_path / name
    for data in (whole[:cut], whole):
        log.write_bytes(data)
        (result,) = ingest(lake, [log], config=Config(File(), None))
        assert not result.problem
    once = Lake.open(tmp_path / "once")
    ingest(once, [log], config=Config(File(), None))
    ask = f"SELECT * EXCLUDE run_id FROM {table} ORDER BY ALL"
    assert lake.snapshot().sql(ask).to_pylist() == once.snapshot().sql(ask).to_pylist()


def test_a_schema_given_along(tmp_path: Path) -> None:
    schema = outside("survey", "shadowserver", "reports.json")
    report = tmp_path / "no-date.csv"
    report.write_bytes((HERE / "2024-05-15-scan_telnet-example-asn.csv").read_bytes())
    lake = Lake.open(tmp_path / "lake")
    ingest(lake, [report], config=Config(File(), None), options={"schema": schema})
    assert lake.snapshot().sql("SELECT DISTINCT scanner, service FROM services").to_pylist() == [
        {"scanner": "shadowserver:scan_telnet", "service": "telnet"}
    ]
