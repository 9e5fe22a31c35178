"""Traces of functions: each message, and each call of the API, is a subsegment that bears the client's request id.

    Lambda makes the segment (active tracing) and says its id in `_X_AMZN_TRACE_ID`: Root=…;Parent=…;Sampled=1
    we send   {"type": "subsegment", "parent_id": …, "annotations": {"request_id": …}} to the daemon, by UDP

Nothing is imported for it, and where nothing is sampled it costs a look at the environment. `docs/decisions/0008` says
why it is not the X-Ray SDK. Source: "Sending trace data to AWS X-Ray", segment documents and the daemon's header.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from chalicelib.kernel.origin import current

_HEADER: Final = b'{"format": "json", "version": 1}\n'
_TRACE: Final = re.compile(r"1-[0-9a-f]{8}-[0-9a-f]{24}", re.ASCII)
_DAEMON: Final = "127.0.0.1:2000"


def trace_id(header: str) -> str:
    """The trace's id in a header `X-Amzn-Trace-Id`; "" where it is none, for anybody may send one."""
    return _fields(header).get("Root", "")


@contextmanager
def traced(name: str) -> Iterator[None]:
    """What is done inside is a subsegment of the function's segment, if the function is traced."""
    fields = _fields(os.environ.get("_X_AMZN_TRACE_ID", ""))
    if fields.get("Sampled") != "1" or not {"Root", "Parent"} <= fields.keys():
        yield
        return
    began = time.time()
    failed = True
    try:
        yield
        failed = False
    finally:
        _send(
            {
                "type": "subsegment",
                "id": secrets.token_hex(8),
                "trace_id": fields["Root"],
                "parent_id": fields["Parent"],
                "name": name,
                "start_time": began,
                "end_time": time.time(),
                "fault": failed,
                "annotations": {"request_id": current().request_id, "cause": current().cause},
            }
        )


def _fields(header: str) -> dict[str, str]:
    if not header:
        return {}
    fields = dict(part.split("=", 1) for part in header.split(";") if "=" in part)
    return fields if _TRACE.fullmatch(fields.get("Root", "")) else {}


def _send(document: dict[str, Any]) -> None:
    """Whether it arrives nobody asks: work does not fail for want of a trace."""
    host, _, port = os.environ.get("AWS_XRAY_DAEMON_ADDRESS", _DAEMON).rpartition(":")
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
            daemon.sendto(_HEADER + json.dumps(document).encode(), (host, int(port)))
    except (OSError, ValueError):
        return
