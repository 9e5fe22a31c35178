"""What surrounds each event of a function, as Chalice's middleware: lines that say which function, counts, a trace.

event ─► about(function …) ─► handler ─► calls, call ─► a line of metrics, where CloudWatch reads it
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, Final

from chalicelib.kernel.settings import Settings

from .log import about, logger
from .metrics import METRICS, count, emits, took

Middleware = Callable[[Any, Callable[[Any], Any]], Any]

# What Chalice calls the function of the API.
API_FUNCTION: Final = "api_handler"


def observing(settings: Settings) -> Middleware:
    """Middleware for every kind of event."""
    emitting = emits(settings)
    stack = settings.queue_prefix.rstrip("-")

    def observe(event: Any, get_response: Callable[[Any], Any]) -> Any:
        context = getattr(event, "lambda_context", None) or event.context
        function = _function(context)
        if emitting:
            METRICS.begin_event()
        began, result = time.perf_counter(), "failed"
        try:
            with about(function=function, function_request_id=getattr(context, "aws_request_id", None)):
                try:
                    answer = get_response(event)
                    result = "ok"
                except Exception:
                    if emitting:
                        # Lambda's own line of it would not say whose request it was.
                        logger.exception("failed to handle an event")
                    raise
            return answer
        finally:
            count("calls", function=function, result=result)
            took("call", time.perf_counter() - began, function=function)
            if emitting:
                METRICS.end_event(stack, function)

    return observe


def _function(context: Any) -> str:
    """The name in app.py: on AWS what is deployed has another, made by CloudFormation."""
    handler = os.environ.get("_HANDLER", "")
    if handler:
        return API_FUNCTION if handler == "app.app" else handler.rpartition(".")[2]
    return str(getattr(context, "function_name", API_FUNCTION))
