"""Accounts, people and instances that the API's tests share, and what an example call needs in them.

World   one stack: account `default` with a user of each role, accounts `others`, `strangers` and `guests`
Place   one instance of one account, in which examples make what they are about
Ask     an example: which things the path names, body and query
"""

from __future__ import annotations

import importlib
import itertools
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from chalicelib.access.service import Access
from chalicelib.accounts.service import Accounts
from chalicelib.credentials.service import Credentials
from chalicelib.edge.endpoint import PREFIX, Endpoint
from chalicelib.instances.buckets import Buckets
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
    make_bucket: Callable[[str], object]

    def unused(self) -> str:
        """A name for something new."""
        return fresh("new")

    def bucket(self) -> str:
        """A bucket that is the account's."""
        name = fresh("bucket")
        self.make_bucket(name)
        Buckets(self.stack).claim(self.account, name)
        return name

    def namespace(self) -> str:
        return make_namespace(self.stack, self.instance, fresh("space")).name

    def repository(self, namespace: str = NAMESPACE) -> Repository:
        name = RepositoryName.parse(f"{namespace}/{fresh('app')}")
        return Repositories(self.stack).ensure(self.instance, name, "admin")

    def image(self, namespace: str = NAMESPACE, tag: str = "stable-1") -> Image:
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
    """
    make_bucket   makes a bucket in the stack's store
    carrier       brings the requests that are tested; things are made without it, which is quicker
    """

    def __init__(self, stack: Stack, make_bucket: Callable[[str], object], carrier: Carrier = carry) -> None:
        self.stack = stack
        self.make_bucket = make_bucket
        self.carrier = carrier
        self._made: dict[str, Mapping[str, str]] = {}
        self.operator = Api.signed_in(stack, operator=True)
        self.people = {role: Api.signed_in(stack, role) for role in Role}
        self.stranger = Api.signed_in(stack, account="strangers")
        self.guest = Api.signed_in(stack, account="guests")
        self.home = self._place("default", self.people[Role.OWNER])
        Credentials(stack).create(self.home.instance, "admin", PASSWORD)
        login = b64encode(f"admin:{PASSWORD}".encode()).decode()
        self.registry_client = Api(stack, headers={"authorization": f"Basic {login}"})
        self.abroad = self._place("others", Api.signed_in(stack, account="others"))

    def carried(self, api: Api) -> Api:
        return replace(api, carrier=self.carrier)

    def once(self, name: str, make: Callable[[], Mapping[str, str]]) -> Mapping[str, str]:
        """What `make` answered the first time."""
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    def share(self, parts: Mapping[str, str]) -> None:
        """Lets the guest pull the repository of these parts, if they name one."""
        if "repository" in parts:
            path = f"/instances/{parts['instance']}/namespaces/{parts['namespace']}/repositories/{parts['repository']}"
            self.home.create(f"{path}/shares", {"account": "guests", "username": "owner"})

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
        bucket, ends = self.stack.settings.bucket, self.stack.clock.now() + timedelta(days=100)
        instance = make_instance(self.stack, fresh("inst"), account_id=account, bucket=bucket, expires_at=ends)
        instance = instances.change(instance, namespace_limit=_PLENTY, repository_limit=_PLENTY)
        make_namespace(self.stack, instance, NAMESPACE)
        # Examples add entries, and the callers are here.
        Access(self.stack).add(instance, ADDRESS)
        return Place(self.stack, account, instance, owner, self.operator, self.make_bucket)


Example = Callable[[Place], Ask]
_EXAMPLES: dict[str, Example] = {}


def example(function: Example) -> Example:
    """Declares the example of the endpoint of that name."""
    _EXAMPLES[function.__name__] = function
    return function


@cache
def examples() -> Mapping[str, Example]:
    """Those that the files `examples*.py` beside this one declare."""
    for file in sorted(Path(__file__).parent.glob("examples*.py")):
        importlib.import_module(f"{__package__}.{file.stem}")
    return _EXAMPLES


def every(endpoints: Mapping[Any, Endpoint]) -> Iterator[Endpoint]:
    yield from sorted(endpoints.values(), key=lambda endpoint: (endpoint.path, endpoint.method))
