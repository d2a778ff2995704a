"""The bounds checks that the heavy fuzz test relies on: that they are there, inside inlined helpers too."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROBE = """
import numpy as np
from noroshi.wire.jit import helper, kernel
from noroshi.wire.read import be32

@helper
def beyond(buf, p):
    return be32(buf, p)

@kernel
def run(buf, p):
    return beyond(buf, p)

run(np.zeros(8, np.uint8), 5)
"""


@pytest.mark.heavy
def test_a_checked_kernel_refuses_an_index_beyond_the_buffer() -> None:
    environment = os.environ | {"NOROSHI_BOUNDSCHECK": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", PROBE], env=environment, capture_output=True, text=True, timeout=300
    )
    assert ran.returncode != 0
    assert "IndexError" in ran.stderr
