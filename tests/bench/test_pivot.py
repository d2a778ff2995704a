"""The benchmark of the pivot checks its answers: run small, so that a wrong count fails here."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import pivot, pivot_lake


def test_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pivot_lake, "RUNS", 8)
    monkeypatch.setattr(pivot, "EACH", 6)
    monkeypatch.setattr(pivot, "cold", lambda where, chosen: {"rare": 0.0})
    found = pivot.measure(tmp_path / "lake", 40_000, peers=True)
    assert found["rows"]["flows"] == 28_000
    assert found["times"]["first"]["n"] == 12
    assert set(found["peers"]) == {"DuckDB, sorted, ART index", "SQLite, ordered by address"}
    assert "p50" in pivot.table([found])
