"""Loaded by schemathesis: four paths of five lead to things that are there, or every answer would be 404."""

from __future__ import annotations

import json
import os
from typing import Any
from zlib import crc32

import schemathesis

KNOWN: dict[str, list[str]] = json.loads(os.environ.get("CRS_CAMPAIGN_KNOWN", "{}"))


@schemathesis.hook
def map_path_parameters(_context: Any, parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    """Which are replaced, and by what, follows from what was drawn, so that a failure can be had again."""
    if parameters is None:
        return None
    replaced = {}
    for name, drawn in parameters.items():
        known, lot = KNOWN.get(name, []), crc32(repr(drawn).encode())
        replaced[name] = known[lot // 5 % len(known)] if known and lot % 5 else drawn
    return replaced
