"""CVSS base scores against published examples."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noroshi.observe.supply.cvss import bounded, score, version
from tests.observe.supply.support import archived


@pytest.mark.parametrize(
    ("vector", "expected"),
    [
        # FIRST, CVSS v3.1 examples
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1),
        ("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N", 6.4),
        ("CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N", 3.1),
        ("CVSS:3.1/AV:L/AC:L/PR:H/UI:N/S:U/C:L/I:L/A:L", 4.2),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8),
        ("CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10.0),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0.0),
        # CVSS v2 guide, section 3.3
        ("AV:N/AC:L/Au:N/C:N/I:N/A:C", 7.8),
        ("AV:N/AC:L/Au:N/C:C/I:C/A:C", 10.0),
        ("(AV:L/AC:H/Au:N/C:C/I:C/A:C)", 6.2),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", None),
        ("CVSS:3.1/AV:N", None),
        ("high", None),
        (None, None),
    ],
)
def test_scores(vector: str | None, expected: float | None) -> None:
    assert score(vector) == expected


def test_versions_and_bounds() -> None:
    assert [version(v) for v in ("CVSS:4.0/x", "CVSS:3.1/", "CVSS:3.0/", "AV:N", "x", None)] == [
        4,
        3.1,
        3,
        2,
        0,
        0,
    ]
    assert [bounded(v) for v in (5, 9.8, 11, -1, "7", True, float("nan"))] == [
        5,
        9.8,
        None,
        None,
        None,
        None,
        None,
    ]


@given(st.text(max_size=60))
def test_any_text(text: str) -> None:
    for vector in (text, f"CVSS:3.1/{text}", f"AV:{text}"):
        found = score(vector)
        assert found is None or 0 <= found <= 10


def test_vectors_with_scores_of_published_documents() -> None:
    """Scores that bills of materials give beside their vectors: computed, they are the same."""
    same = 0
    for name, data in archived("supply", "sboms", "cyclonedx-bom-examples.tar.zst"):
        if name.endswith(".json"):
            for found in json.loads(data).get("vulnerabilities", ()):
                for rating in found.get("ratings", ()):
                    if (
                        rating.get("method") in ("CVSSv31", "CVSSv3")
                        and rating.get("vector")
                        and "score" in rating
                    ):
                        text = rating["vector"]
                        text = text if text.startswith("CVSS") else f"CVSS:3.1/{text}"
                        same += score(text) == rating["score"]
    assert same >= 5
