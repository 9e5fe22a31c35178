"""What to paste to have a chart."""

from __future__ import annotations

from typing import Literal

from chalicelib.instances.models import Instance
from chalicelib.kernel.names import RepositoryName

from .models import Command
from .versions import order_of

Purpose = Literal["login", "pull", "install", "verify", "add", "search"]


def commands(
    instance: Instance, address: str, name: RepositoryName, version: str, *, plain_http: bool, signed: bool
) -> tuple[Command, ...]:
    """address: host and port of the instance. version: as its author wrote it; what is none is not repeated, because it
    could hold anything. plain_http: without TLS, which helm has to be told."""
    plain = " --plain-http" if plain_http else ""
    chosen = f" --version {version}" if order_of(version) else ""
    folder, _, chart = name.rpartition("/")
    local = folder.replace("/", "-")
    index = f"{'http' if plain_http else 'https'}://{address}/charts/{instance.name}/{folder}"
    found: list[tuple[Purpose, str]] = [
        ("login", f"helm registry login{plain} {address} --username <user name>"),
        ("pull", f"helm pull{plain} oci://{address}/{name}{chosen}"),
        ("install", f"helm install{plain} <release> oci://{address}/{name}{chosen}"),
    ]
    if signed:
        found.append(("verify", f"helm pull{plain} oci://{address}/{name}{chosen} --verify"))
    found.append(("add", f"helm repo add {local} {index} --username <user name> --password-stdin"))
    found.append(("search", f"helm search repo {local}/{chart} --versions"))
    return tuple(Command(purpose=purpose, command=command) for purpose, command in found)
