"""`python -m chalicelib.cli.openapi FILE`: writes the OpenAPI document, as it is checked in."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from chalicelib.edge.documentation import as_text
from chalicelib.edge.openapi import openapi

if __name__ == "__main__":
    Path(sys.argv[1]).write_text(as_text(openapi(importlib.import_module("app").API)), encoding="utf-8")
