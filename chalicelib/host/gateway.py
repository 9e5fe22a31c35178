"""The gateway on AWS: what its container runs. No management API, no consumers, nothing on the disk.

SIGTERM ─► /readyz is 503, requests are taken on ─► CRS_DRAIN_S later no new ones ─► those under way end, or are cut
           the load balancer sends others elsewhere                                  off after CRS_END_WITHIN_S
a second SIGTERM ends the first part; Ctrl-C leaves it out
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Final

from chalicelib.edge.log import logger
from chalicelib.edge.pooling import Pool
from chalicelib.kernel.errors import Invalid
from chalicelib.kernel.settings import Settings

from .child import environment_of
from .listeners import listen, require_tls_files
from .processes import Processes, Program

# What a process may take beyond its requests: to write its counts, and to close its connections.
MORE_S: Final = 10.0


def serve_gateway(settings: Settings) -> int:
    """Until SIGTERM or Ctrl-C; answers the exit code. Raises Invalid (stack, ports, TLS files)."""
    if settings.stack != "aws":
        raise Invalid("CRS_STACK", "the gateway alone serves the aws stack; on one machine run `serve`")
    require_tls_files(settings)
    # The first process of a container would not hear a signal that it says nothing about.
    signal.signal(signal.SIGTERM, _end_before_serving)
    listeners = listen(settings)
    count = settings.gateway_processes or len(os.sched_getaffinity(0))
    logger.info("gateway starts", processes=count, port=listeners.settings.port)
    environment = environment_of(listeners.settings)
    pool = Pool.make()
    os.set_inheritable(pool.descriptor, True)
    arguments = ("-m", "chalicelib.host.gateway_process", str(pool.descriptor))
    program = Program(arguments, environment, listeners.sockets)
    code = Processes(program, count, settings.drain_s + settings.end_within_s + MORE_S).run()
    listeners.close()
    logger.info("gateway ended", exit_code=code)
    return code


def _end_before_serving(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)
