"""Opening, finding and counting instances."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import Conflict, InstanceFrozen, NameInvalid, NotFound
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import ConditionFailed
from tests.stacks import BUCKET, FrozenClock, embedded_stack, make_instance

GIB = 1024**3


def test_an_instance_is_found_at_its_own_host_name(stack: Stack) -> None:
    """I7"""
    make_instance(stack, "default")
    instance = make_instance(stack, "team-a")
    host = Instances(stack).public_address(instance)
    assert host == f"team-a-{instance.id[-8:].lower()}.localhost:5000"
    for spelling in (host, host.upper(), host.partition(":")[0], host.replace(":5000", ".:5000")):
        assert Instances(stack).find(spelling, 5000) == instance


def test_any_other_host_name_means_the_default_instance_on_one_machine(stack: Stack) -> None:
    default = make_instance(stack, "default")
    for host in ("127.0.0.1:5000", "[::1]:5000", "registry.example", "gone-00000000.localhost", "", "x" * 5000):
        assert Instances(stack).find(host, 5000) == default


def test_a_default_instance_of_another_account_takes_no_strangers(stack: Stack) -> None:
    make_instance(stack, "default", account_id="other")
    with pytest.raises(NotFound):
        Instances(stack).find("127.0.0.1:5000", 5000)


def test_on_several_machines_an_unknown_host_name_is_nobody(stack: Stack) -> None:
    make_instance(stack, "default")
    elsewhere = replace(stack, settings=stack.settings.model_copy(update={"stack": "aws"}))
    for host in ("127.0.0.1:5000", "gone-00000000.localhost"):
        with pytest.raises(NotFound):
            Instances(elsewhere).find(host, 5000)


def test_a_port_of_its_own_means_its_instance_whatever_the_host_header_says(tmp_path: Path) -> None:
    with embedded_stack(tmp_path) as stack:
        default, own = make_instance(stack, "default"), make_instance(stack, "own")
    with embedded_stack(tmp_path, instance_ports=f"{own.id}=5001") as stack:
        instances = Instances(stack)
        assert instances.find(instances.public_address(default), 5001) == own
        assert instances.find("127.0.0.1:5001", 5000) == default
        assert instances.public_address(own).endswith(".localhost:5001")


@pytest.mark.parametrize("text", ["x", "x=", "x=0", "x=65536", "x=²", "x=-1"])
def test_a_malformed_list_of_ports_is_refused_at_the_start(tmp_path: Path, text: str) -> None:
    with embedded_stack(tmp_path, instance_ports=text) as stack, pytest.raises(ValueError, match="CRS_INSTANCE_PORTS"):
        Instances(stack)


def test_a_name_is_unique_in_its_account_alone(stack: Stack) -> None:
    """I2"""
    first = make_instance(stack, "ci")
    with pytest.raises(Conflict):
        make_instance(stack, "ci")
    other = make_instance(stack, "ci", account_id="other")
    assert {found.id for found in Instances(stack).every()} == {first.id, other.id}


def test_instances_opened_in_the_same_moment_have_host_names_of_their_own(stack: Stack) -> None:
    """I7: the beginning of an id is its time, which accounts share."""
    labels = {make_instance(stack, "ci", account_id=f"account-{number}").label for number in range(20)}
    assert len(labels) == 20


def test_a_bad_name_opens_nothing(stack: Stack) -> None:
    with pytest.raises(NameInvalid):
        make_instance(stack, "Bad Name")
    assert Instances(stack).every() == []


def test_of_many_openings_at_once_one_succeeds(stack: Stack) -> None:
    """I2"""

    def open_one(_: int) -> bool:
        try:
            make_instance(stack, "ci")
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(open_one, range(16))) == 1
    assert len(Instances(stack).every()) == 1


def test_an_expired_instance_is_frozen_before_anybody_says_so(stack: Stack, clock: FrozenClock) -> None:
    """I6"""
    instance = make_instance(stack, expires_at=clock.now() + timedelta(days=30))
    instances = Instances(stack)
    clock.advance(30 * 86400 - 1)
    instances.require_running(instance)
    clock.advance(1)
    with pytest.raises(InstanceFrozen):
        instances.require_running(instance)
    with pytest.raises(InstanceFrozen):
        instances.require_running(make_instance(stack, "other").model_copy(update={"state": "releasing"}))


def test_a_record_comes_back_as_it_was_written(stack: Stack, clock: FrozenClock) -> None:
    instance = make_instance(stack, "ci", "personal", expires_at=clock.now() + timedelta(days=1))
    assert Instances(stack).get(instance.id) == instance
    assert Instances(stack).named("default", "ci") == instance


def test_a_personal_instance_takes_exactly_its_ten_gibibytes(stack: Stack) -> None:
    """I1: k uploads at once, and no byte more than the quota."""
    instances = Instances(stack)
    instance = make_instance(stack, "small", "personal")

    def store(number: int) -> bool:
        try:
            stack.table.update(instances.storage_change(instance, f"sha256:{number}", GIB))
        except ConditionFailed:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(store, range(24))) == 10
    assert instances.usage(instance).storage.used == 10 * GIB
    stack.table.update(instances.storage_change(instance, "sha256:1", -GIB))
    assert not store(99) or instances.usage(instance).storage.used == 10 * GIB
    with pytest.raises(ConditionFailed):
        stack.table.update(instances.storage_change(instance, "sha256:2", 11 * GIB))


def test_an_enterprise_instance_counts_bytes_without_a_limit(stack: Stack) -> None:
    """I1, I7"""
    instances = Instances(stack)
    instance = make_instance(stack)
    for number in range(40):
        stack.table.update(instances.storage_change(instance, f"sha256:{number}", 1000 * GIB))
    storage = instances.usage(instance).storage
    assert (storage.used, storage.limit) == (40_000 * GIB, None)


def test_the_internal_address_exists_where_its_listener_does(tmp_path: Path) -> None:
    """I7, G2"""
    with embedded_stack(tmp_path) as stack:
        instance = make_instance(stack)
        assert Instances(stack).internal_address(instance) is None
    with embedded_stack(tmp_path, internal_port=5100, port=443, domain="crs.example") as stack:
        assert Instances(stack).internal_address(instance) == f"{instance.label}.crs.example:5100"
        assert Instances(stack).public_address(instance) == f"{instance.label}.crs.example"


def test_addresses_name_the_load_balancers_port_where_one_stands_before(tmp_path: Path) -> None:
    """I7: containers listen at ports of their own."""
    with embedded_stack(tmp_path, port=5000, internal_port=5001, told_port=443, told_internal_port=443) as stack:
        instance = make_instance(stack)
        assert Instances(stack).public_address(instance) == f"{instance.label}.localhost"
        assert Instances(stack).internal_address(instance) == f"{instance.label}.localhost"
    with embedded_stack(tmp_path, internal_port=5001, told_internal_port=0) as stack:
        assert Instances(stack).internal_address(instance) is None


def test_what_goes_with_the_opening_is_made_with_it_or_not_at_all(stack: Stack) -> None:
    """I2: one transaction."""
    first = make_instance(stack)
    instances = Instances(stack)
    with pytest.raises(Conflict):
        instances.create(
            name="other",
            edition="enterprise",
            bucket=BUCKET,
            account_id="default",
            also=lambda _: [instances.count_change(first, namespaces=first.namespace_limit + 1)],
        )
    assert instances.every() == [first]
