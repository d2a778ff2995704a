"""Secrets planted in every field in many encodings never come out of any way out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from noroshi.lake.handle import Lake
from noroshi.model.tlp import Tlp
from noroshi.share.anonymise.mask import Plain
from noroshi.share.anonymise.masking import Masking
from noroshi.share.gate import View
from noroshi.share.marking import Recipient
from noroshi.work.gate import open_view
from noroshi.work.masks import mask
from tests.share.canary import lakes
from tests.share.canary.secrets import OWN4, Planted, config, planted
from tests.share.canary.ways import CONFIG, WAYS, Way, blocklists

PROFILES = ("public", "community", "sector")
EVERYTHING = planted()


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return lakes.make(tmp_path_factory.mktemp("canary") / "lake", thin=20)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return lakes.make(tmp_path_factory.mktemp("canary") / "lake")


def view(lake: Lake, profile: str) -> View:
    """The view of a recipient with that profile who may see everything marked CLEAR."""
    settings = config(lake.path.parent)
    CONFIG[:] = [settings]
    to = Recipient(f"canary-{profile}", Tlp.CLEAR, "whom nothing may reach", profile=profile)
    opened = open_view(lake, settings, to, now=lakes.NOON)
    # No finding is left out for its telescope: the mask alone is tried.
    return replace(opened, mask=mask(lake, settings, to, lakes.NOON, opened.shot), telescopes=())


def leaks(body: bytes) -> list[Planted]:
    """What of the secrets stands in `body`, in any case of letters."""
    text = body.decode(errors="replace")
    low = text.lower()
    out = []
    for p in EVERYTHING:
        # Base64 without its case is nothing; JSON writes a backslash twice.
        where, needle = (text, p.needle) if "base64" in p.encoding else (low, p.needle.lower())
        if needle in where or needle.replace("\\", "\\\\") in where:
            out.append(p)
    return out


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_no_secret_comes_out(lake: Lake, profile: str, way: Way) -> None:
    body = way(view(lake, profile))
    found = leaks(body)
    assert not found, [(p.secret, p.encoding, p.needle) for p in found[:10]]


@pytest.mark.heavy
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_no_secret_comes_out_of_any_column(full: Lake, profile: str, way: Way) -> None:
    found = leaks(way(view(full, profile)))
    assert not found, [(p.secret, p.encoding, p.needle) for p in found[:10]]


@pytest.mark.parametrize("profile", PROFILES)
def test_no_encoding_of_a_secret_stays_in_a_text(lake: Lake, profile: str) -> None:
    hide = view(lake, profile).mask
    assert isinstance(hide, Masking)
    for p in EVERYTHING:
        for text in (
            p.text,
            f"see {p.text} there",
            f"'{p.text}'",
            f"<a href='http://evil.example/?q={p.text}'>",
        ):
            assert not [x for x in leaks(hide.scrubber.text(text).encode()) if x.secret == p.secret], (
                p,
                text,
            )


@pytest.mark.parametrize("way", [w for w in WAYS.values() if w is not blocklists], ids=lambda w: w.__name__)
def test_without_a_mask_they_do(lake: Lake, way: Way) -> None:
    """The test sees leaks: with nothing masked, the secrets are there; but own values are never blocked."""
    body = way(replace(view(lake, "public"), mask=Plain()))
    assert len({p.secret for p in leaks(body)}) >= 4
    assert OWN4.encode() in body


@pytest.mark.parametrize("profile", PROFILES)
def test_attackers_stay_useful(lake: Lake, profile: str) -> None:
    assert any(f.subject.value == lakes.ATTACKER for f in view(lake, profile).findings(wanted=False))
