"""Ids of requests: what a user names to an operator, and what the log is searched for."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from typing import Any, Final

# Six digits from the first on: then they need no padding, which takes twice as long as all the rest.
_REQUESTS: Final = itertools.count(0x100000)

# What the gateway and its applications note in an ASGI scope, for one another and for the log. No client can write it.
SCOPE_KEY: Final = "crs.request_id"
ROUTE_KEY: Final = "crs.route"
INSTANCE_KEY: Final = "crs.instance"


def _new_process() -> bytes:
    return os.urandom(8).hex().encode()


# Tells this process's requests from every other's.
_process = _new_process()


def _be_another() -> None:
    global _process
    _process = _new_process()


os.register_at_fork(after_in_child=_be_another)


def new_request_id() -> bytes:
    return _process + b"%x" % next(_REQUESTS)


def request_id_of(scope: Mapping[str, Any]) -> bytes:
    """The id that the gateway gave, a new one where no gateway stands before."""
    given: bytes | None = scope.get(SCOPE_KEY)
    return given or new_request_id()
