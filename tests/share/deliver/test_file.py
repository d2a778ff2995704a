"""Findings appended to a file."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from noroshi.share.deliver.file import FileSender
from noroshi.share.deliver.target import DeliveryError
from tests.support.findings import finding, one_of_each


def test_one_finding_a_line_after_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "hits.jsonl"
    FileSender(path).send(one_of_each())
    FileSender(path).send([finding(summary={"en": "two\nlines", "ja": "改行"})])
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) == len(one_of_each()) + 1
    assert json.loads(lines[0]) == one_of_each()[0].to_json()
    assert json.loads(lines[-1])["summary"] == {"en": "two\nlines", "ja": "改行"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_lines_of_two_writers_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "hits.jsonl"
    batch = [finding(value=f"192.0.2.{n}", summary={"en": "x" * 500, "ja": ""}) for n in range(50)]
    writers = [threading.Thread(target=FileSender(path).send, args=(batch,)) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    values = [json.loads(line)["subject"]["value"] for line in path.read_text("utf-8").splitlines()]
    assert sorted(values) == sorted([f.subject.value for f in batch] * 4)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a device that is always full")
def test_a_full_disk_is_told() -> None:
    with pytest.raises(DeliveryError, match="No space left") as told:
        FileSender(Path("/dev/full")).send([finding()])
    assert "/dev/full" in str(told.value)
    assert "make room" in told.value.todo


@pytest.mark.parametrize("kind", ["folder", "no folder", "below a file"])
def test_a_place_that_takes_nothing_is_told(tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").write_text("x")
    path = {"folder": tmp_path, "no folder": tmp_path / "a" / "b", "below a file": tmp_path / "file" / "b"}[
        kind
    ]
    with pytest.raises(DeliveryError, match="cannot be written"):
        FileSender(path).send([finding()])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_forbidden_place_is_told(tmp_path: Path) -> None:
    path = tmp_path / "hits.jsonl"
    path.write_text("")
    path.chmod(0o400)
    with pytest.raises(DeliveryError, match="Permission denied"):
        FileSender(path).send([finding()])
