"""Findings ready to be asked for: the same that walking through them all gives."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from noroshi.model.finding import Finding, Rule, Subject
from noroshi.model.tlp import Tlp
from noroshi.web.known import Known, place

START = datetime(2026, 3, 1, tzinfo=UTC)
KINDS = ("scanner", "port-surge", "infected-host")
TIMES = st.integers(0, 50).map(lambda h: START + timedelta(hours=h))


@st.composite
def findings(draw: st.DrawFn) -> list[Finding]:
    """Some, with ids that differ."""
    out = []
    for i in range(draw(st.integers(0, 12))):
        first = draw(TIMES)
        out.append(
            Finding(
                kind := draw(st.sampled_from(KINDS)), Subject("ip", f"192.0.2.{draw(st.integers(0, 4))}"),
                Rule(kind, 1), first, first + timedelta(hours=draw(st.integers(0, 9))), draw(st.integers(0, 100)),
                {"en": draw(st.sampled_from(("Scans ports", "Sends mail")))}, {}, scope=f"t{i}",
                tlp=draw(st.sampled_from(tuple(Tlp))),
            )
        )  # fmt: skip
    return out


ASKED = st.fixed_dictionaries(
    {},
    optional={
        "kinds": st.lists(st.sampled_from((*KINDS, "campaign")), max_size=2),
        "value": st.sampled_from(("192.0.2.1", "192.0.2.9")),
        "mark": st.sampled_from(tuple(Tlp)),
        "confidence": st.integers(-5, 105),
        "since": TIMES,
        "until": TIMES,
        "words": st.lists(st.sampled_from(("scans", "192.0.2", "nothing")), max_size=2),
    },
)


def _holds(f: Finding, a: dict[str, Any]) -> bool:
    said = " ".join((f.subject.value, f.kind, f.scope, *f.summary.values())).casefold()
    return (
        (not a.get("kinds") or f.kind in a["kinds"])
        and (not a.get("value") or f.subject.value == a["value"])
        and ("mark" not in a or f.tlp is a["mark"])
        and f.confidence >= a.get("confidence", 0)
        and ("since" not in a or f.last_seen >= a["since"])
        and ("until" not in a or f.first_seen < a["until"])
        and all(w in said for w in a.get("words", ()))
    )


@given(findings(), ASKED)
def test_chosen_as_one_by_one(every: list[Finding], asked: dict[str, Any]) -> None:
    found = Known(every).chosen(**asked)
    want = sorted((f for f in every if _holds(f, asked)), key=place)
    assert list(found) == want
    assert len(found) == len(want)
    assert found[: len(want)] == want
    assert found[1:3] == want[1:3]
    assert found.kinds() == {k: n for k in KINDS if (n := sum(f.kind == k for f in want))}


@given(findings())
def test_by_subject_by_id_and_as_stored(every: list[Finding]) -> None:
    known = Known(every)
    assert list(known.newest) == sorted(every, key=place)
    for f in every:
        about = known.by_subject[f.subject.kind, f.subject.value]
        assert f in about
        assert about == [g for g in known.newest if g.subject == f.subject]
        assert known.beginning(f.id) == [f]
    assert [f.last_seen for f in known.stored] == sorted((f.last_seen for f in every), reverse=True)
