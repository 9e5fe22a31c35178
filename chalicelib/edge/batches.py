"""A queue's batch, by Powertools: each record by itself, and those that failed are named to the queue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, FailureResponse, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from .log import logger


def work_off(event: Mapping[str, Any], context: Any, handle: Callable[[str], None]) -> dict[str, Any]:
    """handle: takes a record's body, and raises where the queue shall deliver it again.

    Answers `{"batchItemFailures": [{"itemIdentifier": message id}, …]}`.
    """

    def record_handler(record: SQSRecord) -> None:
        handle(record.body)

    processor = _Processor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    return dict(process_partial_response(dict(event), record_handler, processor, context))


class _Processor(BatchProcessor):
    """Powertools' batch, saying which record failed and why; bodies stay out of the log."""

    def failure_handler(self, record: Any, exception: Any) -> FailureResponse:
        logger.error("failed to consume", record_id=record.message_id, exc_info=exception)
        return super().failure_handler(record, exception)
