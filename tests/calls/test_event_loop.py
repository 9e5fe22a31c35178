"""On AWS the event loop never waits for the table: whoever is refused holds nobody else up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from .worlds import World, moto_world


class Watched:
    """A table that remembers which of its methods the event loop itself called."""

    def __init__(self, table: Any) -> None:
        self._table = table
        self.held_up: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name) if name == "epoch" else partial(self._call, name)

    def _call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            pass
        else:
            self.held_up.append(name)
        return getattr(self._table, name)(*args, **kwargs)


async def _beside(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return await asyncio.to_thread(function, *args, **kwargs)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("aws")
    with moto_world(folder, 1) as made:
        made.lenient = True
        yield made


REQUESTS: dict[str, tuple[str, str, dict[str, Any], int]] = {
    "a challenge": ("GET", "/v2/", {}, 401),
    "a manifest": ("GET", "/v2/library/app/manifests/v1", {}, 401),
    "a host of nobody": ("GET", "/v2/", {"headers": {"host": "nobody-00000000.registry.test"}}, 404),
    "a push of nobody": ("POST", "/v2/library/app/blobs/uploads/", {}, 401),
    "a token for a host of nobody": ("GET", "/token", {"headers": {"host": "nobody-00000000.registry.test"}}, 404),
    "a token for a bad password": ("GET", "/token?service=x", {"auth": ("admin", "wrong")}, 401),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_refusal_is_looked_up_beside_the_event_loop(world: World, name: str) -> None:
    """L4"""
    method, path, more, status = REQUESTS[name]
    watched = Watched(world.plain.table)
    world.serve(replace(world.plain, table=watched, read=_beside, write=_beside))
    world.forget()
    assert world.ask(method, path, scope="", **more).status_code == status
    assert watched.held_up == []
