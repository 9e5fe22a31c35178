"""A1: the names of companions, the mark on their originals, and that one never stands without the other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.collection.service import Fsck
from chalicelib.kernel.errors import NotFound, TagImmutable, TagReserved
from chalicelib.kernel.names import TagName
from chalicelib.namespaces.models import NamespaceEdit
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports.stack import Stack
from chalicelib.registry.companions import BY, CompanionNameTaken, OriginalMoved
from chalicelib.registry.models import Acceleration
from chalicelib.registry.service import Registry
from chalicelib.repositories.models import RepositoryEdit
from chalicelib.repositories.service import Repositories
from tests.immutability.ruled import rule
from tests.stacks import TableWith, with_table

from .companions import accelerate, original, push_companion, running
from .images import NAME
from .library import Library
from .wire import MANIFEST, Wire


@pytest.fixture
def library(stack: Stack) -> Iterator[Library]:
    """Whatever a test does, nothing is lost, leaked or miscounted at its end."""
    yield Library.opened(stack)
    assert list(Fsck(stack, deep=True).run()) == []


def switch(library: Library, where: str, *, on: bool) -> None:
    if where == "namespace":
        Namespaces(library.stack).edit(library.instance, "library", NamespaceEdit(acceleration=on))
    else:
        Repositories(library.stack).edit(library.instance, NAME, RepositoryEdit(acceleration=on))


def retire(library: Library, tag: str = "v1") -> bool:
    return library.registry.retire_companion(library.instance, library.repository(), TagName(tag))


def test_the_push_of_a_companion_marks_its_original(library: Library) -> None:
    """A1, A3"""
    library.push("v1")
    digest = accelerate(library)
    marked, companion = original(library), original(library, "v1-accelerated")
    assert marked.acceleration == Acceleration(state="succeeded", digest=digest, size=companion.size)
    assert (companion.digest, companion.pushed_by, companion.acceleration) == (digest, BY, None)


def test_the_next_push_of_a_tag_takes_its_mark_away(library: Library) -> None:
    """A1: what was said of one version is never said of another; the same digest pushed again is another push."""
    for layers in ((b"one",), (b"one",), (b"two",)):
        library.push("v1", layers=layers)
        assert original(library).acceleration is None
        assert running(library)
        assert original(library).acceleration == Acceleration(state="running", task="T")


def test_a_mark_is_noted_only_at_the_push_that_it_is_about(library: Library) -> None:
    """A1: neither on a later push, nor on a tag that was deleted, nor on one made anew."""
    mark = Acceleration(state="failed", reason="foreign_layer", message="a layer is elsewhere")
    library.push("v1")
    seen = original(library)
    library.push("v1", layers=(b"two",))
    assert not library.registry.mark_tag(seen, mark)
    assert original(library).acceleration is None
    seen = original(library)
    library.registry.delete(library.owner, NAME, TagName("v1"))
    assert not library.registry.mark_tag(seen, mark)
    with pytest.raises(NotFound):
        original(library)
    library.push("v1", layers=(b"two",))
    assert not library.registry.mark_tag(seen, mark)


@pytest.mark.parametrize("moved", ["before", "meanwhile", "deleted"])
def test_no_companion_comes_to_an_original_that_moved(library: Library, moved: str) -> None:
    """A1: also where the push comes between look and write."""
    library.push("v1")
    converted = original(library)

    def quicker() -> None:
        if original(library).push == converted.push:
            library.push("v1", layers=(b"two",))

    registry = library.registry
    if moved == "before":
        quicker()
    elif moved == "deleted":
        library.registry.delete(library.owner, NAME, TagName("v1"))
    else:
        registry = Registry(with_table(library.stack, TableWith(library.stack.table, quicker)))
    with pytest.raises(OriginalMoved):
        push_companion(library, converted, registry)
    with pytest.raises(NotFound):
        original(library, "v1-accelerated")


def test_a_tag_of_somebody_else_is_never_overwritten(library: Library) -> None:
    """A1: the conversion is told so, and its original gets no mark."""
    mine = library.push("v1", "v1-accelerated")
    with pytest.raises(CompanionNameTaken):
        accelerate(library)
    assert original(library, "v1-accelerated").digest == mine
    assert original(library).acceleration is None


@pytest.mark.parametrize("where", ["namespace", "repository"])
def test_a_name_that_acceleration_may_need_is_refused_where_it_is_switched_on(library: Library, where: str) -> None:
    """A1: a push says why and what to do, whether it comes by tag, with others, as a copy or as a rollback."""
    first = library.push("v1", "v1-accelerated")
    library.push("v1-accelerated", layers=(b"two",))
    switch(library, where, on=True)
    with pytest.raises(TagReserved) as refused:
        library.push("v2", "v1-accelerated")
    assert refused.value.detail == {"repository": NAME, "tag": "v1-accelerated", "original": "v1"}
    assert "push another name, or turn acceleration off" in refused.value.message
    with pytest.raises(NotFound):
        original(library, "v2")
    api = library.api()
    copied = api.post(library.path("/tags/v1/copies"), {"tag": "v3-accelerated"})
    back = api.post(library.path("/tags/v1-accelerated/rollback"), {"digest": first})
    assert {(answer.status, answer.code) for answer in (copied, back)} == {(409, "TAG_RESERVED")}
    switch(library, where, on=False)
    assert library.push("v1-accelerated") == first


def test_nobody_moves_a_companion_though_acceleration_is_off(library: Library) -> None:
    """A1: not even to where it is, after which it would be nobody's companion."""
    first = library.push("v1")
    digest = accelerate(library)
    for layers in ((b"two",), (b"lazy",)):
        with pytest.raises(TagReserved):
            library.push("v1-accelerated", layers=layers)
    assert original(library, "v1-accelerated").digest == digest
    library.registry.delete(library.owner, NAME, TagName("v1-accelerated"))
    assert library.push("v1-accelerated") == first


