"""The story, once for all that only read it."""

from __future__ import annotations

import pytest

from noroshi.lake.handle import Lake
from tests.ask.support import story


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return story(tmp_path_factory.mktemp("ask") / "lake")
