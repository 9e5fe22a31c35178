"""/token as ASGI: who may ask is decided before anything else is said; answers are never stored on the way."""

from __future__ import annotations

import json
from typing import Final
from urllib.parse import parse_qsl

from chalicelib.access.service import Access
from chalicelib.audit.service import Audit
from chalicelib.edge.address import AddressPolicy, client_address
from chalicelib.edge.asgi import Answer, Body, ClientGone, Headers, Receive, Scope, Send, Visit, send_answer
from chalicelib.edge.log import logger
from chalicelib.edge.refusals import error, refusal
from chalicelib.edge.requests import INSTANCE_KEY, request_id_of
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import AddressNotAllowed, Invalid, Refused
from chalicelib.ports.stack import Stack

from .token import Permitted, TokenEndpoint

FORM_LIMIT_BYTES: Final = 64 * 1024
MOST_FIELDS: Final = 64
_FORM: Final = "application/x-www-form-urlencoded"


class TokenApplication:
    """The ASGI application. permitted: what somebody may do with a name, which is known further up."""

    def __init__(self, stack: Stack, permitted: Permitted) -> None:
        self._stack = stack
        self._instances = Instances(stack)
        self._access = Access(stack)
        self._audit = Audit(stack)
        self._endpoint = TokenEndpoint(stack, permitted)
        self._policy = AddressPolicy.of(stack.settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        visit = Visit(scope)
        request_id = request_id_of(scope)
        body = Body(receive, None, taken=False)
        try:
            body = Body.of(visit, receive)
            answer = await self._answer(visit, body)
        except Refused as refused:
            await self._count(visit, refused)
            answer = refusal(refused)
        except ClientGone:
            answer = error(408, "SIZE_INVALID", "the request did not come to its end")
        except Exception:
            logger.exception("failed to answer", request_id=request_id.decode(), method=visit.method, path=visit.path)
            answer = error(500, "UNKNOWN", "something went wrong here; ask the operator about this request id")
        own: Headers = ((b"cache-control", b"no-store"), (b"x-request-id", request_id))
        await send_answer(send, body, Answer(answer.status, (*answer.headers, *own), answer.body))

    async def _count(self, visit: Visit, refused: Refused) -> None:
        """For the audit record: nobody who is refused here is known, so nobody is recorded singly."""
        try:
            instance = await self._stack.read(self._instances.find, visit.text(b"host"), visit.port)
        except Refused:
            return  # Nobody's, or the table that knows whose is what failed.
        if (
            instance.edition != "enterprise"
            or self._audit.treatment(refused.code, known=False, changes=False) != "count"
        ):
            return
        try:
            address = client_address(visit.peer, visit.raw_headers, self._policy)
        except AddressNotAllowed:
            address = "unknown"
        self._audit.count(instance.id, address, refused.code)

    async def _answer(self, visit: Visit, body: Body) -> Answer:
        if visit.method not in ("GET", "POST"):
            return error(405, "UNSUPPORTED", "a token is asked for by GET or POST", None, ((b"allow", b"GET, POST"),))
        address = await self._stack.write(self._admit, visit)
        parameters = await _parameters(visit, body)
        document = await self._stack.write(self._issue, visit, parameters, address)
        text = json.dumps(document, separators=(",", ":")).encode()
        headers = ((b"content-type", b"application/json"), (b"content-length", b"%d" % len(text)))
        return Answer(200, headers, text)

    def _admit(self, visit: Visit) -> str:
        """The client's address, if the instance lets it in. Raises NotFound, AddressNotAllowed."""
        settings = self._stack.settings
        likely, wanted = self._instances.foreseen(visit.text(b"host"), visit.port)
        if likely:
            self._stack.memory.foresee([*wanted, self._access.knowledge(likely)])
        instance = self._instances.find(visit.text(b"host"), visit.port)
        address = client_address(visit.peer, visit.raw_headers, self._policy)
        internal = settings.internal_port is not None and visit.port == settings.internal_port
        self._access.admit(instance, address, internal)
        visit.scope[INSTANCE_KEY] = instance.id
        return address

    def _issue(self, visit: Visit, parameters: list[tuple[str, str]], address: str) -> dict[str, str | int]:
        instance = self._instances.find(visit.text(b"host"), visit.port)
        authorization = visit.text(b"authorization") if b"authorization" in visit.headers else None
        return self._endpoint.answer(instance, visit.method, parameters, authorization, address)


async def _parameters(visit: Visit, body: Body) -> list[tuple[str, str]]:
    """Raises Invalid, TooLarge."""
    if visit.method == "GET":
        return [(name, value) for name, values in visit.query().items() for value in values]
    if visit.text(b"content-type").partition(";")[0].strip().lower() != _FORM:
        raise Invalid("content-type", f"a token is asked for with {_FORM}")
    form = await body.read(FORM_LIMIT_BYTES, "form")
    try:
        return parse_qsl(form.decode("utf-8"), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError as malformed:
        raise Invalid("form", f"a form is UTF-8 and has at most {MOST_FIELDS} fields") from malformed
