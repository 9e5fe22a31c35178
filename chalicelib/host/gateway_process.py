"""One of the gateway's processes: an interpreter, an event loop, connections to the stores of its own.

python -m chalicelib.host.gateway_process <pool of metrics> <parent's id> <pipe to tell> <socket> …

All but the id are descriptors that it inherits.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence

from chalicelib.edge.pooling import Pool
from chalicelib.kernel.settings import Settings
from chalicelib.ports.stack import open_stack

from .allocation import give_large_blocks_back
from .parent import die_with_parent
from .readiness import ReadyOnce
from .server import run_gateway


def main(pool: int, parent: int, tell: int, sockets: Sequence[int]) -> None:
    die_with_parent(parent)
    give_large_blocks_back()
    import gateway

    settings = Settings.from_environment(os.environ)
    with open_stack(settings) as stack:
        app = ReadyOnce(gateway.build(stack, pool=Pool(pool)))
        run_gateway(app, settings, [socket.socket(fileno=one) for one in sockets], lambda: _tell(tell))


def _tell(descriptor: int) -> None:
    os.write(descriptor, b"+")
    os.close(descriptor)


if __name__ == "__main__":
    given_pool, given_parent, given_tell, *given_sockets = map(int, sys.argv[1:])
    main(given_pool, given_parent, given_tell, given_sockets)
