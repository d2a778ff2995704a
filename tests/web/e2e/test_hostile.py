"""Pages full of hostile texts in a browser: nothing runs, nothing is asked of others, nothing breaks the page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from noroshi.lake.state import State
from tests.web import hostile_lake, site
from tests.web.e2e.look import LOOKS, Look


@pytest.fixture(scope="module")
def look(browser: object, shots: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Look]:
    folder = tmp_path_factory.mktemp("hostile")
    with site.served(hostile_lake.build(folder / "lake"), State(folder)) as address:
        yield Look(browser, address, shots)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/exposure?range=all&by=org", "hostile-exposure"),
        ("/exposure/host/198.51.100.9", "hostile-host"),
        ("/honeypots?range=all", "hostile-honeypots"),
        ("/honeypots/session/plain-1", "hostile-session"),
    ],
)
def test_nothing_runs(look: Look, path: str, name: str) -> None:
    look.check(path, name, looks=LOOKS[::3])
