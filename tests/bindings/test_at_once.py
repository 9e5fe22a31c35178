"""The limits and names of bindings hold whoever comes at once, and whatever breaks off (B1, B2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from chalicelib.bindings.environments import Environments
from chalicelib.bindings.models import Environment, Service
from chalicelib.bindings.services import Services
from chalicelib.bindings.shapes import NamedQuery, NewBinding, NewEnvironment, NewService, NewVersion
from chalicelib.bindings.versions import Versions
from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import Conflict, InUse, NotFound, QuotaExceeded, Refused, Unavailable
from chalicelib.kernel.names import TagName
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports.stack import Stack
from chalicelib.registry.service import Registry
from tests.faults.ports import FAIL_AFTER, FAIL_BEFORE, Fault, Faults, faulty
from tests.ports_aws.adapters import TABLES
from tests.registry.images import owner_of, push_image
from tests.stacks import TableWith, embedded_stack, make_instance, make_namespace, with_table

THREADS = 12


# moto's transactions are not atomic among threads. CI brings the engine after `make test`.
ENGINE = "dynoxide"


@pytest.fixture(params=["embedded", pytest.param(ENGINE, marks=pytest.mark.campaign)])
def on(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stack]:
    if request.param == ENGINE and ENGINE not in TABLES:
        pytest.skip("no table engine: run .ci/install-emulators")
    with embedded_stack(tmp_path) as opened:
        if request.param == "embedded":
            yield opened
            return
        with TABLES[ENGINE](tmp_path) as table:
            yield with_table(opened, table)


def at_once(work: Callable[[int], object], times: int = THREADS) -> Counter[str]:
    """What became of each: `done`, or the class of its refusal."""

    def outcome(number: int) -> str:
        while True:
            try:
                work(number)
            except Unavailable:
                # A client tries again.
                continue
            except Refused as refused:
                return type(refused).__name__
            return "done"

    with ThreadPoolExecutor(times) as threads:
        return Counter(threads.map(outcome, range(times)))


def environment(stack: Stack, instance: Instance, name: str = "dev", namespace: str = "") -> Environment:
    new = NewEnvironment.model_validate({"name": name, "namespace": namespace})
    return Environments(stack).create(instance, new, "ada")


def service(stack: Stack, home: Environment, instance: Instance, name: str) -> Service:
    return Services(stack).create(home, NewService.model_validate({"name": name}), instance, "ada")


def stands(stack: Stack) -> tuple[int, list[str]]:
    """How many services the environment says it has, and those it has."""
    home = Environments(stack).get("default", "dev")
    return home.services, [str(one.name) for one in Services(stack).page(home, NamedQuery(limit=100)).items]


def test_of_twelve_services_at_once_five_are_made(on: Stack) -> None:
    """B1"""
    instance = make_instance(on)
    home = environment(on, instance)
    assert at_once(lambda number: service(on, home, instance, f"s-{number}")) == {"done": 5, "QuotaExceeded": 7}
    count, names = stands(on)
    assert (count, len(names)) == (5, 5)


def test_of_services_of_one_name_at_once_one_is_made(on: Stack) -> None:
    """B1, B2: and one repository."""
    instance = make_instance(on)
    home = environment(on, instance)
    assert at_once(lambda _: service(on, home, instance, "web"), 8) == {"done": 1, "Conflict": 7}
    assert stands(on) == (1, ["web"])


def test_environments_that_ask_for_different_namespaces_at_once_get_one(stack: Stack) -> None:
    """B2"""
    instance = make_instance(stack)
    made = at_once(lambda number: environment(stack, instance, f"e-{number}", f"tcb-{number % 3}"))
    kept = Environments(stack).page("default", NamedQuery(limit=100)).items
    assert made["done"] == len(kept) >= 1
    assert made["done"] + made["Conflict"] == THREADS
    assert len({one.namespace for one in kept}) == 1
    wanted = {one.name for one in Namespaces(stack).list(instance.id).items}
    assert {str(one.namespace) for one in kept} <= wanted


def test_places_are_counted_right_while_services_come_and_go(stack: Stack) -> None:
    """B1"""
    instance = make_instance(stack)
    home = environment(stack, instance)

    def come_and_go(number: int) -> None:
        for round_ in range(4):
            try:
                made = service(stack, home, instance, f"s-{(number + round_) % 7}")
            except (QuotaExceeded, Conflict):
                continue
            if round_ % 2:
                Services(stack).delete(made)

    at_once(come_and_go, 8)
    count, names = stands(stack)
    assert count == len(names) <= 5


def test_an_environment_goes_or_gets_a_service_never_both(stack: Stack) -> None:
    """B1"""
    instance = make_instance(stack)
    for _ in range(6):
        home = environment(stack, instance)
        outcomes = at_once(
            lambda number, home=home: (  # type: ignore[misc]
                Environments(stack).delete(home) if number % 2 else service(stack, home, instance, "web")
            ),
            2,
        )
        assert outcomes["done"] == 1, outcomes
        try:
            home = Environments(stack).get("default", "dev")
        except NotFound:
            continue
        with pytest.raises(InUse):
            Environments(stack).delete(home)
        Services(stack).delete(Services(stack).get(home, "web"))
        Environments(stack).delete(Environments(stack).get("default", "dev"))


def test_a_deletion_that_broke_off_is_shown_and_goes_on(stack: Stack) -> None:
    """B4: nothing comes to the service meanwhile, and its place is free at the end."""
    instance = make_instance(stack)
    home, first = environment(stack, instance), NewVersion.model_validate({"name": "one", "tag": "v1"})
    versions, services = Versions(stack), Services(stack)
    counted = service(stack, home, instance, "web")
    push_image(Registry(stack), owner_of(instance), b"a layer", name=counted.repository)
    repository, half_way = services.repository(instance, counted), 0
    versions.create(counted, repository, first, "ada")
    for call, kind in broken_calls(stack, lambda on: Services(on).delete(counted)):
        made = service(stack, home, instance, "web")
        versions.create(made, repository, first, "ada")
        with suppress(Unavailable):
            Services(faulty(stack, Faults({call: kind}))).delete(made)
        with suppress(NotFound):
            standing = services.get(home, "web")
            half_way += standing.deleting
            second = NewVersion.model_validate({"name": f"v-{call}", "tag": "v1"})
            if standing.deleting:
                with pytest.raises(Conflict):
                    versions.create(standing, repository, second, "ada")
            services.delete(standing)
        assert stands(stack) == (0, [])
    assert half_way


def test_a_deletion_that_is_overtaken_takes_nothing_from_the_next_service_of_the_name(stack: Stack) -> None:
    """B4"""
    instance = make_instance(stack)
    home, version = environment(stack, instance), NewVersion.model_validate({"name": "one", "tag": "v1"})
    versions, services = Versions(stack), Services(stack)
    made = service(stack, home, instance, "web")
    push_image(Registry(stack), owner_of(instance), b"a layer", name=made.repository)
    repository = services.repository(instance, made)
    versions.create(made, repository, version, "ada")
    quicker = iter([made])

    def deleted_and_made_anew() -> None:
        for rival in quicker:
            services.delete(rival)
            versions.create(service(stack, home, instance, "web"), repository, version, "ada")

    Services(with_table(stack, TableWith(stack.table, deleted_and_made_anew))).delete(made)
    standing = services.get(home, "web")
    assert standing.versions == len(versions.page(standing, NamedQuery(limit=10)).items) == 1


def test_an_answer_that_got_lost_leaves_one_service_or_none(stack: Stack) -> None:
    """B1: whichever call fails, before its effect or after it."""
    instance = make_instance(stack)
    home = environment(stack, instance)
    made = service(stack, home, instance, "web")
    Services(stack).delete(made)
    for call, kind in broken_calls(stack, lambda on: service(on, home, instance, "other")):
        for standing in Services(stack).page(home, NamedQuery(limit=10)).items:
            Services(stack).delete(standing)
        with suppress(Unavailable):
            service(faulty(stack, Faults({call: kind})), home, instance, "web")
        with suppress(Conflict):
            service(stack, home, instance, "web")
        assert stands(stack) == (1, ["web"])


def broken_calls(stack: Stack, work: Callable[[Stack], object]) -> list[tuple[int, Fault]]:
    """Each call of a store that the work makes, failing before it takes effect and after."""
    counted = Faults({})
    work(faulty(stack, counted))
    return [(call, kind) for call in range(1, len(counted.calls) + 1) for kind in (FAIL_BEFORE, FAIL_AFTER)]


def test_versions_of_a_service_have_a_limit(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """B3"""
    monkeypatch.setattr("chalicelib.bindings.versions.MOST_VERSIONS", 3)
    instance = make_instance(stack)
    made = service(stack, environment(stack, instance), instance, "web")
    push_image(Registry(stack), owner_of(instance), b"a layer", name=made.repository)
    repository = Services(stack).repository(instance, made)
    new = [NewVersion(name=f"v-{number}", tag=TagName("v1")) for number in range(THREADS)]  # type: ignore[arg-type]
    outcomes = at_once(lambda number: Versions(stack).create(made, repository, new[number], "ada"))
    assert outcomes == {"done": 3, "QuotaExceeded": 9}


def test_a_binding_says_by_default_nothing_but_its_mode() -> None:
    """B2"""
    assert NewService.model_validate({"name": "web"}).binding == NewBinding(mode="default")


def test_the_limits_hold_one_after_another(on: Stack) -> None:
    """B1–B4: conditions and transactions mean on DynamoDB what they mean on one machine."""
    instance = make_instance(on)
    home = environment(on, instance)
    made = [service(on, home, instance, f"s-{number}") for number in range(5)]
    with pytest.raises(Conflict):
        service(on, home, instance, "s-0")
    with pytest.raises(QuotaExceeded):
        service(on, home, instance, "s-5")
    push_image(Registry(on), owner_of(instance), b"a layer", name=made[0].repository)
    repository, versions = Services(on).repository(instance, made[0]), Versions(on)
    versions.create(made[0], repository, NewVersion.model_validate({"name": "one", "tag": "v1"}), "ada")
    with pytest.raises(InUse):
        Environments(on).delete(home)
    for one in made:
        Services(on).delete(one)
    assert versions.page(made[0], NamedQuery(limit=10)).items == ()
    assert service(on, home, instance, "s-0").reused
    assert stands(on) == (1, ["s-0"])


def test_a_namespace_that_another_chose_meanwhile_is_everybodys(stack: Stack) -> None:
    """B2"""
    instance = make_instance(stack)
    for name in ("tcb-first", "tcb-second"):
        make_namespace(stack, instance, name)
    rivals = iter(["rival"])

    def quicker() -> None:
        for name in rivals:
            environment(stack, instance, name, "tcb-second")

    raced = with_table(stack, TableWith(stack.table, quicker))
    assert environment(raced, instance).namespace == "tcb-second"
    with pytest.raises(Conflict):
        environment(stack, instance, "third", "tcb-first")
