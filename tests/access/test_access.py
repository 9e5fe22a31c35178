"""Who gets in by address, and the allowlist that says so."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from chalicelib.access import store
from chalicelib.access.models import Allowlist, Entry
from chalicelib.access.service import MOST_ENTRIES, Access
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import (
    AddressNotAllowed,
    ConfirmationRequired,
    Conflict,
    EditionRequired,
    Invalid,
    NotFound,
)
from chalicelib.kernel.ids import new_id
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Table
from tests.stacks import BUCKET, embedded_stack, make_instance, with_table


@pytest.fixture
def instance(stack: Stack) -> Instance:
    return make_instance(stack)


def test_without_entries_everybody_gets_in(stack: Stack, instance: Instance) -> None:
    """G2"""
    access = Access(stack)
    assert access.check(instance, "203.0.113.9")
    assert access.check(instance, "2001:db8::1")
    assert not access.restricted(instance)


@pytest.mark.parametrize("address", ["", "unknown", "010.0.0.1", "10.0.0.1, 127.0.0.1"])
def test_what_is_no_address_never_gets_in(stack: Stack, instance: Instance, address: str) -> None:
    """G2: not even where everybody does."""
    with pytest.raises(AddressNotAllowed):
        Access(stack).admit(instance, address, internal=False)


def test_an_entry_lets_its_network_in_and_shuts_out_the_rest_at_once(stack: Stack, instance: Instance) -> None:
    """G2"""
    access = Access(stack)
    assert access.check(instance, "203.0.113.9")
    access.add(instance, "192.0.2.0/24", "office")
    access.add(instance, "2001:db8::/32")
    for inside in ("192.0.2.0", "192.0.2.255", "::ffff:192.0.2.7", "2001:db8:ffff::1"):
        access.admit(instance, inside, internal=False)
    for outside in ("192.0.3.0", "203.0.113.9", "::c000:207", "2001:db9::1"):
        with pytest.raises(AddressNotAllowed):
            access.admit(instance, outside, internal=False)
    assert access.restricted(instance)


def test_the_internal_listener_is_not_restricted(stack: Stack, instance: Instance) -> None:
    """G2"""
    access = Access(stack)
    access.add(instance, "192.0.2.0/24")
    access.admit(instance, "203.0.113.9", internal=True)


def test_all_of_ipv4_is_nothing_of_ipv6(stack: Stack, instance: Instance) -> None:
    """G2"""
    access = Access(stack)
    everywhere = access.add(instance, "0.0.0.0/0")
    assert access.check(instance, "203.0.113.9")
    assert access.check(instance, "::ffff:203.0.113.9")
    assert not access.check(instance, "2001:db8::1")
    access.add(instance, "::/0")
    access.remove(instance, everywhere.id)
    assert access.check(instance, "2001:db8::1")
    assert not access.check(instance, "::ffff:203.0.113.9")


def test_one_instance_knows_nothing_of_anothers_list(stack: Stack, instance: Instance) -> None:
    """G2"""
    access = Access(stack)
    access.add(instance, "192.0.2.0/24")
    assert access.check(make_instance(stack, "other"), "203.0.113.9")


def test_the_last_entry_goes_only_when_opening_to_everyone_is_meant(stack: Stack, instance: Instance) -> None:
    """G2"""
    access = Access(stack)
    entry = access.add(instance, "192.0.2.0/24")
    with pytest.raises(ConfirmationRequired):
        access.remove(instance, entry.id)
    assert access.entries(instance) == (entry,)
    access.remove(instance, entry.id, open_to_everyone=True)
    assert access.check(instance, "203.0.113.9")
    with pytest.raises(NotFound):
        access.remove(instance, entry.id, open_to_everyone=True)
    assert access.add(instance, "192.0.2.0/24").cidr == "192.0.2.0/24"


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("192.0.2.7", "192.0.2.7/32"),
        (" 192.0.2.0/255.255.255.0 ", "192.0.2.0/24"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("::1", "::1/128"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
    ],
)
def test_entries_are_kept_in_their_shortest_spelling(stack: Stack, instance: Instance, given: str, stored: str) -> None:
    """G2"""
    access = Access(stack)
    assert access.add(instance, given).cidr == stored
    with pytest.raises(Conflict):
        access.add(instance, stored)


@pytest.mark.parametrize(
    "cidr", ["", "x", "10.0.0.0/33", "10.0.0/8", "010.0.0.0/8", "10.0.0.0/8/8", "x" * 300, "fe80::1%eth0/128"]
)
def test_what_is_no_network_is_refused_by_name(stack: Stack, instance: Instance, cidr: str) -> None:
    """G2"""
    with pytest.raises(Invalid) as refused:
        Access(stack).add(instance, cidr)
    assert refused.value.fields[0][0] == "cidr"
    assert Access(stack).entries(instance) == ()


def test_bits_after_the_prefix_are_refused_with_what_was_meant(stack: Stack, instance: Instance) -> None:
    """G2"""
    with pytest.raises(Invalid, match=r"write 10\.0\.0\.0/8"):
        Access(stack).add(instance, "10.1.2.3/8")


def test_entries_added_at_once_are_all_kept(stack: Stack, instance: Instance) -> None:
    """G2"""
    with ThreadPoolExecutor(4) as threads:
        added = list(threads.map(lambda number: Access(stack).add(instance, f"192.0.2.{number}"), range(8)))
    assert {entry.id for entry in Access(stack).entries(instance)} == {entry.id for entry in added}


def _longest_cidr(number: int) -> str:
    return f"1111:2222:3333:4444:5555:6666:7777:{0x1000 + number:x}/128"


def test_a_list_has_an_end(stack: Stack, instance: Instance) -> None:
    """G2: it stays one item that can be read at once."""
    access = Access(stack)
    entries = tuple(
        Entry(id=new_id(), cidr=_longest_cidr(number), remark="😀" * 200, created_at=stack.clock.now())
        for number in range(MOST_ENTRIES)
    )
    write = store.replacement(instance.id, Allowlist(), Allowlist(entries=entries, version=1))
    stack.table.put(write.item, write.when)
    assert len(access.entries(instance)) == MOST_ENTRIES
    with pytest.raises(Invalid):
        access.add(instance, "192.0.2.0/24")
    with pytest.raises(Invalid):
        access.add(instance, "192.0.2.0/24", "x" * 201)


def test_a_new_enterprise_instance_lets_its_own_machine_in_alone(stack: Stack) -> None:
    """G2"""
    access = Access(stack)
    for name in ("enterprise", "personal"):
        Instances(stack).create(
            name=name,
            edition=name,
            bucket=BUCKET,
            account_id="other",
            also=access.opening,
        )
    enterprise, personal = (Instances(stack).named("other", name) for name in ("enterprise", "personal"))
    assert access.check(enterprise, "127.0.0.1")
    assert not access.check(enterprise, "203.0.113.9")
    assert access.check(personal, "203.0.113.9")


def test_a_personal_instance_has_no_allowlist(stack: Stack) -> None:
    """I3"""
    personal = make_instance(stack, "small", "personal")
    with pytest.raises(EditionRequired):
        Access(stack).add(personal, "192.0.2.0/24")


def test_another_process_keeps_to_a_new_entry_at_once(tmp_path: Path, stack: Stack, instance: Instance) -> None:
    """G2"""
    with embedded_stack(tmp_path) as other:
        assert Access(other).check(instance, "203.0.113.9")
        Access(stack).add(instance, "192.0.2.0/24")
        assert not Access(other).check(instance, "203.0.113.9")


class _NodeTable:
    """The table of one node of several, which serves checks from memory until its epoch passes."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.passed = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)

    def epoch(self) -> object:
        return self.passed


def test_a_removal_is_in_force_on_every_node_when_its_memory_ends(stack: Stack, instance: Instance) -> None:
    """G2: which is 5 s on the AWS stack (`ports/aws/table.py`); what the owner is shown is never from memory."""
    table = _NodeTable(stack.table)
    here, elsewhere = Access(stack), Access(with_table(stack, table))
    here.add(instance, "127.0.0.1/32")
    entry = here.add(instance, "203.0.113.9")
    assert elsewhere.check(instance, "203.0.113.9")
    here.remove(instance, entry.id)
    standing = elsewhere.standing(instance, "203.0.113.9")
    assert standing is not None
    assert not standing.allowed
    table.passed += 1
    assert not elsewhere.check(instance, "203.0.113.9")
