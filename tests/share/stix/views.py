"""Lakes with STIX of others in them, and what their views give out."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from noroshi.config import load
from noroshi.lake.handle import Lake
from noroshi.model.tlp import Tlp
from noroshi.share.gate import View
from noroshi.share.marking import RECIPIENTS
from noroshi.share.stix.emit import Emitted, Options, Tally, emit
from noroshi.work.ingest import ingest

NOW = datetime(2026, 11, 20, tzinfo=UTC)
Object = dict[str, Any]


def take_in(
    lake: Lake, folder: Path, things: list[Object], *, tlp: Tlp = Tlp.CLEAR, name: str = "in.json"
) -> None:
    """Ingests a bundle of these objects."""
    path = folder / name
    path.write_text(
        json.dumps(
            {"type": "bundle", "id": "bundle--11111111-1111-4111-8111-111111111111", "objects": things}
        )
    )
    read(lake, path, tlp)


def read(lake: Lake, path: Path, tlp: Tlp = Tlp.CLEAR) -> None:
    """Ingests a file."""
    (result,) = ingest(lake, [path], config=load(None), tlp=tlp, workers=1, compact=False)
    assert result.run_id, result


def view(lake: Lake, recipient: str = "own") -> View:
    """What a recipient who comes with the package may see, unmasked."""
    to = RECIPIENTS[recipient]
    return View(to, lake.snapshot().restricted(tlp=to.ceiling), NOW)


def given(lake: Lake, recipient: str = "own", tally: Tally | None = None, **options: Any) -> list[Emitted]:
    """What goes out to a recipient."""
    return list(emit(view(lake, recipient), Options(**options), tally))


def things(emitted: list[Emitted], kind: str = "") -> list[Object]:
    """The objects of a type."""
    return [json.loads(e.json) for e in emitted if not kind or e.type == kind]


def indicator(number: int = 1, **more: Any) -> Object:
    """An indicator as somebody else made it."""
    return {
        "type": "indicator", "spec_version": "2.1", "id": f"indicator--00000000-0000-4000-8000-{number:012d}",
        "created": "2024-01-01T00:00:00.000Z", "modified": "2024-01-02T00:00:00.000Z", "name": "C2",
        "description": "A server.", "indicator_types": ["malicious-activity"],
        "pattern": f"[ipv4-addr:value = '203.0.113.{number}']", "pattern_type": "stix",
        "valid_from": "2024-01-01T00:00:00Z",
    } | more  # fmt: skip
