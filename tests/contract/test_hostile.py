"""Every sensor meets what no file should be: rows, rejects or a SourceError come back, within bounds, never a fault."""

from __future__ import annotations

import io
import random
import time

import pytest

from noroshi import registry
from noroshi.lake.shape import marked, shaped
from noroshi.model.errors import SourceError, UsageError
from noroshi.model.reject import Reject
from noroshi.model.sensor import Reading
from noroshi.model.tables import TABLES
from noroshi.model.tlp import Tlp
from noroshi.work.ingest import sniff
from tests.support import samples

DICE = random.Random(7)

HOSTILE = {
    "nothing": b"",
    "zeros": bytes(70_000),
    "noise": DICE.randbytes(70_000),
    "one long line": b"a" * 3_000_000,
    "commas": b"," * 200_000,
    "quotes": b'"' * 200_001,
    "newlines": b"\n" * 200_000,
    "deep list": b"[" * 200_000,
    "deep object": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deep elements": b"<a>" * 100_000,
    "entities": b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "' + b"b" * 900 + b'"><!ENTITY c "'
    + b"&a;" * 900 + b'">]><nmaprun>&c;&c;&c;</nmaprun>',
    "encoding that runs code": b'<?xml version="1.0" encoding="unicode_escape"?><nmaprun>\\x41</nmaprun>',
    "not UTF-8": b'{"a": "\xff\xfe\xfd"}\n' * 1000,
    "lone surrogates": b'{"eventid":"cowrie.login.failed","src_ip":"\\ud800","username":"\\udfff"}\n' * 100,
    "huge number": b'{"ts": ' + b"9" * 5000 + b', "id.orig_h": "1.2.3.4"}\n',
    "not a number": b'{"ts": NaN, "timestamp": -Infinity, "type": "bundle", "objects": [NaN]}',
    "many columns": b",".join(b"c%d" % i for i in range(50_000)) + b"\n" + b"1," * 50_000,
    "a bomb of keys": b"{" + b",".join(b'"k%d":1' % i for i in range(60_000)) + b"}",
}  # fmt: skip


def check(name: str, data: bytes) -> int:
    """Reads `data` by the sensor; asserts that all it yields is in order; how many rows there were."""
    sensor = registry.sensor(name)
    reading = Reading(
        stream=io.BytesIO(data), name="hostile", source_date_us=time.time_ns() // 1000, head=data[:4096],
        workers=1,
    )  # fmt: skip
    rows = 0
    try:
        for item in sensor.read(reading):
            if isinstance(item, Reject):
                assert item.reason
                assert 0 <= item.position <= len(data) + 1
                assert item.count > 0
            else:
                assert item.table in sensor.tables or item.table == "links"
                table = TABLES[item.table]
                given = marked(item.rows, Tlp.GREEN) if table.marked else item.rows
                shaped(table, given, "run")
                rows += item.rows.num_rows
    except SourceError:
        pass
    except UsageError:
        assert name == "mapped", "only what needs a mapping may ask for one"
    return rows


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("name", registry.SENSORS)
def test_hostile(name: str, what: str) -> None:
    check(name, HOSTILE[what])


@pytest.mark.parametrize("what", HOSTILE)
def test_nobody_fails_to_look(what: str) -> None:
    for name in registry.SENSORS:
        assert registry.sensor(name).sniff(HOSTILE[what][:4096]) in (True, False)


@pytest.mark.parametrize("path", samples.FILES, ids=lambda p: str(p.name))
def test_samples_cut_and_changed(path: samples.Path) -> None:
    """Each committed sample, cut short and with bytes changed, read by the sensor that knows it."""
    data = samples.unpacked(path)[:60_000]
    sensor = sniff(data[:4096])
    if sensor is None:
        pytest.skip("no sensor knows it")
    for seed in range(6):
        dice = random.Random(seed)
        changed = bytearray(data[: dice.randrange(len(data) // 2, len(data) + 1)])
        for _ in range(dice.randrange(0, 40)):
            changed[dice.randrange(len(changed))] = dice.choice(b'\x00\xff"{}[],\n<>0')
        check(sensor.name, bytes(changed))
