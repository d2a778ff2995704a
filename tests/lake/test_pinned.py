"""A snapshot settles what each table is when it is taken, and reads it when it is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from noroshi.lake.handle import Lake
from noroshi.lake.snapshot import Pinned
from noroshi.model.tlp import Tlp
from tests.ask.support import SERVER, at, batch, store


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake")


def service(lake: Lake, name: str, ip: str = SERVER) -> str:
    row = {"ts": at(), "ip": ip, "port": 23, "protocol": 6, "state": "open", "scanner": "nmap"}
    return store(lake, name, batch("services", row))


def test_only_what_is_asked_for_is_opened(lake: Lake, tmp_path: Path) -> None:
    service(lake, "a")
    store(
        lake,
        "b",
        batch("sessions", {"first_seen": at(), "last_seen": at(), "session_id": "s", "src_ip": SERVER}),
    )
    again = Lake.open(lake.path)
    shot = again.snapshot()
    assert again.stores["services"]._delta is None
    assert len(shot._live("services")) == 1
    assert again.stores["services"]._delta is not None
    assert again.stores["sessions"]._delta is None


def test_what_comes_later_is_not_read(lake: Lake) -> None:
    service(lake, "a")
    for reader in (lake, Lake.open(lake.path)):  # one that has the table loaded, and one that has not
        shot = reader.snapshot()
        before = lake.stores["services"].version()
        name = f"later {before}"
        service(lake, name, "198.51.100.81")
        assert lake.stores["services"].version() > before
        lake.stores["services"].files()
        held = {f.path for f in shot._files["services"]}
        assert len(held) == len({f.path for f in reader.snapshot()._files["services"]}) - 1
        assert shot.count("services") == reader.snapshot().count("services") - 1


def test_it_outlives_compaction_checkpoints_and_vacuum(lake: Lake) -> None:
    """Read for the first time after its files were replaced and the log was checkpointed over it."""
    for n in range(4):
        service(lake, f"a{n}")
    shot = Lake.open(lake.path).snapshot()
    assert lake.compact("services") == {"services": 4}
    for n in range(30):  # three checkpoints of a table that is not busy
        service(lake, f"b{n}")
    assert list((lake.path / "services/_delta_log").glob("*.checkpoint.parquet"))
    assert lake.vacuum() == 0, "what was replaced today stays for those who read it"
    assert shot.sql("SELECT count(*) AS n FROM services")["n"].to_pylist() == [4]
    assert lake.snapshot().count("services") == 34


def test_a_run_half_way_is_not_seen_whenever_the_table_is_read(lake: Lake) -> None:
    service(lake, "a")
    with lake.writer() as writer:
        run = writer.begin(path="b", source="b", format="test", parser_version=1, tlp=Tlp.GREEN)
        row = {"ts": at(), "ip": SERVER, "port": 24, "protocol": 6, "state": "open", "scanner": "nmap"}
        run.write(batch("services", row))
        shot = Lake.open(lake.path).snapshot()
        run.finish(sha256="b" * 64, size=1)
    assert shot.sql("SELECT port FROM services")["port"].to_pylist() == [23]
    now = lake.snapshot().sql("SELECT port FROM services ORDER BY port")
    assert now["port"].to_pylist() == [23, 24]


def test_versions_are_names_of_commits_alone(lake: Lake) -> None:
    store_ = lake.stores["services"]
    assert store_.version() == -1
    assert store_.files_at(-1) == []
    service(lake, "a")
    log = store_.root / "_delta_log"
    newest = store_.version()
    for name in (
        "_commit_5.json.tmp",
        "99999999999999999999.json.tmp2",
        "x.json",
        "99999999999999999999.crc",
    ):
        (log / name).write_text("")
    assert store_.version() == newest
    pinned = Pinned({"services": (store_, newest)})
    assert list(pinned) == ["services"]
    assert pinned["services"] is pinned["services"]
    with pytest.raises(KeyError):
        pinned["nothing"]
    assert pinned.get("nothing", []) == []
