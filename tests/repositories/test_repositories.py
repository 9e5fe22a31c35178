"""Making, finding, listing and editing repositories."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import Conflict, NotFound, QuotaExceeded, RepositoryMissing
from chalicelib.kernel.names import RepositoryName
from chalicelib.kernel.principal import ANONYMOUS, Action, Principal
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import OutcomeUnknown, Table, Write
from chalicelib.repositories.models import Repository, RepositoryEdit
from chalicelib.repositories.service import Repositories
from tests.stacks import TableWith, embedded_stack, make_instance, make_namespace, with_table


@pytest.fixture
def instance(stack: Stack) -> Instance:
    made = make_instance(stack, "small", "personal")
    make_namespace(stack, made, "library", default_visibility="public")
    make_namespace(stack, made, "closed", auto_create_repository=False)
    return made


def name(text: str) -> RepositoryName:
    return RepositoryName.parse(text)


def used(stack: Stack, instance: Instance) -> int:
    return Instances(stack).usage(instance).repositories.used


def test_a_push_makes_the_repository_where_its_namespace_says_so(stack: Stack, instance: Instance) -> None:
    """N1, N3"""
    made = Repositories(stack).ensure(instance, name("library/nginx/arm"), "admin")
    assert (made.visibility, made.created_by, made.name) == ("public", "admin", "library/nginx/arm")
    assert Repositories(stack).ensure(instance, made.name, "other") == made
    assert Repositories(stack).by_id(made.id) == made
    assert used(stack, instance) == 1


@pytest.mark.parametrize("missing", ["closed/nginx", "nowhere/nginx"])
def test_a_push_elsewhere_is_told_to_make_the_repository_first(stack: Stack, instance: Instance, missing: str) -> None:
    """N1, R5"""
    with pytest.raises(RepositoryMissing):
        Repositories(stack).ensure(instance, name(missing), "admin")
    assert used(stack, instance) == 0


def test_pushes_at_once_make_one_repository_and_count_it_once(stack: Stack, instance: Instance) -> None:
    """N1, I7"""
    with ThreadPoolExecutor(16) as threads:
        made = list(threads.map(lambda _: Repositories(stack).ensure(instance, name("library/x"), "admin"), range(32)))
    assert len({repository.id for repository in made}) == 1
    assert used(stack, instance) == 1


def test_who_finds_a_rival_quicker_gets_the_rivals_repository(stack: Stack, instance: Instance) -> None:
    """N1"""
    rival = Repositories(stack)
    late = with_table(stack, TableWith(stack.table, lambda: made.append(rival.ensure(instance, wanted, "rival"))))
    made: list[Repository] = []
    wanted = name("library/x")
    assert Repositories(late).ensure(instance, wanted, "admin") == made[0]
    assert used(stack, instance) == 1


def test_a_namespace_that_goes_meanwhile_takes_no_repository(stack: Stack, instance: Instance) -> None:
    """N1, N2"""
    key = keys.namespace(instance.id, "library")
    late = with_table(stack, TableWith(stack.table, lambda: stack.table.delete(key)))
    with pytest.raises(NotFound):
        Repositories(late).ensure(instance, name("library/x"), "admin")
    assert used(stack, instance) == 0
    assert Repositories(stack).list(instance.id).items == ()


def test_an_unknown_outcome_is_found_out_by_reading(stack: Stack, instance: Instance) -> None:
    """N1: the store made the repository and then did not say so."""
    for took_effect in (True, False):
        silent = with_table(stack, _Silent(stack.table, took_effect))
        wanted = name(f"library/x{took_effect}".lower())
        if took_effect:
            made = Repositories(silent).ensure(instance, wanted, "admin")
            assert Repositories(stack).get(instance.id, wanted) == made
        else:
            with pytest.raises(OutcomeUnknown):
                Repositories(silent).ensure(instance, wanted, "admin")
    assert used(stack, instance) == 1


def test_pushes_at_once_pass_the_quota_by_nothing(stack: Stack, instance: Instance) -> None:
    """I1, I7"""
    small = instance.model_copy(update={"repository_limit": 3})
    seen: list[tuple[object, object]] = []

    def push(number: int) -> bool:
        try:
            Repositories(stack).ensure(small, name(f"library/x{number}"), "admin")
        except QuotaExceeded as refused:
            seen.append((refused.detail["quota"], refused.detail["limit"]))
            return False
        return True

    with ThreadPoolExecutor(16) as threads:
        assert sum(threads.map(push, range(50))) == 3
    assert seen == [("repositories", 3)] * 47
    assert used(stack, small) == 3
    assert len(Repositories(stack).list(small.id).items) == 3


def test_a_full_quota_leaves_pushes_into_what_exists_alone(stack: Stack, instance: Instance) -> None:
    """I7"""
    small = instance.model_copy(update={"repository_limit": 1})
    made = Repositories(stack).ensure(small, name("library/x"), "admin")
    assert Repositories(stack).ensure(small, name("library/x"), "admin") == made


def test_making_one_by_hand_works_where_pushes_may_not(stack: Stack, instance: Instance) -> None:
    """N3"""
    repositories = Repositories(stack)
    made = repositories.create(instance, name("closed/x"), "private", "admin", summary="ours")
    assert repositories.get(instance.id, "closed/x") == made
    with pytest.raises(Conflict):
        repositories.create(instance, name("closed/x"), "public", "admin")
    with pytest.raises(NotFound):
        repositories.create(instance, name("nowhere/x"), "public", "admin")
    assert used(stack, instance) == 1


def test_an_edit_is_seen_at_once_by_name_and_by_id(stack: Stack, instance: Instance) -> None:
    """N3"""
    repositories = Repositories(stack)
    made = repositories.create(instance, name("library/x"), "private", "admin")
    assert repositories.get(instance.id, "library/x") == repositories.by_id(made.id) == made
    edited = repositories.edit(instance, "library/x", RepositoryEdit(visibility="public", summary="ours"))
    assert (edited.visibility, edited.summary) == ("public", "ours")
    assert repositories.get(instance.id, "library/x") == repositories.by_id(made.id) == edited


def test_another_process_sees_an_edit_at_once(tmp_path: Path, stack: Stack, instance: Instance) -> None:
    """N3: what was made private is private from the next request on."""
    Repositories(stack).create(instance, name("library/x"), "public", "admin")
    with embedded_stack(tmp_path) as other:
        assert Repositories(other).get(instance.id, "library/x").visibility == "public"
        Repositories(stack).edit(instance, "library/x", RepositoryEdit(visibility="private"))
        assert Repositories(other).get(instance.id, "library/x").visibility == "private"


def test_an_id_says_nothing_about_a_later_repository_of_its_name(stack: Stack, instance: Instance) -> None:
    """N3"""
    repositories = Repositories(stack)
    first = repositories.create(instance, name("library/x"), "private", "admin")
    stack.table.delete(keys.repository(instance.id, "library/x"))
    second = repositories.create(instance, name("library/x"), "private", "admin")
    assert repositories.by_id(second.id) == second
    with pytest.raises(NotFound):
        repositories.by_id(first.id)


def test_a_list_is_in_name_order_by_prefix_and_from_a_name_on(stack: Stack, instance: Instance) -> None:
    """N3"""
    make_namespace(stack, instance, "library-two")
    repositories = Repositories(stack)
    for text in ("library/b", "library/a", "library/c/d", "library-two/a", "closed/a"):
        repositories.create(instance, name(text), "private", "admin")
    everything = [repository.name for repository in repositories.list(instance.id).items]
    assert everything == sorted(["library/b", "library/a", "library/c/d", "library-two/a", "closed/a"])
    first = repositories.list(instance.id, prefix="library/", limit=2)
    assert [repository.name for repository in first.items] == ["library/a", "library/b"]
    rest = repositories.list(instance.id, prefix="library/", cursor=first.next)
    assert [repository.name for repository in rest.items] == ["library/c/d"]
    after = repositories.list(instance.id, prefix="library/", after=name("library/a"))
    assert [repository.name for repository in after.items] == ["library/b", "library/c/d"]


def test_a_name_without_repository_allows_what_a_push_would_need(stack: Stack, instance: Instance) -> None:
    """R2, R5, N1: also where a push will be refused, for only the push can be told why."""
    admin = Principal("primary", "admin", instance.id, 1)
    permitted = Repositories(stack).permitted
    for missing in ("library/new", "closed/new", "nowhere/new"):
        assert permitted(admin, instance, name(missing)) == ("", frozenset({Action.PULL, Action.PUSH}))
    assert permitted(ANONYMOUS, instance, name("library/new")) == ("", frozenset())


def test_a_name_with_repository_allows_what_may_be_done(stack: Stack, instance: Instance) -> None:
    """R2, N3"""
    admin = Principal("primary", "admin", instance.id, 1)
    repositories = Repositories(stack)
    open_one = repositories.create(instance, name("library/open"), "public", "admin")
    private = repositories.create(instance, name("library/private"), "private", "admin")
    assert repositories.permitted(admin, instance, private.name) == (private.id, frozenset(Action))
    assert repositories.permitted(ANONYMOUS, instance, open_one.name) == (open_one.id, frozenset({Action.PULL}))
    assert repositories.permitted(ANONYMOUS, instance, private.name) == (private.id, frozenset())


def test_a_path_of_the_api_names_a_repository_by_id_or_short_name(stack: Stack, instance: Instance) -> None:
    """N3"""
    repositories = Repositories(stack)
    plain = repositories.create(instance, name("library/x"), "private", "admin")
    deep = repositories.create(instance, name("library/x/y"), "private", "admin")
    assert repositories.of_namespace(instance, "library", "x") == plain
    assert repositories.of_namespace(instance, "library", plain.id) == plain
    assert repositories.of_namespace(instance, "library", deep.id) == deep


def test_what_is_missing_elsewhere_or_foreign_is_refused_in_the_same_words(stack: Stack, instance: Instance) -> None:
    """N3, G5"""
    repositories = Repositories(stack)
    made = repositories.create(instance, name("library/x"), "private", "admin")
    deep = repositories.create(instance, name("library/x/y"), "private", "admin")
    other = make_instance(stack, "other")
    make_namespace(stack, other, "library")
    words = set()
    for where, namespace, ref in [
        (instance, "library", "z"),
        (instance, "nowhere", "x"),
        (instance, "closed", made.id),
        (instance, "library", "x/y"),
        (instance, "library", deep.id[:-1]),
        (instance, "library", "Ü" * 512),
        (instance, "library/x", "y"),
        (instance, "library/x", deep.id),
        (other, "library", "x"),
        (other, "library", made.id),
    ]:
        with pytest.raises(NotFound) as refused:
            repositories.of_namespace(where, namespace, ref)
        words.add((refused.value.message, str(refused.value.detail)))
    assert len(words) == 1


def test_the_first_push_says_what_a_repository_holds(stack: Stack, instance: Instance) -> None:
    """H1"""
    repositories = Repositories(stack)
    made = repositories.create(instance, name("library/x"), "private", "admin")
    repositories.mark_kind(made, "chart")
    repositories.mark_kind(made, "image")
    assert repositories.get(instance.id, "library/x").kind == "chart"
    gone = made.model_copy(update={"id": "01J00000000000000000000000", "name": name("library/gone")})
    repositories.mark_kind(gone, "image")
    with pytest.raises(NotFound):
        repositories.get(instance.id, "library/gone")


class _Silent:
    """A table whose transactions end without an answer."""

    def __init__(self, table: Table, takes_effect: bool) -> None:
        self._table = table
        self._takes_effect = takes_effect

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)

    def transact(self, writes: Sequence[Write], *, relaxed: bool = False) -> None:
        if self._takes_effect:
            self._table.transact(writes, relaxed=relaxed)
        raise OutcomeUnknown
