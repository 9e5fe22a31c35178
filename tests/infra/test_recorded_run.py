"""What the service does on AWS is what `recorded_calls.json` says, to which the policies are held."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ports_aws.adapters import REQUIRED
from tests.ports_aws.emulators import installed

from .policies import PROJECT
from .recorded_calls import recorded


@pytest.mark.campaign
@pytest.mark.skipif(
    not (REQUIRED or installed("dynoxide")), reason="on moto's own tables it takes a quarter of an hour"
)
def test_a_run_of_everything_makes_the_calls_that_are_on_record(tmp_path: Path) -> None:
    """In a process of its own: the app is imported as Lambda does. `python -m tests.infra.recorded_run` writes anew."""
    fresh = tmp_path / "calls.json"
    command = [sys.executable, "-m", "tests.infra.recorded_run", str(fresh)]
    subprocess.run(command, cwd=PROJECT, env=os.environ | {"TMPDIR": str(tmp_path)}, check=True)
    seen, known = recorded(fresh), recorded()
    assert sorted(seen) == sorted(known)
    for name in known:
        assert (sorted(seen[name] - known[name]), sorted(known[name] - seen[name])) == ([], []), name
