"""Y1, R6. What is pushed is brought where a synchronisation rule says by one task for each push, however often and late
its events come; and the youngest push is what stands there in the end."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from chalicelib.collection.service import Fsck
from chalicelib.kernel.names import RepositoryName
from chalicelib.registry.service import Registry
from tests.management import Api
from tests.registry.images import image, owner_of, push_blob, push_manifest
from tests.stacks import FrozenClock, embedded_stack, make_instance, make_namespace

from .mangling import Mangled

# Minutes until what was lost has been found again.
ROUNDS = 15
SOURCE = RepositoryName("library/app")


@pytest.mark.parametrize("seed", range(3))
def test_each_push_is_brought_once_and_the_youngest_stays(seed: int, tmp_path: Path, clock: FrozenClock) -> None:
    with embedded_stack(tmp_path, clock) as plain:
        mangled = Mangled(plain, clock, seed)
        stack = mangled.stack
        instance = make_instance(stack, bucket=stack.settings.bucket)
        for name in ("library", "shipped"):
            make_namespace(stack, instance, name)
        api, caller, registry = Api.signed_in(stack), owner_of(instance), Registry(stack)
        rule = {"name": "ship", "source_namespace": "library", "target_instance": "ci", "target_namespace": "shipped"}
        made = api.post("/instances/ci/sync-rules", {**rule, "override": True})
        assert made.status == 201, made.text

        digests = {}
        for tag, layer in (("v1", b"one"), ("v1", b"two"), ("v2", b"two"), ("v1", b"three")):
            for data in (b"{}", layer):
                push_blob(registry, caller, data, SOURCE)
            digests[tag] = push_manifest(registry, caller, image(layer), tag, name=SOURCE).digest
            clock.advance(0.5)
        mangled.rest(ROUNDS)

        tasks = api.get("/instances/ci/sync-tasks", rule=made.json()["id"], limit=100).json()["items"]
        assert {task["state"] for task in tasks} == {"succeeded"}
        assert len(tasks) == 4, "one for each push"
        where = "/instances/ci/namespaces/shipped/repositories/app/tags"
        arrived = api.get(where).json()["items"]
        assert {tag["tag"]: tag["digest"] for tag in arrived} == digests
        for tag in digests:
            moves = Counter(line["digest"] for line in api.get(f"{where}/{tag}/history").json()["items"])
            assert set(moves.values()) == {1}, "nothing was brought twice"

        assert mangled.lost > 0, "nothing was lost, so nothing is shown"
        assert list(Fsck(stack).run()) == []
