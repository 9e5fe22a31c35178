"""One wrapper for every endpoint of the management API, and the table of all of them.

    authenticate ─► role ─► parse ─► instance, address, state, edition ─► replayed? ─► call ─► audit ─► answer
                                                                          └─ whatever refuses ─► problem+json

The role is asked before anything is looked up, so that whom it refuses learns nothing about what exists; and before
anything is parsed, so that whose session is over learns that first. What a room declares here is the route, the
documentation (`edge/openapi.py`) and the tests' matrix at once:

    routes = Routes("namespaces")

    @routes.post("/instances/{instance}/namespaces", needs=Right.CHANGE_CONTENT, changes="namespace.create")
    def create_namespace(call: Call, body: NewNamespace) -> NamespaceView: ...

`body` and `query` are pydantic models, named so; the return annotation is the answer (`edge/answers.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import UnionType
from typing import Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints
from urllib.parse import unquote_to_bytes

from chalice.app import Blueprint, Response
from pydantic import BaseModel, ValidationError

from chalicelib.kernel.errors import Denied, Invalid, Refused, Unavailable
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.origin import following
from chalicelib.kernel.principal import Principal
from chalicelib.kernel.roles import RIGHTS, Right
from chalicelib.ports.table import OutcomeUnknown

from .answers import Accepted, Created, NoQuery, Text
from .apicall import Call, Context, Request, current
from .log import logger
from .problems import invalid, problem
from .replay import Replay
from .tracing import traced

PREFIX: Final = "/api/v1"
# No name or id is longer. What is cut here is still too long for any, so it is not there.
_LONGEST_PART: Final = 512
_BROKEN_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")

Function = TypeVar("Function", bound=Callable[..., Any])


class InternalError(Unavailable):
    code = "INTERNAL"
    status = 500


@dataclass(frozen=True)
class Endpoint:
    """
    needs          the right asked of the caller; None: open to everybody
    changes        `<object type>.<action>` for the audit record; "" for what changes nothing
    frozen_too     goes on while the instance is frozen
    feature        an enterprise feature by its name, refused on personal instances; "" for both editions
    from_anywhere  the account's owner is let in from addresses off the allowlist
    secret         the answer bears a secret, so it is not kept for replays
    also           statuses of refusals beyond those that `refusals` derives: 409 of a PATCH, 429 of a sign-in
    media          what a `Text` answer can be
    """

    function: Callable[..., Any]
    room: str
    method: str
    path: str
    needs: Right | None
    changes: str
    status: int
    frozen_too: bool
    feature: str
    from_anywhere: bool
    secret: bool
    also: tuple[int, ...]
    media: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.function.__name__

    # Looked up with the first request and once: it takes longer than most requests.
    @cached_property
    def hints(self) -> dict[str, Any]:
        return get_type_hints(self.function, include_extras=True)

    @cached_property
    def body_model(self) -> type[BaseModel] | None:
        return self.hints.get("body")

    @cached_property
    def query_model(self) -> type[BaseModel]:
        model: type[BaseModel] = self.hints.get("query", NoQuery)
        return model

    @property
    def of_instance(self) -> bool:
        return "{instance}" in self.path

    @property
    def answers(self) -> dict[int, Any]:
        """What it answers when it is not refused: status → model, `Text`, or None for nothing. Where one status can be
        both a model and a text, the model."""
        told = [self._answer(one) for one in self._annotated]
        return dict(sorted(told, key=lambda answer: answer[1] is not Text))

    @property
    def exported(self) -> frozenset[int]:
        """The statuses of those answers that can be `Text`."""
        return frozenset(status for status, answer in map(self._answer, self._annotated) if answer is Text)

    @property
    def located(self) -> frozenset[int]:
        """The statuses of those answers that say where something is."""
        return frozenset(self._answer(one)[0] for one in self._annotated if get_origin(one) in (Created, Accepted))

    @property
    def _annotated(self) -> tuple[Any, ...]:
        annotated = self.hints["return"]
        united = get_origin(annotated) in (Union, UnionType)
        return get_args(annotated) if united else (annotated,)

    def _answer(self, annotated: Any) -> tuple[int, Any]:
        if annotated in (None, type(None)):
            return 204, None
        if get_origin(annotated) in (Created, Accepted):
            return 201 if get_origin(annotated) is Created else 202, get_args(annotated)[0]
        return self.status, annotated

    @property
    def refusals(self) -> frozenset[int]:
        """The statuses of what it may refuse: the documentation lists them, and tests hold every answer to them."""
        found = {400, 413, 503, *self.also}
        if self.needs is not None:
            # 429: guessed secrets of access keys.
            found |= {401, 403, 429}
        if "{" in self.path:
            found.add(404)
        if self.needs is not None and self.method == "POST":
            found.add(409)
        if "confirm" in self.query_model.model_fields:
            found.add(428)
        return frozenset(found)


class Routes:
    """One room's part of the API: `blueprint` for app.py, `endpoints` for the documentation."""

    def __init__(self, room: str) -> None:
        self.room = room
        self.blueprint = Blueprint(f"chalicelib.{room}.api")
        self.endpoints: list[Endpoint] = []

    def get(self, path: str, **options: Any) -> Callable[[Function], Function]:
        return self._add("GET", path, {"status": 200, **options})

    def post(self, path: str, **options: Any) -> Callable[[Function], Function]:
        return self._add("POST", path, {"status": 201, **options})

    def put(self, path: str, **options: Any) -> Callable[[Function], Function]:
        return self._add("PUT", path, {"status": 200, **options})

    def patch(self, path: str, **options: Any) -> Callable[[Function], Function]:
        return self._add("PATCH", path, {"status": 200, **options})

    def delete(self, path: str, **options: Any) -> Callable[[Function], Function]:
        return self._add("DELETE", path, {"status": 204, **options})

    def _add(self, method: str, path: str, options: dict[str, Any]) -> Callable[[Function], Function]:
        defaults = {
            "changes": "",
            "frozen_too": False,
            "feature": "",
            "from_anywhere": False,
            "secret": False,
            "also": (),
            "media": ("text/plain",),
        }

        def declare(function: Function) -> Function:
            endpoint = Endpoint(function, self.room, method, PREFIX + path, **{**defaults, **options})
            self.endpoints.append(endpoint)
            view = _view(endpoint)
            self.blueprint.route(endpoint.path, methods=[method], content_types=[], name=endpoint.name)(view)
            return function

        return declare


