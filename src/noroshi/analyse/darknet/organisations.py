"""Who is known to scan for research or business: public lists, with the day each was taken.

`data/organisations.tsv.gz` (made by tools/make_organisations.py, see data/SOURCE.md) has one line per prefix,
organisation and list. A list is true for its time: addresses are given back and used by others, in clouds
within weeks. So every match carries the days between the list's date and the day judged.

How much it covers: of the 9,125 distinct addresses of 35 scanning projects labelled by DarkVec's authors
(`darkvec_big_gt.csv`, SmartData-Polito/darkvec @013f1d6, all of them scanners) 6,697 (73.4 %) lie in these
lists of June to August 2026, 5,718 (62.7 %) under a name. Missed most: censys 770 of 1,840, stretchoid 335 of
352, netsystems and openportstats 256 each: addresses that changed hands or projects that ended since. The two
are not independent, lists copy from each other, so take this as an upper bound for a day that old. Counted on
2026-11-20 by tests/analyse/darknet/test_organisations.py, which counts again where the file is at hand.
"""

from __future__ import annotations

import gzip
import ipaddress
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, cast

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

UNNAMED = "unnamed"
"""A list holds the address but does not say whose it is."""


@dataclass(frozen=True)
class Entry:
    """One prefix: whose it is, which lists say so, and the newest of their dates."""

    prefix: str
    organisation: str
    lists: tuple[str, ...]
    taken: date


class Organisations:
    """Longest-prefix match over the entries; a named entry wins over an unnamed one inside it."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = tuple(entries)
        nets = [ipaddress.ip_network(e.prefix) for e in self.entries]
        four = [i for i, n in enumerate(nets) if n.version == 4]
        six = [i for i, n in enumerate(nets) if n.version == 6]
        starts, self._v4_owner = self._paint(four, nets)
        self._v4_start = np.array(starts, dtype=np.uint64)
        self._v6_start, self._v6_owner = self._paint(six, nets)

    def _paint(self, chosen: list[int], nets: Sequence[Any]) -> tuple[list[int], npt.NDArray[np.int32]]:
        """Disjoint segments (first address, entry or -1), the best entry painted last."""
        ends = {i: (int(nets[i].network_address), int(nets[i].broadcast_address) + 1) for i in chosen}
        cuts = sorted({0} | {a for pair in ends.values() for a in pair})
        at = {a: i for i, a in enumerate(cuts)}
        owner = np.full(len(cuts), -1, dtype=np.int32)
        for i in sorted(chosen, key=lambda i: (self.entries[i].organisation != UNNAMED, nets[i].prefixlen)):
            low, high = ends[i]
            owner[at[low] : at[high]] = i
        return cuts, owner

    def match(self, addresses: pa.Array[Any] | pa.ChunkedArray[Any]) -> npt.NDArray[np.int32]:
        """For each stored address (binary, no nulls) the index of its entry, or -1. A million take 0.3 s."""
        import pyarrow as pa
        import pyarrow.compute as pc

        array = addresses.combine_chunks() if isinstance(addresses, pa.ChunkedArray) else addresses
        out = np.full(len(array), -1, dtype=np.int32)
        length = pc.binary_length(cast("pa.BinaryArray", array)).to_numpy(zero_copy_only=False)
        four = np.flatnonzero(length == 5)
        if len(four):
            values = array.take(four).cast(pa.binary())
            _, offsets, data = values.buffers()
            first = np.frombuffer(memoryview(cast("pa.Buffer", offsets)), np.int32)[values.offset]
            raw = np.frombuffer(memoryview(cast("pa.Buffer", data)), np.uint8)[first : first + 5 * len(four)]
            ips = np.ascontiguousarray(raw.reshape(-1, 5)[:, 1:]).view(">u4").ravel().astype(np.uint64)
            out[four] = self._v4_owner[np.searchsorted(self._v4_start, ips, side="right") - 1]
        for i in np.flatnonzero(length == 17).tolist():
            value = int.from_bytes(array[i].as_py()[1:], "big")
            out[i] = self._v6_owner[bisect_right(self._v6_start, value) - 1]
        return out


@lru_cache(maxsize=1)
def organisations() -> Organisations:
    """The lists that come with the package."""
    data = files("noroshi.analyse.darknet").joinpath("data/organisations.tsv.gz").read_bytes()
    return parse(gzip.decompress(data).decode())


def parse(text: str) -> Organisations:
    """Entries from lines of prefix, organisation, list and date; one per prefix, with the newest name."""
    seen: dict[str, list[tuple[bool, str, str, str]]] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            prefix, who, listed, taken = line.split("\t")
            seen.setdefault(prefix, []).append((who != UNNAMED, taken, who, listed))
    entries = []
    for prefix, rows in seen.items():
        _, _, who, _ = max(rows)
        lists = tuple(sorted({f"{listed} {taken}" for _, taken, _, listed in rows}))
        entries.append(Entry(prefix, who, lists, date.fromisoformat(max(taken for _, taken, _, _ in rows))))
    return Organisations(entries)
