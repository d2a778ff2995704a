"""A mask of a profile with a fixed key."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from noroshi.keys import Key, Keys
from noroshi.share.anonymise.masking import Masking, masker
from noroshi.share.anonymise.site import Site
from noroshi.share.profile import Profile, Rule, load

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
SITE = Site(
    ("203.0.113.0/24", "2001:db8:aaaa::/48"), ("192.0.2.128/25",), ("kamome.example.ac.jp",), ("kitanodai",),
    ("Sugawara Nobuko",),
)  # fmt: skip


def keys(secret: bytes = b"k" * 32) -> Keys:
    """One key of that secret."""
    return Keys(Path("keys"), (Key("id", "2026", secret),))


def masking(
    profile: str | Profile = "community", *, recipient: str = "isac", now: datetime = NOW, secret: bytes = b"k" * 32,
    known: tuple[tuple[str, str, str], ...] = (), **rules: Rule,
) -> Masking:  # fmt: skip
    """The mask; rules: fields (with _ for -) that differ from the profile's."""
    base = load(profile) if isinstance(profile, str) else profile
    changed = {f.replace("_", "-"): r for f, r in rules.items()}
    whole = Profile(base.name, base.doc, base.epoch, {**base.rules, **changed})
    mask = masker(
        whole, keys=lambda: keys(secret), recipient=recipient, site=SITE, now=now, known=lambda: known
    )
    assert isinstance(mask, Masking)
    return mask
