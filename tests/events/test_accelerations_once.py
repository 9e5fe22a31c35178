"""A1, R6. A push into a namespace that wants accelerated images has one companion, made by one task, however often and
late its events come."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from chalicelib.collection.service import Fsck
from chalicelib.ports import acceleration_keys as keys
from tests.registry.library import Library
from tests.scanning.shelf import DEBIAN, PYTHON, Shelf
from tests.stacks import FrozenClock, embedded_stack, make_instance, make_namespace

from .mangling import Mangled

# Minutes until what was lost has been found again.
ROUNDS = 15


@pytest.mark.parametrize("seed", range(3))
def test_a_push_is_accelerated_once(seed: int, tmp_path: Path, clock: FrozenClock) -> None:
    """Also the tag that moves while it is converted: its first version leaves nothing behind."""
    with embedded_stack(tmp_path, clock) as plain:
        mangled = Mangled(plain, clock, seed)
        stack = mangled.stack
        instance = make_instance(stack, bucket=stack.settings.bucket)
        make_namespace(stack, instance, acceleration=True)
        shelf = Shelf(Library(stack, instance))
        moved = shelf.push(PYTHON, tag="v1")
        pushed = {"v1": shelf.push(DEBIAN, PYTHON, tag="v1"), "v2": shelf.push(DEBIAN, tag="v2")}
        mangled.rest(ROUNDS)

        tasks = shelf.api.get("/instances/ci/tasks", kind="acceleration").json()["items"]
        by_digest = Counter(task["subject"]["digest"] for task in tasks)
        assert {by_digest[digest] for digest in pushed.values()} == {1}
        assert by_digest[moved] <= 1
        ended = {task["state"] for task in tasks if task["subject"]["digest"] != moved}
        assert ended == {"succeeded"}

        tags = {tag["tag"]: tag for tag in shelf.api.get(shelf.library.path("/tags")).json()["items"]}
        assert set(tags) == {"v1", "v2", "v1-accelerated", "v2-accelerated"}
        assert {name for name, tag in tags.items() if tag["accelerated"]} == {"v1-accelerated", "v2-accelerated"}
        for name, digest in pushed.items():
            assert (tags[name]["digest"], tags[name]["acceleration"]["state"]) == (digest, "succeeded")
            history = shelf.api.get(shelf.library.path(f"/tags/{name}-accelerated/history")).json()["items"]
            assert len({line["digest"] for line in history}) == len(history) == 1
        rows = stack.table.query(keys.conversions_partition(instance.id), prefix="LAYER#").items
        assert {row["state"] for row in rows} == {"succeeded"}
        assert len(rows) == 2, "two layers, whatever images have them"

        assert mangled.lost > 0, "nothing was lost, so nothing is shown"
        assert list(Fsck(stack).run()) == []
