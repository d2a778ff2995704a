"""Clusters of MISP galaxies to rows of `objects` and `relations`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from noroshi.model.observable import typed
from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.observe.intel.misp_types import meaning, named
from noroshi.observe.intel.statements import MANY, NAME, Clock, Statements, batch, kept_json, names
from noroshi.observe.rows import TEXT
from noroshi.wire.jsonsplit import Closed, Elements, Scope, split

_TECHNIQUE = re.compile(r"T\d{4}(\.\d{3})?|TA\d{4}|[GSCM]\d{4}|DET\d{4}")
_CVE = re.compile(r"(?i)CVE-\d{4}-\d{4,19}")
WAITING: Final = 32 << 20
"""Bytes of clusters that wait for the galaxy's type, when it stands behind them."""


class Cluster(msgspec.Struct, gc=False):
    """What we look at of a cluster, in a galaxy's file or in an event."""

    value: str | None = None
    uuid: str | None = None
    type: str | None = None
    description: str | None = None
    meta: dict[str, Any] | None = None
    related: list[dict[str, Any]] | None = None
    revoked: bool | None = None


class Galaxy(msgspec.Struct, gc=False):
    """A galaxy with its clusters, as it stands in an event."""

    type: str | None = None
    GalaxyCluster: list[msgspec.Raw] | None = None


def cluster_row(
    it: Cluster, raw: bytes, offset: int, kind: str, rejects: list[Reject], *, ts: int | None = None,
    document: str | None = None, origin: str | None = None,
) -> tuple[Any, ...]:  # fmt: skip
    """Its row of `objects`. Raises msgspec.MsgspecError and UnicodeDecodeError."""
    meta = it.meta or {}
    synonyms = meta.get("synonyms")
    if isinstance(synonyms, str):
        synonyms = [synonyms]
    ids = meta.get("external_id")
    refs = dict.fromkeys(r for i in (ids if isinstance(ids, list) else [ids])[:MANY] if (r := _ref(i)))
    return (
        ts, (it.uuid or it.value or "")[:NAME], f"misp-galaxy:{kind}"[:NAME],
        names(synonyms if isinstance(synonyms, list) else None, it.value), named(kind), list(refs) or None, None,
        document, origin, it.description[:TEXT] if it.description else None, bool(it.revoked), None,
        kept_json(raw, offset, rejects), None, offset,
    )  # fmt: skip


def _ref(text: Any) -> str | None:
    if not isinstance(text, str):
        return None
    if _CVE.fullmatch(text.strip()):
        return typed("cve", text.strip().upper())
    return typed("technique", text.strip()) if _TECHNIQUE.fullmatch(text.strip()) else None


def cluster_rows(raw: bytes, offset: int, clock: Clock, rejects: list[Reject]) -> list[tuple[Any, ...]]:
    """Rows of the clusters of a galaxy that stands in an event; what the event says is left open.

    Raises msgspec.MsgspecError and UnicodeDecodeError.
    """
    galaxy = msgspec.json.decode(raw, type=Galaxy)
    out = []
    for part in (galaxy.GalaxyCluster or ())[:MANY]:
        it = msgspec.json.decode(part, type=Cluster)
        if it.uuid or it.value:
            out.append(cluster_row(it, bytes(part), offset, it.type or galaxy.type or "", rejects))
    return out


def read(reading: Reading) -> Iterator[Batch | Reject]:
    """The rows of all clusters of a galaxy's file."""
    reader = _Reader(reading)
    for item in split(reading.stream, ("values[]", "[].values[]", "GalaxyCluster[]"), start=reading.start):
        if isinstance(item, Reject):
            yield item
            continue
        if isinstance(item, Elements):
            for offset, raw in zip(item.offsets, item.data, strict=True):
                reader.take(item.scope, offset, raw)
        elif isinstance(item, Closed):
            reader.settle(item.scope)
        yield from reader.given()
    for name, rows in reader.statements.rest():
        yield batch(name, rows)
    reading.counts |= {"clusters": reader.count}


class _Reader:
    def __init__(self, reading: Reading) -> None:
        self.reading, self.clock = reading, Clock(reading)
        self.statements = Statements()
        self.rejects: list[Reject] = []
        self.waiting: list[tuple[int, bytes]] = []
        self.waits = self.count = 0

    def given(self) -> Iterator[Batch | Reject]:
        """Batches that are full, and rejects."""
        for name, rows in self.statements.ready():
            yield batch(name, rows)
        rejects, self.rejects = self.rejects, []
        yield from rejects

    def take(self, scope: Scope | None, offset: int, raw: bytes) -> None:
        """A cluster: written when the galaxy's type is known, else kept waiting."""
        if scope is not None and {"type", "uuid"} <= scope.members.keys():
            self.write(scope, offset, raw)
            return
        self.waiting.append((offset, raw))
        self.waits += len(raw)
        if self.waits > WAITING:
            self.settle(scope)

    def settle(self, scope: Scope | None) -> None:
        """Writes what waited."""
        waiting, self.waiting, self.waits = self.waiting, [], 0
        for offset, raw in waiting:
            self.write(scope, offset, raw)

    def write(self, scope: Scope | None, offset: int, raw: bytes) -> None:
        """The rows of one cluster."""

        def said(key: str) -> str | None:
            try:
                return msgspec.json.decode(scope.members[key], type=str)[:NAME] if scope else None
            except (KeyError, msgspec.MsgspecError, UnicodeDecodeError):
                return None

        document, origin = said("uuid") or self.reading.name[:NAME], said("source")
        try:
            it = msgspec.json.decode(raw, type=Cluster)
            if not (it.uuid or it.value):
                raise msgspec.DecodeError("neither a uuid nor a value")
            row = cluster_row(it, raw, offset, said("type") or "", self.rejects, ts=self.clock.now,
                              document=document, origin=origin)  # fmt: skip
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
            self.rejects.append(Reject(offset, "object", f"no cluster: {e}"[:500], raw))
            return
        self.count += 1
        self.statements.held["objects"].append(row)
        for one in (it.related or ())[:MANY]:
            target, relation = one.get("dest-uuid"), one.get("type") or "related-to"
            if isinstance(target, str) and isinstance(relation, str) and it.uuid:
                tags = one.get("tags")
                sure = [c for t in (tags if isinstance(tags, list) else ()) if isinstance(t, str)
                        and (c := meaning(t[:NAME]).confidence) is not None]  # fmt: skip
                self.statements.held["relations"].append((
                    self.clock.now, None, it.uuid[:NAME], relation[:NAME], target[:NAME], None, document, origin,
                    min(sure) if sure else None, None, None, offset,
                ))  # fmt: skip
