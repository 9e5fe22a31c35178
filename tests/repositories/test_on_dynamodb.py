"""The foundation rooms on DynamoDB (moto in process): one story, one step after another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.access.service import Access
from chalicelib.credentials.service import Credentials
from chalicelib.credentials.token import TokenEndpoint
from chalicelib.identity.throttle import LIMITS
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import (
    AddressNotAllowed,
    Conflict,
    NotFound,
    QuotaExceeded,
    RepositoryMissing,
    Throttled,
    Unauthenticated,
)
from chalicelib.kernel.names import RepositoryName
from chalicelib.kernel.principal import Action, Principal
from chalicelib.kernel.roles import Role
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import ConditionFailed
from chalicelib.repositories.models import RepositoryEdit, RepositoryQuery
from chalicelib.repositories.service import Repositories, may
from chalicelib.sharing.models import NewShare, ShareQuery
from chalicelib.sharing.service import Shares
from tests.ports_aws.adapters import open_moto_table
from tests.stacks import FrozenClock, embedded_stack, make_instance, make_namespace, with_table

HOME, ELSEWHERE = "192.0.2.7", "203.0.113.9"
NAME = RepositoryName.parse("library/x")


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def stack(tmp_path: Path, clock: FrozenClock) -> Iterator[Stack]:
    with embedded_stack(tmp_path, clock) as opened, open_moto_table(tmp_path) as table:
        yield with_table(opened, table)


@pytest.fixture
def instance(stack: Stack) -> Instance:
    return make_instance(stack, "small", "personal")


def test_instances_are_found_and_names_are_unique(stack: Stack, instance: Instance) -> None:
    """I1, I2, I7"""
    instances = Instances(stack)
    assert instances.find(instances.public_address(instance), 5000) == instance
    assert instances.every() == [instance]
    with pytest.raises(Conflict):
        make_instance(stack, "small")


def test_quotas_hold(stack: Stack, instance: Instance) -> None:
    """I1, I7"""
    for number in range(3):
        make_namespace(stack, instance, f"space-{number}")
    with pytest.raises(QuotaExceeded):
        make_namespace(stack, instance, "space-3")
    with pytest.raises(Conflict):
        make_namespace(stack, instance, "space-0")
    full = instance.model_copy(update={"repository_limit": 1})
    Repositories(stack).ensure(full, RepositoryName.parse("space-0/a"), "admin")
    with pytest.raises(QuotaExceeded):
        Repositories(stack).ensure(full, RepositoryName.parse("space-0/b"), "admin")
    stack.table.update(Instances(stack).storage_change(instance, "sha256:1", 10 * 1024**3))
    with pytest.raises(ConditionFailed):
        stack.table.update(Instances(stack).storage_change(instance, "sha256:2", 1))
    usage = Instances(stack).usage(instance)
    assert (usage.namespaces.used, usage.repositories.used, usage.storage.used) == (3, 1, 10 * 1024**3)


def test_pushes_make_repositories_and_tokens_follow_them(stack: Stack, instance: Instance) -> None:
    """N1, N3, R2, G3"""
    make_namespace(stack, instance)
    credentials, repositories = Credentials(stack), Repositories(stack)
    credentials.create(instance, "admin", "secret")
    endpoint = TokenEndpoint(stack, repositories.permitted)
    form = {"grant_type": "password", "service": "crs", "client_id": "x", "username": "admin", "password": "secret"}
    answer = endpoint.answer(instance, "POST", [*form.items(), ("scope", f"repository:{NAME}:pull,push")], None, HOME)
    assert answer["scope"] == f"repository:{NAME}:pull,push"
    made = repositories.ensure(instance, NAME, "admin")
    assert (repositories.ensure(instance, NAME, "admin"), repositories.by_id(made.id)) == (made, made)
    edited = repositories.edit(instance, NAME, RepositoryEdit(visibility="public"))
    assert repositories.list(instance.id, prefix="library/").items == (edited,)
    principal = credentials.bearer(instance, str(answer["token"]), fresh=True)
    assert may(principal, instance, edited, NAME, Action.PUSH)
    with pytest.raises(RepositoryMissing):
        repositories.ensure(instance, RepositoryName.parse("nowhere/x"), "admin")
    credentials.reset_password(instance.id, "admin", "new")
    with pytest.raises(Unauthenticated):
        credentials.bearer(instance, str(answer["token"]), fresh=True)


def test_guesses_are_throttled_and_known_pairs_are_not(stack: Stack, instance: Instance, clock: FrozenClock) -> None:
    """G3"""
    credentials = Credentials(stack)
    credentials.create(instance, "admin", "secret")
    with pytest.raises(Unauthenticated):
        credentials.basic(instance, "admin", "wrong", ELSEWHERE)
    credentials.basic(instance, "admin", "secret", HOME)
    for number in range(LIMITS["login"] - 1):
        with pytest.raises(Unauthenticated):
            credentials.basic(instance, "admin", f"wrong {number}", ELSEWHERE)
    clock.advance(1)
    other_process = Credentials(with_table(stack, stack.table))
    with pytest.raises(Throttled):
        other_process.basic(instance, "admin", "secret", ELSEWHERE)
    assert other_process.basic(instance, "admin", "secret", HOME).name == "admin"


def test_the_allowlist_holds(stack: Stack) -> None:
    """G2"""
    instance = make_instance(stack, "big")
    access = Access(stack)
    entry = access.add(instance, "192.0.2.0/24", "office")
    access.admit(instance, HOME, internal=False)
    with pytest.raises(AddressNotAllowed):
        access.admit(instance, ELSEWHERE, internal=False)
    access.remove(instance, entry.id, open_to_everyone=True)
    access.admit(instance, ELSEWHERE, internal=False)


def test_namespaces_and_repositories_are_listed_and_searched(stack: Stack, instance: Instance) -> None:
    """N1, N3"""
    for name in ("base", "web", "web-tools"):
        make_namespace(stack, instance, name)
    found = Namespaces(stack).search(instance.id, "web", limit=1, descending=True)
    assert [namespace.name for namespace in found.items] == ["web-tools"]
    found = Namespaces(stack).search(instance.id, "web", cursor=found.next, descending=True)
    assert [namespace.name for namespace in found.items] == ["web"]
    repositories = Repositories(stack)
    for name in ("web/a", "web/b", "base/ab"):
        repositories.create(instance, RepositoryName.parse(name), "private", "admin")
    repositories.mark_kind(repositories.get(instance.id, "web/b"), "chart")
    pages = [
        repositories.search(instance.id, "", RepositoryQuery(search="b", limit=1)),
        repositories.search(instance.id, "web", RepositoryQuery(kind="chart")),
        repositories.search(instance.id, "web", RepositoryQuery(prefix="a", sort="-name")),
    ]
    assert [[found.name for found in page.items] for page in pages] == [["base/ab"], ["web/b"], ["web/a"]]


def test_a_share_lets_its_guest_pull_until_it_is_revoked(stack: Stack, instance: Instance) -> None:
    """G4"""
    make_namespace(stack, instance)
    repositories, shares = Repositories(stack), Shares(stack)
    repository = repositories.create(instance, NAME, "private", "admin")
    new = NewShare(account="guests", username="ann")
    share = shares.create(instance, repository.id, new, "admin")
    with pytest.raises(Conflict):
        shares.create(instance, repository.id, new, "admin")
    with pytest.raises(NotFound):
        shares.create(instance, "01J00000000000000000000000", new, "admin")
    guest = Principal("access_key", "guests/ann", instance.id, account_id="guests", role=Role.READER)
    assert repositories.may(guest, instance, repository, NAME, Action.PULL)
    assert not repositories.may(guest, instance, repository, NAME, Action.PUSH)
    asked = ShareQuery()
    assert shares.of_guest("guests", "ann", asked).items == shares.list(repository.id, asked).items == (share,)
    shares.revoke(repository.id, share.id)
    assert not repositories.may(guest, instance, repository, NAME, Action.PULL)
    assert shares.of_guest("guests", "ann", asked).items == shares.list(repository.id, asked).items == ()
