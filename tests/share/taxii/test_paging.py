"""`next` holds for the question it was given for, and for nobody and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noroshi import keys
from noroshi.model.errors import UsageError
from noroshi.share.taxii.filters import Filters, parse
from noroshi.share.taxii.paging import Signer

SIGNER = Signer([b"k" * 32])
ASKED = parse([("match[type]", "indicator,sighting"), ("limit", "5")])


def signed(seq: int = 77) -> str:
    return SIGNER.sign(seq, "partner", "c1", "objects", ASKED)


def read(text: str, recipient: str = "partner", collection: str = "c1", place: str = "objects",
         asked: Filters = ASKED) -> int | None:  # fmt: skip
    return SIGNER.read(recipient, collection, place, replace(asked, next=text))


@given(st.integers(-(1 << 63), (1 << 63) - 1))
def test_what_is_signed_is_read(seq: int) -> None:
    assert read(signed(seq)) == seq
    assert signed(seq) == signed(seq)  # nothing of time or chance in it


def test_order_of_values_limit_and_start_may_differ() -> None:
    other = parse(
        [("match[type]", "sighting, indicator"), ("limit", "9"), ("added_after", "2024-01-01T00:00:00Z")]
    )
    assert read(signed(), asked=other) == 77


@pytest.mark.parametrize(
    "changed",
    [
        {"recipient": "other"}, {"collection": "c2"}, {"place": "manifest"}, {"asked": parse([])},
        {"asked": parse([("match[type]", "indicator,sighting"), ("match[version]", "all")])},
        {"asked": parse([("match[type]", "indicator,sighting"), ("match[spec_version]", "2.1")])},
        {"asked": parse([("match[type]", "indicator,sighting"), ("match[id]", "a")])},
    ],
)  # fmt: skip
def test_another_question_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="next"):
        read(signed(), **changed)  # type: ignore[arg-type]


@given(st.integers(0, 33), st.characters())
def test_an_altered_one_is_refused(at: int, char: str) -> None:
    text = signed()
    changed = text[:at] + char + text[at + 1 :]
    if changed == text:
        return
    with pytest.raises(UsageError, match="next"):
        read(changed)


@given(st.text(min_size=1, max_size=100))
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="next"):
        read(text)


def test_a_rotated_key_still_reads(tmp_path: Path) -> None:
    old = Signer.of(keys.load(tmp_path / "lake"))
    text = old.sign(5, "partner", "c1", "objects", ASKED)
    new = Signer.of(keys.rotate(tmp_path / "lake"))
    assert new.sign(5, "partner", "c1", "objects", ASKED) != text
    assert new.read("partner", "c1", "objects", replace(ASKED, next=text)) == 5
