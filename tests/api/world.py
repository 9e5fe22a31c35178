"""Accounts, people and instances that the API's tests share, and what an example call needs in them.

World   one stack: account `default` with a user of each role, account `others`, each with two instances
Place   one instance of one account, in which examples make what they are about
Ask     an example: which things the path names, body and query
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from urllib.parse import quote

from chalicelib.access.service import Access
from chalicelib.accounts.service import Accounts
from chalicelib.edge.endpoint import PREFIX, Endpoint
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.names import RepositoryName
from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from chalicelib.registry.service import Registry
from chalicelib.repositories.models import Repository
from chalicelib.repositories.service import Repositories
from tests.management import ADDRESS, PASSWORD, Api, Carrier, Reply, carry
from tests.registry.images import owner_of, push_image
from tests.stacks import make_instance, make_namespace

_NUMBERS = itertools.count(1)
# No example may stand in the way of another.
_PLENTY = 100_000
NAMESPACE = "library"


@dataclass(frozen=True)
class Ask:
    """parts: what the path's placeholders stand for, {instance} left out where it is the place's own."""

    parts: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    query: Mapping[str, Any] = field(default_factory=dict)
    operator: bool = False

    def send(self, endpoint: Endpoint, api: Api, **other_parts: str) -> Reply:
        return api.send(endpoint.method, path_of(endpoint, {**self.parts, **other_parts}), self.body, self.query)


def path_of(endpoint: Endpoint, parts: Mapping[str, str]) -> str:
    path = endpoint.path.removeprefix(PREFIX)
    for name, value in parts.items():
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    return path


def fresh(word: str = "thing") -> str:
    """A name that nothing else has."""
    return f"{word}-{next(_NUMBERS)}"


def fresh_network() -> str:
    """One address of its own, from the range that documentation may use."""
    number = next(_NUMBERS)
    return f"2001:db8::{number:x}/128"


@dataclass(frozen=True)
class Place:
    stack: Stack
    account: str
    instance: Instance
    owner: Api
    operator: Api

    def namespace(self) -> str:
        return make_namespace(self.stack, self.instance, fresh("space")).name

    def repository(self, namespace: str = NAMESPACE) -> Repository:
        name = RepositoryName.parse(f"{namespace}/{fresh('app')}")
        return Repositories(self.stack).ensure(self.instance, name, "admin")

    def image(self, namespace: str = NAMESPACE, tag: str = "v1") -> Image:
        """A fresh repository with one image in it."""
        repository = self.repository(namespace)
        pushed = push_image(
            Registry(self.stack),
            owner_of(self.instance),
            b"a layer",
            tag=tag,
            name=RepositoryName.parse(repository.name),
        )
        return Image(repository, namespace, tag, pushed.digest)

    def here(self, **parts: str) -> dict[str, str]:
        return {"instance": self.instance.id, **parts}

    def create(self, path: str, body: object) -> Any:
        """What the API answers to a POST of the owner's."""
        answer = self.owner.post(path, body)
        assert answer.status in (201, 202), answer.text
        return answer.json()

    @property
    def path(self) -> str:
        return f"/instances/{self.instance.id}"


@dataclass(frozen=True)
class Image:
    repository: Repository
    namespace: str
    tag: str
    digest: str

    @property
    def parts(self) -> dict[str, str]:
        return {"namespace": self.namespace, "repository": self.repository.id}


class World:
    """carrier: what brings the requests that are tested; things are made without it, which is quicker."""

    def __init__(self, stack: Stack, carrier: Carrier = carry) -> None:
        self.stack = stack
        self.carrier = carrier
        self.operator = Api.signed_in(stack, operator=True)
        self.people = {role: Api.signed_in(stack, role) for role in Role}
        self.stranger = Api.signed_in(stack, account="others")
        self.home = self._place("default", self.people[Role.OWNER])
        self.abroad = self._place("others", self.stranger)

    def carried(self, api: Api) -> Api:
        return replace(api, carrier=self.carrier)

    def somebody(self, role: Role) -> Api:
        """A fresh user of this role in the account at home."""
        accounts = Accounts(self.stack)
        username = fresh("somebody")
        accounts.create_user("default", username, PASSWORD, role)
        return Api(self.stack, accounts.sign_in("default", username, PASSWORD, ADDRESS).token)

    @cached_property
    def next_door(self) -> Place:
        """Another instance of the same account."""
        return self._place("default", self.people[Role.OWNER])

    def _place(self, account: str, owner: Api) -> Place:
        instances = Instances(self.stack)
        instance = make_instance(self.stack, fresh("inst"), account_id=account, bucket=self.stack.settings.bucket)
        instance = instances.change(instance, namespace_limit=_PLENTY, repository_limit=_PLENTY)
        make_namespace(self.stack, instance, NAMESPACE)
        # Examples add entries, and the callers are here.
        Access(self.stack).add(instance, ADDRESS)
        return Place(self.stack, account, instance, owner, self.operator)


Example = Callable[[Place], Ask]
EXAMPLES: dict[str, Example] = {}


def example(function: Example) -> Example:
    """Declares the example of the endpoint of that name."""
    EXAMPLES[function.__name__] = function
    return function


def every(endpoints: Mapping[Any, Endpoint]) -> Iterator[Endpoint]:
    yield from sorted(endpoints.values(), key=lambda endpoint: (endpoint.path, endpoint.method))
