"""Every route that changes something: refused where another site asks, and kept in the audit log when it is done."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from noroshi.lake.state import State
from noroshi.lake.state.operators import OperatorRow
from noroshi.model.finding import Subject
from noroshi.web import routes
from noroshi.web.security.csrf import SAFE
from noroshi.work.gate import open_view, recipient
from tests.web import site

WAIT_S = 60.0
"""Until a busy machine has done long work; nothing is measured by it."""
TELLS_NOTHING = {
    ("POST", "/api/v1/pivot"): "a question; its values may be passwords, so they stand in a body",
    ("POST", "/api/v1/search"): "as above",
    ("POST", "/search"): "as above",
    ("POST", "/search/words"): "as above",
    (
        "POST",
        "/api/v1/notices/{notice}/cancel",
    ): "only what could not be sent is cancelled; tests/work has it",
    ("POST", "/setup"): "there is no token once there is an administrator; its entry is in test_signin",
}
"""Routes whose method says change that are not walked here, and why."""
Change = tuple[str, str]


def changes(client: TestClient) -> list[Change]:
    """(method, path) of all routes but those that only read; TAXII's, which know keys alone, have their own tests."""
    found = routes.every(client.app)  # type: ignore[arg-type]
    return [(m, r.path) for r in found for m in sorted(r.methods - set(SAFE)) if "taxii" not in r.path]


def filled(path: str, **names: object) -> str:
    """The path with something for each of its names."""
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda m: str(names.get(m[1], "1")), path)


def test_no_change_without_a_token_or_for_another_site(closed: TestClient, state: State) -> None:
    """Whoever is signed in as an administrator: a page elsewhere that makes their browser ask changes nothing."""
    site.add_user(state, "ana", "admin")
    site.sign_in(closed, "ana")
    token = site.token(closed, "/lake")
    known = len(state.audit.newest(1000))
    asked = changes(closed)
    assert len(asked) > 60
    for method, route in asked:
        for headers in (
            {},
            {"x-csrf-token": "0" * 64},
            {"x-csrf-token": token, "origin": "https://evil.example"},
            {"x-csrf-token": token, "origin": "null"},
            {"x-csrf-token": token, "sec-fetch-site": "cross-site"},
            {"x-csrf-token": token, "sec-fetch-site": "same-site"},
        ):
            answer = closed.request(method, filled(route), headers=headers)
            assert answer.status_code == 403, (method, route, headers, answer.text[:300])
    assert len(state.audit.newest(1000)) == known
    assert closed.get("/api/v1/me").json()["name"] == "ana", "the session stands"


def test_with_it_none_is_refused_for_that(closed: TestClient, state: State) -> None:
    """The other way round, so that the test above is not passed by a server that refuses everything."""
    site.add_user(state, "ana", "admin")
    site.sign_in(closed, "ana")
    token = site.token(closed, "/lake")
    for method, route in changes(closed):
        if route != "/signout":
            answer = closed.request(method, filled(route), headers={"x-csrf-token": token})
            assert answer.status_code != 403, (method, route, answer.text[:300])


@dataclass
class Desk:
    """An administrator at work: by page and by API, each change told."""

    client: TestClient
    state: State
    known: set[int] = field(default_factory=set)
    done: list[Change] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.token = site.token(self.client, "/lake")

    def do(self, method: str, route: str, body: Any = None, *, form: Any = None, **names: object) -> Any:
        """One change; its answer. There must be a new entry by this user."""
        before = {e.id for e in self.state.audit.newest(1000)}
        answer = self.client.request(
            method, filled(route, **names), json=body, data=form,
            headers={"x-csrf-token": self.token, "accept": "application/json"},
        )  # fmt: skip
        assert answer.status_code < 400, (method, route, answer.text[:500])
        end = time.monotonic() + WAIT_S
        while True:  # long work tells when it is done
            fresh = [e for e in self.state.audit.newest(1000) if e.id not in before]
            if fresh:
                break
            assert time.monotonic() < end, f"{method} {route} left no entry in the audit log"
            time.sleep(0.05)
        assert all(e.actor == "user:ana" for e in fresh), fresh
        self.done.append((method, route))
        return answer.json() if "json" in answer.headers.get("content-type", "") else answer


@pytest.fixture
def desk(tmp_path: Path, state: State) -> Iterator[Desk]:
    """A server that may send notices, with a finding, an operator to be told, and ana."""
    nets = ["203.0.113.0/24", *(f"198.51.100.{16 * i}/28" for i in range(4))]
    state.operators.load(
        "table",
        "o.csv",
        [OperatorRow(n, f"ISP {i}", (f"abuse@isp{i}.example",), "en") for i, n in enumerate(nets)],
    )
    lake = site.infected(tmp_path / "lake")
    (one,) = open_view(lake, site.config_of(), recipient("own")).findings()
    lake.put_findings(
        [replace(one, id="", subject=Subject("ip", f"198.51.100.{16 * i + 7}")) for i in range(4)]
    )
    site.add_user(state, "ana", "admin")
    with site.client(lake, state, site.notifying(tmp_path), open=False) as client:
        site.sign_in(client, "ana")
        yield Desk(client, state)


