"""X1: repositories and namespaces come back from the recycle bin whole."""

from __future__ import annotations

import pytest

from chalicelib.chain import WORKERS
from chalicelib.collection.service import Fsck, Sweeper
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import NotFound, RepositoryMissing, Unavailable
from chalicelib.kernel.names import RepositoryName
from chalicelib.ports import keys
from chalicelib.registry.namespace_restoration import NamespaceRestoration
from chalicelib.registry.namespace_retirement import NamespaceRetirement
from chalicelib.tasks.service import Tasks
from tests.background import run_background, run_tasks
from tests.registry.images import NAME
from tests.registry.library import DAY, OTHER, Library, gone_for_good
from tests.stacks import FrozenClock, make_namespace

from .bin import delete_namespace, delete_repository, entries, everything, free, lasting, listed, pulled, restore


def settled(library: Library, clock: FrozenClock) -> None:
    """No event is left to be told, nothing is left of uploads, and no grace period runs."""
    library.handle_events()
    clock.advance(8 * DAY)
    run_background(library.stack)


def test_a_repository_comes_back_as_it_was(library: Library, clock: FrozenClock) -> None:
    """X1, N3: visibility, tags, history, shares; every row of the table"""
    library.push("v1", "v2")
    library.push("v1", layers=(b"new",))
    api = library.api()
    api.patch(library.path(), {"visibility": "public", "summary": "An app"})
    api.post(library.path("/shares"), {"account": "guests", "username": "bob"})
    settled(library, clock)
    before = lasting(everything(library.stack))
    delete_repository(library)
    clock.advance(6 * DAY)
    run_background(library.stack)
    api = library.api()
    (entry,) = listed(api)
    assert (entry["kind"], entry["name"], entry["remaining_s"]) == ("repository", NAME, DAY)
    assert restore(api, entry).json()["repository"] == NAME
    assert lasting(everything(library.stack)) == before
    assert Instances(library.stack).usage(library.instance).repositories.used == 1


def test_a_repository_whose_name_is_taken_comes_back_under_another(library: Library) -> None:
    """X1"""
    old = library.push("v1")
    delete_repository(library)
    new = library.push("v1", layers=(b"new",))
    api = library.api()
    (entry,) = listed(api)
    refused = restore(api, entry)
    offered = refused.json()["context"]["free_name"]
    assert (refused.status, offered) == (409, "app-restored")
    assert restore(api, entry, name=offered).status == 200
    moved = RepositoryName(f"library/{offered}")
    assert (pulled(library, "v1"), pulled(library, "v1", moved)) == (new, old)
    assert library.repository(moved).name == moved


def test_a_repository_takes_its_place_in_the_quota_again(library: Library) -> None:
    """X1"""
    library.push("v1")
    delete_repository(library)
    instances = Instances(library.stack)
    full = instances.change(library.instance, repository_limit=0)
    refused = restore(library.api(), listed(library.api())[0])
    assert (refused.status, refused.code, refused.json()["context"]["quota"]) == (403, "QUOTA_EXCEEDED", "repositories")
    instances.change(full, repository_limit=1)
    assert restore(library.api(), listed(library.api())[0]).status == 200


def test_a_repository_comes_back_into_the_namespace_that_has_the_name_now(library: Library) -> None:
    """X1: which may be another one than it left"""
    digest = library.push("v1")
    delete_repository(library)
    api = library.api()
    delete_namespace(library)
    (entry,) = listed(api, kind="repository")
    refused = restore(api, entry)
    assert (refused.status, entry["restorable"]) == (409, False)
    assert "restore or create it first" in refused.json()["detail"]
    made = make_namespace(library.stack, library.instance)
    assert restore(api, entry).status == 200
    assert library.repository().namespace_id == made.id
    assert pulled(library, "v1") == digest


