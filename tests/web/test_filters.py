"""Filters in URLs: columns looked up, values as parameters, whatever stands in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from noroshi.lake.handle import Lake
from noroshi.model.errors import UsageError
from noroshi.model.tables import TABLES
from noroshi.web import filters, urls

HOSTILE = ("' OR 1=1 --", '"; DROP TABLE flows; --', "x') UNION SELECT * FROM runs --", "$f0", "{}", "{0}", "%", "\x00",
           "')); ATTACH 'x'; --", "1e309", "9" * 400, "../../etc/passwd", "${jndi:ldap://x}")  # fmt: skip


@pytest.mark.parametrize("table", ["flows", "commands", "services"])
def test_sql_through_every_column(client: TestClient, table: str) -> None:
    """In texts it is a text that no row has; elsewhere an error in our words."""
    texts = [c.name for c in TABLES[table].columns if c.type == "string"][: filters.MOST]
    for word in HOSTILE:
        for operator in ("", ".contains"):
            words = {f"{name}{operator}": word for name in texts}
            answer = client.get(f"/api/v1/tables/{table}/rows", params=words)
            assert answer.status_code == 200, answer.text
            assert answer.json()["items"] == [] or not texts
        for column in TABLES[table].columns:
            if column.type not in ("string", "strings", "float64"):
                with pytest.raises(UsageError):
                    filters.where(TABLES[table], [(column.name, word)])


@pytest.mark.parametrize(
    "name", [*HOSTILE, "dst_port; --", 'dst_port" OR "1', "dst_port.or", "password.", "rowid", "filename"]
)
def test_sql_through_names(client: TestClient, name: str) -> None:
    for params in ({name: "1"}, {"columns": name}):
        answer = client.get("/api/v1/tables/flows/rows", params=params)
        assert answer.status_code == 400, (params, answer.text)
    assert client.get(f"/api/v1/tables/{urls.segment(name)}/rows").status_code in (400, 404)


@given(st.text(max_size=50), st.sampled_from(filters.OPERATORS), st.text(max_size=50))
def test_any_words_make_a_condition_or_an_error(column: str, operator: str, value: str) -> None:
    for name in (column, "dst_port", "src_ip", "first_seen"):
        try:
            found = filters.where(TABLES["flows"], [(f"{name}.{operator}" if operator else name, value)])
        except UsageError:
            continue
        assert (
            value not in found.sql or value in '("dst_port" = $f0)' or len(value) < 3 or value.strip() == ""
        )


def test_what_filters_find(client: TestClient, lake: Lake) -> None:
    def rows(**params: str) -> list[dict[str, object]]:
        found: list[dict[str, object]] = client.get(
            "/api/v1/tables/flows/rows", params={"limit": "1000"} | params
        ).json()["items"]
        return found

    ports = rows(**{"dst_port.in": "23,2323", "columns": "dst_port"})
    assert ports
    assert {r["dst_port"] for r in ports} <= {23, 2323}
    inside = rows(src_ip="162.142.125.0/24", columns="src_ip")
    assert inside
    assert all(str(r["src_ip"]).startswith("162.142.125.") for r in inside)
    outside = rows(**{"src_ip.ne": "162.142.125.0/24", "columns": "src_ip"})
    assert outside
    assert not any(str(r["src_ip"]).startswith("162.142.125.") for r in outside)
    late = rows(**{"first_seen.gte": "2026-04-01T12:00:00Z", "columns": "first_seen"})
    assert late
    assert all(str(r["first_seen"]) >= "2026-04-01T12" for r in late)
    users = client.get("/api/v1/tables/logins/rows", params={"username.contains": "ROOT"}).json()["items"]
    assert users
    assert all("root" in str(r["username"]).lower() for r in users)


def test_pages_hold_all_rows_once(client: TestClient) -> None:
    seen: list[tuple[object, object]] = []
    cursor = ""
    while True:
        words = {"limit": 4, "columns": "run_id,offset,ts", "cursor": cursor}
        page = client.get("/api/v1/tables/commands/rows", params=words).json()
        seen += [(r["run_id"], r["offset"]) for r in page["items"]]
        cursor = page["next"]
        if not cursor:
            break
    whole = client.get("/api/v1/tables/commands/rows", params={"limit": 1000}).json()["items"]
    assert seen == [(r["run_id"], r["offset"]) for r in whole]
    assert len(set(seen)) == len(seen) > 4
