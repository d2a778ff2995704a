"""Columns whose links are taken as they stand (`Link.canonical`) hold canonical values, in every sample we have."""

from __future__ import annotations

import io

import pytest

from noroshi import registry
from noroshi.model.observable import CANONICAL, canonical
from noroshi.model.reject import Reject
from noroshi.model.sensor import Reading
from noroshi.model.tables import TABLES
from noroshi.work.ingest import sniff
from tests.support import samples

COLUMNS = [(t.name, link) for t in TABLES.values() for link in t.links if link.canonical]
_NOW = 1_790_000_000_000_000


def test_there_are_such_columns() -> None:
    assert {name for name, _ in COLUMNS} == {"indicators"}
    assert all(TABLES[name].column(link.column).type == "string" for name, link in COLUMNS)


@pytest.mark.parametrize("path", samples.FILES, ids=lambda p: str(p.relative_to(samples.OBSERVE)))
def test_values_are_fixed_points(path: samples.Path) -> None:
    data = samples.unpacked(path)
    found = sniff(data[: 1 << 16])
    if found is None or not set(found.tables) & {name for name, _ in COLUMNS}:
        return
    reading = Reading(io.BytesIO(data), path.name, _NOW, head=data[: 1 << 16])
    for item in registry.sensor(found.name).read(reading):
        if isinstance(item, Reject):
            continue
        for name, link in COLUMNS:
            if item.table != name:
                continue
            kinds = (
                item.rows[link.kind_from].to_pylist() if link.kind_from else [link.kind] * item.rows.num_rows
            )
            for kind, value in zip(kinds, item.rows[link.column].to_pylist(), strict=True):
                assert kind not in CANONICAL or canonical(kind, value) == value, (path, kind)
