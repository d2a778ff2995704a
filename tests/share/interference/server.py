"""The watchtower as a way out: every route a viewer may ask, in process, with its status, headers and body."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from noroshi.share.marking import Recipient
from noroshi.web import viewer as viewers
from noroshi.web.reader import KeptView, Seen
from noroshi.web.security import csrf
from noroshi.web.security.doorkeeper import Doorkeeper
from noroshi.web.viewer import Viewer
from tests.share.interference.lakes import NOW

if TYPE_CHECKING:
    import pytest
    from fastapi import FastAPI

    from noroshi.config import Config
    from noroshi.lake.handle import Lake
    from noroshi.lake.state import State
    from noroshi.share.gate import View

RANGES = (
    "range=all",
    "from=2026-10-04&to=2026-10-06",
    "from=2026-10-05T10:00:00Z&to=2026-10-05T23:00:00Z",
    "",
)
BYS = ("", "port", "protocol", "tool", "class")
FORMATS = ("json", "csv")

API = {
    "findings": "/api/v1/findings?limit={limit}&format={format}",
    "findings-of": "/api/v1/findings?subject={value}&{range}",
    "findings-said": "/api/v1/findings?q={value}",
    "finding": "/api/v1/findings/{finding}",
    "pivot": "/api/v1/pivot?value={value}&kind={kind}&rows={limit}",
    "timeline": "/api/v1/pivot/timeline?value={value}&kind={kind}",
    "graph": "/api/v1/pivot/graph?value={value}&kind={kind}",
    "search": "/api/v1/search?q={value}",
    "why": "/api/v1/why/{finding}",
    "tables": "/api/v1/tables?format={format}",
    "rows": "/api/v1/tables/{table}/rows?limit={limit}",
    "rows-then": "/api/v1/tables/{table}/rows?limit={limit}&{range}&format={format}",
    "rows-of-run": "/api/v1/tables/{table}/rows?run_id={run}",
    "runs": "/api/v1/runs?limit={limit}&format={format}",
    "run": "/api/v1/runs/{run}",
    "rejects": "/api/v1/rejects?limit={limit}&format={format}",
    "rejects-of": "/api/v1/rejects?run_id={run}",
    "me": "/api/v1/me",
    "arrivals": "/api/v1/traffic/arrivals?{range}",
    "series": "/api/v1/traffic/series?by={by}&{range}&top={limit}",
    "matrix": "/api/v1/traffic/matrix?{range}&format={format}",
    "changes": "/api/v1/traffic/changes?{range}&top={limit}",
    "space": "/api/v1/traffic/space?{range}",
    "countries": "/api/v1/traffic/countries?{range}",
    "talkers": "/api/v1/traffic/talkers?{range}&limit={limit}",
    "services": "/api/v1/services?limit={limit}&{range}&format={format}",
    "groups": "/api/v1/services/groups?top={limit}&{range}",
    "host": "/api/v1/hosts/{ip}",
    "totals": "/api/v1/decoys/totals?{range}",
    "decoys": "/api/v1/decoys/top?limit={limit}&{range}",
    "sessions": "/api/v1/decoys/sessions?limit={limit}&{range}&format={format}",
    "session": "/api/v1/decoys/session?id={value}",
    "verdicts": "/api/v1/verdicts?format={format}",
    "rules": "/api/v1/verdicts/rules?format={format}",
    "cases": "/api/v1/cases?limit={limit}&format={format}",
    "case": "/api/v1/cases/{number}",
}
PAGES = {
    "now": "/now", "figures": "/now?part=figures", "findings": "/findings?q={value}", "all": "/findings",
    "finding": "/findings/{finding}", "darknet": "/darknet?by={by}&{range}", "talkers": "/darknet/talkers?{range}",
    "lake": "/lake", "cases": "/cases", "case": "/cases/{number}", "exposure": "/exposure?{range}",
    "host": "/exposure/host/{ip}", "honeypots": "/honeypots?{range}", "top": "/honeypots/top?{range}",
    "search": "/search?q={value}", "entity": "/entity/{kind}/{value}",
}  # fmt: skip


@dataclass(frozen=True)
class Known:
    """What the whole lake holds, hidden or not: a recipient may ask for what they must not know of."""

    findings: tuple[str, ...]
    runs: tuple[str, ...]


class _Keeper(Doorkeeper):
    """A recipient's key is its name: keys of their own have tests of their own."""

    everybody: Mapping[str, Recipient] = {}

    def _by_key(self, secret: str) -> Viewer | None:
        to = self.everybody.get(secret)
        return None if to is None else Viewer(to.name, "analyst", to, "user", "key")


