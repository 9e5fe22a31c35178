"""Operations: what was deleted comes back, or goes before its time; tags go back to what they were."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Final

from chalicelib.kernel.errors import NotFound
from chalicelib.kernel.names import Digest, TagName
from chalicelib.ports import keys
from chalicelib.recycling.models import RestoreOrder
from chalicelib.recycling.service import RecycleBin
from chalicelib.registry.history import Histories
from chalicelib.registry.namespace_retirement import NamespaceRetirement
from chalicelib.registry.repository_retirement import RepositoryRetirement
from tests.registry.images import image, index

from .asking import Asking, Operation
from .deleting import settle, tagged
from .scenes import APP, DAY_S, OTHER, POOL, Scene
from .service import consume


def _entry(scene: Scene, kind: str, name: str) -> str:
    """The id of the entry of this kind and name."""
    rows = scene.stack.table.query(keys.bin_partition(scene.instance.id), prefix="ENTRY#").items
    (found,) = [row["id"] for row in rows if (row["kind"], row["name"]) == (kind, name)]
    return str(found)


def _restored(entry: str, **order: object) -> Asking:
    """Where it was done already the entry is gone. Of a namespace a task does it."""

    def ask(at: Scene) -> None:
        bin_ = RecycleBin(at.stack, at.instance)
        found = bin_.get(entry)
        bin_.restore(found, RestoreOrder.model_validate(order), "ann")
        if found.kind == "namespace":
            consume(at)

    return Asking(ask, done=(NotFound,))


def _tag(scene: Scene, rng: random.Random) -> Asking:
    scene.push_image(*POOL[4:6], tags=("back", "beside") if rng.random() < 0.5 else ("back",))
    scene.delete("back")
    settle(scene)
    scene.clock.advance(rng.choice((0, 2, 5)) * DAY_S)
    settle(scene)
    order = {"name": "renamed"} if rng.random() < 0.3 else {}
    return _restored(_entry(scene, "tag", "back"), **order)


def _original(scene: Scene, rng: random.Random) -> Asking:
    """Its companion comes back with it, by the sweep if need be."""
    _accelerated(scene)
    scene.clock.advance(rng.choice((0, 2, 5)) * DAY_S)
    settle(scene)
    return _restored(_entry(scene, "tag", "fast"))


def _accelerated(scene: Scene) -> None:
    """A tag and its companion, in the recycle bin."""
    scene.push_image(*POOL[4:6], tags=("fast",))
    scene.accelerate("fast", POOL[6])
    scene.delete("fast")
    settle(scene)


def _tag_of_an_index(scene: Scene, rng: random.Random) -> Asking:
    """Its children were deleted alone meanwhile, and come back with it."""
    scene.push_image(*POOL[4:6])
    scene.push_image(POOL[6], tags=("child",))
    scene.push(index(image(*POOL[4:6]), image(POOL[6])), "back")
    scene.delete(str(Digest.of(index(image(*POOL[4:6]), image(POOL[6])))))
    scene.delete(str(Digest.of(image(*POOL[4:6]))))
    if rng.random() < 0.5:
        scene.delete("child")
    settle(scene)
    rows = scene.stack.table.query(keys.bin_partition(scene.instance.id), prefix="ENTRY#").items
    (entry,) = [row["id"] for row in rows if [tag["name"] for tag in row["tags"]] == ["back"]]
    return _restored(str(entry))


def _manifest(scene: Scene, rng: random.Random) -> Asking:
    digest = tagged(scene, POOL[4:6], "back", rng.choice((1, 3, 45)))
    scene.delete(digest)
    settle(scene)
    return _restored(_entry(scene, "manifest", digest))


def _signed_manifest(scene: Scene, rng: random.Random) -> Asking:
    digest = scene.push_image(*POOL[4:6], tags=("back",))
    scene.sign(image(*POOL[4:6]), POOL[6])
    scene.delete(digest)
    settle(scene)
    return _restored(_entry(scene, "manifest", digest))


def _repository(scene: Scene, rng: random.Random) -> Asking:
    name = rng.choice((APP, OTHER))
    RepositoryRetirement(scene.stack).delete(scene.instance, scene.repository(name), "ann")
    settle(scene)
    scene.clock.advance(rng.choice((0, 5)) * DAY_S)
    settle(scene)
    order = {"name": "renamed"} if rng.random() < 0.3 else {}
    return _restored(_entry(scene, "repository", str(name)), **order)


def _namespace(scene: Scene, rng: random.Random) -> Asking:
    NamespaceRetirement(scene.stack).delete(scene.instance, scene.namespace(), "ann", repositories=2, size=0)
    settle(scene)
    scene.clock.advance(rng.choice((0, 5)) * DAY_S)
    settle(scene)
    order = {"name": "renamed"} if rng.random() < 0.3 else {}
    return _restored(_entry(scene, "namespace", "library"), **order)


def _freed(entry: str) -> Asking:
    def ask(at: Scene) -> None:
        bin_ = RecycleBin(at.stack, at.instance)
        bin_.free(bin_.get(entry))

    return Asking(ask, done=(NotFound,))


def _freed_tag(scene: Scene, rng: random.Random) -> Asking:
    scene.push_image(*POOL[4:6], tags=("gone",))
    scene.delete("gone")
    settle(scene)
    return _freed(_entry(scene, "tag", "gone"))


def _freed_original(scene: Scene, rng: random.Random) -> Asking:
    """Its companion is freed along."""
    _accelerated(scene)
    return _freed(_entry(scene, "tag", "fast"))


def _freed_namespace(scene: Scene, rng: random.Random) -> Asking:
    NamespaceRetirement(scene.stack).delete(scene.instance, scene.namespace(), "ann", repositories=2, size=0)
    settle(scene)
    return _freed(_entry(scene, "namespace", "library"))


def _rollback(scene: Scene, rng: random.Random) -> Asking:
    digest = scene.push_image(*POOL[4:6], tags=("rolled",))
    scene.push_image(*POOL[5:7], tags=("rolled",))
    if rng.random() < 0.5:
        scene.push_image(POOL[6], tags=("rolled",))
    settle(scene)
    scene.clock.advance(rng.choice((0, 2)) * DAY_S)
    return Asking(lambda at: Histories(at.stack).rollback(at.caller, at.repository(), TagName("rolled"), digest))


OPERATIONS: Final[Mapping[str, Operation]] = {
    "restoring a tag": Operation("restore", _tag),
    "restoring a tag with its companion": Operation("restore", _original),
    "restoring an index": Operation("restore", _tag_of_an_index),
    "restoring a manifest": Operation("restore", _manifest),
    "restoring a signed manifest": Operation("restore", _signed_manifest),
    "restoring a repository": Operation("restore", _repository),
    "restoring a namespace": Operation("restore", _namespace),
    "freeing a tag": Operation("restore", _freed_tag),
    "freeing a tag with its companion": Operation("restore", _freed_original),
    "freeing a namespace": Operation("restore", _freed_namespace),
    "rollback of a tag": Operation("restore", _rollback),
}
