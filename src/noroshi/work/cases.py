"""Cases opened and filled: the marking of a case is the strictest of what was put into it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from noroshi.model.finding import Finding
from noroshi.model.observable import guess
from noroshi.model.tlp import DEFAULT, Tlp, parse, strictest

if TYPE_CHECKING:
    from noroshi.lake.state import State
    from noroshi.lake.state.cases import Case


def open_case(
    state: State, title: str, findings: Sequence[Finding] = (), values: Sequence[str] = (), *, who: str,
    tlp: Tlp = DEFAULT,
) -> Case:  # fmt: skip
    """A new case with these in it; at least as strict as `tlp`, which is never CLEAR by itself."""
    case = state.cases.open(title, who, tlp.value)
    if findings or values:
        fill(state, case.id, findings, values, who=who)
    return state.cases.get(case.id)


def fill(
    state: State, case_id: int, findings: Sequence[Finding] = (), values: Sequence[str] = (), *, who: str
) -> int:
    """Puts findings and values into a case; how many were new. Raises UsageError for a value of no kind."""
    items = [("finding", f.id) for f in findings] + [guess(v) for v in values]
    case = state.cases.get(case_id)
    tlp = strictest([parse(case.tlp), *(f.tlp for f in findings)])
    return state.cases.add(case_id, items, who, tlp.value)


def may_see(case: Case, ceiling: Tlp) -> bool:
    """True when somebody up to `ceiling` may know of a case."""
    return parse(case.tlp).rank <= ceiling.rank
