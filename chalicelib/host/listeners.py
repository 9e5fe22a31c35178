"""The sockets the gateway answers on: public, internal, and one for each instance with a port of its own."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Final

from chalicelib.kernel.errors import Invalid
from chalicelib.kernel.settings import Settings

# Connections that may wait while the event loop is busy; the kernel caps it at net.core.somaxconn.
BACKLOG: Final = 2048


@dataclass(frozen=True)
class Listeners:
    """`settings` carry the ports really taken, where 0 was asked for."""

    sockets: list[socket.socket]
    settings: Settings

    def close(self) -> None:
        for listener in self.sockets:
            listener.close()


def listen(settings: Settings) -> Listeners:
    """Raises Invalid, naming the variable whose port cannot be had."""
    opened: list[socket.socket] = []
    try:
        opened.append(_bind(settings.host, settings.port, "CRS_PORT"))
        taken: dict[str, int] = {"port": opened[0].getsockname()[1]}
        if settings.internal_port is not None:
            opened.append(_bind(settings.host, settings.internal_port, "CRS_INTERNAL_PORT"))
            taken["internal_port"] = opened[-1].getsockname()[1]
        opened.extend(_bind(settings.host, port, "CRS_INSTANCE_PORTS") for port in instance_ports(settings))
    except Invalid:
        for listener in opened:
            listener.close()
        raise
    return Listeners(opened, settings.model_copy(update=taken))


def instance_ports(settings: Settings) -> list[int]:
    """The ports named in `<instance id>=<port>,…`, in that order. Raises Invalid."""
    ports = []
    for pair in filter(None, settings.instance_ports.split(",")):
        instance, _, port = pair.strip().partition("=")
        if not (instance and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise Invalid("CRS_INSTANCE_PORTS", f"{pair.strip()!r} is not of the form <instance id>=<port>")
        ports.append(int(port))
    return ports


def require_tls_files(settings: Settings) -> None:
    """Raises Invalid where TLS is half configured, or a file is missing."""
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise Invalid("CRS_TLS_KEY", "TLS needs both CRS_TLS_CERT and CRS_TLS_KEY")
    for variable, path in (("CRS_TLS_CERT", settings.tls_cert), ("CRS_TLS_KEY", settings.tls_key)):
        if path is not None and not path.is_file():
            raise Invalid(variable, f"{variable}: there is no file {path}")


def _bind(host: str, port: int, variable: str) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise Invalid(variable, f"cannot listen on {host} port {port} ({variable}): {error.strerror}") from error
