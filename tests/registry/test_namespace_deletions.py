"""N2: namespaces are deleted through the API, with all their repositories, in the background."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.collection.service import Fsck
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import NotFound, RepositoryMissing
from chalicelib.kernel.names import RepositoryName, TagName
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Update
from chalicelib.registry.models import BinEntry
from chalicelib.registry.namespace_retirement import NamespaceRetirement
from tests.background import run_tasks
from tests.stacks import FrozenClock, make_namespace

from .images import NAME
from .library import DAY, OTHER, Library, gone_for_good


@pytest.fixture
def library(stack: Stack) -> Library:
    return Library.opened(stack)


@pytest.fixture(autouse=True)
def whole_afterwards(stack: Stack) -> Iterator[None]:
    """Whatever a test does, nothing is lost, leaked or miscounted at its end."""
    yield
    assert list(Fsck(stack, deep=True).run()) == []


def test_deleting_a_namespace_asks_first_and_says_what_goes(library: Library) -> None:
    """N2"""
    library.push("v1", "v2")
    library.push("v1", name=OTHER)
    asked = library.api().delete("/instances/ci/namespaces/library")
    assert asked.status == 428
    assert "2 repositories, 3 tags, 2 manifests" in asked.json()["detail"]
    assert library.api().get("/instances/ci/namespaces/library").status == 200


def test_a_deleted_namespace_is_missing_at_once_and_its_name_free_when_the_task_is_done(
    library: Library, clock: FrozenClock
) -> None:
    """N2, X1"""
    library.push("v1")
    library.push("v1", name=OTHER)
    api = library.api()
    answer = api.delete("/instances/ci/namespaces/library", confirm="library")
    assert (answer.status, answer.json()["kind"], answer.json()["cancellable"]) == (202, "deletion", False)
    assert api.get("/instances/ci/namespaces/library").status == 404
    assert api.get(library.path("/tags")).status == 404
    assert api.get("/instances/ci/namespaces").json()["items"] == []
    with pytest.raises(NotFound):
        library.registry.pull(library.owner, NAME, TagName("v1"))
    with pytest.raises(RepositoryMissing):
        library.registry.start_upload(library.owner, RepositoryName("library/third"))
    assert api.delete("/instances/ci/namespaces/library", confirm="library").status == 404
    assert api.post("/instances/ci/namespaces", {"name": "library"}).status == 409
    assert list(Fsck(library.stack, deep=True).run()) == []
    run_tasks(library.stack)
    task = api.get(answer.headers["Location"].removeprefix("/api/v1")).json()
    assert (task["state"], task["progress"]["done"], task["progress"]["total"]) == ("succeeded", 2, 2)
    usage = Instances(library.stack).usage(library.instance)
    assert (usage.namespaces.used, usage.repositories.used) == (0, 0)
    assert api.post("/instances/ci/namespaces", {"name": "library"}).status == 201
    assert api.get("/instances/ci/namespaces/library/repositories").json()["items"] == []
    entries = library.stack.table.query(keys.bin_partition(library.instance.id), prefix="ENTRY#").items
    assert [(entry["kind"], entry["name"]) for entry in entries] == [("namespace", "library")]
    gone_for_good(library, clock)
    assert library.stack.table.query(keys.bin_partition(library.instance.id)).items == ()


def test_a_namespace_of_many_repositories_goes_step_by_step(library: Library, clock: FrozenClock) -> None:
    """N2"""
    api = library.api()
    for number in range(60):
        path = "/instances/ci/namespaces/library/repositories"
        assert api.post(path, {"name": f"r{number}"}).status == 201
    api.delete("/instances/ci/namespaces/library", confirm="library")
    assert run_tasks(library.stack) == 4
    assert Instances(library.stack).usage(library.instance).repositories.used == 0
    gone_for_good(library, clock)


def test_a_namespaces_entry_stays_until_all_its_repositories_are_on_their_way_out(
    library: Library, clock: FrozenClock
) -> None:
    """N2: only the entry leads to them."""
    library.push("v1")
    pointer = keys.repository_by_id(library.repository().id)
    library.api().delete("/instances/ci/namespaces/library", confirm="library")
    run_tasks(library.stack)
    (entry,) = library.stack.table.query(keys.bin_partition(library.instance.id), prefix="ENTRY#").items
    (part,) = library.stack.table.query(keys.bin_partition(library.instance.id), prefix="PART#").items
    clock.advance(8 * DAY)
    library.stack.table.update(Update(pointer, set={"entry": "somebody is at it"}))
    for _ in range(3):
        NamespaceRetirement(library.stack).expire(BinEntry.model_validate(entry))
    assert library.stack.table.get(keys.bin_entry(library.instance.id, entry["id"])) is not None
    library.stack.table.update(Update(pointer, set={"entry": part["id"]}))
    gone_for_good(library, clock)
    assert library.stack.table.query(keys.bin_partition(library.instance.id)).items == ()


def test_an_empty_namespace_goes_too(library: Library, stack: Stack) -> None:
    make_namespace(stack, library.instance, "empty")
    assert library.api().delete("/instances/ci/namespaces/empty", confirm="empty").status == 202
    run_tasks(stack)
    assert Instances(stack).usage(library.instance).namespaces.used == 1
