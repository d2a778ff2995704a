"""The feed directory: what is written, kept and removed, and what a reader meets meanwhile."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from noroshi.model.errors import LakeError, UsageError
from noroshi.share.misp import feed
from noroshi.share.misp.make import Maker, events
from tests.support.findings import finding

MAKER = Maker.of("Example", "public")


def made(*values: str, day: int = 0, **more: Any) -> list[dict[str, Any]]:
    return list(events([finding("scanner", v, **more) for v in values], MAKER))


def manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_bytes())
    return found


def content(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file() and p.name != ".lock"}


def test_the_manifest_names_each_event_and_hashes_each_value(tmp_path: Path) -> None:
    done = feed.write(tmp_path, [*made("198.51.100.7"), *events([finding("dos-victim", "192.0.2.4")], MAKER)])
    assert (done.events, done.written, done.removed) == (2, 2, 0)
    told = manifest(tmp_path)
    for uuid, entry in told.items():
        event = json.loads((tmp_path / f"{uuid}.json").read_bytes())["Event"]
        assert entry["info"] == event["info"]
        assert entry["timestamp"] == event["timestamp"]
        assert set(entry) == {"Orgc", "Tag", "info", "date", "analysis", "threat_level_id", "timestamp"}
    lines = (tmp_path / "hashes.csv").read_text().splitlines()
    digest = hashlib.md5(b"198.51.100.7").hexdigest()
    assert [line for line in lines if line.startswith(digest)]
    assert {line.split(",")[1] for line in lines} == set(told)


def test_nothing_is_written_again_that_did_not_change(tmp_path: Path) -> None:
    feed.write(tmp_path, made("198.51.100.7"))
    before = {p.name: (p.stat().st_ino, p.read_bytes()) for p in tmp_path.iterdir() if p.is_file()}
    done = feed.write(tmp_path, made("198.51.100.7"))
    assert (done.written, done.removed) == (0, 0)
    assert {p.name: (p.stat().st_ino, p.read_bytes()) for p in tmp_path.iterdir() if p.is_file()} == before


def test_a_changed_event_is_newer_and_so_is_only_what_changed_in_it(tmp_path: Path) -> None:
    feed.write(tmp_path, made("198.51.100.7", "198.51.100.8"))
    (uuid,) = manifest(tmp_path)
    old = json.loads((tmp_path / f"{uuid}.json").read_bytes())["Event"]
    # Withdrawn and marked anew: nothing has a later time of its own.
    feed.write(tmp_path, made("198.51.100.7", tlp="green"))
    new = json.loads((tmp_path / f"{uuid}.json").read_bytes())["Event"]
    assert int(new["timestamp"]) > int(old["timestamp"])
    assert manifest(tmp_path)[uuid]["timestamp"] == new["timestamp"]
    was = {a["value"]: a["timestamp"] for a in old["Attribute"]}
    assert int(new["Attribute"][0]["timestamp"]) > int(was["198.51.100.7"])
    feed.write(tmp_path, made("198.51.100.7", "198.51.100.9", tlp="green"))
    newer = json.loads((tmp_path / f"{uuid}.json").read_bytes())["Event"]
    assert newer["Attribute"][0]["timestamp"] == new["Attribute"][0]["timestamp"]


def test_events_no_longer_given_are_removed_and_other_files_are_not(tmp_path: Path) -> None:
    feed.write(tmp_path, made("198.51.100.7"))
    (tmp_path / "index.html").write_text("ours")
    (uuid,) = manifest(tmp_path)
    done = feed.write(tmp_path, list(events([finding("dos-victim", "192.0.2.4")], MAKER)))
    assert done.removed == 1
    assert not (tmp_path / f"{uuid}.json").exists()
    assert (tmp_path / "index.html").exists()


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("x")
    with pytest.raises(UsageError, match="no MISP feed"):
        feed.write(tmp_path, made("198.51.100.7"))
    assert [p.name for p in tmp_path.iterdir() if not p.name.startswith(".")] == ["letters.txt"]
    other = tmp_path / "other"
    other.mkdir()
    (other / "manifest.json").write_text("[]")
    with pytest.raises(UsageError, match="no manifest"):
        feed.write(other, made("198.51.100.7"))


def test_an_id_that_is_none_never_names_a_file(tmp_path: Path) -> None:
    evil = made("198.51.100.7")[0] | {"uuid": "../../evil"}
    with pytest.raises(ValueError, match="without an id"):
        feed.write(tmp_path / "feed", [evil])
    assert not (tmp_path / "evil.json").exists()


def test_when_it_cannot_be_told_nothing_has_changed(tmp_path: Path) -> None:
    feed.write(tmp_path, made("198.51.100.7"))
    before = content(tmp_path)

    def refuse(done: feed.Written) -> None:
        raise LakeError("the log is full")

    with pytest.raises(LakeError, match="log is full"):
        feed.write(tmp_path, made("198.51.100.8", tlp="green"), refuse)
    assert content(tmp_path) == before
    assert not (tmp_path / ".new").exists()


def test_damaged_events_are_written_anew(tmp_path: Path) -> None:
    feed.write(tmp_path, made("198.51.100.7"))
    (uuid,) = manifest(tmp_path)
    good = (tmp_path / f"{uuid}.json").read_bytes()
    for bad in (
        b"",
        b"{",
        b"[" * 100_000,
        b'{"Event": 7}',
        b'{"Event": {"timestamp": "x", "Attribute": [7]}}',
    ):
        (tmp_path / f"{uuid}.json").write_bytes(bad)
        feed.write(tmp_path, made("198.51.100.7"))
        now = json.loads((tmp_path / f"{uuid}.json").read_bytes())["Event"]
        assert now["Attribute"][0]["value"] == "198.51.100.7"
    (tmp_path / f"{uuid}.json").unlink()
    feed.write(tmp_path, made("198.51.100.7"))
    assert (tmp_path / f"{uuid}.json").read_bytes() == good


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    feed.write(tmp_path, made("198.51.100.7"))
    before = content(tmp_path)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LakeError, match="No space left"):
        feed.write(tmp_path, made("198.51.100.9"))
    assert content(tmp_path) == before


def test_a_reader_never_meets_a_manifest_that_names_a_missing_file(tmp_path: Path) -> None:
    days = [
        next(iter(events([finding(k, "198.51.100.7")], MAKER)))
        for k in ("scanner", "infected-host", "dos-victim")
    ]
    feed.write(tmp_path, days[:1])
    stop, missing = threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            held = os.open(tmp_path / "manifest.json", os.O_RDONLY)
            names = json.loads(os.read(held, 1 << 20))
            os.close(held)
            gone = [n for n in names if not (tmp_path / f"{n}.json").exists()]
            # Between our two looks the feed may have moved on: only a manifest that still stands counts.
            if gone and json.loads((tmp_path / "manifest.json").read_bytes()) == names:
                missing.append(gone)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        for n in range(30):
            feed.write(tmp_path, [days[n % 3], days[(n + 1) % 3]] if n % 2 else [days[n % 3]])
    finally:
        stop.set()
        thread.join()
    assert missing == []


def test_two_writers_at_once_leave_one_whole_feed(tmp_path: Path) -> None:
    one, two = made("198.51.100.7"), list(events([finding("dos-victim", "192.0.2.4")], MAKER))
    threads = [
        threading.Thread(target=lambda e=e: [feed.write(tmp_path, e) for _ in range(8)]) for e in (one, two)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert {f"{u}.json" for u in manifest(tmp_path)} == {p.name for p in tmp_path.glob("*-*.json")}
