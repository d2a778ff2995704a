"""Package URLs against the tests of their specification."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

import pytest
import zstandard

from noroshi.model.canonical.software import purl
from noroshi.model.errors import UsageError


def test_the_specifications_own_tests() -> None:
    """package-url/purl-spec: every test that goes from a text to a canonical text or to a refusal."""
    place = Path(os.environ.get("NOROSHI_DATA", "")) / "supply/versions/purl-spec-tests.tar.zst"
    if not os.environ.get("NOROSHI_DATA") or not place.is_file():
        pytest.skip("set NOROSHI_DATA to a folder with supply/versions/purl-spec-tests.tar.zst")
    packed = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(place.read_bytes())).read()
    seen = 0
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        for member in tar:
            file = tar.extractfile(member)
            if not member.name.endswith("-test.json") or file is None:
                continue
            for case in json.load(file)["tests"]:
                if case["test_type"] not in ("validate", "roundtrip") or not isinstance(case["input"], str):
                    continue
                seen += 1
                if case["expected_failure"]:
                    with pytest.raises(UsageError):
                        purl(case["input"])
                else:
                    assert purl(case["input"]) == case["expected_output"], case["description"]
    assert seen > 150
