"""Whether the gateway on this machine is alive: exit code 0 or 1. For container engines, which ask every few seconds.

python -m chalicelib.host.probe          asks /healthz on CRS_PORT, which answers as long as the event loop turns
"""

from __future__ import annotations

import os
import socket
import sys
from typing import Final

# It imports next to nothing: most of what a question costs is the interpreter's start.
_PATIENCE_S: Final = 4.0
_QUESTION: Final = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"


def alive(port: int) -> bool:
    try:
        with socket.create_connection(("localhost", port), _PATIENCE_S) as connection:
            connection.settimeout(_PATIENCE_S)
            connection.sendall(_QUESTION)
            return connection.recv(12).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(not alive(int(os.environ.get("CRS_PORT") or 5000)))
