"""The OASIS reference server (medallion, from PyPI), asked over loopback: all it holds comes in, once."""

from __future__ import annotations

import base64
import logging
from pathlib import Path
from typing import Any

import pytest

from noroshi.config import JobEntry, load
from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.share.pull import taxii
from noroshi.work.pull import pull
from tests.share.pull.servers import MEDIA, Asked, Reply, serving, thing

pytest.importorskip("medallion")
TOTAL = 25


def reference() -> Any:
    """The reference server with TOTAL indicators, at most 10 to a page."""
    from medallion import application_instance as app
    from medallion import register_blueprints
    from medallion.backends.memory_backend import MemoryBackend

    logging.getLogger("medallion").setLevel(logging.CRITICAL)
    held = [thing(n) for n in range(TOTAL)]
    manifest = [
        {"id": t["id"], "date_added": f"2026-02-01T00:00:{n:02d}.000000Z", "version": t["modified"],
         "media_type": "application/stix+json;version=2.1"} for n, t in enumerate(held)
    ]  # fmt: skip
    backend = MemoryBackend()
    backend.data = {
        "/discovery": {"title": "x", "default": "/shared/", "api_roots": ["/shared/"]},
        "shared": {
            "information": {"title": "x", "versions": [MEDIA], "max_content_length": 1 << 20}, "status": [],
            "collections": [{"id": "inbox", "title": "x", "can_read": True, "can_write": False, "media_types": [],
                             "objects": held, "manifest": manifest}],
        },
    }  # fmt: skip
    if not app.blueprints:
        register_blueprints(app)
    app.medallion_backend, app.users_backend = backend, {"u": "p"}
    app.taxii_config = {"max_page_size": 10}
    return app.test_client()


def test_the_reference_server_is_read_to_its_end(tmp_path: Path) -> None:
    client = reference()

    def answer(asked: Asked) -> Reply:
        keep = {k: v for k, v in asked.headers.items() if k in ("Accept", "Authorization")}
        found = client.get(asked.path, query_string=asked.query, headers=keep)
        kept = {k: v for k, v in found.headers.items() if k.lower().startswith(("content-type", "x-taxii"))}
        return Reply(found.data, found.status_code, kept)

    lake = Lake.open(tmp_path / "lake")
    state = State(lake.path)
    with serving(answer) as server:
        entry = JobEntry(
            do="pull",
            name="reference",
            kind="taxii",
            url=f"{server.url}/taxii2/",
            user_env="U",
            password_env="P",
        )
        done = pull(lake, load(None), state, entry, environ={"U": "u", "P": "p"})
        assert (done.error, done.problems, done.objects) == ("", [], TOTAL)
        pages = [a for a in server.asked if a.path.endswith("/objects/")]
        assert len(pages) == 3
        assert pages[0].headers["Authorization"] == "Basic " + base64.b64encode(b"u:p").decode()
        again = pull(lake, load(None), state, entry, environ={"U": "u", "P": "p"})
        assert (again.error, again.objects) == ("", 0)
        refused = pull(lake, load(None), state, entry, environ={"U": "u", "P": "wrong"})
        assert "401" in refused.error
    values = lake.snapshot().sql("SELECT DISTINCT value FROM indicators")["value"].to_pylist()
    assert len(values) == TOTAL
    (kept,) = state.pulls.all()[0].mark.values()
    assert taxii.Mark.of(kept).added_after.startswith("2026-02-01T00:00:24")
