"""The management API as its clients see it: requests in, answers out, through the Chalice app on a test's own stack.

api = Api.signed_in(stack)                     as the owner of account `default`
api.post("/instances/ci/namespaces", {"name": "library"}).json()
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any
from urllib.parse import urlencode

from argon2 import PasswordHasher

import app
from chalicelib.accounts.service import Accounts
from chalicelib.accounts.users import new_user
from chalicelib.api import API
from chalicelib.edge.apicall import given
from chalicelib.edge.endpoint import PREFIX, Endpoint
from chalicelib.host.proxy_event import Paths, proxy_event
from chalicelib.kernel.errors import Conflict
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack

PASSWORD = "correct-horse-battery-42"
# A hash carries its own costs, and these are the least there are: callers sign in hundreds of times in a run.
_CHEAP_HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
ADDRESS = "127.0.0.1"


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    text: str

    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def code(self) -> str:
        """Of a refusal."""
        return str(self.json()["code"])


@dataclass(frozen=True)
class Sent:
    """A request on its way. path: as it stands in the URL, without the query; address, internal: as of `Api`."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    address: str
    internal: bool


Carrier = Callable[[Stack, Sent], Reply]


def carry(stack: Stack, sent: Sent) -> Reply:
    """As the embedded service hands requests over, without a socket."""
    found = paths().find(sent.path)
    assert found is not None, f"no route for {sent.path}"
    event = proxy_event(
        method=sent.method, route=found[0], path=sent.path, parameters=found[1], query=sent.query,
        headers=sent.headers, body=sent.body, address=sent.address, internal=sent.internal, request_id=new_id(),
    )  # fmt: skip
    with given(stack):
        answer = app.app(event, None)
    return Reply(answer["statusCode"], answer["headers"], answer["body"])


@dataclass(frozen=True)
class Api:
    """One caller. token: "" for nobody; address: where the caller is; internal: comes in on the internal listener.

    Every answer is held to the documentation: a status that the endpoint does not list fails the test.
    """

    stack: Stack
    token: str = ""
    address: str = ADDRESS
    internal: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    carrier: Carrier = carry

    @classmethod
    def signed_in(
        cls, stack: Stack, role: Role = Role.OWNER, *, account: str = "default", operator: bool = False
    ) -> Api:
        """A caller of this role, whose account and user are made if they are missing."""
        accounts = Accounts(stack)
        username = f"{'operator-' if operator else ''}{role}"
        with contextlib.suppress(Conflict):
            accounts.create(account)
        with contextlib.suppress(Conflict):
            user = new_user(account, username, _CHEAP_HASH, role, stack.clock.now(), operator=operator)
            accounts.users.create(user)
        return cls(stack, accounts.sign_in(account, username, PASSWORD, ADDRESS).token)

    def at(self, address: str, *, internal: bool = False) -> Api:
        return replace(self, address=address, internal=internal)

    def get(self, path: str, **query: object) -> Reply:
        return self.send("GET", path, None, query)

    def post(self, path: str, body: object = None, **query: object) -> Reply:
        return self.send("POST", path, body, query)

    def put(self, path: str, body: object = None, **query: object) -> Reply:
        return self.send("PUT", path, body, query)

    def patch(self, path: str, body: object = None, **query: object) -> Reply:
        return self.send("PATCH", path, body, query)

    def delete(self, path: str, **query: object) -> Reply:
        return self.send("DELETE", path, None, query)

    def send(
        self, method: str, path: str, body: object = None, query: Mapping[str, object] | None = None, **headers: str
    ) -> Reply:
        """path: without the prefix. body: bytes go as they are, anything else as JSON."""
        sent = {"host": "registry.example.com", "x-forwarded-proto": "https", **self.headers, **headers}
        if self.token:
            sent["authorization"] = f"Bearer {self.token}"
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        if body is not None:
            sent.setdefault("content-type", "application/json")
        reply = self.carrier(
            self.stack,
            Sent(method, PREFIX + path, urlencode(query or {}, doseq=True), sent, data, self.address, self.internal),
        )
        _require_documented(method, PREFIX + path, reply)
        return reply


def _require_documented(method: str, path: str, reply: Reply) -> None:
    found = paths().find(path)
    endpoint = endpoints().get((method, found[0])) if found else None
    if endpoint is None:
        return
    listed = endpoint.refusals | set(endpoint.answers)
    assert reply.status in listed, (
        f"{endpoint.name} answers {reply.status}, which its documentation lacks: declare it with also=(…)\n{reply.text}"
    )


@cache
def endpoints() -> dict[tuple[str, str], Endpoint]:
    """Every endpoint by its method and path."""
    return {(one.method, one.path): one for routes in API for one in routes.endpoints}


@cache
def paths() -> Paths:
    return Paths(app.app.routes)
