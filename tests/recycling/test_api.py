"""X1: the recycle bin as it is listed, and entries that are freed before their time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.instances.service import Instances
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.names import Digest, RepositoryName
from chalicelib.kernel.roles import Role
from chalicelib.ports import keys
from chalicelib.ports.table import Item
from tests.background import run_background
from tests.management import Api
from tests.registry.images import NAME
from tests.registry.library import DAY, OTHER, Library
from tests.stacks import FrozenClock

from .bin import (
    PATH,
    delete_digest,
    delete_namespace,
    delete_repository,
    delete_tag,
    everything,
    free,
    listed,
    pulled,
    restore,
)


def walk(api: Api, **query: object) -> list[str]:
    """The names of all pages, two to a page."""
    found, cursor = list[str](), ""
    while True:
        page = api.get(PATH, limit=2, **query, **({"cursor": cursor} if cursor else {})).json()
        found.extend(entry["name"] for entry in page["items"])
        if not page["next"]:
            return found
        cursor = page["next"]


def test_the_list_comes_whole_newest_first_and_by_kind_and_search(library: Library, clock: FrozenClock) -> None:
    """X1"""
    library.push("v1", "v2", "v3")
    library.push("v1", name=OTHER)
    for tag in ("v1", "v2", "v3"):
        delete_tag(library, tag)
        clock.advance(1)
    delete_repository(library, OTHER)
    api = library.api(Role.READER)
    assert set(walk(api)) == {OTHER, "v3", "v2", "v1"}
    assert walk(api, kind="tag") == [name for name in walk(api) if name != OTHER]
    assert walk(api, kind="repository") == [OTHER] == walk(api, search="other")
    assert walk(api, search="v2") == ["v2"]
    assert len(walk(api, search="library/app")) == 3
    assert walk(api, search="nothing so named") == []
    for query in ({"cursor": "not one"}, {"kind": "bucket"}, {"limit": 0}):
        assert api.get(PATH, **query).status == 400


def test_an_entry_tells_all_there_is_to_know(library: Library, clock: FrozenClock) -> None:
    """X1"""
    digest = library.push("v1", "v2")
    library.handle_events()
    delete_digest(library, digest)
    clock.advance(3600)
    api = library.api()
    (entry,) = listed(api)
    shown = api.get(f"{PATH}/{entry['id']}").json()
    assert shown == entry
    size = api.get("/instances/ci/overview").json()["storage"]["binned"]
    told = {name: value for name, value in shown.items() if name not in ("id", "tags")}
    assert sorted(shown["tags"]) == ["v1", "v2"]
    assert told == {
        "kind": "manifest", "name": digest, "namespace": "library", "repository": NAME, "digest": digest,
        "tag_count": 2, "size": size, "deleted_at": "2026-01-31T08:00:00.000000Z", "deleted_by": "admin",
        "expires_at": "2026-02-07T08:00:00.000000Z", "remaining_s": 7 * DAY - 3600, "restorable": True, "reason": "",
    }  # fmt: skip
    for missing in (new_id(), "x", "a b"):
        assert api.get(f"{PATH}/{missing.replace(' ', '%20')}").status == 404


def test_the_remaining_time_stands_still_with_the_instance(library: Library, clock: FrozenClock) -> None:
    """I6"""
    library.push("v1")
    delete_tag(library, "v1")
    instances = Instances(library.stack)
    instance = instances.change(library.instance, expires_at=clock.now() + timedelta(days=2))
    clock.advance(6 * DAY)
    assert library.api().get(PATH).code == "INSTANCE_FROZEN"
    instances.change(instance, expires_at=clock.now() + timedelta(days=30), stood_still_s=4 * DAY)
    (entry,) = listed(library.api())
    assert (entry["remaining_s"], entry["expires_at"]) == (5 * DAY, "2026-02-11T08:00:00.000000Z")


@pytest.mark.parametrize("kind", ["tag", "manifest", "repository", "namespace"])
def test_freeing_asks_first_says_what_is_lost_and_frees_the_bytes(
    library: Library, clock: FrozenClock, kind: str
) -> None:
    """X1: what another repository shares stays"""
    kept = library.push("v1", name=RepositoryName("other/app")) if _other(library) else Digest("")
    digest = library.push("v1", layers=(b"one", b"mine alone"))
    match kind:
        case "tag":
            delete_tag(library, "v1")
        case "manifest":
            delete_digest(library, digest)
        case "repository":
            delete_repository(library)
        case "namespace":
            delete_namespace(library)
    api = library.api()
    (entry,) = listed(api)
    asked = api.delete(f"{PATH}/{entry['id']}")
    assert (asked.status, asked.code) == (428, "CONFIRMATION_REQUIRED")
    lost = {
        "tag": "tag v1 of library/app and ",
        "manifest": f"manifest {digest} of library/app, 1 tag and ",
        "repository": "repository library/app with 1 tag, 1 manifest and ",
        "namespace": "namespace library with 1 repository, 1 tag, 1 manifest and ",
    }
    assert asked.json()["detail"].startswith(f"this deletes {lost[kind]}")
    assert f"bytes of content for good; confirm with ?confirm={entry['name']}" in asked.json()["detail"]
    assert api.delete(f"{PATH}/{entry['id']}", confirm="something else").status == 428
    assert free(api, entry).status == 204
    assert listed(api) == []
    assert (restore(api, entry).status, free(api, entry).status) == (404, 404)
    assert api.get("/instances/ci/overview").json()["storage"]["binned"] == 0
    for _ in range(2):
        clock.advance(2 * DAY)
        run_background(library.stack)
    sizes = [one.size for one in library.stack.objects("bucket").list(f"{library.instance.id}/blobs/").items]
    assert len(b"mine alone") not in sizes
    assert pulled(library, "v1", RepositoryName("other/app")) == kept


def _other(library: Library) -> bool:
    return (
        library.api().post("/instances/ci/namespaces", {"name": "other", "auto_create_repository": True}).status == 201
    )


def test_a_large_namespace_is_freed_by_the_sweeps(library: Library, clock: FrozenClock) -> None:
    """X1: and does not come back meanwhile"""
    for number in range(3):
        library.push("v1", name=RepositoryName(f"library/app-{number}"))
    delete_namespace(library)
    (entry,) = listed(library.api())
    parts = library.stack.table.query(keys.bin_partition(library.instance.id), prefix="PART#").items
    for row in parts:  # Somebody is at them.
        library.stack.table.put({**_pointer(library, row), "entry": "x"})
    assert free(library.api(), entry).status == 204
    (entry,) = listed(library.api())
    assert (entry["restorable"], entry["reason"]) == (False, "it is being freed")
    assert restore(library.api(), entry).status == 409
    for row in parts:
        library.stack.table.put({**_pointer(library, row), "entry": row["id"]})
    for days in (0, 2, 2):
        clock.advance(days * DAY)
        run_background(library.stack)
    assert listed(library.api()) == []
    assert [key for key in everything(library.stack) if key[0].startswith(("REPO#", "BLOB#"))] == []


def _pointer(library: Library, row: Item) -> dict[str, object]:
    pointer = library.stack.table.get(keys.repository_by_id(row["repository_id"]))
    assert pointer is not None
    return dict(pointer)


def test_what_is_done_in_the_bin_stands_in_the_audit_record(library: Library, clock: FrozenClock) -> None:
    """G1, X1: refusals too"""
    library.push("v1", "v2")
    delete_tag(library, "v1")
    delete_tag(library, "v2")
    api = library.api()
    first, second = listed(api)
    library.push(second["name"], layers=(b"new",))
    restore(api, first)
    restore(api, second)
    free(api, second)
    found = api.get("/instances/ci/audit-events").json()["items"]
    done = {
        (one["action"], one["object_type"], one["object"], one["repository"], one["result"])
        for one in found
        if one["object_type"] == "recycle_bin"
    }
    assert done == {
        ("restore", "recycle_bin", f"tag {first['name']}", NAME, "succeeded"),
        ("restore", "recycle_bin", f"tag {second['name']}", NAME, "CONFLICT"),
        ("delete", "recycle_bin", f"tag {second['name']}", NAME, "succeeded"),
    }


def test_a_restoration_that_is_asked_for_twice_with_one_key_is_done_once(library: Library) -> None:
    """X1: the second answer is the first's"""
    library.push("v1")
    delete_tag(library, "v1")
    api = library.api()
    (entry,) = listed(api)
    path = f"{PATH}/{entry['id']}/restore"
    answers = [api.send("POST", path, {}, None, **{"idempotency-key": "once"}) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()


def test_the_oldest_come_first_where_that_is_asked_for(library: Library) -> None:
    """X1, C1"""
    library.push("v1", "v2")
    delete_tag(library, "v1")
    delete_tag(library, "v2")
    assert [one["name"] for one in listed(library.api(), sort="deleted_at")] == ["v1", "v2"]
    assert [one["name"] for one in listed(library.api())] == ["v2", "v1"]
