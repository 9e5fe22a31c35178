"""N2, N3: what would be lost is counted as far as one question may look, and no further."""

from __future__ import annotations

from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.registry.losses import MOST_ROWS

from .library import Library


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
