"""What a machine may not have: a test is left out without it, and fails in CI, which brings everything."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

from benchmarks.subjects import Subject, list_subjects


def lacking(message: str) -> NoReturn:
    """message: what is missing, and what brings it."""
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def subjects() -> list[Subject]:
    """The registries that tests talk to as strangers, installed or not."""
    return [one for one in list_subjects() if not one.optional]


def needed(subject: Subject) -> None:
    """Leaves the test out where the registry is not here, or fails where CI brings it."""
    if subject.binary is None and subject.brought:
        lacking(f"{subject.title} is missing: run .ci/install-clients")
    if subject.binary is None:
        pytest.skip(f"{subject.title} is not here, and nothing that CI has brings it")
