"""The mask of a recipient: its profile, the keys of the site, and what the configuration says is our own."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from noroshi import keys
from noroshi.share.anonymise.mask import Mask
from noroshi.share.anonymise.masking import masker
from noroshi.share.anonymise.site import Site
from noroshi.share.profile import Rule, for_recipient

if TYPE_CHECKING:
    from noroshi.config import Config
    from noroshi.lake.handle import Lake
    from noroshi.lake.snapshot import Snapshot
    from noroshi.share.marking import Recipient

_KNOWN = """
SELECT DISTINCT object_id, kind, value FROM indicators
WHERE kind IN ('ip', 'prefix', 'domain', 'url', 'email') AND regexp_matches(
    object_id, '^(ipv4-addr|ipv6-addr|domain-name|url|email-addr)--[0-9a-f]{8}-[0-9a-f]{4}-5'
)
"""


def folder(config: Config) -> Path | None:
    """Where profiles of one's own are: `profiles` beside the configuration."""
    return config.path.parent / "profiles" if config.path else None


def mask(
    lake: Lake, config: Config, to: Recipient, now: datetime, shot: Snapshot | None = None, *, epoch: str = "",
    hide: Collection[str] = (),
) -> Mask:  # fmt: skip
    """The mask of a recipient at that moment; `Plain` when its profile keeps everything.

    shot: restricted to what they may see, to know ids of imported objects that are made from a hidden value.
    epoch: another than that of `now`. hide: classes of field that are dropped though the profile keeps them.
    Raises UsageError, ConfigError for the profile, LakeError for the keys.
    """
    profile = for_recipient(to, folder(config))
    dropped = {f: Rule("drop") for f in hide if profile.rules[f].do == "keep"}
    return masker(
        replace(profile, rules=profile.rules | dropped), keys=lambda: keys.load(lake.path), recipient=to.name,
        site=Site.of(config), now=now, known=(lambda: _known(shot)) if shot else None, epoch=epoch,
    )  # fmt: skip


def _known(shot: Snapshot) -> Iterator[tuple[str, str, str]]:
    for batch in shot.sql(_KNOWN).to_batches(max_chunksize=10_000):
        for row in batch.to_pylist():
            yield row["object_id"], row["kind"], row["value"]
