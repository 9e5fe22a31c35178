"""Whose a log line is: of its own request or message, and never of another that the process works on meanwhile."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

import gateway
from chalicelib.chain import CHAIN
from chalicelib.edge.asgi import Application, Receive, Scope, Send
from chalicelib.edge.consume import Chain, consume, encode
from chalicelib.edge.log import about, logger
from chalicelib.kernel.messages import ClearDue, ContinueTask, Message
from chalicelib.kernel.origin import current, following, origin_of
from chalicelib.kernel.settings import Settings
from chalicelib.ports.stack import Stack
from tests.registry.wire import Wire
from tests.stacks import embedded_stack


class Written:
    """What the log wrote."""

    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    def lines(self, message: str = "") -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self._stream.getvalue().splitlines()]
        return [line for line in lines if message in ("", line["message"])]


@pytest.fixture
def written() -> Iterator[Written]:
    (handler,) = (one for one in logger.handlers if isinstance(one, logging.StreamHandler))
    stream = io.StringIO()
    before = handler.setStream(stream)
    try:
        yield Written(stream)
    finally:
        handler.setStream(before)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with embedded_stack(tmp_path, access_log=False) as opened:
        yield opened


def gateway_that_logs(stack: Stack) -> Application:
    """Each of its API's answers waits for others, and is written by a thread in between."""

    async def api(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        logger.info("before", path=path)
        await asyncio.sleep(0.001 * (hash(path) % 7))
        await stack.write(logger.info, "in a thread", path=path)
        await asyncio.sleep(0)
        logger.info("after", path=path)
        answered = scope["crs.request_id"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-request-id", answered)]})
        await send({"type": "http.response.body", "body": path.encode()})

    return gateway.build(stack, api)


def test_lines_of_concurrent_requests_bear_the_id_that_their_own_answer_bears(stack: Stack, written: Written) -> None:
    async def ask() -> dict[str, str]:
        transport = httpx.ASGITransport(gateway_that_logs(stack))
        async with httpx.AsyncClient(transport=transport, base_url="http://registry.test") as client:
            answers = await asyncio.gather(*(client.get(f"/api/v1/{number}") for number in range(60)))
        return {answer.text: answer.headers["x-request-id"] for answer in answers}

    ids = asyncio.run(ask())
    assert len(set(ids.values())) == 60
    lines = written.lines()
    assert len(lines) == 180
    assert [line for line in lines if line["request_id"] != ids[line["path"]]] == []


def test_lines_of_messages_in_several_threads_bear_their_own_request(stack: Stack, written: Written) -> None:
    meeting = threading.Barrier(4)

    def handler(_: Stack, message: Message) -> list[Message]:
        meeting.wait(10)
        logger.info("handling", id=message.id)
        meeting.wait(10)
        return []

    chain: Chain = {ContinueTask: (handler,)}
    messages = [ContinueTask(instance_id="i", task_id="t", origin=f"request-{number}") for number in range(4)]

    def bring(message: Message) -> None:
        with about(function=f"of {message.origin}"):
            consume(stack, batch(encode(message)), None, chain, "tasks")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(bring, messages))
    told = {(line["id"], line["request_id"], line["cause"], line["function"]) for line in written.lines("handling")}
    assert told == {(one.id, one.origin, one.id, f"of {one.origin}") for one in messages}


def test_each_record_of_a_batch_is_its_own_request_s_and_so_is_its_failure(stack: Stack, written: Written) -> None:
    def handler(_: Stack, message: ContinueTask) -> list[Message]:
        if message.task_id == "bad":
            raise RuntimeError
        return []

    first, second = (
        ContinueTask(instance_id="i", task_id=task, origin=f"request of {task}") for task in ("bad", "good")
    )
    answer = consume(stack, batch(encode(first), encode(second)), None, {ContinueTask: (handler,)}, "tasks")
    assert answer == {"batchItemFailures": [{"itemIdentifier": "0"}]}
    (line,) = written.lines("failed to consume")
    assert (line["request_id"], line["cause"]) == ("request of bad", first.id)
    logger.info("afterwards")
    assert "request_id" not in written.lines("afterwards")[0]


def test_a_message_made_while_a_request_is_answered_bears_its_id_and_one_made_later_does_not() -> None:
    with following("request", "request"):
        message = ContinueTask(instance_id="i", task_id="t")
    assert (message.origin, message.caused_by) == ("request", "request")
    assert ContinueTask(instance_id="i", task_id="t").origin == ""


def test_a_body_of_before_messages_said_whose_they_are_is_nobody_s(stack: Stack, written: Written) -> None:
    def handler(_: Stack, message: Message) -> list[Message]:
        logger.info("handling", origin=current().request_id)
        return []

    old = json.dumps({"type": "ContinueTask", "id": "m", "instance_id": "i", "task_id": "t"})
    consume(stack, batch(old), None, {ContinueTask: (handler,)}, "tasks")
    (line,) = written.lines("handling")
    assert line["origin"] == ""
    assert "request_id" not in line


def test_follow_ups_name_the_message_they_follow_from_and_its_request(stack: Stack) -> None:
    def handler(_: Stack, message: Message) -> list[Message]:
        return [ClearDue(kind="upload", partition="p")]

    first = ContinueTask(instance_id="i", task_id="t", origin="request")
    chain: Chain = {ContinueTask: (handler,), ClearDue: CHAIN[ClearDue]}
    consume(stack, batch(encode(first)), None, chain, "tasks")
    (sent,) = stack.queues.receive("collection")
    follow_up = ClearDue.model_validate_json(sent.body)
    assert (follow_up.origin, follow_up.caused_by) == ("request", first.id)


def test_an_exception_remembers_whose_it_was_first() -> None:
    error = ValueError()
    with pytest.raises(ValueError), following("outer"), following("inner", "message"):
        raise error
    assert origin_of(error) == ("inner", "message")
    assert origin_of(None) == ("", "")


def batch(*bodies: str) -> dict[str, Any]:
    records = [
        {"messageId": str(number), "receiptHandle": "r", "body": body, "attributes": {}, "messageAttributes": {},
         "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:local:0:tasks", "awsRegion": "local"}
        for number, body in enumerate(bodies)
    ]  # fmt: skip
    return {"Records": records}


# The access log


def access_lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    return [line for line in lines if line["message"] == "request answered"]


def test_with_the_access_log_each_request_has_a_line_that_names_no_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = "1-5759e988-bd862e3fe1be46a994272793"
    wire = Wire(tmp_path, access_log=True)
    try:
        body = wire.push_image("library/app", "v1")
        capsys.readouterr()
        headers = {"X-Amzn-Trace-Id": f"Root={trace}"}
        answer = wire.ask("GET", "/v2/library/app/manifests/v1", headers=headers)
        wire.ask("GET", "/healthz", login=None)
    finally:
        wire.close()
    (line,) = access_lines(capsys)
    assert line.pop("duration_ms") > 0
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "INFO", "location": "traffic", "message": "request answered", "service": "crs", "method": "GET",
        "request_id": answer.headers["x-request-id"], "route": "manifest", "status": 200, "received_bytes": 0,
        "sent_bytes": len(body), "instance": wire.instance.id, "xray_trace_id": trace,
    }  # fmt: skip


def test_without_the_access_log_requests_leave_no_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wire = Wire(tmp_path)
    try:
        wire.push_image("library/app", "v1")
    finally:
        wire.close()
    assert access_lines(capsys) == []


def test_the_access_log_is_on_on_aws_and_off_on_one_machine_unless_it_is_set() -> None:
    assert Settings(stack="aws").logs_requests
    assert not Settings(stack="embedded").logs_requests
    assert Settings(stack="embedded", access_log=True).logs_requests
    assert not Settings(stack="aws", access_log=False).logs_requests