def held(patch: pytest.MonkeyPatch) -> None:
    """The clock and the random cookie of whoever has not signed in are held."""

    class Clock(viewers.datetime):  # type: ignore[misc,name-defined]
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return NOW

    patch.setattr(viewers, "datetime", Clock)
    patch.setattr(csrf, "fresh", lambda: "c" * 32)


@dataclass
class Server:
    """The application on one lake, as the recipients whose views it was given."""

    lake: Lake
    config: Config
    state: State
    views: dict[str, View]

    @cached_property
    def app(self) -> FastAPI:
        """Made at the first question."""
        from noroshi.web.app import make
        from noroshi.web.options import Options

        options = Options(rate=0)
        app = make(self.lake, self.config, self.state, options)
        tower = app.state.tower
        keeper = _Keeper(self.state, options)
        keeper.everybody = {v.recipient.name: v.recipient for v in self.views.values()}
        tower.doorkeeper, reader = keeper, tower.reader
        reader._shot, reader._looked = next(iter(self.views.values())).shot, 0.0
        reader._clock = lambda: 0.0
        reader._seen = {v.recipient: Seen(KeptView.of(v), self.config) for v in self.views.values()}
        return app

    def ask(
        self, loop: asyncio.AbstractEventLoop, name: str, path: str, **headers: str
    ) -> tuple[int, Any, bytes]:
        """(status, headers, body) of a GET; `name`: who asks."""
        where, _, query = path.partition("?")
        sent = {"host": "127.0.0.1:8642", "authorization": f"Bearer {name}", **headers}
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
            "path": where, "raw_path": quote(where).encode(), "query_string": query.encode(), "root_path": "",
            "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in sent.items()],
            "client": ("127.0.0.1", 50000), "server": ("127.0.0.1", 8642),
        }  # fmt: skip
        told: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            told.append(message)

        loop.run_until_complete(self.app(scope, receive, send))
        body = b"".join(m.get("body", b"") for m in told[1:])
        return told[0]["status"], sorted(told[0]["headers"]), body


def filled(template: str, ask: Any, known: Known) -> str:
    """The path with what this question asks for; reads of it what the template names, and nothing else."""
    words: dict[str, Callable[[], str]] = {
        "limit": lambda: str(ask.limit), "value": lambda: quote(ask.value, safe=""), "kind": lambda: ask.kind,
        "table": lambda: ask.table, "range": lambda: RANGES[ask.day], "by": lambda: BYS[ask.limit % 5],
        "format": lambda: FORMATS[ask.limit % 2], "number": lambda: str(1 + ask.number % 9),
        "finding": lambda: known.findings[ask.number % len(known.findings)] if known.findings else "0" * 32,
        "run": lambda: known.runs[ask.number % len(known.runs)],
        "ip": lambda: ask.value if ask.kind == "ip" else "192.0.2.1",
    }  # fmt: skip
    return template.format_map({k: f() for k, f in words.items() if "{" + k + "}" in template})


def answered(
    server: Server, loop: asyncio.AbstractEventLoop, name: str, path: str, accept: str = "application/json"
) -> bytes:
    """What comes back, with the answer to the same question asked again with its tag, and the pages after it."""
    parts = []
    for _ in range(3):
        status, headers, body = server.ask(loop, name, path, accept=accept)
        parts.append(
            json.dumps([status, [[k.decode(), v.decode()] for k, v in headers]]).encode() + b"\n" + body
        )
        found = dict(headers)
        if tag := found.get(b"etag"):
            status, _, again = server.ask(loop, name, path, accept=accept, if_none_match=tag.decode())
            parts.append(f"{status} {len(again)}".encode())
        after = found.get(b"x-next-cursor", b"").decode() or _next(body)
        if not after:
            break
        path = path.partition("&cursor=")[0] + "&" + urlencode({"cursor": after})
    return b"\n".join(parts)


def _next(body: bytes) -> str:
    if not body.startswith(b"{"):
        return ""
    return str(json.loads(body).get("next") or "")
