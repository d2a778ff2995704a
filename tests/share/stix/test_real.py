"""Real STIX of others there and back: every object with its own id and all its properties.

The data may not be committed (size, terms): Amnesty's indicators (CC-BY 2.0), Unit 42's playbooks (MIT), ATT&CK
(terms of use), OASIS' examples (BSD-3).
"""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest
import stix2

from noroshi.lake.handle import Lake
from noroshi.share.stix.emit import Tally
from tests.share.stix.views import given, read
from tests.work import lakes

lake = lakes.lake

FILES = (
    "stix21/amnesty/cytrox.stix2", "stix20/unit42/hive-ransomware.json", "attack/ics-attack-18.1.json.gz",
    "oasis/sco-examples-bundle.json",
)  # fmt: skip
ADDED = {"spec_version", "pattern_type", "valid_from", "is_family", "indicator_types", "malware_types", "tool_types",
         "report_types", "threat_actor_types"}  # fmt: skip


def source(name: str) -> Path:
    root = os.environ.get("NOROSHI_DATA")
    if not root or not (Path(root) / "intel" / name).is_file():
        pytest.skip(f"set NOROSHI_DATA to a folder with intel/{name}")
    return Path(root) / "intel" / name


@pytest.mark.parametrize("name", FILES)
def test_there_and_back(lake: Lake, name: str) -> None:
    path = source(name)
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    whole = json.loads(raw)
    came: list[dict[str, Any]] = whole["objects"] if isinstance(whole, dict) else whole
    read(lake, path)
    tally = Tally()
    out = {}
    for one in given(lake, tally=tally):
        out[one.id, one.version] = json.loads(one.json)
    assert not tally.left_out
    for thing in came:
        back = out[thing["id"], thing.get("modified") or thing.get("created") or ""]
        if "stix20" in name:
            assert back.items() >= thing.items()
            assert set(back) - set(thing) <= ADDED
            stix2.parse(json.dumps(back), version="2.1", allow_custom=True)
        elif thing["type"] != "marking-definition" or "definition_type" not in thing:
            assert back == thing


@pytest.mark.parametrize("name", FILES[:1])
def test_clean_2_1_stays_strictly_valid(lake: Lake, name: str) -> None:
    read(lake, source(name))
    for one in given(lake):
        stix2.parse(one.json.decode(), version="2.1", allow_custom=False)
