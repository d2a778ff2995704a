"""MISP feeds: the events that are new or changed by their timestamps in the manifest, in batches ready to be stored."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from noroshi.share.pull.http import Answer, Client, PullError

MANIFEST: Final = 256 << 20
"""Bytes of a manifest at most, when the limits allow as much; the largest public ones have some MB."""
ENTRIES: Final = 500_000
"""Events of a manifest that are looked at."""
EVENTS: Final = 10_000
"""Events fetched in one time; the rest comes the next time."""
BATCH: Final = 100
"""Events stored together at most, as one run."""
BATCH_BYTES: Final = 16 << 20
_FAILURES: Final = 5
"""Events one after another that cannot be had: the server is left for this time."""
_UUID: Final = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_STAMP: Final = re.compile(r"\d{1,20}")


@dataclass(frozen=True)
class Batch:
    """Events ready to be stored, and which versions they are."""

    document: bytes
    """A list of events, as MISP's searches give them; empty when nothing could be had."""
    items: tuple[tuple[str, str], ...]
    """(uuid, timestamp) of each."""
    problems: tuple[str, ...] = ()


class _Head(msgspec.Struct, gc=False):
    uuid: str = ""


class _File(msgspec.Struct, gc=False):
    Event: _Head


def changed(client: Client, known: Mapping[str, str]) -> tuple[list[tuple[str, str]], int, list[str]]:
    """((uuid, timestamp) of events that are new or changed, events of the manifest, what is wrong with it).

    known: timestamp by uuid of what was stored before. Raises PullError.
    """
    answer = client.get(_folder(client) + "manifest.json", "application/json", most=MANIFEST)
    found = _decoded(answer, dict[str, msgspec.Raw])
    out: list[tuple[str, str]] = []
    bad = 0
    for name, raw in list(found.items())[:ENTRIES]:
        stamp = _timestamp(raw)
        if not _UUID.fullmatch(name) or stamp is None:
            bad += 1
        elif known.get(name.lower()) != stamp:
            out.append((name, stamp))
    problems = []
    if bad:
        problems.append(
            f"{bad:,} entries of the manifest are no events (a name that is no uuid, or no timestamp)"
        )
    if len(found) > ENTRIES:
        problems.append(f"the manifest names {len(found):,} events; {ENTRIES:,} were looked at")
    return sorted(out, key=lambda o: (int(o[1]), o[0])), len(found), problems


def batches(
    client: Client, wanted: list[tuple[str, str]], stopped: Callable[[], bool] = lambda: False
) -> Iterator[Batch]:
    """The events asked for, oldest first; raises PullError when one after another cannot be had."""
    held: list[bytes] = []
    items: list[tuple[str, str]] = []
    problems: list[str] = []
    failures = size = 0
    for uuid, stamp in wanted[:EVENTS]:
        if stopped():
            break
        try:
            body = _event(client, uuid)
            failures = 0
        except PullError as e:
            problems.append(str(e).split("\n")[0])
            failures += 1
            if failures >= _FAILURES or e.status in (401, 403, 429, 503):
                yield _batch(held, items, problems)
                raise
            continue
        held.append(body)
        items.append((uuid.lower(), stamp))
        size += len(body)
        if len(held) >= BATCH or size >= BATCH_BYTES:
            yield _batch(held, items, problems)
            held, items, problems, size = [], [], [], 0
    if len(wanted) > EVENTS:
        problems.append(
            f"{len(wanted):,} events are new; {EVENTS:,} were fetched, the rest comes the next time"
        )
    if held or problems:
        yield _batch(held, items, problems)


def _batch(held: list[bytes], items: list[tuple[str, str]], problems: list[str]) -> Batch:
    document = b"[" + b",\n".join(held) + b"]" if held else b""
    return Batch(document, tuple(items), tuple(problems))


def _event(client: Client, uuid: str) -> bytes:
    """One event as the server gives it, whole; raises PullError when it is another or none."""
    answer = client.get(f"{_folder(client)}{uuid}.json", "application/json")
    found = _decoded(answer, _File)
    if found.Event.uuid.lower() != uuid.lower():
        raise PullError(f"gives event {found.Event.uuid[:60]!r} under this name", where=answer.url[:300])
    return answer.body.strip()


def _folder(client: Client) -> str:
    base = str(client.base.copy_with(query=None, fragment=None))
    return base.removesuffix("manifest.json").rstrip("/") + "/"


class _Entry(msgspec.Struct, gc=False):
    timestamp: str | int | None = None


def _timestamp(raw: msgspec.Raw) -> str | None:
    try:
        stamp = str(msgspec.json.decode(raw, type=_Entry).timestamp)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
    return stamp if _STAMP.fullmatch(stamp) else None


def _decoded(answer: Answer, kind: Any) -> Any:
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as e:
        raise PullError(f"is not what a MISP feed holds ({str(e)[:200]})", where=answer.url[:300]) from e
