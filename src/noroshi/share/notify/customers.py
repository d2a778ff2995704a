"""What an operator may see: its own customers' addresses as they are, of everything else what its profile leaves.

An operator has to find a subscriber, so an address in its ranges, its ports and the exact times stay. Every other
address is left out whatever the profile says: what saw the packets (a telescope, a decoy) is nobody's business there.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from noroshi.model import address
from noroshi.share.anonymise.mask import Mask

if TYPE_CHECKING:
    import pyarrow as pa

    from noroshi.model.finding import Finding

GONE = "[address]"
"""What stands in a text where an address was."""
KEPT = frozenset(
    ("ts", "first_seen", "last_seen", "src_port", "dst_port", "port", "protocol", "packet_count", "count", "day",
     "state", "severity")
)  # fmt: skip
"""Columns an operator needs as they are to find one subscriber behind a shared address."""
_V4 = re.compile(r"(?<![\d.])\d{1,3}(?:(?:\.|\[\.\]|\(\.\))\d{1,3}){3}(?![\d])(?!\.\d)")
_V6 = re.compile(r"(?<![0-9A-Za-z:])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f.]{0,45}(?![0-9A-Za-z:])")


class Customers:
    """A mask over the one of the operator's profile (`model` of masks: share.anonymise.mask.Mask)."""

    def __init__(self, inner: Mask, subjects: Iterable[str]) -> None:
        """subjects: addresses and prefixes that belong to the operator, and are told to it."""
        self._inner = inner
        spans = [address.prefix_range(s) for s in subjects]
        self._single = {low for low, high in spans if low == high}
        self._ranges = [span for span in spans if span[0] != span[1]]
        self.profile = inner.profile

    def holds(self, packed: bytes) -> bool:
        """True for a stored address of a customer."""
        return packed in self._single or any(
            low <= packed <= high and len(low) == len(packed) for low, high in self._ranges
        )

    def value(self, kind: str, value: str, role: str = "") -> str | None:
        """A customer's address or prefix as it is; no other; of other kinds what the profile says."""
        if kind not in ("ip", "prefix"):
            return self._inner.value(kind, value, role)
        low, high = address.prefix_range(value)
        return value if self.holds(low) and self.holds(high) else None

    def text(self, text: str) -> str | None:
        """The text as the profile leaves it, without any address that is not a customer's."""
        masked = self._inner.text(text)
        return None if masked is None else _V4.sub(self._one, _V6.sub(self._one, masked))

    def version(self, text: str) -> str | None:
        """The same for a version or a product's name: 1.2.3.4 may be a version, so the profile alone decides."""
        return self._inner.text(text)

    def _one(self, found: re.Match[str]) -> str:
        bare = re.sub(r"[\[\]()]", "", found[0])
        try:
            packed = address.pack(str(ipaddress.ip_address(bare)))
        except ValueError:
            # 300.1.1.1 and 10:20:30 are no addresses; 010.0.0.1 is read as one by many programs.
            return GONE if _octets(bare) else found[0]
        return found[0] if self.holds(packed) else GONE

    def table(self, name: str, rows: pa.Table) -> pa.Table:
        """Rows with times, ports and counts as they are, customers' addresses, and texts as `text` leaves them."""
        import pyarrow as pa

        out = {}
        for field in rows.schema:
            column = rows[field.name]
            if field.name in KEPT:
                out[field.name] = column
            elif pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type):
                kept = [v if v is not None and self.holds(v) else None for v in column.to_pylist()]
                out[field.name] = pa.chunked_array([pa.array(kept, field.type)])
            elif pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
                texts = [None if v is None else self.text(v) for v in column.to_pylist()]
                out[field.name] = pa.chunked_array([pa.array(texts, field.type)])
            else:
                out[field.name] = pa.chunked_array([pa.nulls(len(rows), field.type)])
        return pa.table(out)

    def finding(self, finding: Finding) -> Finding | None:
        """A finding about a customer, its words and evidence left out (`items.facts` takes what may be told)."""
        if self.value(finding.subject.kind, finding.subject.value) is None:
            return None
        return replace(finding, summary={}, evidence={}, scope="", runs=())

    def object(self, thing: dict[str, Any]) -> dict[str, Any] | None:
        """Nothing: imported objects are no part of a notice."""
        return None


def _octets(text: str) -> bool:
    parts = text.split(".")
    return len(parts) == 4 and all(p.isdigit() and int(p) <= 255 for p in parts)
