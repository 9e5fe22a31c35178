"""Migrations started and looked at through the API."""

from __future__ import annotations

from typing import Any

from chalicelib.instances.models import Instance
from chalicelib.kernel.names import RepositoryName
from chalicelib.ports.stack import Stack
from tests.copying.served import LOGIN, House
from tests.copying.shops import Shop
from tests.management import Api
from tests.stacks import BUCKET


def host(elsewhere: House) -> str:
    return f"127.0.0.1:{elsewhere.server.address[1]}"


def auth(elsewhere: House, password: str = LOGIN.password) -> dict[str, Any]:
    return {host(elsewhere): {"username": LOGIN.username, "password": password, "insecure": True}}


def shop(stack: Stack, instance: Instance, name: str) -> Shop:
    return Shop(stack, instance, RepositoryName(name))


def start(api: Api, instance: str, **body: Any) -> dict[str, Any]:
    answer = api.post(f"/instances/{instance}/migrations", body)
    assert answer.status == 202, answer.text
    started: dict[str, Any] = answer.json()
    return started


def task(api: Api, instance: str, started: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = api.get(f"/instances/{instance}/tasks/{started['id']}").json()
    return shown


def items(api: Api, instance: str, started: dict[str, Any]) -> list[tuple[str, str]]:
    found = api.get(f"/instances/{instance}/tasks/{started['id']}/items", limit=200).json()["items"]
    return [(item["id"], item["verdict"]) for item in found]


def kept_bytes(stack: Stack) -> int:
    """Each file once, however many names it has."""
    files = (stack.settings.data / "buckets" / BUCKET).rglob("*")
    found = {one.stat().st_ino: one.stat().st_size for one in files if one.is_file()}
    return sum(found.values())
