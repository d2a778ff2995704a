"""Whoever holds the keys turns values back, and the log knows of it before anybody knows the value."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from noroshi import keys
from noroshi.config import Config, load
from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.lake.state.audit import Audit
from noroshi.model import address
from noroshi.model.errors import LakeError, UsageError
from noroshi.model.sensor import Batch
from noroshi.model.tables import TABLES
from noroshi.model.tlp import Tlp
from noroshi.share.marking import RECIPIENTS, Recipient
from noroshi.work.masks import mask
from noroshi.work.reveal import reveal
from noroshi.work.risk import risks
from tests.share.canary.secrets import config as secret_config
from tests.support.findings import NOON, finding
from tests.work import lakes

lake = lakes.lake
SECTOR = Recipient("isac", Tlp.GREEN, "", "sector")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return secret_config(tmp_path)


def ask(lake: Lake, config: Config, to: Recipient, value: str | None, **more: str) -> list[str]:
    assert value is not None
    done = reveal(lake, config, State(lake.path), to, value, who="cli:test", now=NOON, **more)
    return [o.value for o in done.originals]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("ip", "203.0.113.77"),
        ("ip", "2001:db8:aaaa::c0"),
        ("prefix", "203.0.113.0/24"),
        ("domain", "kamome-daigaku.ac.jp"),
    ],
)
@pytest.mark.parametrize("to", [SECTOR, RECIPIENTS["community"]], ids=lambda r: r.name)
def test_masked_values_come_back(lake: Lake, config: Config, to: Recipient, kind: str, value: str) -> None:
    if kind == "ip" and ":" in value:
        lake.put_findings([finding(value=value)])
    masked = mask(lake, config, to, NOON).value(kind, value)
    assert masked != value
    if kind == "ip" and ":" in value and to is not SECTOR:
        return  # a token of an address neither stored nor in a range small enough to be tried
    assert ask(lake, config, to, masked) == [value]


def test_an_address_of_the_lake_behind_a_token(lake: Lake, config: Config) -> None:
    assert config.path
    (config.path.parent / "profiles").mkdir()
    (config.path.parent / "profiles" / "tokens.toml").write_text('[fields]\nother-address = "token"\n')
    schema = TABLES["alerts"].arrow()
    fields = [schema.field(n).with_nullable(True) for n in schema.names if n != "run_id"]
    row = {
        "ts": NOON,
        "src_ip": address.pack("198.51.100.9"),
        "engine": "zeek-weird",
        "signature": "x",
        "offset": 0,
    }
    with lake.writer() as writer:
        run = writer.begin(path="a", source="a", format="zeek", parser_version=1, tlp=Tlp.CLEAR)
        run.write(Batch("alerts", pa.Table.from_pylist([row], schema=pa.schema(fields))))
        run.finish(sha256="a" * 64, size=1)
    to = Recipient("t", Tlp.CLEAR, "", "community", profile="tokens")
    masked = mask(lake, config, to, NOON).value("ip", "198.51.100.9", "src")
    assert ask(lake, config, to, masked) == ["198.51.100.9"]


def test_the_id_of_a_finding_comes_back(lake: Lake, config: Config) -> None:
    one = finding("dos-victim", "198.51.100.9")
    lake.put_findings([one])
    new = mask(lake, config, RECIPIENTS["community"], NOON).finding(one)
    assert new is not None
    assert ask(lake, config, RECIPIENTS["community"], new.id) == [one.id]
    assert ask(lake, config, RECIPIENTS["public"], new.id) == []


def test_another_epoch_and_a_rotated_key(lake: Lake, config: Config) -> None:
    masked = mask(lake, config, SECTOR, NOON, epoch="2025-Q1").value("ip", "203.0.113.77")
    assert ask(lake, config, SECTOR, masked, epoch="2025-Q1") == ["203.0.113.77"]
    assert ask(lake, config, SECTOR, masked) == []
    keys.rotate(lake.path)
    assert ask(lake, config, SECTOR, masked, epoch="2025-Q1") == ["203.0.113.77"]


def test_the_log_is_told_first_and_else_nothing_is_revealed(
    lake: Lake, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    masked = mask(lake, config, SECTOR, NOON).value("ip", "203.0.113.77")
    ask(lake, config, SECTOR, masked)
    entry = State(lake.path).audit.newest()[0]
    assert (entry.action, entry.recipient, entry.actor) == ("reveal", "isac", "cli:test")
    assert entry.detail["value"] == masked
    assert "203.0.113.77" not in str(entry.detail)

    def full(*_: object, **__: object) -> None:
        raise LakeError("the disk is full")

    monkeypatch.setattr(Audit, "tell", full)
    monkeypatch.setattr(keys, "load", lambda *_, **__: pytest.fail("keys were read all the same"))
    with pytest.raises(LakeError, match="disk is full"):
        ask(lake, config, SECTOR, masked)


@pytest.mark.parametrize("value", ["", " ", "x" * 5000, "no such thing", "203.0.113.0/24"])
def test_what_no_mask_makes(lake: Lake, config: Config, value: str) -> None:
    mask(lake, config, RECIPIENTS["community"], NOON)
    with pytest.raises(UsageError):
        ask(lake, config, RECIPIENTS["community"], value)
    with pytest.raises(UsageError, match="no epoch"):
        ask(lake, config, SECTOR, "203.0.113.1", epoch="yesterday")
    with pytest.raises(UsageError, match="masks nothing"):
        ask(lake, config, RECIPIENTS["own"], "203.0.113.1")


def test_what_is_left_to_learn(config: Config) -> None:
    from noroshi.share.profile import load as profile

    done = {(r.field, r.version): r for r in risks(None, config, profile("sector"), [0, 1, 10], draws=50)}
    own, dark = done["own-address", 4], done["telescope-address", 4]
    assert (own.do, own.source, own.exposures[0].addresses) == ("prefix-preserving", "configuration", 256)
    assert own.exposures[0].bits.mean == 0
    # One pair of 256 neighbours: half of the others share no bit of the last eight with it, and so on.
    assert own.exposures[1].bits.mean == pytest.approx(26.0, abs=0.05)
    assert own.exposures[1].outright.mean == 1, "the neighbour with 31 bits in common"
    assert own.exposures[2].bits.low <= own.exposures[2].bits.mean <= own.exposures[2].bits.high
    assert all(e.bits.mean == 0 for e in dark.exposures), "tokens tell nothing"


def test_an_empty_configuration_has_no_risks() -> None:
    from noroshi.share.profile import load as profile

    assert risks(None, load(None), profile("public"), [1], draws=10) == []
