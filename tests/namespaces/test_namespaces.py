"""Making, reading and editing namespaces."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import ValidationError

from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import Conflict, NotFound, QuotaExceeded
from chalicelib.namespaces.models import NamespaceEdit, NewNamespace
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports.stack import Stack
from tests.stacks import make_instance, make_namespace


def test_fifty_creations_at_once_against_a_quota_of_three_leave_exactly_three(stack: Stack) -> None:
    """I1, I7"""
    instance = make_instance(stack, "small", "personal")

    def create(number: int) -> str:
        try:
            make_namespace(stack, instance, f"space-{number}")
        except QuotaExceeded as refused:
            return f"{refused.detail['quota']} {refused.detail['limit']}"
        return "made"

    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(create, range(50)))
    assert answers.count("made") == 3
    assert answers.count("namespaces 3") == 47
    assert len(Namespaces(stack).list(instance.id).items) == 3
    assert Instances(stack).usage(instance).namespaces.used == 3


def test_a_name_taken_is_a_conflict_and_counts_nothing(stack: Stack) -> None:
    """N1"""
    instance = make_instance(stack)
    made = make_namespace(stack, instance, "library")
    with pytest.raises(Conflict):
        make_namespace(stack, instance, "library")
    assert Instances(stack).usage(instance).namespaces.used == 1
    assert Namespaces(stack).get(instance.id, "library") == made


def test_a_taken_name_at_a_used_up_quota_is_still_a_conflict(stack: Stack) -> None:
    """N1: the answer names what the caller can do something about."""
    instance = make_instance(stack, "small", "personal")
    for name in ("one", "two", "three"):
        make_namespace(stack, instance, name)
    with pytest.raises(Conflict):
        make_namespace(stack, instance, "one")


def test_an_edit_changes_what_it_names_and_is_seen_at_once(stack: Stack) -> None:
    """N1"""
    instance = make_instance(stack)
    before = make_namespace(stack, instance)
    namespaces = Namespaces(stack)
    assert namespaces.get(instance.id, "library") == before
    after = namespaces.edit(instance, "library", NamespaceEdit(default_visibility="public", scan_on_push=True))
    assert after == before.model_copy(update={"default_visibility": "public", "scan_on_push": True})
    assert namespaces.get(instance.id, "library") == after
    assert namespaces.edit(instance, "library", NamespaceEdit()) == after


def test_what_is_not_there_is_not_found(stack: Stack) -> None:
    instance, other = make_instance(stack), make_instance(stack, "other")
    make_namespace(stack, other)
    for fresh in (True, False):
        with pytest.raises(NotFound):
            Namespaces(stack).get(instance.id, "library", fresh=fresh)
    with pytest.raises(NotFound):
        Namespaces(stack).edit(instance, "library", NamespaceEdit(acceleration=True))


def test_a_list_has_the_names_in_order_and_pages(stack: Stack) -> None:
    """N1"""
    instance = make_instance(stack)
    names = [f"space-{letter}" for letter in "abcdefg"]
    for name in reversed(names):
        make_namespace(stack, instance, name)
    seen: list[str] = []
    cursor = None
    while True:
        page = Namespaces(stack).list(instance.id, cursor=cursor, limit=3)
        seen += [namespace.name for namespace in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert seen == names


@pytest.mark.parametrize("bad", [{"name": "A"}, {"name": "a/b"}, {"name": "ok", "typo": True}, {}])
def test_bad_input_is_refused_before_anything_happens(bad: dict[str, object]) -> None:
    """N1"""
    with pytest.raises(ValidationError):
        NewNamespace.model_validate(bad)
