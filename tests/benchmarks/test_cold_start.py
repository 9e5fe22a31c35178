"""What functions load when they start: no more than is recorded, and nothing that only others need."""

from __future__ import annotations

import json
import sysconfig
from pathlib import Path

import pytest

from benchmarks import cold_start

RECORD: dict[str, float] = json.loads(cold_start.RECORD.read_text())
PACKAGES = Path(sysconfig.get_path("purelib"))


@pytest.mark.campaign
def test_no_function_loads_a_tenth_more_than_is_recorded() -> None:
    assert cold_start.grown(RECORD, cold_start.weights()) == []


def test_what_grows_is_told() -> None:
    assert cold_start.grown({"a": 100, "b": 100}, {"a": 110, "b": 111}) == ["b grew from 100 to 111"]
    assert cold_start.grown({}, {"c": 1}) == ["c has no record"]


@pytest.mark.parametrize("function", ["object_created", "sweep", "tasks"])
def test_functions_of_events_load_nothing_that_only_requests_need(function: str) -> None:
    imports = cold_start.functions()[function]
    files = cold_start.start([cold_start.ROOT, PACKAGES], function, imports).files
    loaded = {Path(file).relative_to(PACKAGES).parts[0] for file in files if file.startswith(str(PACKAGES))}
    assert {"botocore", "pydantic"} <= loaded
    assert loaded & {"argon2", "boto3", "httpx", "jwt", "prometheus_client", "uvicorn"} == set()
    assert [file for file in files if file.endswith("chalicelib/api.py")] == []


@pytest.mark.campaign
def test_starts_do_as_little_as_is_recorded_and_the_package_is_as_small() -> None:
    with cold_start.packaged() as (folder, sizes):
        now = cold_start.packaged_weights(folder, sizes)
    assert cold_start.grown(RECORD, now) == []
    assert cold_start.unpacked(sizes) < cold_start.AIM_BYTES