def _view(endpoint: Endpoint) -> Callable[..., Response]:
    def view(**parts: str) -> Response:
        return _respond(endpoint, parts)

    view.__name__ = endpoint.name
    return view


def _respond(endpoint: Endpoint, parts: dict[str, str]) -> Response:
    context = current()
    request_id = new_id()
    try:
        request = Request.of(context.event)
        request_id = request.id
        with following(request_id, request_id), traced(endpoint.name):
            response: Response = carry_out(context, endpoint, request, _decoded(parts), as_response)
            return response
    except Refused as refused:
        status, headers, body = problem(refused, request_id)
    except Exception:
        logger.exception("failed to answer", request_id=request_id, method=endpoint.method, path=endpoint.path)
        unexpected = InternalError("something went wrong here; ask the operator about this request id")
        status, headers, body = problem(unexpected, request_id)
    return Response(body, dict(headers), status)


def carry_out(
    context: Context,
    endpoint: Endpoint,
    request: Request,
    parts: Mapping[str, str],
    answer: Callable[[Endpoint, Any, str], Any],
) -> Any:
    """One request, all the way from who sends it to the entry that says it was carried out.

    parts    of the path, decoded
    answer   makes what is given back of what the function answered; called before the entry is written
    Raises Refused, of which the entry is written too.
    """
    call = Call(context.stack, request, endpoint, parts)
    try:
        if endpoint.needs is not None:
            call.principal = context.gate.authenticate(context.stack, request)
            _require(call.principal, endpoint.needs)
        arguments = _parse(endpoint, request)
        if endpoint.of_instance:
            context.gate.admit(call)
        replay = Replay.of(call)
        if replay is not None and (stored := replay.begin(context.patience_s)) is not None:
            return Response(stored.body, {**stored.headers, "Idempotent-Replayed": "true"}, stored.status)
        try:
            given = answer(endpoint, endpoint.function(call, **arguments), request.id)
        except Exception as error:
            if replay is not None:
                _end(replay, error)
            raise
    except Refused as refused:
        context.gate.record(call, refused.code)
        raise
    except Exception:
        # Half of it may have happened.
        if endpoint.changes:
            context.gate.record(call, InternalError.code)
        raise
    if endpoint.changes and not call.only_asks:
        context.gate.record(call, "")
    if replay is not None:
        replay.keep(given.status_code, given.headers, given.body)
    return given


