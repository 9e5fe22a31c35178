"""Ids of requests: what a user names to an operator, and what the log is searched for."""

from __future__ import annotations

import itertools
import os
from typing import Final

_REQUESTS: Final = itertools.count()
# Tells this process's requests from every other's.
_PROCESS: Final = os.urandom(8).hex()


def new_request_id() -> bytes:
    return f"{_PROCESS}{next(_REQUESTS):06x}".encode()
