"""One small real lake for all tests of the web."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from tests.web import site


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """The bundled samples, analysed; tests that write make a lake of their own."""
    return site.build(tmp_path_factory.mktemp("web") / "lake")


@pytest.fixture
def state(tmp_path: Path) -> State:
    """A fresh state."""
    return State(tmp_path)


@pytest.fixture
def client(lake: Lake, state: State) -> Iterator[TestClient]:
    """A client of `serve --open`: everything is allowed."""
    with site.client(lake, state) as made:
        yield made


@pytest.fixture
def closed(lake: Lake, state: State) -> Iterator[TestClient]:
    """A client of a server one signs in to; `site.add_user(state, ...)` adds people."""
    with site.client(lake, state, open=False) as made:
        yield made