def test_every_change_is_kept_in_the_audit_log(desk: Desk) -> None:
    _cases(desk)
    _watches(desk)
    _sharing(desk)
    _notices(desk)
    _operators(desk)
    _releases(desk)
    _users(desk)
    _account(desk)
    desk.do("POST", "/api/v1/sql", {"query": "SELECT 1 AS one"})
    desk.do("POST", "/signout")
    desk.token = site.token(desk.client)
    desk.do("POST", "/signin", form={"name": "ana", "password": site.PASSWORD})
    missing = set(changes(desk.client)) - set(desk.done) - set(TELLS_NOTHING)
    assert not missing, f"not walked: {sorted(missing)}; add each here, or to TELLS_NOTHING with the reason"
    assert not set(TELLS_NOTHING) & set(desk.done)


def _cases(d: Desk) -> None:
    finding = d.client.get("/api/v1/findings").json()["items"][0]["id"]
    d.do("POST", "/api/v1/verdicts", {"findings": [finding], "verdict": "true"})
    d.do("POST", "/findings/judge", form={"ids": [finding], "verdict": "false"})
    case = d.do("POST", "/api/v1/cases", {"title": "one", "findings": [finding]})["id"]
    d.do("PATCH", "/api/v1/cases/{case}", {"title": "two"}, case=case)
    d.do("POST", "/api/v1/cases/{case}/items", {"values": ["192.0.2.1"]}, case=case)
    d.do("POST", "/api/v1/cases/{case}/comments", {"text": "said"}, case=case)
    d.do("POST", "/cases", form={"title": "three", "values": "192.0.2.2"})
    d.do("POST", "/cases/{case}/change", form={"title": "four"}, case=case)
    d.do("POST", "/cases/{case}/comment", form={"text": "said"}, case=case)
    d.do("POST", "/cases/{case}/add", form={"values": "192.0.2.3"}, case=case)
    d.do("POST", "/findings/case", form={"ids": [finding], "title": "five"})


def _watches(d: Desk) -> None:
    first = d.do("POST", "/api/v1/watches", {"value": "192.0.2.9"})["id"]
    d.do("POST", "/api/v1/watches/check")
    d.do("DELETE", "/api/v1/watches/{number}", number=first)
    d.do("POST", "/watches", form={"value": "192.0.2.10"})
    d.do("POST", "/watches/check", form={})
    d.do("POST", "/watches/{number}/remove", number=d.client.get("/api/v1/watches").json()[0]["id"])
    d.do("POST", "/entity/watch", form={"kind": "ip", "value": "192.0.2.11"})
    d.do("POST", "/entity/unwatch", form={"kind": "ip", "value": "192.0.2.11"})


def _sharing(d: Desk) -> None:
    d.do("POST", "/api/v1/recipients", {"name": "peer", "kind": "organisation"})
    d.do("PATCH", "/api/v1/recipients/{name}", {"title": "A peer"}, name="peer")
    key = d.do("POST", "/api/v1/recipients/{name}/keys", {"note": "a"}, name="peer")["id"]
    d.do("DELETE", "/api/v1/recipients/{name}/keys/{number}", name="peer", number=key)
    d.do("POST", "/api/v1/recipients/collections/publish")
    d.do("POST", "/api/v1/exports", {"recipient": "peer", "format": "csv"})
    d.do("POST", "/api/v1/reports", {"period": "2026-11", "recipient": "peer"})
    d.do("DELETE", "/api/v1/recipients/{name}", name="peer")
    d.do("POST", "/sharing", form={"name": "other", "kind": "organisation"})
    d.do("POST", "/sharing/{name}/change", form={"kind": "organisation", "title": "B"}, name="other")
    d.do("POST", "/sharing/{name}/keys", form={"note": "b"}, name="other")
    (held,) = d.client.get("/api/v1/recipients/other/keys").json()
    d.do("POST", "/sharing/{name}/keys/{number}/revoke", name="other", number=held["id"])
    d.do("POST", "/sharing/{name}/export", form={"format": "csv"}, name="other")
    d.do("POST", "/sharing/publish", form={})
    d.do("POST", "/reports", form={"period": "2026-11", "recipient": "other"})
    d.do("POST", "/sharing/{name}/remove", name="other")


