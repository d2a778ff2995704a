"""Publishing: what recipients may see goes into their TAXII collections, what they sent in into the lake."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from noroshi.lake.errors import locked
from noroshi.model.errors import LakeError
from noroshi.model.tlp import DEFAULT, Tlp
from noroshi.share.taxii import append, collections, inbox, schema, store, times
from noroshi.work.gate import everybody, open_view, recipient
from noroshi.work.published import TABLES, Freshness, Made, keep, kept, made, same, with_runs

if TYPE_CHECKING:
    from noroshi.config import Config
    from noroshi.lake.handle import Lake
    from noroshi.lake.state import State
    from noroshi.share.gate import View
    from noroshi.share.marking import Recipient
    from noroshi.share.taxii.collections import Collection

NOTHING = "-"
"""No kind of finding: asks `emit` for what was imported alone."""


@dataclass(frozen=True)
class Published:
    """What became of one collection."""

    recipient: str
    collection: Collection
    changes: append.Changes = field(default_factory=append.Changes)

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        c = self.changes
        return {
            "recipient": self.recipient, "collection": self.collection.sort, "id": self.collection.id,
            "added": c.added, "changed": c.changed, "removed": c.removed, "kept": c.kept,
        }  # fmt: skip


def publish(
    lake: Lake, config: Config, state: State, *, names: Sequence[str] = (), who: str, now: datetime | None = None,
    progress: Callable[[str, int], None] | None = None,
) -> list[Published]:  # fmt: skip
    """Brings the collections of the recipients of those names, or of all, up to date with the lake.

    Each collection changes in one transaction: who reads meanwhile sees it as it was. What recipients sent in is
    stored first. progress: called with the recipient's name and how many objects were looked at.
    Raises UsageError for an unknown name, LakeError when a log or the lake cannot be read or written.
    """
    to = [recipient(n, state) for n in names] or everybody(state)
    if not names:
        _sweep(lake, to)
    for one in to:
        store_inbox(lake, config, one)
    at = now or datetime.now(UTC)
    from_what = {(one.name, sort): made(lake, config, one, sort, at) for one in to for sort in TABLES}
    shot = lake.snapshot()
    out: list[Published] = []
    for one in to:
        view: View | None = None
        for collection in collections.of(one, lake.keys):
            if collection.writes:
                continue
            now_made = from_what[one.name, collection.sort]
            done = _unchanged(lake, collection, now_made)
            if done is None:
                view = view or open_view(lake, config, one, now=at, shot=shot)
                done = _publish(lake, view, one, collection, state, who, progress, now_made)
            out.append(Published(one.name, collection, done))
    return out


def _unchanged(lake: Lake, collection: Collection, now: Made) -> append.Changes | None:
    """That everything is kept, when the log was made from the same; None when it has to be compared."""
    with schema.reading(collection.path(lake.path)) as con:
        return append.Changes(kept=store.count(con)) if con and same(kept(con), now) else None


def _sweep(lake: Lake, everyone: Sequence[Recipient]) -> None:
    """Deletes the logs of recipients that have been taken away; what somebody has sent in stays."""
    known = {c.id for to in everyone for c in collections.of(replace(to, writes=True), lake.keys)}
    for path in (lake.path / collections.FOLDER).glob("*.db"):
        if path.stem not in known and not inbox.has_posts(path):
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)


def _publish(
    lake: Lake, view: View, to: Recipient, collection: Collection, state: State, who: str,
    progress: Callable[[str, int], None] | None, now: Made,
) -> append.Changes:  # fmt: skip
    tell = (lambda n: progress(to.name, n)) if progress else None
    with schema.writing(collection.path(lake.path)) as con:
        entries = (append.Entry(e.id, e.type, e.version, e.json) for e in _emitted(view, collection.sort))
        changes = append.publish(con, entries, times.micros(view.now), progress=tell)
        keep(con, with_runs(now, collection.sort, view.shot))
        if changes.any:
            # Before it is kept: when this cannot be told, nothing is published.
            state.audit.tell(
                who, "publish", recipient=to.name, count=changes.added + changes.changed, format="taxii",
                collection=collection.sort, removed=changes.removed,
                profile=view.mask.profile,
            )  # fmt: skip
    return changes


def _emitted(view: View, sort: str) -> Iterator[Any]:
    from noroshi.share.stix.emit import Options, emit

    options = Options(tlp1=view.recipient.tlp1, imported=sort == "intelligence")
    return emit(view, replace(options, kinds=(NOTHING,)) if sort == "intelligence" else options)


def status(
    lake: Lake, state: State, names: Sequence[str] = (), config: Config | None = None
) -> list[dict[str, Any]]:
    """The collections of the recipients of those names, or of all: what is in them and since when.

    `current` says whether the log is shown as it is; without the configuration, whether one was made at all.
    """
    out, fresh = [], Freshness(lake, config, state) if config else None
    for to in [recipient(n, state) for n in names] or everybody(state):
        for collection in collections.of(to, lake.keys):
            with schema.reading(collection.path(lake.path)) as con:
                high = schema.get(con, "high") if con else None
                holds = con is not None and (fresh is None or fresh.holds(to, collection))
                out.append({
                    "recipient": to.name, "collection": collection.sort, "id": collection.id,
                    "objects": store.count(con) if con else 0,
                    "last_added": times.text(int(high)) if high else None,
                    "current": collection.writes or holds,
                })  # fmt: skip
    return out


def store_inbox(lake: Lake, config: Config, to: Recipient) -> int:
    """Brings into the lake what a recipient has sent in and what they have deleted; how many posts were looked at.

    A post is a run of source `taxii:NAME`. It is marked as stored after its run is closed; when that is cut short,
    the same bytes are read again, which adds nothing.
    """
    mine = next((c for c in collections.of(replace(to, writes=True), lake.keys) if c.writes), None)
    if mine is None or not mine.path(lake.path).is_file():
        return 0
    path, n = mine.path(lake.path), 0
    # A server and a job may both be at it: two that read the same post would store it twice.
    with locked(path.with_suffix(".lock")):
        while (post := inbox.waiting(path)) is not None:
            if post.run and any(r.run_id == post.run for r in lake.snapshot().runs()):
                lake.forget(post.run)
            run = _ingested(lake, config, to, post) if post.objects else ""
            inbox.stored(path, post, run)
            n += 1
    return n


def _ingested(lake: Lake, config: Config, to: Recipient, post: inbox.Post) -> str:
    from noroshi.work.ingest import ingest

    (result,) = ingest(
        lake, ["-"], config=config, as_format="stix", tlp=DEFAULT if DEFAULT is not Tlp.RED else None,
        source_name=f"taxii:{to.name}", workers=1, stdin=io.BytesIO(post.bundle()), compact=False,
    )  # fmt: skip
    if result.problem:
        raise LakeError(
            f"what {to.name} sent in could not be stored: {result.problem}", where=f"post {post.id}",
            todo="Please report it; the objects stay in the inbox.",
        )  # fmt: skip
    return result.run_id