def test_a_companion_that_comes_between_look_and_write_is_not_overwritten(library: Library) -> None:
    """A1: the transaction of the push meets what was judged, or it is judged anew."""
    library.push("v1")
    made: list[str] = []

    def quicker() -> None:
        if not made:
            made.append(accelerate(library))

    late = Library(with_table(library.stack, TableWith(library.stack.table, quicker)), library.instance)
    with pytest.raises(TagReserved):
        late.push("v1-accelerated", layers=(b"one", b"two"))
    assert original(library, "v1-accelerated").digest == made[0]


@pytest.mark.parametrize(
    ("path", "more"),
    [
        (
            "/instances/ci/credentials",
            {"permissions": [{"namespaces": "**", "repositories": "**", "actions": ["pull"]}]},
        ),
        ("/users", {"role": "developer", "password": "long enough, and 123"}),
    ],
)
def test_nobody_has_a_login_of_the_name_that_companions_are_pushed_by(
    library: Library, path: str, more: dict[str, object]
) -> None:
    """A1: names of users and robots hold no colon."""
    answer = library.api().post(path, {"username": BY, **more})
    assert answer.status == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["username"]


def test_the_companion_of_an_immutable_original_is_made_but_not_moved(library: Library) -> None:
    """A1, P1"""
    library.push("v1")
    rule(library, "v1")
    first = accelerate(library)
    with pytest.raises(TagImmutable):
        accelerate(library, layer=b"other")
    assert accelerate(library) == first


def test_a_companion_goes_that_its_original_does_not_name(library: Library) -> None:
    """A1: the original was pushed since, or is gone; one that is named stays, as does somebody's own tag."""
    library.push("v1", "v2", "v2-accelerated")
    assert not retire(library)
    accelerate(library)
    assert not retire(library)
    library.push("v1", layers=(b"two",))
    rule(library, "v1")
    assert retire(library)
    with pytest.raises(NotFound):
        original(library, "v1-accelerated")
    (entry,) = library.api().get("/instances/ci/recycle-bin").json()["items"]
    assert (entry["name"], entry["deleted_by"]) == ("v1-accelerated", BY)
    assert not retire(library, "v2")
    assert original(library, "v2-accelerated")


def test_a_companion_that_its_original_comes_to_name_meanwhile_stays(library: Library) -> None:
    """A1"""
    library.push("v1")
    accelerate(library)
    library.push("v1", layers=(b"two",))

    def quicker() -> None:
        if original(library).acceleration is None:
            accelerate(library)

    registry = Registry(with_table(library.stack, TableWith(library.stack.table, quicker)))
    assert not registry.retire_companion(library.instance, library.repository(), TagName("v1"))
    assert original(library, "v1-accelerated").digest == original(library).acceleration.digest  # type: ignore[union-attr]


def test_registry_clients_are_told_what_the_name_is_for(wire: Wire) -> None:
    """A1, R5: status, code and message are those that they print; programs read the detail."""
    body, served = wire.push_image("library/app", "v1"), Library(wire.stack, wire.instance)
    accelerate(served)
    path, headers = "/v2/library/app/manifests/v1-accelerated", {"Content-Type": MANIFEST}
    answer = wire.ask("PUT", path, headers=headers, content=body)
    (problem,) = answer.json()["errors"]
    assert (answer.status_code, problem["code"]) == (409, "DENIED")
    assert problem["message"] == (
        "the name v1-accelerated of library/app belongs to the accelerated version of v1; push another name, or turn "
        "acceleration off and delete that version"
    )
    assert problem["detail"] == {
        "reason": "TAG_RESERVED",
        "repository": "library/app",
        "tag": "v1-accelerated",
        "original": "v1",
    }
