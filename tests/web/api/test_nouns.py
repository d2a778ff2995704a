"""The other nouns: pivot, tables, runs, rejects, SQL, and the document that describes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.model.tables import TABLES
from tests.web import site

KEY = {"x-api-key": "any"}


def test_pivot_is_that_of_the_command_line(client: TestClient, lake: Lake) -> None:
    from noroshi.ask.pivot import Pivots

    found = client.get("/api/v1/pivot", params={"value": "162.142.125[.]10"}).json()
    asked = Pivots(lake.snapshot()).ask("162.142.125.10").to_json()
    assert found["kind"] == "ip"
    for name in ("value", "count", "histogram", "first_seen", "last_seen"):
        assert found[name] == asked[name]
    assert [f["id"] for f in found["findings"]] == [f["id"] for f in asked["findings"]]
    unknown = client.get("/api/v1/pivot", params={"value": "203.0.113.77"})
    assert (unknown.status_code, unknown.json()["count"]) == (200, 0)


@pytest.mark.parametrize("params", [{"value": ""}, {"value": "x", "kind": "nonsense"},
                                    {"value": "not an ip", "kind": "ip"},
                                    {"value": "x" * 3000}, {"value": "192.0.2.1", "since": "soon"}, {}])  # fmt: skip
def test_a_pivot_on_nothing(client: TestClient, params: dict[str, str]) -> None:
    answer = client.get("/api/v1/pivot", params=params)
    assert answer.status_code in (400, 422)
    assert set(answer.json()) == {"what", "where", "todo"}


def test_tables_and_runs(client: TestClient, lake: Lake) -> None:
    tables = {t["name"]: t for t in client.get("/api/v1/tables").json()["items"]}
    assert tables.keys() == TABLES.keys()
    assert tables["flows"]["rows"] == lake.snapshot().count("flows")
    runs = client.get("/api/v1/runs").json()
    assert runs["total"] == len(runs["items"]) == len(lake.snapshot().runs())
    one = runs["items"][0]
    assert client.get(f"/api/v1/runs/{one['run_id'][:8]}").json() == one
    assert client.get("/api/v1/runs/ffffffffffff").status_code == 404
    named = client.get("/api/v1/runs", params={"source": "synthetic-day"}).json()
    assert [r["path"].rsplit("/", 1)[-1] for r in named["items"]] == ["day.pcap.zst"]


def test_rejects_in_pages(tmp_path: Path, state: State) -> None:
    from noroshi.work.ingest import ingest

    good = (site.SAMPLES / "mixed" / "cowrie.json").read_text().splitlines()
    bad = tmp_path / "cowrie.json"
    bad.write_text(
        "\n".join(g + ('\n{"eventid": broken' if i % 2 else "") for i, g in enumerate(good)) + "\n"
    )
    own = Lake.open(tmp_path / "lake")
    ingest(own, [bad], config=site.config_of())
    with site.client(own, state) as client:
        whole = client.get("/api/v1/rejects").json()["items"]
        assert len(whole) > 3
        seen: list[Any] = []
        cursor = ""
        while True:
            page = client.get("/api/v1/rejects", params={"limit": 2, "cursor": cursor}).json()
            seen += page["items"]
            cursor = page["next"]
            if not cursor:
                break
        assert seen == whole
        assert client.get("/api/v1/rejects", params={"reason": "' OR 1=1 --"}).json()["items"] == []
        page = client.get("/lake", headers={"accept": "text/html"})
        assert "could not be read" in page.text


def test_sql(client: TestClient, state: State) -> None:
    def ask(query: str, **more: Any) -> Any:
        return client.post("/api/v1/sql", json={"query": query, **more}, headers=KEY)

    found = ask(
        "SELECT ip_text(src_ip) AS who, count(*) AS n FROM flows GROUP BY 1 ORDER BY 2 DESC, 1", limit=3
    ).json()
    assert found["columns"] == ["who", "n"]
    assert (len(found["rows"]), found["cut"]) == (3, True)
    assert ask("SELECT 1 AS a WHERE false").json() == {"columns": ["a"], "rows": [], "cut": False}
    for wrong in ("DELETE FROM flows", "SELECT 1; SELECT 2", "COPY flows TO '/tmp/x'",
                  "SELECT * FROM read_text('/etc/passwd')",
                  "ATTACH '/tmp/x.db'", "INSTALL httpfs",
                  "SELECT getenv('HOME')", "x" * 500, "SELECT * FROM nothing"):  # fmt: skip
        answer = ask(wrong)
        assert answer.status_code == 400, wrong
        assert "/home" not in answer.text
    assert ask("").status_code == 422
    assert ask("SELECT count(*) FROM range(100000000) a, range(100000000) b", seconds=0.05).status_code == 503
    assert "sql" in {e.action for e in state.audit.newest()}


def test_the_document_is_complete(client: TestClient) -> None:
    document = client.get("/api/v1/openapi.json").json()
    ids = []
    for path, operations in document["paths"].items():
        assert path.startswith("/api/v1/"), path
        for method, one in operations.items():
            where = f"{method} {path}"
            ids.append(one["operationId"])
            assert one.get("description"), f"{where} says nothing of itself"
            ok = next(r for code, r in one["responses"].items() if code.startswith("2"))
            assert ok.get("content") or "204" in one["responses"], where
            schemas = [c.get("schema") for c in ok.get("content", {}).values()]
            assert all(schemas), f"{where} does not say what it answers"
            for code in ("400", "401", "403", "404", "422", "429", "503"):
                assert "application/problem+json" in one["responses"][code]["content"], f"{where} {code}"
    assert len(ids) == len(set(ids))


def test_errors_have_one_shape(client: TestClient) -> None:
    for path in ("/api/v1/nothing", "/api/v1/findings?limit=0", "/api/v1/findings?limit=x", "/api/v1/findings?from=x",
                 "/api/v1/runs/x", "/api/v1/tables/nothing/rows", "/api/v1/findings?format=xml"):  # fmt: skip
        answer = client.get(path, headers={"accept": "text/html"})
        assert 400 <= answer.status_code < 500, path
        assert answer.headers["content-type"] == "application/problem+json", path
        assert set(answer.json()) == {"what", "where", "todo"}, path
    assert client.delete("/api/v1/findings", headers=KEY).status_code == 405
