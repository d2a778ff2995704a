"""What a sensor promises: it reads one kind of source and yields batches of named tables, or rejects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from noroshi.model.reject import Reject

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Batch:
    """Rows of one table, in its schema without `run_id` and `day`, which the lake adds.

    String and address columns may be dictionary-encoded.
    """

    table: str
    rows: pa.Table


@dataclass
class Reading:
    """One source being read: what the sensor may use and what it reports back."""

    stream: BinaryIO
    """The decompressed bytes, read once from front to back; `readinto` is the fast way."""
    name: str
    """Path or `-`, for messages."""
    source_date_us: int
    """The source's own date (file modification time, or now for a stream), µs since 1970: no row may be
    more than a day later."""
    options: Mapping[str, Path] = field(default_factory=dict)
    """Files the person gave along: `mapping` (which column is what), `schema` (Shadowserver's)."""
    start: int = 0
    """Offset at which `stream` begins: what came before was read by an earlier run of a growing file."""
    head: bytes = b""
    """The first bytes of the source, as sniffed; also when `start` is not 0."""
    inside: tuple[str, ...] = ()
    """Prefixes that are context, not links: the telescopes' own."""
    workers: int = 2
    advance: Callable[[int], None] = lambda n: None
    """Called with the number of bytes consumed, for progress."""
    problem: str = ""
    """Set by the sensor when the source could not be read to its end: what happened, where."""
    counts: dict[str, int] = field(default_factory=dict)
    """What the sensor counted, e.g. `packets`; stored with the run."""


class Sensor(Protocol):
    """One file in `observe/`, one row in the registry."""

    name: str
    """The format's name for `--as`, e.g. `pcap`."""
    version: int
    """Raised when the same bytes would give other rows; a newer version replaces older runs."""
    doc: str
    """One sentence for docs/formats.md."""
    tables: tuple[str, ...]
    """Tables it writes, `links` aside."""
    grows: bool
    """True for logs of lines: what is appended to one can be read without what came before."""

    def sniff(self, head: bytes) -> bool:
        """True when a source that begins with `head` (up to 4 KiB, decompressed) is of this format."""
        ...

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """The rows and rejects of the source, in bounded memory. Raises SourceError only when nothing of
        it could be read."""
        ...
