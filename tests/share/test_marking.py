"""The ladder of recipients and markings."""

from __future__ import annotations

import pytest

from noroshi.model.errors import UsageError
from noroshi.model.tlp import DEFAULT, Tlp
from noroshi.share.marking import RECIPIENTS, recipient, withheld


@pytest.mark.parametrize(
    ("name", "sees"),
    [
        ("public", {Tlp.CLEAR}),
        ("community", {Tlp.CLEAR, Tlp.GREEN}),
        ("own", {Tlp.CLEAR, Tlp.GREEN, Tlp.AMBER, Tlp.AMBER_STRICT}),
    ],
)
def test_the_ladder(name: str, sees: set[Tlp]) -> None:
    assert {t for t in Tlp if recipient(name).may_see(t)} == sees


def test_no_machine_is_given_red() -> None:
    assert not any(r.may_see(Tlp.RED) for r in RECIPIENTS.values())


def test_unmarked_data_is_for_the_own_organisation_only() -> None:
    assert [n for n, r in RECIPIENTS.items() if r.may_see(DEFAULT)] == ["own"]


def test_unknown_recipient_is_told_who_is_known() -> None:
    with pytest.raises(UsageError, match="public, community, own"):
        recipient("everybody")


def test_withheld_says_how_many_and_why() -> None:
    told = withheld({Tlp.CLEAR: 3, Tlp.AMBER_STRICT: 2, Tlp.RED: 0}, recipient("public"))
    assert list(told.values()) == [2]
    assert "TLP:AMBER+STRICT is stricter than TLP:CLEAR" in next(iter(told))
