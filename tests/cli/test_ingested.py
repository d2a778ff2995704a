"""What `noroshi ingest` tells fits the terminal, and says what is worth saying."""

from __future__ import annotations

from typing import Any

import pytest

from noroshi.cli import ingested, out
from noroshi.work.ingest import IngestResult


def result(path: str = "/srv/in/a.json", format: str = "cowrie", **more: Any) -> IngestResult:
    return IngestResult(**({"path": path, "format": format, "run_id": "r", "sha256": "d"} | more))


def test_the_tables_that_got_most_come_first_and_the_rest_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = {"links": 99, "logins": 12, "commands": 30, "sessions": 4, "transfers": 1, "relays": 0}
    monkeypatch.setattr(out, "width", lambda: 100)
    assert ingested.tables(counts) == "commands 30, logins 12, sessions 4 +1"
    monkeypatch.setattr(out, "width", lambda: 80)
    assert ingested.tables(counts) == "commands 30, logins 12 +2"
    assert ingested.tables({"links": 3}) == ""


def test_shared_folders_are_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    ingested.show(
        [result("/srv/in/a.json", tables={"logins": 1}), result("/srv/in/sub/b.json", tables={"logins": 2})]
    )
    told = capsys.readouterr().out
    assert "/srv" not in told
    assert "sub/b.json" in told
    assert "stored" not in told, "nothing else happened to any"


def test_what_was_not_stored_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    ingested.show(
        [result(tables={"logins": 1}), result("b", known=True), result("c", "unknown", problem="is empty")]
    )
    told = capsys.readouterr().out
    assert "known" in told
    assert "not read" in told


@pytest.mark.parametrize("width", [80, 100])
def test_many_sources_fit(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(out, "width", lambda: width)
    many = [
        result(f"/srv/{n}.json", f"a-long-format-{n % 7}", tables={"commands": 10**6, "logins": n},
               rejects=n % 3, problem="cut short" if n % 5 == 0 else "")
        for n in range(60)
    ]  # fmt: skip
    ingested.show(many)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 7
    assert all(len(line) <= width for line in lines)
    assert "passed over" not in lines[0]
    assert any(" in part" in line for line in lines)


def test_the_closing_line_names_the_next_command() -> None:
    counts = ingested.Counts()
    counts.add(result(tables={"logins": 1}))
    assert counts.closing("noroshi --lake x analyse") == "Stored 1 source. Next: noroshi --lake x analyse"
    assert counts.exit_code == 0
    counts.add(result(problem="is empty"))
    assert counts.exit_code == 3
    assert "1 not read" in counts.closing()
