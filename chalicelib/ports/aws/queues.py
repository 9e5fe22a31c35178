"""Queues on SQS. The redrive policy of each queue moves messages to `<name>-dead`; see `infra/`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from chalicelib.kernel.errors import TooLarge, Unavailable
from chalicelib.ports.queues import Delivery

from .clients import translated

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType

BODY_LIMIT_BYTES: Final = 256 * 1024
ATTEMPTS: Final = 5
# What SQS takes at once, in number and in bytes.
_MOST: Final = 10
_BATCH_LIMIT_BYTES: Final = 256 * 1024
_LONGEST_WAIT_S: Final = 20
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_COUNTED: Final[list[QueueAttributeNameType]] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
]
_TRIES: Final = 4
# The message is done with, or so long forgotten that its receipt no longer counts.
_GONE: Final = frozenset(
    {
        "AWS.SimpleQueueService.MessageNotInflight",
        "InvalidParameterValue",
        "MessageNotInflight",
        "ReceiptHandleIsInvalid",
    }
)


class _Gone(Exception):
    pass


class SqsQueues:
    """`Queues` on the SQS queues whose names begin with `prefix`. Safe for threads."""

    def __init__(self, client: SQSClient, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._urls: dict[str, str] = {}

    def send(self, queue: str, bodies: Sequence[str], *, delay_s: int = 0) -> None:
        for body in bodies:
            if len(body.encode()) > BODY_LIMIT_BYTES:
                raise TooLarge("message", BODY_LIMIT_BYTES)
        for batch in _batches(bodies):
            self._batch(
                self._client.send_message_batch,
                queue,
                [
                    {"Id": str(number), "MessageBody": body, "DelaySeconds": delay_s}
                    for number, body in enumerate(batch)
                ],
            )

    def receive(self, queue: str, *, most: int = 10, visibility_s: int = 60, wait_s: float = 0) -> list[Delivery]:
        with translated("the queue service", _unknown):
            answer = self._client.receive_message(
                QueueUrl=self._url(queue),
                MaxNumberOfMessages=most,
                VisibilityTimeout=visibility_s,
                # A wait of no second asks only some of SQS's servers, so any wait is a whole one at least.
                WaitTimeSeconds=min(_LONGEST_WAIT_S, math.ceil(wait_s)),
                MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
            )
        return [
            Delivery(
                id=message["MessageId"],
                queue=queue,
                body=message["Body"],
                attempt=int(message["Attributes"]["ApproximateReceiveCount"]),
                receipt=message["ReceiptHandle"],
                sent_at=_EPOCH + timedelta(milliseconds=int(message["Attributes"]["SentTimestamp"])),
            )
            for message in answer.get("Messages", ())
        ]

    def extend(self, delivery: Delivery, visibility_s: int) -> None:
        self._show_again(delivery, visibility_s)

    def complete(self, deliveries: Sequence[Delivery]) -> None:
        ordered = sorted(deliveries, key=lambda delivery: delivery.queue)
        for queue, of_queue in itertools.groupby(ordered, key=lambda delivery: delivery.queue):
            receipts = [delivery.receipt for delivery in of_queue]
            for start in range(0, len(receipts), _MOST):
                self._batch(
                    self._client.delete_message_batch,
                    queue,
                    [
                        {"Id": str(number), "ReceiptHandle": receipt}
                        for number, receipt in enumerate(receipts[start : start + _MOST])
                    ],
                )

    def fail(self, delivery: Delivery, *, delay_s: int) -> None:
        # After its last attempt a message is moved as soon as somebody asks for messages: that need not wait.
        self._show_again(delivery, 0 if delivery.attempt >= ATTEMPTS else delay_s)

    def depth(self, queue: str) -> int:
        with translated("the queue service", _unknown):
            answer = self._client.get_queue_attributes(QueueUrl=self._url(queue), AttributeNames=_COUNTED)
        return sum(int(answer["Attributes"].get(name, "0")) for name in _COUNTED)

    def _show_again(self, delivery: Delivery, after_s: int) -> None:
        try:
            with translated("the queue service", lambda code: _Gone() if code in _GONE else None):
                self._client.change_message_visibility(
                    QueueUrl=self._url(delivery.queue), ReceiptHandle=delivery.receipt, VisibilityTimeout=after_s
                )
        except _Gone:
            return  # its time ran out: it is back in the queue already, or done

    def _batch(self, operation: Callable[..., Any], queue: str, entries: list[dict[str, Any]]) -> None:
        """Repeats what SQS leaves undone. Raises Unavailable if something stays so."""
        for _ in range(_TRIES):
            with translated("the queue service", _unknown):
                answer = operation(QueueUrl=self._url(queue), Entries=entries)
            undone = {failure["Id"] for failure in answer.get("Failed", ()) if failure["Code"] not in _GONE}
            entries = [entry for entry in entries if entry["Id"] in undone]
            if not entries:
                return
        raise Unavailable(f"the queue service did not take every message of {queue}")

    def _url(self, queue: str) -> str:
        if queue not in self._urls:
            with translated("the queue service", _unknown):
                self._urls[queue] = self._client.get_queue_url(QueueName=self._prefix + queue)["QueueUrl"]
        return self._urls[queue]


def _unknown(code: str) -> None:
    """No word of SQS's means more to the rooms than that it did not work."""


def _batches(bodies: Sequence[str]) -> list[list[str]]:
    """Bodies in their order, in runs that SQS takes at once."""
    batches: list[list[str]] = []
    room = 0
    for body in bodies:
        size = len(body.encode())
        if not batches or len(batches[-1]) == _MOST or size > room:
            batches.append([])
            room = _BATCH_LIMIT_BYTES
        batches[-1].append(body)
        room -= size
    return batches
