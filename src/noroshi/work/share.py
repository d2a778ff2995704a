"""Sharing: what a recipient may see, mapped to one standard and written in one piece."""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from noroshi.model.tlp import DEFAULT
from noroshi.share import stix
from noroshi.share.marking import recipient as named
from noroshi.share.marking import withheld
from noroshi.work.findings import find

if TYPE_CHECKING:
    from noroshi.config import Config
    from noroshi.lake.handle import Lake


@dataclass(frozen=True)
class Shared:
    """What was written, and what was not."""

    findings: int
    objects: int
    size: int
    withheld: dict[str, int] = field(default_factory=dict)
    """Findings the recipient is not given, by reason: for the person at the keyboard, never exported."""


def share_stix(
    lake: Lake,
    *,
    config: Config,
    recipient: str,
    path: Path,
    since: datetime | None = None,
    producer: str = "",
) -> Shared:
    """Writes what `recipient` may see as a STIX 2.1 bundle to `path` (`-`: standard output).

    The file appears whole or not at all. Raises UsageError for an unknown recipient.
    """
    to = named(recipient)
    prefixes = config.telescope_prefixes
    # The store is asked only for what the marking allows, so that nothing else can shape the export.
    found = find(lake, since=since, recipient=recipient, telescopes=prefixes)
    objects = stix.objects(found, producer=producer, name_telescopes=to.may_see(DEFAULT))
    body = stix.encode(objects)
    if str(path) == "-":
        sys.stdout.buffer.write(body)
        sys.stdout.buffer.flush()
    else:
        write_whole(path, body)
    given = {f.id for f in found}
    rest = [f for f in find(lake, since=since) if f.id not in given]
    return Shared(len(found), len(objects), len(body), withheld(rest, to, prefixes))


def write_whole(path: Path, body: bytes) -> None:
    """Writes a file so that a reader sees the old one or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as temporary:
        try:
            temporary.write(body)
            temporary.flush()
            os.fsync(temporary.fileno())
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(temporary.name, 0o666 & ~umask)
            os.replace(temporary.name, path)
        except BaseException:
            Path(temporary.name).unlink(missing_ok=True)
            raise
