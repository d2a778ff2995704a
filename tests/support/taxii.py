"""A TAXII server in process or on loopback, and objects to fill it with."""

from __future__ import annotations

import contextlib
import socket
import threading
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.testclient import TestClient

from noroshi.config import load
from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.lake.state.recipients import RecipientRow
from noroshi.share.marking import Recipient
from noroshi.share.taxii import append, collections, schema
from noroshi.share.taxii.append import Changes, Entry
from noroshi.web.taxii import Taxii, routes
from noroshi.work import published
from noroshi.work.gate import recipient

MEDIA = "application/taxii+json;version=2.1"
NOW = 1_790_000_000_000_000
"""A time of publication, in microseconds since 1970."""


def entry(n: int, type_: str = "indicator", version: str = "2026-01-01T00:00:00.000Z", **more: Any) -> Entry:
    """An object of its own; the same `n` and type have the same id."""
    thing = thing_of(n, type_, version, **more)
    return Entry(thing["id"], type_, version, msgspec.json.encode(thing))


def thing_of(
    n: int, type_: str = "indicator", version: str = "2026-01-01T00:00:00.000Z", **more: Any
) -> dict[str, Any]:
    """The same as a document; without `version`, an observable."""
    name = uuid.uuid5(uuid.NAMESPACE_OID, f"{type_} {n}")
    stated = {"created": "2026-01-01T00:00:00.000Z", "modified": version} if version else {}
    return {
        "type": type_,
        "spec_version": "2.1",
        "id": f"{type_}--{name}",
        **stated,
        "name": f"number {n}",
    } | more


@dataclass
class Site:
    """A lake with a partner who may write, and the server over it."""

    lake: Lake
    state: State
    key: str
    app: Taxii

    @classmethod
    def make(cls, folder: Path, *, writes: bool = True, ceiling: str = "amber") -> Site:
        """In an empty folder."""
        lake = Lake.open(folder / "lake")
        state = State(lake.path)
        state.recipients.add(RecipientRow("partner", "organisation", ceiling, "plain", writes=writes))
        _, key = state.tokens.issue("recipient", "partner")
        return cls(lake, state, key, Taxii(lake, load(None), state))

    def to(self, name: str = "partner") -> Recipient:
        """The recipient of that name."""
        return recipient(name, self.state)

    def publish(
        self, entries: Sequence[Entry], at: int = NOW, *, sort: str = "findings", **more: Any
    ) -> Changes:
        """Makes a collection of the partner hold these."""
        to = self.to()
        collection = collections.find(collections.of(replace(to, writes=True), self.lake.keys), sort)
        assert collection is not None
        with schema.writing(collection.path(self.lake.path)) as con:
            done = append.publish(con, entries, at, **more)
            published.keep(con, published.made(self.lake, load(None), to, "findings", datetime.now(UTC)))
        return done

    def client(self, **headers: str) -> httpx.Client:
        """A client of the mounted application, with the partner's key."""
        app = Starlette(routes=routes(self.lake, load(None), self.state))
        given = {"authorization": f"Bearer {self.key}", "accept": MEDIA} | headers
        return TestClient(app, headers=given, raise_server_exceptions=True)


ROOT = "/taxii2/shared"
FINDINGS = f"{ROOT}/collections/findings"
INBOX = f"{ROOT}/collections/inbox"


@contextlib.contextmanager
def listening(app: Any) -> Iterator[str]:
    """The URL of an application served on loopback until the block ends."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(64)
        config = uvicorn.Config(app, log_level="error", lifespan="off", access_log=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{taken.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)
