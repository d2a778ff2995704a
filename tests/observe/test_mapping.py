"""Mapping files: what is wrong in one is told so that it can be mended."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.model.errors import UsageError
from noroshi.model.tables import TABLES
from noroshi.observe.mapping import CellError, MappingFile, cells, constants, load, moment, texts, zone

GOOD = 'table = "indicators"\n[columns]\nvalue = "a"\n'


def test_good(tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    path.write_text(GOOD)
    assert load(path).columns == {"value": "a"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('table = "indicatorz"\n[columns]\nvalue = "a"\n', "Invalid enum value"),
        ('table = "indicators"\n', "columns"),
        (GOOD.replace("value", "valeu"), "Did you mean value?"),
        (GOOD + "x = 1\n", "x"),
        ('table = "indicators"\nnothing = 1\n[columns]\nvalue = "a"\n', "nothing"),
        ('table = "indicators"\n[columns]\ncomment = "a"\n', "needs value"),
        ('table = "files"\n[columns]\nnames = "a"\n', "one of the hashes"),
        ('table = "incidents"\n[columns]\ntitle = "a"\n', "incident_id"),
        ('table = "indicators"\ndelimiter = "ab"\n[columns]\nvalue = "a"\n', "one character"),
        ('table = "indicators"\ntime = "day"\n[columns]\nvalue = "a"\n', "unix-ms"),
        ('table = "indicators"\ntimezone = "Mars/Base"\n[columns]\nvalue = "a"\n', "no time zone"),
        ("table = ", "no TOML"),
        (GOOD.replace("value", "offset"), "offset"),
    ],
)
def test_wrong(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "m.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as e:
        load(path)
    assert says in str(e.value)
    assert "m.toml" in str(e.value)
    assert e.value.todo


def test_missing_and_enormous(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        load(tmp_path / "none.toml")
    (tmp_path / "big.toml").write_bytes(b"#" * (2 << 20))
    with pytest.raises(UsageError, match="is no mapping"):
        load(tmp_path / "big.toml")


def test_constants() -> None:
    mapping = MappingFile("indicators", {"value": "a"}, {"confidence": 80, "labels": ["x"], "to_ids": True})
    assert constants(mapping) == {"confidence": 80, "labels": ["x"], "to_ids": True}
    with pytest.raises(UsageError, match="confidence"):
        constants(MappingFile("indicators", {"value": "a"}, {"confidence": "high"}))


def test_every_column_can_be_mapped() -> None:
    for table in ("indicators", "files", "incidents", "assets", "events"):
        names = {c.name: "x" for c in TABLES[table].columns if c.name not in ("offset", "run_id")}
        made = cells(MappingFile(table, names))  # type: ignore[arg-type]
        for name, of in made.items():
            assert of("") is None or name == ""
            assert of(None) is None
            assert of({}) is None


@pytest.mark.parametrize(
    ("text", "form", "zone_", "expected"),
    [
        ("2024-05-01T00:00:00Z", "iso", "+09:00", 1_714_521_600_000_000),
        ("2024-05-01 09:00", "iso", "+09:00", 1_714_521_600_000_000),
        ("1714521600", "unix", "UTC", 1_714_521_600_000_000),
        ("1714521600123", "unix-ms", "UTC", 1_714_521_600_123_000),
        ("01/05/2024", "%d/%m/%Y", "UTC", 1_714_521_600_000_000),
        ("", "iso", "UTC", None),
    ],
)
def test_times(text: str, form: str, zone_: str, expected: int | None) -> None:
    assert moment(text, form, zone(zone_)) == expected


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40), st.sampled_from(["iso", "unix", "unix-ms", "%d/%m/%Y", "%s%Q%"]))
def test_any_time(text: str, form: str) -> None:
    with contextlib.suppress(CellError):
        moment(text, form, zone("UTC"))


def test_texts() -> None:
    assert texts("a, b,,a", ",") == ["a", "b"]
    assert texts(["a", 5, {}], ",") == ["a", "5"]
    assert texts("a,b", "") == ["a,b"]
