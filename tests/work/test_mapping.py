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
