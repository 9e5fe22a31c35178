"""Repeats calls of DynamoDB, and knows when the outcome of one is in doubt.

call ──► answered ─────────────────────────────────► answer
  ├────► throttled, in conflict, no connection ────► surely without effect: again, after a pause
  ├────► no answer in time, broken off, 5xx ───────► in doubt: reads and what `Repeat` allows again, the rest
  │                                                  OutcomeUnknown
  └────► condition failed ─────────────────────────► ConditionFailed; but after a doubt, OutcomeUnknown, since
                                                     our own first try may be why it no longer holds
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from chalicelib.kernel.errors import Unavailable
from chalicelib.ports.table import OutcomeUnknown

from .clients import code_of, never_sent

# At most about 2 s of waiting before the caller hears that the table is busy; clients of a registry try again.
ATTEMPTS: Final = 6
# DynamoDB remembers a transaction's token for 10 minutes. A process that was frozen in the middle of a call must not
# try again after that: the same writes would count as new ones.
LONGEST_S: Final = 60.0
_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0

_WITHOUT_EFFECT: Final = frozenset(
    {
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "ReplicatedWriteConflictException",
        "RequestLimitExceeded",
        "ThrottlingException",
        "TransactionConflictException",
    }
)
_INVALID: Final = frozenset({"IdempotentParameterMismatchException", "ValidationException"})
# An earlier try with the same token is still being carried out.
_UNDER_WAY: Final = "TransactionInProgressException"


class Repeat(Enum):
    """What a second try does if the first took effect unseen.

    READ    nothing
    SAME    the same again, so that it may be tried; unless a condition fails, which then proves nothing
    TOKEN   nothing: the service knows the call again by its token, so a failed condition is a fact
    NEVER   counts twice
    """

    READ = "read"
    SAME = "same"
    TOKEN = "token"
    NEVER = "never"


class Calls:
    """Calls one table's service. `sleep` takes seconds, `monotonic` answers them; tests bring their own."""

    def __init__(
        self, sleep: Callable[[float], None] = time.sleep, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._sleep = sleep
        self._monotonic = monotonic

    def call(self, operation: Callable[..., Any], repeat: Repeat, **arguments: Any) -> Any:
        """The service's answer.

        Raises ClientError for a failed condition or a cancelled transaction, ValueError, OutcomeUnknown, Unavailable.
        """
        in_doubt = False
        last: Exception | None = None
        latest = self._monotonic() + LONGEST_S
        for pause_s in self.pauses():
            if last is not None:
                self._sleep(pause_s)
                if self._monotonic() > latest:
                    break
            try:
                return operation(**arguments)
            except (ClientError, BotoCoreError, ResponseParserError) as error:
                last = error
            if _is_verdict(last):
                if in_doubt and repeat is Repeat.SAME:
                    break
                raise last
            if _is_refusal(last):
                break
            if repeat is not Repeat.READ and not _had_no_effect(last):
                in_doubt = True
                if repeat is Repeat.NEVER:
                    break
        if in_doubt:
            raise OutcomeUnknown("the table did not say whether it wrote; look, then try again") from last
        raise Unavailable("the table did not carry out the call; try again") from last

    def pauses(self) -> Iterator[float]:
        """Seconds to wait before each try, growing and scattered, so that rivals do not meet again."""
        for attempt in range(ATTEMPTS):
            yield random.uniform(0.0, min(_LONGEST_PAUSE_S, _PAUSE_S * 2**attempt))

    def rest(self, pause_s: float) -> None:
        self._sleep(pause_s)


def _is_verdict(error: Exception) -> bool:
    """Whether the service decided: a condition failed. Raises ValueError for what no repetition can change."""
    code = code_of(error)
    reasons = {reason.get("Code") for reason in reasons_of(error)}
    if code in _INVALID or "ValidationError" in reasons:
        raise ValueError(f"the table cannot take this call: {error}") from error
    return code == "ConditionalCheckFailedException" or "ConditionalCheckFailed" in reasons


def reasons_of(error: Exception) -> list[dict[str, Any]]:
    """Why a transaction was cancelled, one entry for each of its writes."""
    return (
        [dict(reason) for reason in error.response.get("CancellationReasons", ())]
        if isinstance(error, ClientError)
        else []
    )


def _had_no_effect(error: Exception) -> bool:
    code = code_of(error)
    return code in _WITHOUT_EFFECT or code == "TransactionCanceledException" or never_sent(error)


def _is_refusal(error: Exception) -> bool:
    """Whether the service refuses for good: no such table, no permission, a bad signature."""
    status = error.response["ResponseMetadata"].get("HTTPStatusCode", 500) if isinstance(error, ClientError) else 500
    return status < 500 and code_of(error) != _UNDER_WAY and not _had_no_effect(error)
