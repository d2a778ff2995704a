"""STIX as others check it: strict parse by stix2, strict validation by OASIS's validator, without a network.

The wheel of stix2-validator carries no schemas; those of OASIS stand in tests/share/oasis-schemas.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import stix2
import stix2validator.validator as validator

SCHEMAS = Path(__file__).parents[1] / "share" / "oasis-schemas"


def parse(body: bytes) -> Any:
    """The bundle as stix2 reads it with allow_custom=False; raises on anything that is not STIX 2.1."""
    return stix2.parse(body.decode(), allow_custom=False)


def errors(body: bytes) -> list[str]:
    """What stix2-validator says against the bundle when warnings count as errors."""
    found = validator._get_error_generator
    if not isinstance(found, functools.partial):

        def local(
            name: str, obj: Any, schema_dir: str | None = None, version: str = "2.1", default: str = "core"
        ) -> Any:
            return found(name, obj, schema_dir or str(SCHEMAS), version, default)

        validator._get_error_generator = functools.partial(local)
    options = validator.ValidationOptions(version="2.1", strict=True)
    result = validator.validate_string(body.decode(), options)
    return [
        f"{r.object_id}: {e}"
        for r in getattr(result, "object_results", None) or [result]
        for e in [*(r.errors or []), *(r.warnings or [])]
    ]
