"""Two exports: what changed has a later `modified` under the same id, what did not keeps every byte."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from noroshi.config import Config, load
from noroshi.lake.handle import Lake
from noroshi.model.tlp import Tlp
from noroshi.share.gate import View
from noroshi.share.stix.emit import Options, emit
from noroshi.work.masks import mask
from tests.share.stix.test_emit import row
from tests.share.stix.views import indicator, take_in, things, view
from tests.support.findings import NOON, finding
from tests.work import lakes
from tests.work.notices import session, store

AT = datetime(2024, 4, 1, 12, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake")


def exported(seen: View) -> dict[str, dict[str, Any]]:
    """What has a version, by id."""
    out = things(list(emit(seen, Options(facts=True))))
    return {t["id"]: t for t in out if "modified" in t}


def compared(first: dict[str, Any], second: dict[str, Any]) -> set[str]:
    """Types of what is another thing now; each of them is told as later, nothing else is."""
    changed = set()
    for id_, was in first.items():
        now = second[id_]
        if now == was:
            continue
        assert now["modified"] > was["modified"], (was, now)
        assert now["created"] == was["created"]
        changed.add(now["type"])
    return changed


def coarse(lake: Lake, tmp_path: Path) -> View:
    """A view of somebody who is told hours alone."""
    (tmp_path / "noroshi.toml").write_text("")
    (tmp_path / "profiles").mkdir(exist_ok=True)
    words = 'base = "own"\n[fields]\ntime = {do = "generalise", to = "hour"}\nother-domain = "token"\n'
    (tmp_path / "profiles" / "hours.toml").write_text(words)
    seen, config = view(lake), load(tmp_path / "noroshi.toml")
    made = _mask(lake, config, seen)
    return replace(seen, mask=made)


def _mask(lake: Lake, config: Config, seen: View) -> Any:
    return mask(lake, config, replace(seen.recipient, profile="hours"), seen.now, seen.shot)


@pytest.mark.parametrize("hours", [False, True])
def test_late_rows_make_a_later_revision(lake: Lake, tmp_path: Path, hours: bool) -> None:
    def now() -> dict[str, Any]:
        return exported(coarse(lake, tmp_path) if hours else view(lake))

    take_in(lake, tmp_path, [indicator(1), indicator(2)])
    lakes.store(lake, [row("203.0.113.1", AT, packet_count=3), row("203.0.113.2", AT, packet_count=5)])
    store(lake, "sessions", [session("203.0.113.1", AT, 40_000)], Tlp.CLEAR)
    first = now()
    assert {"observed-data", "sighting", "indicator"} <= {t["type"] for t in first.values()}
    assert now() == first  # asking changes nothing
    # Of the same time as before, so that it was last seen when it was: only the count grows.
    lakes.store(lake, [row("203.0.113.1", AT, packet_count=4)], name="late.pcap")
    store(lake, "sessions", [session("203.0.113.1", AT, 40_001)], Tlp.CLEAR)
    second = now()
    assert first.keys() < second.keys()
    assert compared(first, second) == {"observed-data", "sighting"}
    packets = [t["number_observed"] for t in second.values() if "'table': 'flows'" in str(t)]
    assert sorted(packets) == [5, 7]
    (seen,) = [t for t in second.values() if t.get("sighting_of_ref") == indicator(1)["id"]]
    assert seen["count"] == 2
    lakes.store(lake, [row("198.51.100.200", AT)], name="other.pcap")
    third = now()
    assert compared(second, third) == set()
    assert len(third) == len(second) + 1


def test_a_finding_judged_anew_is_a_later_revision(lake: Lake) -> None:
    one, two = finding(value="203.0.113.1"), finding(value="203.0.113.2")
    lake.put_findings([one, two])
    first = exported(view(lake))
    lake.put_findings([one, two], [(one.rule.name, "campus", NOON.date())])
    assert exported(view(lake)) == first
    lake.put_findings([replace(one, evidence=one.evidence | {"packets": 301}), two])
    second = exported(view(lake))
    changed = {t["id"] for t in second.values() if t != first[t["id"]]}
    assert compared(first, second) >= {"observed-data", "sighting", "indicator"}
    assert all("203.0.113.2" not in str(second[i]) for i in changed)
