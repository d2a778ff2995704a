"""Judging a small lake written by hand with one analyser."""

from __future__ import annotations

from datetime import date
from typing import Any

from noroshi import registry
from noroshi.lake.handle import Lake
from noroshi.model.analyser import Scope
from noroshi.model.finding import Finding


def judge(lake: Lake, name: str, *, own: tuple[str, ...] = (), **options: Any) -> list[Finding]:
    """The findings of one analyser over the whole lake, each checked for what all must have."""
    analyser = registry.analyser(name)
    assert analyser.tables == ()
    scope = Scope(date(2024, 4, 30), None, 0.0, own=own, options=options)
    query = lake.snapshot().restricted(memory=500_000_000)
    found = analyser.judge(analyser.reduce(query, scope), scope)
    again = analyser.judge(analyser.reduce(query, scope), scope)
    assert found == again, "the same input gives the same findings"
    for one in found:
        assert set(one.summary) == {"en", "ja"}
        assert one.summary["en"].endswith(".")
        assert one.summary["ja"].endswith("。")
        assert one.evidence["confidence_reason"]
        assert one.kind in analyser.kinds
        assert not one.recurs_daily
    assert len({f.id for f in found}) == len(found)
    return found


def one(lake: Lake, name: str, *, own: tuple[str, ...] = (), **options: Any) -> Finding:
    """The only finding."""
    (found,) = judge(lake, name, own=own, **options)
    return found
