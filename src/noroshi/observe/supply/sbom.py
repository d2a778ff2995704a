"""What bills of materials of every format become: rows of `components`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from noroshi.model.observable import typed
from noroshi.observe.rows import Rows

DEPTH: Final = 64
"""Components within components that are followed; real ones have fewer than ten."""
REFS: Final = 1_000_000
"""Components of one document whose ids are remembered for what refers to them."""
_HASHES: Final = {
    "md5": ("md5", 32), "sha1": ("sha1", 40), "sha256": ("sha256", 64), "sha512": ("sha512", 128),
}  # fmt: skip


@dataclass(frozen=True)
class Bill:
    """A bill of materials: what all its rows share."""

    document: str
    """Serial number or namespace; else `sha256:` and the digest of the document."""
    ts: int
    """µs since 1970."""
    product: str | None = None
    product_version: str | None = None
    origin: str | None = None
    """Who made the document."""


def digest(data: bytes) -> str:
    """The name of a document that has none of its own."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def hashed(pairs: list[tuple[str | None, str | None]]) -> list[str] | None:
    """Hashes as `kind value` from (algorithm, hexadecimal digits), of the kinds that are observables."""
    out = []
    for algorithm, value in pairs:
        kind = _HASHES.get((algorithm or "").lower().replace("-", "").replace("_", ""))
        text = (value or "").strip().lower()
        if kind and len(text) == kind[1] and all(c in "0123456789abcdef" for c in text):
            out.append(typed(kind[0], text))
    return list(dict.fromkeys(out)) or None


def add(rows: Rows, bill: Bill, offset: int, cpes: list[str], **values: Any) -> None:
    """Adds a component; `values` are further columns, `cpes` all its CPE names."""
    names = list(dict.fromkeys(cpes))
    rows.add(
        "components", offset=offset, ts=bill.ts, document=bill.document, product=bill.product,
        product_version=bill.product_version, origin=bill.origin,
        cpe=names[0] if names else None, cpes=names[1:] or None, **values,
    )  # fmt: skip
