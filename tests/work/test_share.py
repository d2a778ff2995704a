"""Exports depend on nothing the recipient may not see, and appear whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from noroshi.config import load
from noroshi.lake.handle import Lake
from noroshi.model.errors import UsageError
from noroshi.model.tlp import Tlp
from noroshi.share.marking import RECIPIENTS
from noroshi.work.findings import find
from noroshi.work.gate import open_view
from noroshi.work.share import share_stix, write_whole
from tests.support.findings import finding
from tests.work import lakes

lake = lakes.lake


def export(lake: Lake, recipient: str, path: Path) -> bytes:
    share_stix(lake, config=load(None), recipient=recipient, path=path)
    return path.read_bytes()


markings = st.sampled_from([t.value for t in Tlp])
values = st.sampled_from([f"198.51.100.{n}" for n in range(6)])
stores = st.lists(st.tuples(values, markings, st.integers(0, 100)), max_size=8)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(before=stores, more=stores, name=st.sampled_from(list(RECIPIENTS)))
def test_what_a_recipient_may_not_see_changes_no_byte(
    tmp_path_factory: pytest.TempPathFactory,
    before: list[tuple[str, str, int]],
    more: list[tuple[str, str, int]],
    name: str,
) -> None:
    folder = tmp_path_factory.mktemp("share")
    lake = Lake.open(folder / "lake")
    lake.put_findings([finding(value=v, tlp=t, confidence=c) for v, t, c in before])
    first = export(lake, name, folder / "a")
    hidden = [x for x in more if not RECIPIENTS[name].may_see(Tlp(x[1]))]
    lake.put_findings([finding(value=v, tlp=t, confidence=c) for v, t, c in hidden])
    assert export(lake, name, folder / "a") == first


def test_the_fullest_view_a_recipient_may_see(lake: Lake) -> None:
    lake.put_findings(
        [finding(tlp="clear", confidence=50), finding(tlp="green", confidence=70), finding(tlp="amber")]
    )
    views = {name: open_view(lake, load(None), RECIPIENTS[name]) for name in ("public", "community")}
    assert [(f.tlp, f.confidence) for f in find(lake, view=views["public"])] == [(Tlp.CLEAR, 50)]
    assert [(f.tlp, f.confidence) for f in find(lake, view=views["community"])] == [(Tlp.GREEN, 70)]
    assert [f.tlp for f in find(lake)] == [Tlp.AMBER]


def test_withheld_counts_findings_not_views(lake: Lake, tmp_path: Path) -> None:
    lake.put_findings([finding(tlp="clear"), finding(tlp="red"), finding(value="203.0.113.1", tlp="red")])
    done = share_stix(lake, config=load(None), recipient="own", path=tmp_path / "x")
    assert (done.findings, list(done.withheld.values())) == (1, [1])


def test_unknown_recipient(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        share_stix(lake, config=load(None), recipient="x", path=tmp_path / "x")


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bundle.json"
    write_whole(path, b"old")

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["bundle.json"]


def test_the_mode_follows_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_whole(tmp_path / "x", b"")
    finally:
        os.umask(old)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o640


def test_subjects_in_any_spelling(lake: Lake) -> None:
    lake.put_findings([finding(value="2001:db8::1"), finding("port-surge", "tcp/23")])
    assert len(find(lake, subject="2001:0DB8:0:0::1")) == 1
    assert len(find(lake, subject="tcp/23")) == 1
    assert find(lake, subject="192.0.2.1") == []


def test_the_bundle_is_json_lines_free_utf8(lake: Lake, tmp_path: Path) -> None:
    lake.put_findings([finding()])
    body = export(lake, "own", tmp_path / "x")
    assert body.endswith(b"}\n")
    assert body.count(b"\n") == 1
    assert "による" in body.decode()
    assert json.loads(body)["type"] == "bundle"
