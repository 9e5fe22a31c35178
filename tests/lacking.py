"""What a machine may not have: a test is left out without it, and fails in CI, which brings everything."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def lacking(message: str) -> NoReturn:
    """message: what is missing, and what brings it."""
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)
