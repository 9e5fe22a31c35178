"""The stack on AWS as a whole."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

from chalicelib.ports.aws.clients import Clients
from chalicelib.ports.aws.stack import open_aws_stack
from chalicelib.ports.stack import open_stack
from chalicelib.ports.table import Key

from .conftest import SETTINGS

REQUEST = contextvars.ContextVar("REQUEST", default="none")


def test_the_environment_alone_opens_it(clients: Clients) -> None:
    stack = open_stack(SETTINGS)
    try:
        stack.table.put({"pk": "p", "sk": "s"})
        stack.objects(SETTINGS.bucket).put("a/b", b"content")
        stack.queues.send("work", ["body"])
        assert stack.table.get(Key("p", "s")) == {"pk": "p", "sk": "s"}
        assert stack.audit.get(Key("p", "s")) is None
        assert stack.objects(SETTINGS.bucket) is stack.objects(SETTINGS.bucket)
    finally:
        stack.close()


@pytest.mark.parametrize("kind", ["read", "write"])
def test_calls_leave_the_event_loop_and_take_its_context_along(clients: Clients, kind: str) -> None:
    stack = open_aws_stack(SETTINGS, open_stack(SETTINGS).clock)

    def look(word: str, *, more: str) -> tuple[str, str, str]:
        return word + more, REQUEST.get(), threading.current_thread().name

    async def ask() -> tuple[str, str, str]:
        REQUEST.set("seven")
        return await getattr(stack, kind)(look, "a", more="b")  # type: ignore[no-any-return]

    try:
        answer, request, thread = asyncio.run(ask())
        assert (answer, request) == ("ab", "seven")
        assert thread.startswith(kind)
    finally:
        stack.close()
