"""Bundles on disk: whole or not at all, in parts that stand alone."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from noroshi.model.errors import UsageError
from noroshi.share.stix.emit import Emitted, from_findings
from noroshi.share.stix.write import staged
from tests.support.findings import finding
from tests.support.stix import errors, parse


def many(n: int) -> list[Emitted]:
    return list(from_findings([finding(value=f"198.51.{k // 250}.{k % 250}") for k in range(n)]))


def test_parts_stand_alone(tmp_path: Path) -> None:
    emitted = many(60)
    for old in ("f.0099.json", "f.0001.json", "other.0099.json", "f.json"):
        (tmp_path / old).write_text("old")
    with staged(tmp_path / "f.json", emitted, 100) as stage:
        files = stage.publish()
    assert [p.name for p in files] == [f"f.{n:04d}.json" for n in range(1, len(files) + 1)]
    assert len(files) > 3
    assert not (tmp_path / "f.0099.json").exists(), "a part of a longer export before"
    assert (tmp_path / "f.json").read_text() == (tmp_path / "other.0099.json").read_text() == "old"
    found = []
    for path in files:
        body = path.read_bytes()
        parse(body)
        assert errors(body) == []
        objects = json.loads(body)["objects"]
        assert len(objects) <= 100
        ids = {o["id"] for o in objects}
        assert {r for o in objects for r in o.get("object_marking_refs", [])} <= ids
        assert {o["created_by_ref"] for o in objects if "created_by_ref" in o} <= ids
        found += [o["id"] for o in objects]
    assert set(found) == {e.id for e in emitted}


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "f.json").write_text("old")

    def breaks() -> Iterator[Emitted]:
        yield from many(5)
        raise OSError("full")

    with pytest.raises(OSError, match="full"), staged(tmp_path / "f.json", breaks()) as stage:
        stage.publish()
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("f.json", "old")]


def test_what_is_not_published_leaves_nothing(tmp_path: Path) -> None:
    with staged(tmp_path / "f.json", many(5)):
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_id_is_made_from_the_objects(tmp_path: Path) -> None:
    bodies = []
    for n in (2, 2, 3):
        with staged(tmp_path / "f.json", many(n)) as stage:
            stage.publish()
        bodies.append((tmp_path / "f.json").read_bytes())
    assert bodies[0] == bodies[1]
    assert json.loads(bodies[0])["id"] != json.loads(bodies[2])["id"]


def test_memory_does_not_grow_with_objects(tmp_path: Path) -> None:
    one = Emitted("note--x", "note", "", b'{"type":"note","id":"note--x","content":"%b"}' % (b"x" * 1000))
    tracemalloc.start()
    with staged(tmp_path / "f.json", (one for _ in range(30_000))) as stage:
        _, peak = tracemalloc.get_traced_memory()
        assert stage.size > 30_000_000
    tracemalloc.stop()
    assert peak < 8 << 20


@pytest.mark.parametrize(("path", "split"), [("f.json", 3), ("-", 1000)])
def test_parts_that_make_no_sense(tmp_path: Path, path: str, split: int) -> None:
    where = Path(path) if path == "-" else tmp_path / path
    with pytest.raises(UsageError), staged(where, [], split):
        pass