def _notices(d: Desk) -> None:
    planned = [n["id"] for n in d.client.get("/api/v1/notices/plan").json()["notices"]]
    assert len(planned) == 5
    _over(d, d.do("POST", "/api/v1/notices/send", {"only": planned[:4]})["id"])
    sent = d.do("POST", "/notices/send", form={"only": planned[4:]})
    _over(d, sent.headers["location"].rsplit("/", 1)[1])
    for notice, what in zip(planned, ("ack", "return"), strict=False):
        d.do("POST", f"/api/v1/notices/{{notice}}/{what}", {"note": "a"}, notice=notice)
    d.do("POST", "/notices/{notice}/{what}", form={"note": "b"}, notice=planned[3], what="ack")


def _over(d: Desk, work: str) -> None:
    end = time.monotonic() + WAIT_S
    while (told := d.client.get(f"/api/v1/works/{work}").json())["state"] not in ("done", "failed"):
        assert time.monotonic() < end, told
        time.sleep(0.05)
    assert told["state"] == "done", told


def _operators(d: Desk) -> None:
    new = {"network": "192.0.2.0/24", "name": "ISP X", "mails": ["a@x.example"]}
    row = d.do("POST", "/api/v1/operators", new)["id"]
    d.do("PATCH", "/api/v1/operators/{row}", {"lang": "ja"}, row=row)
    d.do("DELETE", "/api/v1/operators/{row}", row=row)
    d.do("POST", "/operators", form={"network": "AS64500", "name": "ISP Y", "mails": "a@y.example"})
    row = next(o["id"] for o in d.client.get("/api/v1/operators").json() if o["network"] == "AS64500")
    d.do("POST", "/operators/{row}/change", form={"network": "AS64500", "name": "ISP Z"}, row=row)
    d.do("POST", "/operators/{row}/remove", row=row)


def _releases(d: Desk) -> None:
    d.do("POST", "/api/v1/releases", {"value": "192.0.2.7", "reason": "asked"})
    d.do("DELETE", "/api/v1/releases/{kind}/{value:path}", kind="ip", value="192.0.2.7")
    d.do("POST", "/releases", form={"value": "cdn.example", "reason": "many use it"})
    d.do("POST", "/releases/back", form={"kind": "domain", "value": "cdn.example"})
    one, other = (f["id"] for f in d.client.get("/api/v1/findings").json()["items"][:2])
    d.do("POST", "/api/v1/downgrades", {"id": one, "to": "clear", "reason": "agreed"})
    d.do("POST", "/releases/lower", form={"id": other[:8], "to": "clear", "reason": "agreed"})


def _account(d: Desk) -> None:
    new = "another long password"
    d.do("PUT", "/api/v1/me/password", {"old": site.PASSWORD, "new": new})
    d.do("POST", "/account/password", form={"old": new, "new": site.PASSWORD, "again": site.PASSWORD})
    key = d.do("POST", "/api/v1/me/keys", {"note": "a"})["id"]
    d.do("DELETE", "/api/v1/me/keys/{number}", number=key)
    d.do("POST", "/account/keys", form={"note": "b"})
    d.do("POST", "/account/keys/{number}/revoke", number=d.client.get("/api/v1/me/keys").json()[-1]["id"])
    for method, route in (("DELETE", "/api/v1/me/sessions/{session}"),
                          ("POST", "/account/sessions/{session}/end")):  # fmt: skip
        d.state.sessions.begin("ana")
        other = next(s["id"] for s in d.client.get("/api/v1/me/sessions").json() if not s["here"])
        d.do(method, route, session=other)
    d.do("DELETE", "/api/v1/me/sessions")
    d.do("POST", "/account/sessions/end")


def _users(d: Desk) -> None:
    d.do("POST", "/api/v1/users", {"name": "bob", "role": "viewer"})
    d.do("PATCH", "/api/v1/users/{name}", {"role": "analyst"}, name="bob")
    key = d.do("POST", "/api/v1/users/{name}/keys", {"note": "a"}, name="bob")["id"]
    d.do("DELETE", "/api/v1/users/{name}/keys/{number}", name="bob", number=key)
    d.do("DELETE", "/api/v1/users/{name}", name="bob")
    d.do("POST", "/users", form={"name": "eve", "role": "viewer"})
    d.do("POST", "/users/{name}/change", form={"role": "analyst", "recipient": "own"}, name="eve")
    d.do("POST", "/users/{name}/keys", form={"note": "b"}, name="eve")
    (held,) = d.client.get("/api/v1/users/eve/keys").json()
    d.do("POST", "/users/{name}/keys/{number}/revoke", name="eve", number=held["id"])
    d.do("POST", "/users/{name}/remove", name="eve")
    opted = d.do("POST", "/api/v1/optouts", {"value": "198.51.100.0/24", "reason": "asked"})["id"]
    d.do("POST", "/api/v1/optouts/{number}/end", {"reason": "over"}, number=opted)
    d.do("POST", "/optouts", form={"value": "192.0.2.0/24", "reason": "asked"})
    (last,) = d.client.get("/api/v1/optouts").json()
    d.do("POST", "/optouts/{number}/end", form={"reason": "over"}, number=last["id"])
