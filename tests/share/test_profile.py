"""Profiles: those of the package are complete, one's own change a few fields, mistakes are told with their mend."""

from __future__ import annotations

from pathlib import Path

import pytest

from noroshi.model.errors import ConfigError, UsageError
from noroshi.model.tlp import Tlp
from noroshi.share.anonymise.classes import FIELDS
from noroshi.share.marking import Recipient
from noroshi.share.profile import Rule, built_in, for_recipient, load, names


@pytest.mark.parametrize("name", built_in())
def test_those_of_the_package_are_complete(name: str) -> None:
    profile = load(name)
    assert list(profile.rules) == list(FIELDS)
    assert profile.plain == (name == "own")
    assert profile.doc


@pytest.mark.parametrize(
    "field", ["own-address", "telescope-address", "victim-address", "own-domain", "password"]
)
def test_nobody_outside_sees_these_in_public_or_community(field: str) -> None:
    for name in ("public", "community", "sector"):
        assert load(name).rules[field].do != "keep"


def test_a_file_of_ones_own_changes_what_it_names(tmp_path: Path) -> None:
    (tmp_path / "isac.toml").write_text(
        'base = "sector"\nepoch = "fixed"\n[fields]\nvictim-address = {do = "truncate", v4 = 16, k = 5}\nurl = "drop"\n'
    )
    profile = load("isac", tmp_path)
    assert profile.rules["victim-address"] == Rule("truncate", v4=16, k=5)
    assert profile.rules["own-address"].do == "prefix-preserving"
    assert (profile.epoch, profile.rules["url"].do) == ("fixed", "drop")
    (tmp_path / "community.toml").write_text('base = "community"\n[fields]\nport = "drop"\n')
    assert load("community", tmp_path).rules["port"].do == "drop", "one's own goes before the package's"
    assert names(tmp_path) == [*built_in(), "isac"]


def test_the_profile_of_a_recipient(tmp_path: Path) -> None:
    (tmp_path / "partner.toml").write_text('doc = "p"\n')
    to = Recipient("partner", Tlp.AMBER, "", "organisation")
    assert for_recipient(to, tmp_path).name == "partner"
    assert for_recipient(to).name == "organisation"
    assert for_recipient(Recipient("x", Tlp.AMBER, "", "sector", profile="public")).name == "public"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[fields]\nown-adress = "drop"', "Did you mean own-address?"),
        ('[fields]\nown-address = "hash"', "Invalid enum value 'hash'"),
        ('[fields]\nspecial-address = "prefix-preserving"', "cannot be 'prefix-preserving'"),
        ('[fields]\ntime = "drop"', "keep, generalise"),
        ('[fields]\nown-address = {do = "truncate", v4 = 33}', "<= 32"),
        ('[fields]\nown-address = {do = "truncate", bits = 3}', "unknown field `bits`"),
        ('[fields]\nown-address = {do = "k-minimum"}', "needs k of 2"),
        ('[fields]\nport = {do = "keep", k = 1}', "holds nothing back"),
        ('epoch = "week"', "Invalid enum value 'week'"),
        ("colour = 1", "unknown field `colour`"),
        ("= broken", "not valid TOML"),
        ('base = "bad"', "based on itself"),
        ('base = "nobody"', "there is no profile 'nobody'"),
        ("x = " + "[" * 500, "bad.toml"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises((ConfigError, UsageError)) as e:
        load("bad", tmp_path)
    assert told in str(e.value)
    assert "\n" in str(e.value), "what to do stands in a line of its own"


def test_bytes_that_are_no_text_and_large_files(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_bytes(b"\xff\xfe")
    (tmp_path / "big.toml").write_bytes(b"#" * 300_000)
    for name in ("bad", "big"):
        with pytest.raises(ConfigError):
            load(name, tmp_path)


@pytest.mark.parametrize("name", ["../own", "/etc/passwd", "", "nobody", "own.toml", "x\x00"])
def test_names_are_no_paths(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="there is no profile"):
        load(name, tmp_path)
