"""Pivot through a view: a value that the mask hides is one nobody knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from noroshi.config import Config, load
from noroshi.lake.handle import Lake
from noroshi.model.sensor import Batch
from noroshi.model.tlp import Tlp
from noroshi.share.marking import RECIPIENTS
from noroshi.work.gate import open_view
from noroshi.work.pivot import ask
from tests.lake.support import flows, links
from tests.support.findings import finding
from tests.support.memory import flow
from tests.work import lakes

lake = lakes.lake
OWN, FOREIGN, ABSENT = "192.0.2.9", "198.51.100.7", "192.0.2.77"


@pytest.fixture
def config(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setenv("NOROSHI_KEYS", str(tmp_path / "keys"))
    path = tmp_path / "noroshi.toml"
    path.write_text('own = ["192.0.2.0/24"]\n', "utf-8")
    with lake.writer() as writer:
        run = writer.begin(path="a", source="campus", format="pcap", parser_version=1, tlp=Tlp.CLEAR)
        run.write(Batch("flows", flows([flow(FOREIGN, OWN), flow(OWN, FOREIGN)])))
        run.write(Batch("links", links((FOREIGN, 1), (OWN, 1))))
        run.finish(sha256="0" * 64, size=1)
    lake.put_findings([finding(value=OWN, tlp="clear"), finding(value=FOREIGN, tlp="clear")])
    return load(path)


def test_a_hidden_value_is_one_nobody_knows(lake: Lake, config: Config) -> None:
    view = open_view(lake, config, RECIPIENTS["public"])
    assert not view.plain
    hidden, absent = (ask(view, config, v).to_json() for v in (OWN, ABSENT))
    assert hidden | {"value": ""} == absent | {"value": ""}
    assert hidden["count"] == 0
    open_ = ask(open_view(lake, config, RECIPIENTS["own"]), config, OWN).to_json()
    assert open_["count"] == 1
    assert open_["findings"]


def test_what_stands_beside_a_value_is_masked(lake: Lake, config: Config) -> None:
    told = ask(open_view(lake, config, RECIPIENTS["public"]), config, FOREIGN)
    assert told.head.count == 1
    assert [f.subject.value for f in told.findings] == [FOREIGN]
    assert OWN not in str(told.to_json())
    assert "campus" not in str(told.to_json())
