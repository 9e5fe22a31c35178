"""The stack on AWS as a whole."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import boto3
import pytest

from chalicelib.kernel.errors import Unavailable
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
        assert stack.table.get(Key("p", "s")) == {"pk": "p", "sk": "s", "schema_version": 1}
        assert stack.audit.get(Key("p", "s")) is None
        assert stack.objects(SETTINGS.bucket) is stack.objects(SETTINGS.bucket)
    finally:
        stack.close()


def test_the_secret_of_the_deployment_is_read_when_it_is_asked_for(clients: Clients) -> None:
    """G3"""
    settings = SETTINGS.model_copy(update={"keys_secret": "keys"})
    with open_stack(settings) as stack:
        with pytest.raises(Unavailable, match="ResourceNotFound"):
            stack.secrets()
        secret = boto3.client("secretsmanager")
        secret.create_secret(Name="keys", SecretString='{"secret_key": "0123456789"}')
        assert stack.secrets() == {"secret_key": "0123456789"}
        secret.put_secret_value(SecretId="keys", SecretString="no object")
        with pytest.raises(Unavailable, match="not a JSON object"):
            stack.secrets()
    with open_stack(SETTINGS) as stack:
        assert stack.secrets() == {}


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
