"""N3, N5: tags and repositories are deleted through the API; what nothing needs goes in its time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.collection.service import Fsck
from chalicelib.instances.service import Instances
from chalicelib.kernel import media
from chalicelib.kernel.errors import NotFound, UploadUnknown
from chalicelib.kernel.names import Digest, TagName
from chalicelib.kernel.roles import Role
from chalicelib.ports import acceleration_keys, keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Put, Update, Write, absent, equals
from chalicelib.registry.bin_entries import BinEntries
from chalicelib.registry.models import BinEntry
from chalicelib.registry.service import Registry
from tests.background import run_background, run_tasks
from tests.stacks import FrozenClock

from .images import NAME, descriptor, image, index, push_blob, push_manifest
from .library import DAY, OTHER, Library, gone_for_good


@pytest.fixture
def library(stack: Stack) -> Library:
    return Library.opened(stack)


@pytest.fixture(autouse=True)
def whole_afterwards(stack: Stack) -> Iterator[None]:
    """Whatever a test does, nothing is lost, leaked or miscounted at its end."""
    yield
    assert list(Fsck(stack, deep=True).run()) == []


def rows_of(stack: Stack, repository_id: str) -> list[str]:
    return [row["sk"] for row in stack.table.query(keys.repository_partition(repository_id), limit=1000).items]


def names(answer: Any, key: str, field: str) -> list[str]:
    return sorted(one[field] for one in answer.json()[key])


# Tags


def test_a_deleted_tag_says_what_goes_and_which_siblings_stay(library: Library, clock: FrozenClock) -> None:
    """N5"""
    shared = library.push("v1", "v2", layers=(b"base", b"app"))
    alone = library.push("old", layers=(b"base", b"old app"))
    first = library.api().delete(library.path("/tags/v1"))
    assert first.status == 200
    assert first.json()["tags"] == [{"tag": "v1", "digest": shared}]
    assert (first.json()["digests"], first.json()["bytes"]) == ([], 0)
    assert first.json()["siblings"] == [{"tag": "v2", "digest": shared}]
    second = library.api().delete(library.path("/tags/old")).json()
    assert [one["digest"] for one in second["digests"]] == [alone]
    assert second["bytes"] == len(b"old app")
    assert second["restorable_until"] is not None
    before = Instances(library.stack).usage(library.instance).storage.used
    clock.advance(8 * DAY)
    run_background(library.stack)
    assert before - Instances(library.stack).usage(library.instance).storage.used == second["bytes"]
    assert Registry(library.stack).pull(library.owner, NAME, TagName("v2")).digest == shared


def test_a_dry_run_deletes_nothing_and_tells_the_same(library: Library) -> None:
    """N5"""
    library.push("v1", "v2")
    library.push("v3", layers=(b"one", b"three"))
    told = library.api().post(library.path("/tag-deletions"), {"tags": ["v1", "v2", "nope"], "dry_run": True})
    assert told.status == 200
    assert (names(told, "tags", "tag"), told.json()["missing"], told.json()["dry_run"]) == (
        ["v1", "v2"],
        ["nope"],
        True,
    )
    assert told.json()["restorable_until"] is None
    assert library.api().get(library.path("/tags/v1")).status == 200
    done = library.api().post(library.path("/tag-deletions"), {"tags": ["v1", "v2", "nope"]})
    changed = ("dry_run", "restorable_until")
    assert {k: v for k, v in done.json().items() if k not in changed} == {
        k: v for k, v in told.json().items() if k not in changed
    }
    assert library.api().get(library.path("/tags")).json()["items"][0]["tag"] == "v3"


def test_a_dry_run_is_no_deed_but_its_refusal_is_recorded(library: Library) -> None:
    """G1, N5"""
    library.push("v1")
    order = {"tags": ["v1"], "dry_run": True}
    assert library.api().post(library.path("/tag-deletions"), order).status == 200
    assert library.api(Role.READER).post(library.path("/tag-deletions"), order).status == 403
    told = [
        (one["action"], one["user"], one["result"])
        for path in ("/audit-events", "/instances/ci/audit-events")
        for one in library.api().get(path, object_type="tag").json()["items"]
    ]
    assert told == [("delete", "reader", "DENIED")]


@pytest.mark.parametrize("count", [1, 101])
def test_all_that_match_are_deleted_as_a_dry_run_saw_them_or_not_at_all(library: Library, count: int) -> None:
    """N5: at once and by a task, which leaves alone what comes to match meanwhile"""
    for first in range(0, count, 20):
        library.push(*[f"v{number}" for number in range(first, min(first + 20, count))])
    order: dict[str, Any] = {"all_matching": {"prefix": "v"}}
    path = library.path("/tag-deletions")
    seen = library.api().post(path, {**order, "dry_run": True}).json()["seen"]
    library.push("very-new")
    refused = library.api().post(path, {**order, "seen": seen})
    assert (refused.status, refused.code) == (409, "CONFLICT")
    assert "what matches has changed" in refused.json()["detail"]
    run_tasks(library.stack)
    assert len(library.api().get(library.path("/tags"), limit=200).json()["items"]) == count + 1
    seen = library.api().post(path, {**order, "dry_run": True}).json()["seen"]
    assert library.api().post(path, {**order, "seen": seen}).status == (200 if count == 1 else 202)
    library.push("very-newest")
    run_tasks(library.stack)
    assert [one["tag"] for one in library.api().get(library.path("/tags")).json()["items"]] == ["very-newest"]


def test_a_rule_that_is_gone_by_then_lets_nothing_go_that_was_to_stay(library: Library) -> None:
    """N5, P1"""
    library.push("v1", "v2")
    rule = library.api().post("/instances/ci/immutability-rules", {"namespace": "library", "tags": "v2"}).json()
    order: dict[str, Any] = {"all_matching": {}}
    told = library.api().post(library.path("/tag-deletions"), {**order, "dry_run": True}).json()
    assert [one["tag"] for one in told["kept"]] == ["v2"]
    assert library.api().delete(f"/instances/ci/immutability-rules/{rule['id']}").status == 204
    assert library.api().post(library.path("/tag-deletions"), {**order, "seen": told["seen"]}).status == 409
    assert library.api().post(library.path("/tag-deletions"), {"tags": ["v1"], "seen": told["seen"]}).status == 400


def test_an_index_takes_its_children_and_what_refers_to_them_along(library: Library, clock: FrozenClock) -> None:
    """N5"""
    arm, intel = library.push(layers=(b"arm",)), library.push(layers=(b"intel",))
    intel_too = library.push("intel", layers=(b"intel",))
    assert intel_too == intel
    both = library.push_index((arm, "linux/arm64"), (intel, "linux/amd64"), tag="v1")
    body = library.registry.pull(library.owner, NAME, arm).body
    note = image(config=b"{}", subject=descriptor(body, media.OCI_MANIFEST), artifactType="application/x.note")
    push_blob(library.registry, library.owner, b"{}")
    signature = push_manifest(library.registry, library.owner, note).digest
    told = library.api().post(library.path("/tag-deletions"), {"tags": ["v1"], "dry_run": True})
    assert names(told, "digests", "digest") == sorted([both, arm, signature])
    assert told.json()["bytes"] == len(b"arm") + len(b"{}")
    assert library.api().delete(library.path("/tags/v1")).json()["bytes"] == told.json()["bytes"]
    before = Instances(library.stack).usage(library.instance).storage.used
    for _ in range(3):
        clock.advance(8 * DAY)
        run_background(library.stack)
    assert before - Instances(library.stack).usage(library.instance).storage.used == told.json()["bytes"]
    assert library.registry.pull(library.owner, NAME, TagName("intel")).digest == intel


def test_what_another_repository_needs_is_not_counted_as_going(library: Library) -> None:
    """N5"""
    library.push("v1", layers=(b"base", b"app"))
    library.push("v1", layers=(b"base",), name=OTHER)
    told = library.api().post(library.path("/tag-deletions"), {"all_matching": {"prefix": "v"}, "dry_run": True})
    assert told.json()["bytes"] == len(b"app")


def test_many_tags_are_deleted_by_a_task_that_leaves_later_pushes_alone(library: Library, clock: FrozenClock) -> None:
    """N5"""
    for number in range(0, 120, 15):
        library.push(*[f"ci-{number + n}" for n in range(15)], layers=(b"%d" % number,))
    kept = library.push("v1", layers=(b"kept",))
    answer = library.api().post(library.path("/tag-deletions"), {"all_matching": {"search": "i-"}})
    assert answer.status == 202
    clock.advance(1)
    library.push("ci-7", layers=(b"newer",))
    run_tasks(library.stack)
    task = library.api().get(answer.headers["Location"].removeprefix("/api/v1")).json()
    assert (task["state"], task["kind"], task["progress"]["done"]) == ("succeeded", "deletion", 120)
    items = library.api().get(f"/instances/ci/tasks/{task['id']}/items", limit=200, verdict="skipped").json()["items"]
    assert [(one["tag"], one["reason"]) for one in items] == [("ci-7", "it was pushed meanwhile")]
    left = library.api().get(library.path("/tags")).json()["items"]
    assert [(row["tag"], row["digest"]) for row in left if row["tag"] == "v1"] == [("v1", kept)]
    assert {row["tag"] for row in left} == {"v1", "ci-7"}


def test_more_than_a_hundred_named_tags_are_a_task(library: Library) -> None:
    """N5"""
    tags = [f"t{number}" for number in range(105)]
    for start in range(0, 105, 15):
        library.push(*tags[start : start + 15])
    answer = library.api().post(library.path("/tag-deletions"), {"tags": [*tags, "nope", "t0"]})
    assert answer.status == 202
    run_tasks(library.stack)
    assert library.api().get(library.path("/tags")).json()["items"] == []
    path = f"/instances/ci/tasks/{answer.json()['id']}"
    task = library.api().get(path).json()
    assert (task["state"], task["progress"]["done"], task["progress"]["total"]) == ("succeeded", 106, 106)
    skipped = library.api().get(f"{path}/items", verdict="skipped").json()["items"]
    assert [(one["tag"], one["reason"]) for one in skipped] == [("nope", "it is gone")]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"tags": []},
        {"tags": ["v1"], "all_matching": {}},
        {"tags": ["-bad"]},
        {"tags": ["v"] * 1001},
        {"tags": "v1"},
    ],
)
def test_an_order_that_is_no_order_is_refused(library: Library, body: Any) -> None:
    """N5"""
    library.push("v1")
    assert library.api().post(library.path("/tag-deletions"), body).status == 400
    assert library.api().get(library.path("/tags/v1")).status == 200


def test_readers_delete_nothing_and_what_is_missing_is_missing(library: Library) -> None:
    library.push("v1")
    for role in (Role.READER, Role.AUDITOR):
        assert library.api(role).delete(library.path("/tags/v1")).status == 403
        assert library.api(role).delete(library.path(), confirm="app").status == 403
        assert library.api(role).delete("/instances/ci/namespaces/library", confirm="library").status == 403
    assert library.api(Role.DEVELOPER).delete(library.path("/tags/nope")).status == 404
    assert library.api().delete(library.path("/tags/-x")).status == 404
    assert library.api().delete(library.path("", OTHER), confirm="other").status == 404
    assert library.api().delete("/instances/ci/namespaces/nope", confirm="nope").status == 404


# Repositories


def test_deleting_a_repository_asks_first_and_says_what_goes(library: Library) -> None:
    """N3"""
    library.push("v1", "v2")
    asked = library.api().delete(library.path())
    assert (asked.status, asked.code) == (428, "CONFIRMATION_REQUIRED")
    assert "with 2 tags, 1 manifest and" in asked.json()["detail"]
    assert library.api().delete(library.path(), confirm="other").status == 428
    assert library.api().get(library.path()).status == 200


def test_a_deleted_repository_answers_like_one_that_never_was(library: Library) -> None:
    """N3, X1"""
    library.push("v1")
    digest = library.push("v2", layers=(b"two",))
    repository = library.repository()
    assert library.api().delete(library.path(), confirm="app").status == 204
    for path in (library.path(), library.path("/tags/v1"), library.path("/tags")):
        there, never = library.api().get(path), library.api().get(path.replace("app", "never"))
        assert (there.status, there.json()["detail"]) == (404, never.json()["detail"])
    by_id = f"/instances/ci/namespaces/library/repositories/{repository.id}"
    assert library.api().get(by_id).status == 404
    for reference in (TagName("v1"), digest):
        with pytest.raises(NotFound):
            library.registry.pull(library.owner, NAME, reference)
    assert Instances(library.stack).usage(library.instance).repositories.used == 0
    assert library.api().delete(library.path(), confirm="app").status == 404


def test_a_new_repository_of_the_name_holds_nothing_of_the_old_one(library: Library, clock: FrozenClock) -> None:
    """N3"""
    library.push("v1")
    old = library.repository().id
    library.api().delete(library.path(), confirm="app")
    library.push("v2", layers=(b"new",))
    assert [row["tag"] for row in library.api().get(library.path("/tags")).json()["items"]] == ["v2"]
    for days in (8, 2, 2):
        clock.advance(days * DAY)
        run_background(library.stack)
    assert rows_of(library.stack, old) == []
    assert library.registry.pull(library.owner, NAME, TagName("v2"))


def test_a_deleted_repository_can_be_put_back_whole_in_one_transaction(library: Library, clock: FrozenClock) -> None:
    """X1: nothing of its content moved."""
    digest = library.push("v1")
    repository = library.repository()
    before = rows_of(library.stack, repository.id)
    library.api().delete(library.path(), confirm="app")
    assert rows_of(library.stack, repository.id) == before
    (entry,) = library.stack.table.query(keys.bin_partition(library.instance.id)).items
    assert (entry["kind"], entry["name"], entry["deleted_by"]) == ("repository", "library/app", "owner")
    assert entry["record"]["id"] == repository.id
    clock.advance(6 * DAY)
    run_background(library.stack)
    assert rows_of(library.stack, repository.id) == before
    back: list[Write] = [
        Put({**keys.repository(library.instance.id, NAME)._asdict(), **entry["record"]}, absent()),
        Update(keys.repository_by_id(repository.id), remove=("state", "entry"), when=equals("entry", entry["id"])),
        *BinEntries(library.stack).goes([BinEntry.model_validate(entry)]),
        Instances(library.stack).count_change(library.instance, repositories=1),
    ]
    library.stack.table.transact(back)
    assert library.repository() == repository
    assert library.registry.pull(library.owner, NAME, TagName("v1")).digest == digest


def test_a_repository_is_purged_when_its_grace_period_is_over(library: Library, clock: FrozenClock) -> None:
    """X1, X3: indexes, children, referrers, moved and deleted tags, leases, first files: nothing is left of them."""
    arm, intel = library.push(layers=(b"arm",)), library.push("intel", layers=(b"intel",))
    library.push_index((arm, "linux/arm64"), (intel, "linux/amd64"), tag="v1")
    library.push("v2", "moves")
    library.push("moves", "gone", layers=(b"moved",))
    body = library.registry.pull(library.owner, NAME, arm).body
    push_manifest(library.registry, library.owner, index(body, annotations={"n": "1"}), "v3")
    library.registry.delete(library.owner, NAME, TagName("gone"))
    push_blob(library.registry, library.owner, b"uploaded, and never named")
    repository = library.repository().id
    library.stack.table.put({**acceleration_keys.first_files(repository)._asdict(), "files": b"a list"})
    library.api().delete(library.path(), confirm="app")
    clock.advance(7 * DAY - 60)
    push_blob(library.registry, library.owner, b"of another", OTHER)
    for _ in range(5):
        run_background(library.stack)
        assert list(Fsck(library.stack, deep=True).run()) == []
        clock.advance(600)
    gone_for_good(library, clock)
    assert rows_of(library.stack, repository) == []


def test_uploads_under_way_go_into_no_successor(library: Library) -> None:
    """N3"""
    library.push("v1")
    upload = library.registry.start_upload(library.owner, NAME)
    library.api().delete(library.path(), confirm="app")
    with pytest.raises(UploadUnknown):
        library.registry.resume(library.owner, NAME, upload.id, 0)
    library.push("v1")
    with pytest.raises(UploadUnknown):
        library.registry.resume(library.owner, NAME, upload.id, 0)


def test_an_upload_that_ends_after_the_deletion_leaves_nothing(library: Library, clock: FrozenClock) -> None:
    """N3"""
    library.push("v1")
    upload = library.registry.start_upload(library.owner, NAME)
    writer = library.registry.resume(library.owner, NAME, upload.id, 0)
    library.api().delete(library.path(), confirm="app")
    try:
        writer.append(b"late")
        with pytest.raises(UploadUnknown):
            writer.finish(Digest.of(b"late"))
    finally:
        writer.close()
    gone_for_good(library, clock)
