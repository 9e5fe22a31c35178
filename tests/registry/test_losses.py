"""N2, N3: what would be lost is counted as far as one question may look, and no further."""

from __future__ import annotations

from chalicelib.kernel.names import RepositoryName
from chalicelib.kernel.roles import Role
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.registry.losses import MOST_ROWS
from tests.recycling.bin import listed

from .library import Library


def test_what_would_be_lost_is_told_to_whoever_asks_and_is_what_the_warning_says(stack: Stack) -> None:
    """N2, N3, X1, G1: asking leaves nothing in the record"""
    library = Library.opened(stack)
    library.push("v1", "v2")
    library.push("v1", name=RepositoryName("library/gone"))
    api, namespace = library.api(), "/instances/ci/namespaces/library"
    api.delete(f"{namespace}/repositories/gone", confirm="gone")
    (entry,) = listed(api)
    paths = (namespace, library.path(), f"/instances/ci/recycle-bin/{entry['id']}")
    before = api.get("/instances/ci/audit-events").json()["items"]
    told = [api.get(f"{path}/losses").json() for path in paths]
    assert api.get("/instances/ci/audit-events").json()["items"] == before
    warned = [api.delete(path).json()["context"] for path in paths]
    for asked, warning in zip(told, warned, strict=True):
        assert {**dict.fromkeys(asked), **warning} == {**dict.fromkeys(warning), **asked}
    assert [(one["tags"], one["manifests"]) for one in told] == [(2, 1), (2, 1), (1, 1)]


def test_only_who_may_delete_is_told_what_would_be_lost(stack: Stack) -> None:
    """G5: it counts thousands of rows"""
    library = Library.opened(stack)
    library.push("v1")
    for path in ("/instances/ci/namespaces/library", library.path()):
        assert library.api(Role.READER).get(f"{path}/losses").code == "DENIED"
        assert library.api(Role.DEVELOPER).get(f"{path}/losses").status == 200


def test_what_holds_more_than_can_be_counted_is_said_to_hold_at_least_that(stack: Stack) -> None:
    """N2: nor does the task claim to know how many there are."""
    library = Library.opened(stack)
    library.push("v1")
    (row,) = stack.table.query(keys.repository_partition(library.repository().id), prefix="TAG#").items
    more = [{**row, **keys.tag(library.repository().id, f"v1-{n}")._asdict()} for n in range(MOST_ROWS)]
    stack.table.put_many(more, relaxed=True)
    path = "/instances/ci/namespaces/library"
    assert f"with at least 1 repository, {MOST_ROWS} tags" in library.api().delete(path).json()["detail"]
    assert f"with at least {MOST_ROWS} tags" in library.api().delete(library.path()).json()["detail"]
    assert library.api().delete(path, confirm="library").json()["progress"]["total"] is None
