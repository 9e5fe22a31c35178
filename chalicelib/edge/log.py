"""The service's log: one JSON object a line on stderr. Event texts and keys are constant and in lower case.

A line says by itself whose request it belongs to and what was carried out (`kernel.origin`), and what `about` added.
Both are kept for each request, message and thread. Powertools' own keys are not used: `append_keys`,
`append_context_keys` and `inject_lambda_context` write one set of the whole process, and `thread_safe_remove_keys`
takes keys out of a set that copied contexts share.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Final

from aws_lambda_powertools import Logger

from chalicelib.kernel.origin import NOBODY, current, origin_of

_NOTHING: Final[Mapping[str, object]] = MappingProxyType({})
_about: ContextVar[Mapping[str, object]] = ContextVar("about", default=_NOTHING)


@contextmanager
def about(**keys: object) -> Iterator[None]:
    """Lines that are logged inside carry these keys too."""
    before = _about.set({**_about.get(), **keys})
    try:
        yield
    finally:
        _about.reset(before)


class _Context(logging.Filter):
    """Adds to a line what it does not say itself."""

    def filter(self, record: logging.LogRecord) -> bool:
        said = record.__dict__
        for name, value in _about.get().items():
            said.setdefault(name, value)
        origin = current()
        if record.exc_info and (origins := origin_of(record.exc_info[1])) is not NOBODY:
            # Whoever logs it may be further out than whose it was.
            origin = origins
        if origin.request_id:
            said.setdefault("request_id", origin.request_id)
        if origin.cause and origin.cause != said.get("request_id"):
            said.setdefault("cause", origin.cause)
        return True


def _handler() -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_Context())
    return handler


logger: Final = Logger(service="crs", logger_handler=_handler(), serialize_stacktrace=False)
