"""S1, R6. A push into a namespace that wants scans is scanned once, however often and late its events come."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from chalicelib.collection.service import Fsck
from tests.registry.library import Library
from tests.scanning.shelf import DEBIAN, PYTHON, Shelf
from tests.stacks import FrozenClock, embedded_stack, make_instance, make_namespace

from .mangling import Mangled

# Minutes until what was lost has been found again.
ROUNDS = 15


@pytest.mark.parametrize("seed", range(4))
def test_a_push_is_scanned_once(seed: int, tmp_path: Path, clock: FrozenClock) -> None:
    with embedded_stack(tmp_path, clock) as plain:
        mangled = Mangled(plain, clock, seed)
        stack = mangled.stack
        instance = make_instance(stack, bucket=stack.settings.bucket)
        make_namespace(stack, instance, scan_on_push=True)
        shelf = Shelf(Library(stack, instance))
        shelf.import_database()
        pushed = [shelf.push(DEBIAN, PYTHON, tag="v1"), shelf.push(DEBIAN, tag="v2")]
        mangled.rest(ROUNDS)
        tasks = shelf.api.get("/instances/ci/tasks", kind="scan").json()["items"]
        assert Counter(task["subject"]["digest"] for task in tasks) == Counter(pushed)
        assert {task["state"] for task in tasks} == {"succeeded"}
        assert [shelf.record(digest).state for digest in pushed] == ["succeeded", "succeeded"]
        assert mangled.lost > 0, "nothing was lost, so nothing is shown"
        assert list(Fsck(stack).run()) == []
