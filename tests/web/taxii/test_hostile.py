"""Requests that nobody means well by: an answer of the standard to each, never a fault."""

from __future__ import annotations

import json
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from noroshi.config import load
from noroshi.web.taxii import routes
from tests.support.taxii import MEDIA, Site, entry, thing_of

ERROR = {
    "type": "object", "required": ["title", "description", "http_status"],
    "properties": {"title": {"type": "string"}, "description": {"type": "string"}, "http_status": {"type": "string"}},
}  # fmt: skip
DATE = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$"}


def _answers(*, ok: str, schema: dict[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {ok: {"description": "ok", "content": {MEDIA: {"schema": schema}}}}
    for status in ("400", "401", "403", "404", "405", "406", "413", "415", "422"):
        out[status] = {"description": "refused", "content": {MEDIA: {"schema": ERROR}}}
    return out


def _query(*names: str) -> list[dict[str, Any]]:
    return [{"name": n, "in": "query", "schema": {"type": "string"}} for n in names]


FILTERS = _query(
    "added_after", "limit", "next", "match[id]", "match[type]", "match[version]", "match[spec_version]"
)
ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
PAGE = {
    "type": "object", "additionalProperties": False,
    "properties": {
        "more": {"type": "boolean"}, "next": {"type": "string"}, "objects": {"type": "array", "minItems": 1}
    },
}  # fmt: skip
STATUS = {
    "type": "object",
    "required": ["id", "status", "total_count", "success_count", "failure_count", "pending_count"],
    "properties": {"status": {"enum": ["complete"]}, "request_timestamp": DATE},
}
BODY = {
    "required": True,
    "content": {MEDIA: {"schema": {
        "type": "object", "properties": {"objects": {"type": "array", "items": {"type": "object", "properties": {
            "id": {"type": "string"}, "type": {"type": "string"}, "modified": {"type": "string"}, "created": {},
            "object_marking_refs": {}, "granular_markings": {}, "spec_version": {}, "definition": {}, "extensions": {},
        }}}},
    }}},
}  # fmt: skip
OPENAPI: dict[str, Any] = {
    "openapi": "3.0.3", "info": {"title": "TAXII 2.1", "version": "2.1"},
    "paths": {
        "/taxii2/{id}/": {"get": {"parameters": [ID], "responses": _answers(ok="200", schema={"type": "object"})}},
        "/taxii2/shared/collections/{id}/": {
            "get": {"parameters": [ID], "responses": _answers(ok="200", schema={"type": "object"})}
        },
        "/taxii2/shared/collections/findings/objects/": {
            "get": {"parameters": FILTERS, "responses": _answers(ok="200", schema=PAGE)}
        },
        "/taxii2/shared/collections/findings/manifest/": {
            "get": {"parameters": FILTERS, "responses": _answers(ok="200", schema=PAGE)}
        },
        "/taxii2/shared/collections/findings/objects/{id}/": {
            "get": {"parameters": [ID, *FILTERS], "responses": _answers(ok="200", schema=PAGE)}
        },
        "/taxii2/shared/collections/findings/objects/{id}/versions/": {
            "get": {"parameters": [ID, *FILTERS], "responses": _answers(ok="200", schema={"type": "object"})}
        },
        "/taxii2/shared/collections/inbox/objects/": {
            "post": {"requestBody": BODY, "responses": _answers(ok="202", schema=STATUS)}
        },
        "/taxii2/shared/collections/inbox/objects/{id}/": {
            "delete": {"parameters": [ID, *FILTERS], "responses": {
                **_answers(ok="202", schema={}), "200": {"description": "gone"}}}
        },
        "/taxii2/shared/status/{id}/": {"get": {"parameters": [ID], "responses": _answers(ok="200", schema=STATUS)}},
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = Site.make(tmp_path_factory.mktemp("site"))
    site.publish([entry(n, t) for n in range(20) for t in ("indicator", "malware")])
    return site


@pytest.fixture(scope="module")
def api(here: Site) -> Any:
    app = Starlette(routes=routes(here.lake, load(None), here.state))
    return schemathesis.openapi.from_asgi("/openapi.json", _with_schema(app))


def _with_schema(app: Any) -> Any:
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    app.router.routes.insert(0, Route("/openapi.json", lambda request: JSONResponse(OPENAPI)))
    return app


OPERATIONS = [(path, method) for path, methods in OPENAPI["paths"].items() for method in methods]


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_schemathesis(api: Any, here: Site, path: str, method: str) -> None:
    from schemathesis.specs.openapi import checks

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(api[path][method].as_strategy())
    def run(case: Any) -> None:
        found = case.call(headers={"authorization": f"Bearer {here.key}", "accept": MEDIA})
        asked = [
            checks.status_code_conformance,
            checks.response_schema_conformance,
            checks.content_type_conformance,
        ]
        case.validate_response(found, checks=[schemathesis.checks.not_a_server_error, *asked])

    run()


names = st.sampled_from(["accept", "authorization", "if-none-match", "accept-encoding", "content-type",
                         "content-length",
                         "content-encoding", "range", "x-http-method-override", "host"])  # fmt: skip
values = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=80)


@settings(max_examples=60)
@given(st.dictionaries(names, values, max_size=4), st.sampled_from(["GET", "HEAD", "POST", "DELETE", "PUT"]))
def test_headers(here: Site, headers: dict[str, str], method: str) -> None:
    raw = [(k.encode(), v.encode("latin-1")) for k, v in headers.items()]
    found = here.client().request(method, "/taxii2/shared/collections/findings/objects/", headers=raw)
    assert found.status_code in (200, 304, 401, 403, 405, 406, 413, 415)
    assert found.status_code == 304 or found.headers["content-type"] == MEDIA


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
documents = st.recursive(
    scalars | st.text(max_size=20),
    lambda s: st.lists(s, max_size=4) | st.dictionaries(st.text(max_size=8), s, max_size=4), max_leaves=12,
)  # fmt: skip
fields = st.sampled_from(["id", "type", "created", "modified", "spec_version", "object_marking_refs",
                          "granular_markings", "definition", "extensions", "revoked"])  # fmt: skip
broken = st.builds(
    lambda n, more: thing_of(n) | more, st.integers(0, 3), st.dictionaries(fields, documents, max_size=3)
)


@settings(max_examples=40)
@given(st.lists(broken | documents, max_size=5))
def test_objects(here: Site, things: list[Any]) -> None:
    body = json.dumps({"objects": things})
    found = here.client().post(
        "/taxii2/shared/collections/inbox/objects/", content=body, headers={"content-type": MEDIA}
    )
    assert found.status_code == 202, found.text
    status = found.json()
    assert status["total_count"] == len(things) == status["success_count"] + status["failure_count"]
    assert len(status.get("failures", [])) == status["failure_count"]
    every = "?match[version]=all&match[spec_version]=2.0,2.1"
    assert here.client().get(f"/taxii2/shared/collections/inbox/objects/{every}").status_code == 200


@settings(max_examples=60)
@given(st.binary(max_size=200))
def test_bodies(here: Site, body: bytes) -> None:
    found = here.client().post(
        "/taxii2/shared/collections/inbox/objects/", content=body, headers={"content-type": MEDIA}
    )
    assert found.status_code in (400, 422)


@settings(max_examples=60)
@given(st.text(max_size=60), st.binary(max_size=60))
def test_paths(here: Site, path: str, query: bytes) -> None:
    from urllib.parse import quote

    found = here.client().get(f"/taxii2/shared/collections/findings/{quote(path)}?{quote(query)}")
    assert found.status_code in (200, 400, 404)