def _end(replay: Replay, error: Exception) -> None:
    """What becomes of the key of a call that did not end well."""
    carried_out_perhaps = not isinstance(error, Refused) or isinstance(error, OutcomeUnknown)
    if carried_out_perhaps:
        replay.doubt()
    else:
        replay.forget()


def _decoded(parts: dict[str, str]) -> dict[str, str]:
    """Raises Invalid that names what is not well percent-encoded UTF-8."""
    decoded = {}
    for name, text in parts.items():
        if _BROKEN_ESCAPE.search(text):
            raise Invalid(name, "is not well percent-encoded")
        try:
            decoded[name] = unquote_to_bytes(text).decode()[:_LONGEST_PART]
        except UnicodeError as malformed:
            raise Invalid(name, "is not UTF-8") from malformed
    return decoded


def _require(principal: Principal, right: Right) -> None:
    held = RIGHTS[principal.role] if principal.role is not None else frozenset()
    allowed = principal.operator if right is Right.OPERATE else right in held
    if not allowed:
        raise Denied(f"your role does not allow to {right.value.lower()}", needs=right.name.lower())


def _parse(endpoint: Endpoint, request: Request) -> dict[str, Any]:
    """The function's arguments from query and body. Raises Invalid that names every bad field of both."""
    bad: list[tuple[str, str]] = []
    arguments: dict[str, Any] = {}
    doubled = [name for name, values in request.query.items() if len(values) > 1]
    bad.extend((name, "is given more than once") for name in doubled)
    given = {name: values[-1] for name, values in request.query.items() if values}
    _validate(endpoint.query_model, given, "query", arguments, bad)
    if endpoint.body_model is not None:
        body = request.json()
        if isinstance(body, dict):
            _validate(endpoint.body_model, body, "body", arguments, bad)
        else:
            bad.append(("body", "must be a JSON object"))
    if bad:
        raise Invalid.many(bad)
    if "query" not in endpoint.hints:
        del arguments["query"]
    return arguments


def _validate(
    model: type[BaseModel], given: Any, name: str, arguments: dict[str, Any], bad: list[tuple[str, str]]
) -> None:
    try:
        if name == "body":
            # JSON says what it means: "1" is not 1.
            arguments[name] = model.model_validate_json(json.dumps(given), strict=True)
        else:
            arguments[name] = model.model_validate(given)
    except ValidationError as error:
        bad.extend(invalid(error, name).fields)


def as_response(endpoint: Endpoint, result: Any, request_id: str) -> Response:
    """What a function answered, as HTTP carries it."""
    headers: dict[str, str | list[str]] = {"X-Request-Id": request_id, "Cache-Control": "no-store"}
    if isinstance(result, Text):
        return Response(result.body, {**headers, "Content-Type": result.media_type, **result.headers}, endpoint.status)
    headers["Content-Type"] = "application/json"
    if isinstance(result, Accepted):
        return Response(result.task.model_dump_json(), {**headers, "Location": PREFIX + result.location}, 202)
    if isinstance(result, Created):
        return Response(result.body.model_dump_json(), {**headers, "Location": PREFIX + result.location}, 201)
    if result is None:
        del headers["Content-Type"]
        return Response("", headers, 204)
    return Response(result.model_dump_json(), headers, endpoint.status)


def as_result(endpoint: Endpoint, response: Response) -> Any:
    """The same backwards, for answers that are JSON."""
    model = endpoint.answers[response.status_code]
    if model is None:
        return None
    result = model.model_validate_json(response.body)
    if response.status_code not in endpoint.located:
        return result
    location = str(response.headers["Location"]).removeprefix(PREFIX)
    return Accepted(result, location) if response.status_code == 202 else Created(result, location)
