"""Services of this kind on loopback, each with one instance, reached as any registry is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chalicelib.copying.remote import RemoteRepository
from chalicelib.credentials.service import Credentials
from chalicelib.kernel.names import RepositoryName
from chalicelib.ports.outbound import Outbound
from chalicelib.ports.remote import RemoteRegistry
from chalicelib.ports.remote_login import Login
from chalicelib.ports.remote_reference import RemoteReference
from tests.registry.test_protocol_sockets import Served
from tests.stacks import embedded_stack, make_instance, make_namespace

from .shops import COPY, NAME, Shop

LOGIN = Login("admin", "correct-horse-battery")


class House:
    """A service: namespace `library`, and `shelf`; pushes make repositories in both."""

    def __init__(self, folder: Path, **namespace: Any) -> None:
        self.stack = embedded_stack(folder)
        self.instance = make_instance(self.stack, "default")
        make_namespace(self.stack, self.instance, **namespace)
        make_namespace(self.stack, self.instance, "shelf", **namespace)
        Credentials(self.stack).create(self.instance, LOGIN.username, LOGIN.password)
        self.server = Served(self.stack)
        reference = RemoteReference.parse(f"127.0.0.1:{self.server.address[1]}/x")
        self.registry = RemoteRegistry(reference, Outbound(allow_private=True), login=LOGIN, pause=lambda _: None)

    def shop(self, name: RepositoryName = NAME) -> Shop:
        return Shop(self.stack, self.instance, name)

    def end(self, name: RepositoryName = NAME) -> RemoteRepository:
        return RemoteRepository(self.registry, name)

    def close(self) -> None:
        self.registry.close()
        self.server.stop()
        self.stack.close()


@contextmanager
def house(folder: Path, **namespace: Any) -> Iterator[House]:
    opened = House(folder, **namespace)
    try:
        yield opened
    finally:
        opened.close()


__all__ = ["COPY", "NAME", "House", "house"]
