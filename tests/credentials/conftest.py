"""An instance with one credential, `admin` / `secret`, and a clock that stands still."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from chalicelib.credentials.service import Credentials
from chalicelib.credentials.token import TokenEndpoint
from chalicelib.identity.passwords import Desk as PasswordDesk
from chalicelib.instances.models import Instance
from chalicelib.ports.stack import Stack
from chalicelib.repositories.service import Repositories
from tests.stacks import FrozenClock, embedded_stack, make_instance, make_namespace

HOME = "192.0.2.7"


@dataclass(frozen=True)
class Desk:
    stack: Stack
    clock: FrozenClock
    instance: Instance
    credentials: Credentials
    repositories: Repositories

    @property
    def hashes(self) -> int:
        """How many passwords were compared by computing a hash."""
        return self.stack.keep("password desk", PasswordDesk).compared

    @property
    def endpoint(self) -> TokenEndpoint:
        return TokenEndpoint(self.stack, self.repositories.permitted)


@contextmanager
def open_desk(folder: Path) -> Iterator[Desk]:
    clock = FrozenClock()
    with embedded_stack(folder, clock) as stack:
        instance = make_instance(stack)
        make_namespace(stack, instance, default_visibility="public")
        credentials = Credentials(stack)
        credentials.create(instance, "admin", "secret")
        yield Desk(stack, clock, instance, credentials, Repositories(stack))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path) as opened:
        yield opened


def basic_header(username: str = "admin", password: str = "secret") -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()
