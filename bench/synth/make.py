"""Plan in, file and truth out."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

import numpy as np

from bench.synth.disturb import disturb
from bench.synth.encode import Container, Encoder
from bench.synth.plan import Plan
from bench.synth.rows import Rows
from bench.synth.truth import Sources, Truth


class Profile(Protocol):
    """What makes the packets."""

    sources: Sources

    def blocks(self) -> Iterator[Rows]:
        """Rows in time order."""
        ...

    def extra(self) -> dict[str, Any]:
        """What else the truth should tell: attacks, campaigns, own hosts."""
        ...


def profile(plan: Plan) -> Profile:
    """The profile the plan names."""
    if plan.profile == "flat":
        from bench.synth.flat import Flat

        return Flat(plan)
    from bench.synth.real import Real

    return Real(plan)


def generate(plan: Plan, path: Path, container: Container | None = None, cut: int = 0) -> dict[str, Any]:
    """Writes the capture at `path` (.gz and .zst are compressed) and its truth beside it; the document.

    `cut` bytes are left out at the end, as of a capture that was stopped hard.
    """
    container = container or Container()
    started = time.perf_counter()
    made = profile(plan)
    truth, encoder, digest = Truth(made.sources), Encoder(container), hashlib.sha256()
    spent = {"make": 0.0, "encode": 0.0, "write": 0.0}
    size = 0
    with _open(path) as out:
        held = container.head()
        clock = time.perf_counter()
        for number, block in enumerate(made.blocks()):
            rows = disturb(block, plan, number)
            truth.add(rows)
            clock = _lap(spent, "make", clock)
            data = encoder.encode(rows)
            clock = _lap(spent, "encode", clock)
            size += _put(out, digest, held)
            held = bytes(data)
            clock = _lap(spent, "write", clock)
        size += _put(out, digest, held[: len(held) - cut])
    seconds = time.perf_counter() - started
    document = truth.document(
        file=path.name,
        note="Synthetic. Addresses come from a random number generator: their holders sent nothing.",
        plan={**dataclasses.asdict(plan), "start": plan.start.isoformat()},
        container=dataclasses.asdict(container),
        numpy=np.__version__,
        capture_bytes=size,
        capture_sha256=digest.hexdigest(),
        **({"cut_bytes": cut} if cut else {}),
    )
    document |= made_extra(made, truth)
    truth.write(path, document)
    return document | {"seconds": seconds, "spent": spent}


def made_extra(made: Profile, truth: Truth) -> dict[str, Any]:
    """The profile's own truth, with the packets of each attack as written."""
    extra = made.extra()
    for attack in extra.get("attacks", []):
        attack["packets"] = truth.attacks[attack["index"]]
    return extra


def _lap(spent: dict[str, float], name: str, clock: float) -> float:
    now = time.perf_counter()
    spent[name] += now - clock
    return now


def _put(out: BinaryIO, digest: Any, data: bytes) -> int:
    out.write(data)
    digest.update(data)
    return len(data)


def _open(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        import gzip

        # No time in the header: same seed, same bytes.
        return cast(BinaryIO, gzip.GzipFile(filename=str(path), mode="wb", mtime=0))
    if path.suffix == ".zst":
        import zstandard

        return cast(BinaryIO, zstandard.open(path, "wb", cctx=zstandard.ZstdCompressor(level=19)))
    return path.open("wb")
