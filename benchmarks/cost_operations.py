"""What people and the clock make the service do, each counted once.

Counts are the same in every run: ids differ in nothing that costs, and rows that are due lie in one shard, as if a
day's were cleared together.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import pytest

from benchmarks.cost_world import Parts, World, image, opened, sha256
from chalicelib.copying import moving
from chalicelib.edge.tally import flush_tallies
from chalicelib.instances.models import Instance
from chalicelib.ports import keys
from chalicelib.retention.models import NewRetentionRule, RunOrder
from chalicelib.retention.service import Retention
from tests.management import Api, Reply
from tests.registry.library import Library
from tests.scanning.shelf import DEBIAN, PYTHON, Shelf, config_of, packed
from tests.stacks import make_namespace

NAME: Final = "library/app"
PULL, PUSH = f"repository:{NAME}:pull", f"repository:{NAME}:pull,push"
LAYERS: Final = tuple(packed({f"app/part-{number}": f"layer {number} " * 200}) for number in range(10))
# Two parts more than what fits into one request to S3.
LARGE_BYTES: Final = 11 * 1024 * 1024
# Of two runs of retention, by which a run over any number is reckoned; the tests count the first again.
FEW_TAGS: Final = 20
MANY_TAGS: Final = 120
# The same of images that are accelerated.
FEW_LAYERS: Final = 1
MANY_LAYERS: Final = 10
Told = dict[str, Parts]
_CONFIG: Final = {
    "os": "linux",
    "architecture": "amd64",
    "created": "2026-01-01T10:00:00Z",
    "config": {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"], "Cmd": ["/bin/app"]},
    "rootfs": {"type": "layers", "diff_ids": [sha256(layer) for layer in LAYERS]},
    "history": [{"created_by": f"RUN step {number}"} for number in range(10)],
}


def config(number: int) -> bytes:
    return json.dumps({**_CONFIG, "author": f"build {number:04d}"}).encode()


@dataclass(frozen=True)
class Measured:
    """told: counts by operation and part; row_bytes: of an image, by table; known: ids that work shares → places"""

    told: Told
    row_bytes: dict[str, float]
    known: dict[str, str]


def measure() -> Measured:
    told: Told = {}
    with opened() as world:
        told["idle_minute"], told["idle_five_minutes"] = idle(world)
        with in_one_shard():
            before = world.stored_bytes()
            push(world, told)
            stored = {name: (size - before[name]) / 2 for name, size in world.stored_bytes().items()}
            pull(world, told)
            told["delete_image"] = delete_image(world)
            known = world.known_ids(NAME)
    with opened() as world, in_one_shard():
        told[f"retention_{FEW_TAGS}"] = retention(world, FEW_TAGS)
        told["list_tags"] = list_tags(world)
        told["scan"] = scan(world)
        known |= world.known_ids(NAME)
    for layers in (FEW_LAYERS, MANY_LAYERS):
        with opened() as world, in_one_shard():
            told[f"accelerate_{layers}"] = accelerate(world, layers)
    with opened() as world, in_one_shard(), one_blob_at_a_time():
        synchronise(world, told)
    return Measured(told, stored, known)


def measure_retention(tags: int) -> Parts:
    with opened() as world, in_one_shard():
        return retention(world, tags)


@contextmanager
def in_one_shard() -> Iterator[None]:
    """Which shard a row falls into follows from its id, and how many shards have something from chance."""
    with pytest.MonkeyPatch.context() as changes:
        changes.setattr(keys, "DUE_SHARDS", 1)
        yield


@contextmanager
def one_blob_at_a_time() -> Iterator[None]:
    """Moto loses writes under concurrency."""
    with pytest.MonkeyPatch.context() as changes:
        changes.setattr(moving, "ThreadPoolExecutor", lambda _most, name: ThreadPoolExecutor(1, name))
        yield


def one(world: World, act: Callable[[], Any]) -> Parts:
    with world.operation() as parts:
        act()
    return parts


def idle(world: World) -> tuple[Parts, Parts]:
    """What the schedules of `app.py` find where there is nothing to do, each minute and each five minutes."""
    from chalicelib.audit.handlers import seal
    from chalicelib.billing.handlers import advance_lives
    from chalicelib.collection.handlers import sweep
    from chalicelib.notifications.handlers import announce
    from chalicelib.retention.handlers import fire_schedules
    from chalicelib.scanning.database_schedule import keep_current

    minute: dict[str, Callable[[Any], Any]] = {
        "announce": announce,
        "sweep": sweep,
        "retention": fire_schedules,
        "seal_audit": seal,
    }
    five: dict[str, Callable[[Any], Any]] = {"life": advance_lives, "vulnerability_database": keep_current}
    for handler in (*minute.values(), *five.values()):
        handler(world.stack)
    world.clock.advance(3600)
    for _ in range(3):  # minutes that hold entries are sealed once
        minute["seal_audit"](world.stack)
    with world.operation() as each_minute:
        for name, handler in minute.items():
            world.run(name, partial(handler, world.stack), invocations=1)
    with world.operation() as each_five:
        for name, handler in five.items():
            world.run(name, partial(handler, world.stack), invocations=1)
    return each_minute, each_five


def push(world: World, told: Told) -> None:
    """Two images: one whose layers are new, one that differs by its config. Leases end a day later."""
    world.log_in(PUSH)
    world.push_blob(NAME, b"the first content makes the repository")
    world.pass_days(1, 1)
    for operation, number in (("push_new", 0), ("push_known", 1)):
        with world.operation() as parts:
            world.log_in(PUSH)
            for layer in LAYERS:
                if number == 0:
                    world.push_blob(NAME, layer)
                else:
                    world.ask("HEAD", f"/v2/{NAME}/blobs/{sha256(layer)}", 200)
            world.push_blob(NAME, config(number))
            world.push_manifest(NAME, f"v{number}", image(config(number), *LAYERS))
            world.bring_events()
            world.drain()
            world.pass_days(1, 1)
        told[operation] = parts
    world.log_in(PUSH)
    told["layer_small"] = one(world, lambda: world.push_blob(NAME, b"one small layer"))
    told["layer_large"] = one(world, lambda: world.push_blob(NAME, bytes(LARGE_BYTES)))


def pull(world: World, told: Told) -> None:
    digest = sha256(image(config(0), *LAYERS))
    told["token"] = one(world, lambda: world.log_in(PULL))
    for kind, reference in (("tag", "v0"), ("digest", digest)):
        path = f"/v2/{NAME}/manifests/{reference}"
        world.cold()
        for state in ("cold", "warm"):
            told[f"manifest_{kind}_{state}"] = one(world, partial(world.ask, "GET", path, 200))
    world.cold()
    for state in ("cold", "warm"):
        told[f"layer_redirect_{state}"] = one(world, lambda: world.follow(f"/v2/{NAME}/blobs/{sha256(LAYERS[0])}"))
    told["pull_image"] = one(world, lambda: pull_whole(world))
    world.restrict()
    world.cold()
    for state in ("cold", "warm"):
        path = f"/v2/{NAME}/blobs/{sha256(LAYERS[0])}"
        told[f"layer_stream_{state}"] = one(world, partial(world.ask, "GET", path, 200))
    world.open_to_everyone()
    flush_tallies(world.stack)
    world.ask("GET", f"/v2/{NAME}/manifests/v0", 200)
    told["note_of_pulls"] = one(world, lambda: world.run("gateway", lambda: flush_tallies(world.stack)))


def pull_whole(world: World) -> None:
    """All of it, by a client that has nothing of it, from a gateway that remembers nothing."""
    world.cold()
    world.log_in(PULL)
    world.ask("GET", f"/v2/{NAME}/manifests/v0", 200)
    for data in (config(0), *LAYERS):
        world.follow(f"/v2/{NAME}/blobs/{sha256(data)}")


def list_tags(world: World) -> Parts:
    """A page of a hundred, as the console asks."""
    world.multiply_tag(NAME, 120)
    world.call_api(lambda api: api.get(_path("/tags"), limit=100))
    world.cold()
    return one(world, lambda: _expect(world.call_api(lambda api: api.get(_path("/tags"), limit=100)), 200))


def scan(world: World) -> Parts:
    """Of an image of three layers, two of which hold packages: asked for, judged, its bills of materials attached. What
    its layers hold was read when it was pushed, and the function has the database."""
    Shelf(Library(world.stack, world.instance)).import_database()
    layers = (packed(DEBIAN), packed(PYTHON), packed({"app/main": "its program " * 200}))
    for name in ("first", "scanned"):
        world.log_in(PUSH)
        described = {**json.loads(config_of(list(layers))), "author": name}
        for data in (json.dumps(described).encode(), *layers):
            if name == "first" or data not in layers:
                world.push_blob(NAME, data)
        world.push_manifest(NAME, name, image(json.dumps(described).encode(), *layers))
        _settle(world)
        if name == "first":
            _scan(world, name)

    return one(world, lambda: _scan(world, "scanned"))


def _scan(world: World, tag: str) -> None:
    _expect(world.call_api(lambda api: api.post(_path(f"/tags/{tag}/scan"))), 202)
    _settle(world)


def _settle(world: World) -> None:
    world.drain()
    world.bring_events()
    world.drain()


def accelerate(world: World, layers: int) -> Parts:
    """Of so many layers, none of which was converted before: asked for, converted, its companion pushed. Advice on it
    was given when it was pushed."""
    chosen = LAYERS[:layers]
    described = config_of(list(chosen))
    world.log_in(PUSH)
    for data in (described, *chosen):
        world.push_blob(NAME, data)
    world.push_manifest(NAME, "slow", image(described, *chosen))
    _settle(world)

    def ask() -> None:
        _expect(world.call_api(lambda api: api.post(_path("/tags/slow/accelerate"))), 202)
        _settle(world)

    parts = one(world, ask)
    _expect(world.call_api(lambda api: api.get(_path("/tags/slow-accelerated"))), 200)
    return parts


def synchronise(world: World, told: Told) -> None:
    """An image of ten layers by request, to where none of them is known: in another namespace, and in an instance whose
    bucket is another."""
    world.log_in(PUSH)
    for data in (config(0), *LAYERS):
        world.push_blob(NAME, data)
    world.push_manifest(NAME, "v0", image(config(0), *LAYERS))
    _settle(world)
    for operation, target in (("sync_inside", world.instance), ("sync_across", world.branch())):
        make_namespace(world.stack, target, "copies")
        order = {"source_namespace": "library", "target_instance": target.id, "target_namespace": "copies"}

        def ask(order: dict[str, str] = order, target: Instance = target) -> None:
            _expect(world.call_api(lambda api: api.post("/instances/acme/sync-tasks", order)), 202)
            world.drain()
            world.bring_events(target)
            world.drain()

        told[operation] = one(world, ask)
        place = _path("/tags/v0", target.name, "copies")
        _expect(world.call_api(partial(_got, place)), 200)


def delete_image(world: World) -> Parts:
    """The tag by the API; after the grace period its bin entry and all that it held, a day later the bytes of eleven
    blobs. Another image of the same layers went before, with a row of its own alone."""

    def delete(tag: str) -> None:
        _expect(world.call_api(lambda api: api.delete(_path(f"/tags/{tag}"))), 200)
        world.drain()
        world.pass_days(8, 1, 1)

    delete("v1")
    return one(world, lambda: delete("v0"))


def retention(world: World, tags: int) -> Parts:
    """A run over so many tags of one repository, ten to an image, of which the older half goes: up to the bin."""
    world.log_in(PUSH)
    world.push_blob(NAME, LAYERS[0])
    for number in range(tags // 10):
        world.push_blob(NAME, config(number))
        world.push_manifest(NAME, f"v{number}", image(config(number), LAYERS[0]))
        world.multiply_tag(NAME, 9)
        world.clock.advance(1)
    world.bring_events()
    world.pass_days(1, 1)
    room = Retention(world.stack)
    rule = {"repositories": "**", "tags": "**", "keep_last": tags // 2}
    room.add_rule(world.namespace, NewRetentionRule.model_validate(rule), "ann")
    with world.operation() as parts:
        world.run("retention", lambda: room.start(world.namespace, RunOrder(dry_run=False, acknowledged=True), "ann"))
        world.drain()
    return parts


def _got(path: str, api: Api) -> Reply:
    return api.get(path)


def _path(rest: str, instance: str = "acme", namespace: str = "library") -> str:
    return f"/instances/{instance}/namespaces/{namespace}/repositories/app{rest}"


def _expect(reply: Any, status: int) -> None:
    assert reply.status == status, (reply.status, reply.text)
