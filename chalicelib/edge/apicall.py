"""One request to the management API, whoever carried it here: API Gateway, the embedded host, or Chalice's own server.

    Context    what the carrying program gives every request: the stack, and the gate of the upper floors
    Request    method, path, query, headers, body, client address: read from a Lambda proxy event
    Call       a request whose caller and instance are known; what an endpoint's function is given

The current request travels in a ContextVar: Chalice's own is one for the whole process.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from chalicelib.kernel import strict_json
from chalicelib.kernel.errors import Invalid, TooLarge
from chalicelib.kernel.ids import is_id, new_id
from chalicelib.kernel.principal import ANONYMOUS, Principal
from chalicelib.ports.stack import Stack

if TYPE_CHECKING:
    from .endpoint import Endpoint

# Nothing the API takes is longer; API Gateway itself refuses bodies beyond 10 MB.
BODY_LIMIT_BYTES: Final = 1024 * 1024
# Where the embedded host notes that a request came in on the internal listener. No client can write it.
INTERNAL: Final = "internalListener"


@dataclass(frozen=True, slots=True)
class Request:
    """
    address    the client's, as the carrier saw it
    internal   it came in on the listener that allowlists do not restrict
    """

    id: str
    method: str
    path: str
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    body: bytes
    address: str
    internal: bool

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> Request:
        """From an event of API Gateway's Lambda proxy integration (payload format 1.0). Raises Invalid, TooLarge."""
        context = event["requestContext"]
        headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
        given_id = context.get("extendedRequestId") or context.get("requestId") or ""
        return cls(
            id=given_id if is_id(given_id) else new_id(),
            method=context["httpMethod"],
            path=context.get("path") or event.get("path") or "",
            query=event.get("multiValueQueryStringParameters") or {},
            headers=headers,
            body=_body(event),
            address=(context.get("identity") or {}).get("sourceIp") or "",
            internal=context.get(INTERNAL) is True,
        )

    def json(self) -> Any:
        """The body as JSON, {} without one. Raises Invalid naming `body`."""
        if not self.body:
            return {}
        kind = self.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Invalid("content-type", "send application/json")
        return strict_json.parse(self.body, "body")


def _body(event: Mapping[str, Any]) -> bytes:
    text = event.get("body")
    if not text:
        return b""
    if isinstance(text, bytes):
        data = text
    elif event.get("isBase64Encoded"):
        try:
            data = base64.b64decode(text, validate=True)
        except binascii.Error as malformed:
            raise Invalid("body", "is not base64") from malformed
    else:
        data = text.encode("utf-8", "surrogatepass")
    if len(data) > BODY_LIMIT_BYTES:
        raise TooLarge("body", BODY_LIMIT_BYTES)
    return data


@dataclass(frozen=True, slots=True)
class Note:
    """What an endpoint says of its call for the audit record, where the path does not say it."""

    namespace: str = ""
    repository: str = ""
    object: str = ""
    account_id: str = ""
    user: str = ""


@dataclass(slots=True)
class Call:
    """
    parts      of the path, decoded: {"instance": …, "namespace": …}
    instance   what the gate made of {instance}; read it by `instances.models.instance_of(call)`
    note       for the audit record; functions replace it by `call.tell(…)`
    only_asks  it turned out to change nothing, such as a dry run: where it succeeds there is nothing to record
    """

    stack: Stack
    request: Request
    endpoint: Endpoint
    parts: Mapping[str, str]
    principal: Principal = ANONYMOUS
    instance: Any = None
    note: Note = field(default_factory=Note)
    only_asks: bool = False

    def tell(self, **about: str) -> None:
        """Adds to what the audit record will say: namespace, repository, object, account_id, user."""
        known = {name: getattr(self.note, name) for name in Note.__slots__}
        self.note = Note(**{**known, **about})

    @property
    def by(self) -> str:
        """Who asks, as records keep it."""
        return self.principal.name


class Gate(Protocol):
    """What floors above do for every request, in this order. `app.py` fills the slots.

    authenticate   who sends this: from the Authorization header, or raises Unauthenticated
    admit          sets `call.instance`: what {instance} means in the caller's account, if the request may reach it;
                   raises NotFound, AddressNotAllowed, InstanceFrozen, EditionRequired
    record         writes the audit record of a change or of a refusal (`refused`: its code, "" for success)
    """

    def authenticate(self, stack: Stack, request: Request) -> Principal: ...

    def admit(self, call: Call) -> None: ...

    def record(self, call: Call, refused: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Context:
    """patience_s: how long a repeated request waits for the first of its key; then it is refused."""

    stack: Stack
    gate: Gate
    event: Mapping[str, Any]
    patience_s: float = 0.0


_context: ContextVar[Context] = ContextVar("api context")
_given: ContextVar[Stack] = ContextVar("given stack")


@contextmanager
def given(stack: Stack) -> Iterator[None]:
    """What is called inside is served on this stack instead of the process's own."""
    token = _given.set(stack)
    try:
        yield
    finally:
        _given.reset(token)


def given_stack() -> Stack | None:
    return _given.get(None)


def current() -> Context:
    return _context.get()


def keeping(stack: Callable[[], Stack], gate: Gate) -> Callable[[Any, Callable[[Any], Any]], Any]:
    """Chalice's HTTP middleware: keeps the request where `current()` finds it while its endpoint runs."""

    def keep(request: Any, get_response: Callable[[Any], Any]) -> Any:
        token = _context.set(Context(given_stack() or stack(), gate, request.to_original_event()))
        try:
            return get_response(request)
        finally:
            _context.reset(token)

    return keep
