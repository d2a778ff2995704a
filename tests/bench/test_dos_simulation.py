"""dos-victim against simulated attacks: a few in seconds, and the claim itself in the heavy suite."""

from __future__ import annotations

import pytest

from bench import dos_simulation as sim
from noroshi.model.tables import TABLES


def test_a_day_has_the_schema_of_flows_and_the_attacks_it_says() -> None:
    table, truth, scope = sim.draw(1, 22, attacks=10)
    assert table.schema == TABLES["flows"].arrow()
    assert len({a.victim for a in truth}) == 10
    assert scope.size + len(scope.inside) == scope.nominal == 1024
    assert sim.draw(1, 22, attacks=10)[0].equals(table)
    assert not sim.draw(2, 22, attacks=10)[0].equals(table)


@pytest.mark.parametrize("length", [16, 24])
def test_a_few_attacks_are_found_and_nothing_else(length: int) -> None:
    figures = sim.simulate(length, range(1, 3), attacks=40)
    assert figures["above_floor"] > 25
    assert figures["false"] == 0
    assert figures["recall"] > 0.9
    assert figures["coverage"] > 0.85
    assert figures["defaults_f1"] < figures["f1"]


def test_the_floor_is_where_nineteen_of_twenty_are_found() -> None:
    # 180 attacks at exactly the floor: 0.95 with a standard error of 0.016.
    assert 0.89 <= sim.found_at_floor(22, range(1, 4)) <= 0.995


@pytest.mark.heavy
def test_f1_and_interval_coverage_above_the_floor() -> None:
    # 12 days give about 2,000 intervals in all (standard error 0.5 points) and 330 a size (1.2 points): the
    # claim is held to 95 ± 2 % in all, and to what 330 can tell in each.
    intervals = covered = 0.0
    for length in sim.LENGTHS:
        figures = sim.simulate(length, range(20_000, 20_012))
        assert figures["f1"] >= 0.95, (length, figures)
        assert figures["recall_1_to_2_floors"] >= 0.93, (length, figures)
        assert 0.91 <= figures["coverage"] <= 0.99, (length, figures)
        assert 0.97 <= figures["median_rate_over_truth"] <= 1.03, (length, figures)
        assert 0.92 <= sim.found_at_floor(length, range(25_000, 25_010)) <= 0.98
        intervals += figures["intervals"]
        covered += figures["coverage"] * figures["intervals"]
    assert intervals > 1500
    assert 0.93 <= covered / intervals <= 0.97
