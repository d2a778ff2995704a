"""The ladder of recipients and markings."""

from __future__ import annotations

import pytest

from noroshi.model.errors import UsageError
from noroshi.model.tlp import DEFAULT, Tlp
from noroshi.share.marking import RECIPIENTS, reason, recipient, withheld
from tests.support.findings import finding


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
    found = [finding(tlp="clear"), finding(tlp="amber+strict"), finding(tlp="amber+strict")]
    told = withheld(found, recipient("public"))
    assert list(told.values()) == [2]
    assert "TLP:AMBER+STRICT is stricter than TLP:CLEAR" in next(iter(told))


@pytest.mark.parametrize("value", ["192.0.2.9", "192.0.2.0/28", "192.0.0.0/16"])
def test_addresses_of_a_telescope_are_told_to_the_own_organisation_only(value: str) -> None:
    one, telescopes = finding("inside-talker", value, tlp="clear"), ["192.0.2.0/24", "2001:db8::/32"]
    assert "inside a telescope" in reason(one, recipient("public"), telescopes)
    assert reason(one, recipient("own"), telescopes) == ""
    assert reason(finding(tlp="clear"), recipient("public"), telescopes) == ""
    assert reason(finding("port-surge", "tcp/23", tlp="clear"), recipient("public"), telescopes) == ""
