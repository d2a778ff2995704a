"""MISP files without statements are told for what they are, not read as something else."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.observe.intel.support import Taken, sniffers

MANIFEST = {
    "5bad1b96-53bc-4148-87eb-50d50a016219": {
        "Orgc": {"name": "CIRCL"},
        "Tag": [],
        "info": "x",
        "date": "2024-01-01",
        "analysis": "2",
        "threat_level_id": "1",
        "timestamp": "1",
    }
}
TAXONOMY = {
    "namespace": "tlp",
    "expanded": "Traffic Light Protocol",
    "version": 5,
    "predicates": [{"value": "red", "expanded": "x"}],
}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (MANIFEST, "manifest of a MISP feed"),
        (TAXONOMY, "a MISP taxonomy"),
        ({"result": {"sane_defaults": {}, "types": []}}, "MISP's types"),
    ],
)
def test_told(document: object, words: str) -> None:
    assert sniffers(json.dumps(document).encode()) == ["misp-other"]
    taken = Taken("misp-other", document)
    assert taken.tables == {}
    assert taken.reasons == ["no-evidence"]
    assert words in taken.rejects[0].detail


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    assert Taken("misp-other", data).reasons == ["no-evidence"]


def test_every_taxonomy_is_known() -> None:
    root = os.environ.get("NOROSHI_DATA")
    if not root:
        pytest.skip("set NOROSHI_DATA to a folder with intel/taxonomies")
    for path in [
        *Path(root, "intel/taxonomies").glob("*.json"),
        Path(root, "intel/misp_events/describeTypes.json"),
    ]:
        assert sniffers(path.read_bytes()) == ["misp-other"], path.name
