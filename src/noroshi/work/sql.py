"""SQL for people: one SELECT over the lake, its answer in JSON types with addresses as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noroshi.lake.render import to_text as rows

if TYPE_CHECKING:
    import pyarrow as pa

    from noroshi.lake.handle import Lake

__all__ = ["rows", "select"]


def select(lake: Lake, text: str, *, seconds: float | None = None, memory: int | None = None) -> pa.Table:
    """The answer to one SELECT over all tables. Raises UsageError when it is no such thing.

    Raises LakeError when it takes longer than `seconds` or needs more than `memory` bytes (None: a share of the
    machine's) after it has spilled what can be.
    """
    shot = lake.snapshot()
    return (shot.restricted(memory=memory) if memory else shot).sql(text, seconds=seconds)
