"""STIX 2.1 out: what a view holds as objects (`emit.emit`) and as bundles (`write.staged`)."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from noroshi.model.finding import Finding


def bundle(
    findings: Iterable[Finding], *, producer: str = "", name_telescopes: bool = False, tlp1: bool = False
) -> bytes:
    """Findings alone as a STIX 2.1 bundle in JSON, with a newline at its end; the same for any order of them.

    findings: what the recipient may see, by their view. producer: name of the organisation that made them, else they
    are Noroshi's. name_telescopes: whether the configured names of telescopes are told.
    """
    from noroshi.share.stix.emit import from_findings
    from noroshi.share.stix.finding import Names
    from noroshi.share.stix.write import to_file

    out = io.BytesIO()
    ordered = sorted(findings, key=lambda f: (f.first_seen, f.kind, f.subject.value, f.id, f.tlp.rank))
    to_file(from_findings(ordered, Names(producer, name_telescopes, tlp1)), out)
    return out.getvalue()