def test_a_namespace_comes_back_as_it_was(library: Library, clock: FrozenClock) -> None:
    """X1, N2: its repositories, switches and rules; every row of the table"""
    for number in range(30):
        library.push("v1", name=RepositoryName(f"library/app-{number:02}"))
    api = library.api()
    rules = {"namespace": "library", "tags": "v*"}
    assert api.post("/instances/ci/immutability-rules", rules).status == 201
    settled(library, clock)
    before = lasting(everything(library.stack))
    delete_namespace(library)
    clock.advance(6 * DAY)
    run_background(library.stack)
    api = library.api()
    (entry,) = listed(api)
    answer = restore(api, entry)
    assert (answer.status, answer.json()["kind"], answer.json()["cancellable"]) == (202, "restoration", False)
    assert list(Fsck(library.stack, deep=True).run()) == []
    task = answer.headers["Location"].removeprefix("/api/v1")
    assert restore(api, entry).headers["Location"] == answer.headers["Location"]
    run_tasks(library.stack)
    progress = api.get(task).json()["progress"]
    assert (progress["done"], progress["total"], api.get(task).json()["state"]) == (30, 30, "succeeded")
    assert lasting(everything(library.stack)) == before


def test_a_namespace_on_its_way_back_answers_like_missing(library: Library, clock: FrozenClock) -> None:
    """X1: and nobody frees it, deletes it or makes another, however long that takes"""
    library.push("v1")
    library.push("v1", name=OTHER)
    delete_namespace(library)
    api = library.api()
    (entry,) = listed(api)
    restore(api, entry)
    assert api.get("/instances/ci/namespaces/library").status == 404
    assert api.post("/instances/ci/namespaces", {"name": "library"}).status == 409
    with pytest.raises(NotFound):
        pulled(library, "v1")
    with pytest.raises(RepositoryMissing):
        library.push("v1")
    assert free(api, entry).status == 409
    clock.advance(9 * DAY)
    Sweeper(library.stack).run()
    assert [one["reason"] for one in listed(library.api())] == ["it is being restored"]
    run_tasks(library.stack)
    assert pulled(library, "v1") == pulled(library, "v1", OTHER)
    assert Instances(library.stack).usage(library.instance).repositories.used == 2


def test_a_namespace_whose_name_is_taken_comes_back_under_another_with_all_in_it(library: Library) -> None:
    """X1"""
    digest = library.push("v1")
    delete_namespace(library)
    make_namespace(library.stack, library.instance)
    api = library.api()
    (entry,) = listed(api)
    refused = restore(api, entry)
    offered = refused.json()["context"]["free_name"]
    assert (refused.status, offered) == (409, "library-restored")
    assert restore(api, entry, name="l" * 64).status == 202
    run_tasks(library.stack)
    moved = RepositoryName(f"{'l' * 64}/app")
    assert pulled(library, "v1", moved) == digest
    assert library.repository(moved).namespace_id == api.get(f"/instances/ci/namespaces/{'l' * 64}").json()["id"]


def test_a_name_that_makes_those_of_repositories_too_long_is_refused(library: Library) -> None:
    library.push("v1", name=RepositoryName("library/" + "a" * 200))
    delete_namespace(library)
    refused = restore(library.api(), listed(library.api())[0], name="b" * 64)
    assert (refused.status, refused.json()["errors"][0]["field"]) == (400, "name")


@pytest.mark.parametrize("limits", [{"namespace_limit": 0}, {"repository_limit": 1}])
def test_a_namespace_takes_its_places_in_the_quota_at_once_or_not_at_all(
    library: Library, limits: dict[str, int]
) -> None:
    """X1"""
    library.push("v1")
    library.push("v1", name=OTHER)
    delete_namespace(library)
    Instances(library.stack).change(library.instance, **limits)
    refused = restore(library.api(), listed(library.api())[0])
    (quota,) = (name.replace("_limit", "").replace("space", "spaces").replace("tory", "tories") for name in limits)
    assert (refused.code, refused.json()["context"]["quota"]) == ("QUOTA_EXCEEDED", quota)
    run_tasks(library.stack)
    assert Instances(library.stack).usage(library.instance).namespaces.used == 0


