"""Mappings on the way in: which sensor reads what they describe."""

from __future__ import annotations

from pathlib import Path

from noroshi.config import Config, File, SourceEntry
from noroshi.lake.handle import Lake
from noroshi.work.ingest import ingest

MAPPING = 'table = "assets"\n[columns]\nvalue = "ip"\nname = "what"\n'


def test_a_mapping_reads_what_no_sensor_knows(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(MAPPING)
    (tmp_path / "a.csv").write_text("ip,what\n192.0.2.0/24,office\n")
    (tmp_path / "b.csv").write_text("ip,what,first_seen,malware\n192.0.2.1,x,2024-05-01,y\n")
    lake = Lake.open(tmp_path / "lake")
    paths = [str(tmp_path / "a.csv"), str(tmp_path / "b.csv")]
    results = ingest(lake, paths, config=Config(File(), None), options={"mapping": tmp_path / "m.toml"})
    assert [r.format for r in results] == ["mapped", "mapped"]
    assert [r.tables for r in results] == [{"assets": 1, "links": 1}, {"assets": 1, "links": 1}]


def test_a_source_entry_names_its_mapping(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(MAPPING)
    (tmp_path / "a.csv").write_text("ip,what\n192.0.2.0/24,office\n")
    entry = SourceEntry(path=str(tmp_path / "*.csv"), mapping=str(tmp_path / "m.toml"))
    lake = Lake.open(tmp_path / "lake")
    (result,) = ingest(lake, [str(tmp_path / "a.csv")], config=Config(File(source=[entry]), None))
    assert (result.format, result.tables) == ("mapped", {"assets": 1, "links": 1})


def assets(lake: Lake) -> list[tuple[str, str]]:
    return [
        (r["value"], r["name"]) for r in lake.snapshot().sql("SELECT value, name FROM assets").to_pylist()
    ]


def test_a_changed_mapping_is_read_again_and_takes_the_place_of_the_older(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(MAPPING)
    (tmp_path / "a.csv").write_text("ip,what,room\n192.0.2.0/24,office,cellar\n")
    lake = Lake.open(tmp_path / "lake")

    def read() -> bool:
        options = {"mapping": tmp_path / "m.toml"}
        (result,) = ingest(lake, [str(tmp_path / "a.csv")], config=Config(File(), None), options=options)
        return result.known

    assert not read()
    assert read()
    assert assets(lake) == [("192.0.2.0/24", "office")]
    (tmp_path / "m.toml").write_text(MAPPING.replace('"what"', '"room"'))
    assert not read()
    assert assets(lake) == [("192.0.2.0/24", "cellar")]
    assert read()
    assert lake.verify() == []


def test_a_mapping_changes_nothing_for_sensors_that_do_not_ask(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"eventid":"cowrie.session.connect","src_ip":"192.0.2.10","src_port":1,'
        '"dst_ip":"198.51.100.5","dst_port":22,"session":"a1","protocol":"ssh","sensor":"d",'
        '"timestamp":"2026-01-21T10:00:00.000000Z"}\n')  # fmt: skip
    lake = Lake.open(tmp_path / "lake")
    (first,) = ingest(lake, [str(tmp_path / "a.json")], config=Config(File(), None))
    (tmp_path / "m.toml").write_text(MAPPING)
    options = {"mapping": tmp_path / "m.toml", "schema": tmp_path / "m.toml"}
    (again,) = ingest(lake, [str(tmp_path / "a.json")], config=Config(File(), None), options=options)
    assert first.format == "cowrie"
    assert (first.known, again.known) == (False, True)


def test_a_source_entry_names_its_schema(tmp_path: Path) -> None:
    from noroshi.work.ingest import _Job, _options

    entry = SourceEntry(path="*.csv", schema="/etc/a.json", mapping="m.toml")
    job = _Job(Config(File(), None), None, None, None, 1, None, None, None, {"mapping": Path("mine.toml")},  # type: ignore[arg-type]
               tmp_path)  # fmt: skip
    assert _options(entry, job) == {"schema": Path("/etc/a.json"), "mapping": Path("mine.toml")}
