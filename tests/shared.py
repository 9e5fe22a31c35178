"""Accuracy data that lies beside a checkout on machines where the service is developed; elsewhere it is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

_SHARED: Final = Path(__file__).resolve().parents[2] / "shared"


def trivy_fixtures() -> Path:
    """Advisory rows, package lists and the reports Trivy makes of them. Leaves the test out where they are missing."""
    folder = _SHARED / "fixtures" / "trivy"
    if not folder.is_dir():
        pytest.skip("the accuracy data is not on this machine")
    return folder
