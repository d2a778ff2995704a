"""Findings: what is masked takes its id with it, nothing of the subject stays in words or evidence."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest

from noroshi.model.finding import Finding, Subject
from noroshi.share.anonymise.masking import Masking
from noroshi.share.profile import Rule
from tests.share.anonymise.support import NOW, masking
from tests.support.findings import NOON, finding


def test_an_attacker_stays_as_it_is_but_for_the_sensor() -> None:
    mask = masking("community", sensor=Rule("keep"))
    one = finding(value="198.51.100.9")
    assert mask.finding(one) is one


@pytest.mark.parametrize("kind", ["dos-victim", "reflection-abuse", "misconfiguration", "vulnerable-service"])
def test_a_victim_is_a_network(kind: str) -> None:
    one = finding(kind, "198.51.100.9", evidence={"peer": "198.51.100.9", "n": 3})
    new = masking("community").finding(one)
    assert new is not None
    assert new.subject == Subject("prefix", "198.51.100.0/24")
    assert new.summary == {"en": "198.51.100.0/24 did it.", "ja": "198.51.100.0/24 による。"}
    assert new.evidence == {"peer": "198.51.100.0/24", "n": 3}
    assert new.id != one.id
    assert uuid.UUID(new.id).version == 5


def test_ids_are_keyed_by_recipient_and_epoch_where_the_subject_is_hidden() -> None:
    one = finding("dos-victim", "198.51.100.9")
    masks = [masking(), masking(recipient="other"), masking(now=NOW + timedelta(days=40))]
    ids = [f.id for m in masks if (f := m.finding(one))]
    assert len({one.id, *ids}) == 4
    # The plain hash of what the recipient sees is no way back either.
    seen = masking().finding(one)
    assert seen is not None
    again = Finding(
        seen.kind, seen.subject, seen.rule, seen.first_seen, seen.last_seen, 80, {}, {}, scope=seen.scope
    )
    assert again.id not in ids


def test_ids_outlast_the_epoch_where_the_subject_is_in_the_open() -> None:
    one = finding(value="198.51.100.9")
    now, later = masking().finding(one), masking(now=NOW + timedelta(days=40)).finding(one)
    assert now is not None
    assert later is not None
    assert now.id == later.id != one.id, "the scope is in the id and hidden"


def test_an_own_host_by_its_evidence() -> None:
    one = finding(
        "infected-host", "198.51.100.9", evidence={"own": True, "owner": "Physics", "contact": "x@y.example"},
        summary={"en": "198.51.100.9, a device of Physics, attacks others."},
    )  # fmt: skip
    new = masking("community").finding(one)
    assert new is not None
    assert new.subject.value.startswith("100::")
    assert "Physics" not in str(new.to_json())
    assert "x@y.example" not in str(new.to_json())
    assert new.evidence["owner"] in new.summary["en"], "the same token in words and evidence"
    assert masking("public").finding(one) is None


def test_what_may_not_leave_is_counted_for_the_operator() -> None:
    mask = masking("public")
    assert mask.finding(finding("inside-talker", "192.0.2.200")) is None
    assert mask.suppressed == {"inside-talker": 1}


def test_a_finding_stands_for_one_and_not_for_k() -> None:
    mask = masking(victim_address=Rule("truncate", k=5))
    assert mask.finding(finding("dos-victim", "198.51.100.9")) is None
    assert mask.finding(finding("scanner", "198.51.100.9")) is not None


def test_runs_and_times() -> None:
    one = finding(
        value="198.51.100.9", runs=("a", "b"), summary={"en": "198.51.100.9 from 2024-04-01 12:34:56 on."},
        evidence={"attacks": [{"first_seen": "2024-04-01T12:34:56.789Z"}], "ports": [22, 2323, "tcp/60000"]},
    )  # fmt: skip
    mask = masking("community", time=Rule("generalise", to="hour"), port=Rule("generalise"))
    new = mask.finding(one)
    assert new is not None
    assert new.runs == ()
    assert new.first_seen == NOON.replace(microsecond=0)
    assert new.summary["en"] == "198.51.100.9 from 2024-04-01 12:00:00 on."
    assert new.evidence == {
        "attacks": [{"first_seen": "2024-04-01T12:00:00Z"}], "ports": [0, 1024, "tcp/49152-65535"],
    }  # fmt: skip


def test_an_address_that_begins_like_the_subject() -> None:
    one = finding(
        "dos-victim", "198.51.100.9", summary={"en": "198.51.100.9 not 198.51.100.99 nor 198.51.100.9.1"}
    )
    new = masking("community").finding(one)
    assert new is not None
    assert new.summary["en"] == "198.51.100.0/24 not 198.51.100.99 nor 198.51.100.9.1"


def test_deep_evidence_is_cut() -> None:
    deep: dict[str, object] = {"x": "203.0.113.7"}
    for _ in range(200):
        deep = {"d": deep}
    new = masking("community").finding(finding(value="198.51.100.9", evidence=deep))
    assert new is not None
    assert "203.0.113.7" not in str(new.evidence)


def test_what_was_masked_is_not_masked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the next export, by another mask of the same rules, keys and site; and nothing else is answered from it."""
    from noroshi.share.anonymise import findings as module

    looked: list[str] = []
    real = module.masked

    def counted(mask: Masking, one: Finding) -> Finding | None:
        looked.append(one.id)
        return real(mask, one)

    monkeypatch.setattr(module, "masked", counted)
    one = finding("dos-victim", "198.51.100.77", evidence={"n": 1, "peer": "198.51.100.77"})
    first = masking("community", recipient="cached").finding(one)
    assert masking("community", recipient="cached").finding(replace(one)) == first
    assert len(looked) == 1
    assert first is not None
    # Equal, and written differently.
    for n in (1.0, True):
        other = masking("community", recipient="cached").finding(
            replace(one, evidence=one.evidence | {"n": n})
        )
        assert other is not None
        assert repr(other.evidence["n"]) == repr(n)
    changed = masking("community", recipient="cached").finding(replace(one, confidence=7))
    assert changed is not None
    assert changed.confidence == 7
    # Another recipient, epoch, key or rule is another mask.
    n = len(looked)
    for mask in (
        masking("community", recipient="cached too"), masking("community", recipient="cached", secret=b"x" * 32),
        masking("community", recipient="cached", now=NOW + timedelta(days=99)),
        masking("community", recipient="cached", time=Rule("generalise", to="day")),
    ):  # fmt: skip
        made = mask.finding(one)
        assert made is not None
        assert made != first
        n += 1
        assert len(looked) == n
