"""Where the real darknet captures are: the committed samples, else the data under NOROSHI_DATA."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SAMPLES = Path(__file__).parents[2] / "samples"


def capture(name: str) -> Path:
    """The path of a real capture; skips the test when it is not on this machine."""
    places = [SAMPLES / "darknet" / name]
    if os.environ.get("NOROSHI_DATA"):
        places.append(Path(os.environ["NOROSHI_DATA"]) / "darknet" / "pcap" / name)
    for place in places:
        if place.is_file():
            return place
    pytest.skip(f"{name} may not be committed; set NOROSHI_DATA to a folder with darknet/pcap/{name}")
