"""SQL for people: one SELECT over the lake, its answer in JSON types with addresses as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noroshi.lake.render import to_text as rows

if TYPE_CHECKING:
    import pyarrow as pa

    from noroshi.lake.handle import Lake

__all__ = ["rows", "select"]


def select(lake: Lake, text: str) -> pa.Table:
    """The answer to one SELECT over all tables. Raises UsageError when it is no such thing."""
    return lake.snapshot().sql(text)
