"""What a page asks of the API: the endpoint's own way in, without HTTP between.

    page ─► Asking.ask(list_tags, …) ─► edge.endpoint.carry_out ─► role, gate, function, audit entry ─► its answer

So the console can do what its user can do through the API, sees what they would see there, and leaves the same
entries. Who asks is found out once for a page, however many questions it has.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote

from chalicelib.api import API
from chalicelib.edge.apicall import Call, Context, Gate, Request
from chalicelib.edge.endpoint import Endpoint, as_response, as_result, carry_out
from chalicelib.edge.tracing import traced
from chalicelib.kernel.principal import Principal
from chalicelib.ports.stack import Stack

T = TypeVar("T")

# Of a form pressed twice the browser shows the second answer alone: that waits for the first's. A payment takes less.
_PATIENCE_S: Final = 3.0

ENDPOINTS: Mapping[Callable[..., Any], Endpoint] = {
    endpoint.function: endpoint for routes in API for endpoint in routes.endpoints
}


class OnceAuthenticated:
    """The gate for all questions of one page."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._principal: Principal | None = None

    def authenticate(self, stack: Stack, request: Request) -> Principal:
        if self._principal is None:
            self._principal = self._gate.authenticate(stack, request)
        return self._principal

    def admit(self, call: Call) -> None:
        self._gate.admit(call)

    def record(self, call: Call, refused: str) -> None:
        self._gate.record(call, refused)


class Asking:
    """
    token      of the session; "" for who has not signed in
    address    of the browser, internal: it came in on the listener that allowlists do not restrict
    """

    def __init__(self, stack: Stack, gate: Gate, request_id: str, token: str, address: str, *, internal: bool) -> None:
        self._stack = stack
        self._gate = OnceAuthenticated(gate)
        self._request_id = request_id
        self._token = token
        self._address = address
        self._internal = internal

    def ask(
        self,
        function: Callable[..., T],
        parts: Mapping[str, str],
        query: Mapping[str, object] | None = None,
        body: Mapping[str, object] | None = None,
        once: str = "",
    ) -> T:
        """What the endpoint of that function answers. parts: of its path; what it does not need is left out.

        once: the Idempotency-Key of a POST; asked again with it, the same answer comes again. "" for none.
        Raises Refused, as the endpoint does.
        """
        endpoint = ENDPOINTS[function]
        own = {name: text for name, text in parts.items() if f"{{{name}}}" in endpoint.path}
        request = Request(
            id=self._request_id,
            method=endpoint.method,
            path=endpoint.path.format(**{name: quote(text, safe="") for name, text in own.items()}),
            query={name: [_as_text(value)] for name, value in (query or {}).items() if value is not None},
            headers={"authorization": f"Bearer {self._token}", **({"idempotency-key": once} if once else {})},
            body=json.dumps(body).encode() if body else b"",
            address=self._address,
            internal=self._internal,
        )
        context = Context(self._stack, self._gate, {}, _PATIENCE_S)
        with traced(endpoint.name):
            # What a key keeps is an answer over HTTP, for the first as for those that come after.
            answer = carry_out(context, endpoint, request, own, as_response if once else _as_it_is)
            result: T = as_result(endpoint, answer) if once else answer
        return result


def _as_it_is(endpoint: Endpoint, result: Any, request_id: str) -> Any:
    return result


def _as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
