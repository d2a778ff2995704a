"""The API against its own description, by schemathesis: no fault, no undocumented answer, whatever is asked."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from starlette.testclient import TestClient

from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.web.app import make
from noroshi.web.options import Options
from tests.web import site

KEY = {"x-api-key": "any"}
NOT_HERE = ("/events",)
"""An event stream does not end; it has tests of its own."""


@pytest.fixture(scope="module")
def app(lake: Lake, tmp_path_factory: pytest.TempPathFactory) -> Any:
    state = State(tmp_path_factory.mktemp("described"))
    return make(lake, site.config_of(), state, Options(open=True, rate=0, hosts=("testserver",)))


def test_every_operation(app: Any) -> None:
    """A dozen questions for each; the ends of every range are among them."""
    document = _without_tuples(app.openapi())
    app.openapi_schema = document
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", app)
    for path, methods in document["paths"].items():
        if not path.endswith(NOT_HERE):
            for method in methods:
                _ask(schema[path][method], f"{method} {path}")


def _without_tuples(node: Any) -> Any:
    """The same with tuples as lists of anything: schemathesis 4.32 turns `prefixItems` into what its own check of
    schemas refuses."""
    if isinstance(node, dict):
        kept = {k: _without_tuples(v) for k, v in node.items() if k != "prefixItems"}
        return kept | {"items": {}} if "prefixItems" in node else kept
    return [_without_tuples(one) for one in node] if isinstance(node, list) else node


def _ask(operation: Any, where: str) -> None:
    from schemathesis.specs.openapi import checks

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    @given(operation.as_strategy())
    def run(case: Any) -> None:
        found = case.call(headers=KEY)
        asked = [
            checks.status_code_conformance,
            checks.response_schema_conformance,
            checks.content_type_conformance,
        ]
        case.validate_response(found, checks=[schemathesis.checks.not_a_server_error, *asked])

    try:
        run()
    except BaseException as e:
        e.add_note(where)
        raise


@pytest.mark.parametrize("role", ["nobody", "viewer"])
def test_whoever_asks_is_answered_as_described(lake: Lake, state: State, role: str) -> None:
    """401 and 403 come before anything else is looked at, in the shape of every other error."""
    headers = {"x-api-key": site.add_user(state, "ana", "viewer")} if role == "viewer" else {}
    with site.client(lake, state, open=False) as client:
        assert isinstance(client, TestClient)
        for path, methods in client.get("/api/v1/openapi.json").json()["paths"].items():
            for method in methods:
                if path.endswith(NOT_HERE):
                    continue
                answer = client.request(method, path.replace("{", "").replace("}", ""), headers=headers)
                assert answer.status_code < 500, path
                if answer.status_code >= 400:
                    assert set(answer.json()) == {"what", "where", "todo"}, path
