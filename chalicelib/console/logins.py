"""How each client logs in to an instance, ready to paste."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .visit import Visit

# The option by which a client takes an instance without TLS.
_CLIENTS: Final[Mapping[str, tuple[str, str]]] = {
    "docker": ("docker login", ""),
    "podman": ("podman login", " --tls-verify=false"),
    "nerdctl": ("nerdctl login", " --insecure-registry"),
    "skopeo": ("skopeo login", " --tls-verify=false"),
    "crane": ("crane auth login", " --insecure"),
    "helm": ("helm registry login", " --plain-http"),
    "oras": ("oras login", " --plain-http"),
}


@dataclass(frozen=True)
class Login:
    """command: asks for the password; piped: reads it from where it stands, so that no list of processes shows it."""

    client: str
    command: str
    piped: str


def login(visit: Visit, username: str, password: str = "") -> Login:
    """For the client that the page's address names: `?client=podman`.

    Neither user names nor generated passwords hold anything that a shell reads.
    """
    chosen = visit.query.get("client", "")
    client = chosen if chosen in _CLIENTS else next(iter(_CLIENTS))
    verb, plain = _CLIENTS[client]
    # docker asks its own settings for registries without TLS.
    flag = plain if visit.stack.settings.plain_http else ""
    command = f"{verb}{flag} {visit.told(visit.instance.public_address)} -u {username}"
    piped = f"printf %s '{password}' | {command} --password-stdin"
    return Login(client, f"{command} --password-stdin" if client == "crane" else command, piped)


def choices(address: Callable[..., str], chosen: str) -> list[tuple[str, str, bool]]:
    """For `ui.tabs`: (address, client, whether it is this one). address: `visit.here`."""
    return [(address(client=client), client, client == chosen) for client in _CLIENTS]