def test_a_namespace_that_is_not_whole_yet_is_neither_restored_nor_freed(library: Library) -> None:
    """X1"""
    library.push("v1")
    library.api().delete("/instances/ci/namespaces/library", confirm="library")
    (entry,) = listed(library.api())
    assert entry["reason"] == "it is still being deleted"
    assert (restore(library.api(), entry).status, free(library.api(), entry).status) == (409, 409)
    run_tasks(library.stack)


def test_a_frozen_instance_halts_what_it_was_restoring(library: Library, clock: FrozenClock) -> None:
    """I6"""
    library.push("v1")
    delete_namespace(library)
    (entry,) = listed(library.api())
    restore(library.api(), entry)
    instances = Instances(library.stack)
    frozen = instances.change(library.instance, expires_at=clock.now())
    run_tasks(library.stack)
    assert library.stack.table.get(keys.bin_entry(library.instance.id, entry["id"])) is not None
    instances.change(frozen, expires_at=None)
    clock.advance(601)
    run_background(library.stack)
    assert pulled(library, "v1")


def test_two_steps_of_one_restoration_at_once_do_it_once(library: Library, clock: FrozenClock) -> None:
    """X1: the second begins where the claim of the first ran out while it was still at work."""
    library.push("v1")
    library.push("v1", name=OTHER)
    delete_namespace(library)
    (entry,) = entries(library.stack, library.instance)
    task = NamespaceRestoration(library.stack).restore(library.instance, entry, "ann")
    for _ in range(2):
        NamespaceRestoration(library.stack).carry_out(task)
        NamespaceRestoration(library.stack).carry_out(task)
    usage = Instances(library.stack).usage(library.instance)
    assert (usage.namespaces.used, usage.repositories.used, usage.storage.binned) == (1, 2, 0)


def test_a_deletion_that_slept_through_the_restoring_takes_nothing_along(library: Library) -> None:
    """X1: a step of the deletion that was read before the bin was whole, and goes on afterwards."""
    library.push("v1")
    delete_namespace(library)
    (entry,) = entries(library.stack, library.instance)
    begun = entry.model_copy(update={"whole": False})
    NamespaceRestoration(library.stack).restore(library.instance, entry, "ann")
    run_tasks(library.stack)
    row = library.stack.table.get(keys.repository(library.instance.id, NAME))
    assert row is not None
    with pytest.raises(Unavailable):
        NamespaceRetirement(library.stack)._retire(library.instance, row, begun)
    NamespaceRetirement(library.stack)._leave(library.instance, begun)
    assert pulled(library, "v1")


def test_a_restoration_that_was_given_up_goes_on_when_it_is_asked_for_again(library: Library) -> None:
    """X1"""
    library.push("v1")
    delete_namespace(library)
    (entry,) = listed(library.api())
    task_id = restore(library.api(), entry).json()["id"]
    tasks = Tasks(library.stack)
    tasks._end(tasks.get(library.instance.id, task_id), "failed", "for a test")
    assert [finding.message for finding in Fsck(library.stack).run()] == [
        "is being restored, and no task goes on with it; retry the task"
    ]
    assert restore(library.api(), entry).json()["id"] == task_id
    assert set(WORKERS) >= {"restoration"}
    run_tasks(library.stack)
    assert pulled(library, "v1")


def test_restored_and_deleted_again_everything_goes_for_good(library: Library, clock: FrozenClock) -> None:
    """X1: rules too"""
    library.push("v1")
    library.push("v1", name=OTHER)
    api = library.api()
    rules = {"namespace": "library", "tags": "v*"}
    assert api.post("/instances/ci/immutability-rules", rules).status == 201
    for _ in range(2):
        delete_namespace(library)
        restore(api, listed(api)[0])
        run_tasks(library.stack)
    delete_namespace(library)
    gone_for_good(library, clock)
    rows = everything(library.stack)
    assert [key for key in rows if key[0].startswith(("BIN#", "POLICY#", "REPO#", "BLOB#"))] == []
