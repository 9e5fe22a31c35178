"""The recycle bin, with something of each kind in it."""

from __future__ import annotations

from chalicelib.kernel.names import RepositoryName
from tests.background import run_tasks
from tests.console.world import Screen, World

_BIN = "/instances/ci/recycle-bin"


def furnish(world: World) -> None:
    api = world.api
    for name in ("archive", "closed"):
        assert api.post("/instances/ci/namespaces", {"name": name, "auto_create_repository": True}).status == 201
    for repository in ("archive/old", "archive/reports", "closed/app"):
        for tag in ("1.0", "1.1"):
            world.shelf.library.push(tag, name=RepositoryName(repository), layers=(repository.encode(), tag.encode()))
    place = "/instances/ci/namespaces/archive/repositories"
    assert api.delete(f"{place}/reports/tags/1.0").status == 200
    assert api.delete(f"{place}/old", confirm="archive/old").status == 204
    assert api.delete("/instances/ci/namespaces/closed", confirm="closed").status == 202
    run_tasks(world.stack)
    found = api.get(_BIN, kind="repository", search="archive/old").json()["items"]
    world.known["bin entry"] = found[0]["id"]


SCREENS = (
    Screen("/instances/{instance}/recycle-bin", "recycle-bin", lambda _: _BIN),
    Screen(
        "/instances/{instance}/recycle-bin/{entry}",
        "recycle-bin-entry",
        lambda world: f"{_BIN}/{world.known['bin entry']}",
    ),
    Screen(
        "/instances/{instance}/recycle-bin/{entry}/delete",
        "recycle-bin-delete",
        lambda world: f"{_BIN}/{world.known['bin entry']}/delete",
    ),
)
