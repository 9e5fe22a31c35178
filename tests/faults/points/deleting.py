"""Operations: content leaves, and what nothing needs is collected."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Mapping
from typing import Final

from chalicelib.closing.service import Closing
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import BlobUnknown, InUse, ManifestUnknown, NotFound
from chalicelib.kernel.names import Digest, TagName
from chalicelib.ports import keys
from chalicelib.registry.models import BinEntry
from chalicelib.registry.namespace_retirement import NamespaceRetirement
from chalicelib.registry.repository_retirement import RepositoryRetirement
from chalicelib.registry.tag_deletions import Matching, TagDeletionOrder, TagDeletions
from tests.registry.images import image, index

from ..ports import faulty
from ..turns import CRASH_AFTER, Crashed, Worker
from .asking import Asking, Operation
from .pushing import FRESH
from .scenes import APP, CONFIG, DAY_S, OTHER, POOL, SECOND, Scene
from .service import consume, rest, work


def _tag(scene: Scene, rng: random.Random) -> Asking:
    name, tag = rng.choice(((APP, "v0.0"), (OTHER, "stable"), (SECOND, "tool")))
    return Asking(lambda at: at.delete(tag, name), done=(ManifestUnknown,))


def _original(scene: Scene, rng: random.Random) -> Asking:
    """A tag with its companion, by its name or by its digest."""
    digest = scene.push_image(*POOL[4:6], tags=("fast",))
    scene.accelerate("fast", POOL[6])
    wanted = rng.choice(("fast", str(digest)))
    return Asking(lambda at: at.delete(wanted), done=(ManifestUnknown,))


def _manifest(scene: Scene, rng: random.Random) -> Asking:
    """With its tags, and perhaps a signature that dies with it. Many tags go page by page, and where the pages were
    interrupted those of the second asking are an entry of their own."""
    count = rng.choice((0, 1, 3, 45))
    digest = tagged(scene, POOL[4:6], "going", count)
    if rng.random() < 0.5:
        scene.sign(image(*POOL[4:6]), POOL[6])
    varying = ("bin manifest", "binned_bytes") if count > 3 else ()
    return Asking(lambda at: at.delete(digest), done=(ManifestUnknown,), varying=varying)


def tagged(scene: Scene, layers: list[bytes], prefix: str, count: int) -> Digest:
    """An image under so many tags, ten with each push."""
    names = [f"{prefix}{number}" for number in range(count)]
    digest = scene.push_image(*layers, tags=tuple(names[:10]))
    for begin in range(10, count, 10):
        scene.push(image(*layers), *names[begin : begin + 10])
    return digest


def _index(scene: Scene, rng: random.Random) -> Asking:
    scene.push_image(*POOL[4:6])
    scene.push_image(POOL[6], tags=("child",))
    digest = scene.push(index(image(*POOL[4:6]), image(POOL[6])), "going", "gone")
    return Asking(lambda at: at.delete(digest), done=(ManifestUnknown,))


def _held_child(scene: Scene, rng: random.Random) -> Asking:
    """Refused while its index stands, unless the namespace allows sparse indexes."""
    digest = scene.push_image(*POOL[4:6])
    scene.push(index(image(*POOL[4:6])), "holding")
    if scene.sparse:
        return Asking(lambda at: at.delete(digest), done=(ManifestUnknown,))
    return Asking(lambda at: at.delete(digest), refused=InUse)


def _blob(scene: Scene, rng: random.Random) -> Asking:
    for data in FRESH[:2]:
        scene.bring(data)
    return Asking(lambda at: at.registry.delete_blob(at.caller, APP, Digest.of(FRESH[0])), done=(BlobUnknown,))


def _some_tags(scene: Scene, rng: random.Random) -> Asking:
    names = [TagName(name) for name in ("v0.0", "v1.0", "v2.0", "multi", "nowhere")]
    wanted = tuple(rng.sample(names, rng.randint(2, 5)))

    def ask(at: Scene) -> None:
        TagDeletions(at.stack, at.instance, at.repository(), "ann").order(TagDeletionOrder(tags=wanted))

    return Asking(ask)


def _many_tags(scene: Scene, rng: random.Random) -> Asking:
    """More than a request deletes at once: a task does it."""
    for batch in range(3):
        tagged(scene, POOL[batch : batch + 2], f"mass{batch}-", 35)
    settle(scene)

    def ask(at: Scene) -> None:
        order = TagDeletionOrder(all_matching=Matching(prefix="mass"))
        TagDeletions(at.stack, at.instance, at.repository(), "ann").order(order)
        consume(at)

    return Asking(ask)


def _repository(scene: Scene, rng: random.Random) -> Asking:
    name = rng.choice((APP, OTHER, SECOND))

    def ask(at: Scene) -> None:
        RepositoryRetirement(at.stack).delete(at.instance, at.repository(name), "ann")

    return Asking(ask, done=(NotFound,))


def _namespace(scene: Scene, rng: random.Random) -> Asking:
    settle(scene)

    def ask(at: Scene) -> None:
        NamespaceRetirement(at.stack).delete(at.instance, at.namespace(), "ann", repositories=2, size=0)
        consume(at)

    return Asking(ask, done=(NotFound,))


def settle(scene: Scene) -> None:
    assert rest(scene) == []


# What the background does


def _background(scene: Scene) -> Asking:
    return Asking(work, background=True)


def _everything_due(scene: Scene, rng: random.Random) -> Asking:
    """Of all kinds of due work some: dead pushes and uploads, leases, bin entries, manifests, their blobs, events."""
    scene.delete("v0.0")
    settle(scene)
    scene.bring(FRESH[0])
    upload = scene.registry.start_upload(scene.caller, APP)
    writer = scene.registry.resume(scene.caller, APP, upload.id, 0)
    writer.append(b"half of it")
    writer.keep()
    writer.close()
    _die_in_a_push(scene, rng)
    scene.push(index(image(*POOL[:2])), "late", blobs=()) if _has(scene, image(*POOL[:2])) else None
    for created in scene.spool.take(1000):
        scene.spool.done(created.path)
    scene.clock.advance(rng.choice((2, 8)) * DAY_S)
    return _background(scene)


def _has(scene: Scene, body: bytes) -> bool:
    return scene.stack.table.get(keys.manifest(scene.repository().id, Digest.of(body))) is not None


def _die_in_a_push(scene: Scene, rng: random.Random) -> None:
    worker = Worker(plan={rng.randint(20, 40): CRASH_AFTER})
    with contextlib.suppress(Crashed):
        scene.on(faulty(scene.stack, worker)).push_image(*FRESH[1:3], tags=("never",))


def _bin_expires(scene: Scene, rng: random.Random) -> Asking:
    digest = scene.push_image(*POOL[4:6], tags=("one", "two"))
    scene.sign(image(*POOL[4:6]), POOL[6])
    scene.push(index(image(*POOL[4:6])), "over")
    scene.delete("over")
    for reference in rng.choice((("one", "two"), ("one",), ("two", "one"))):
        scene.delete(reference)
    with contextlib.suppress(InUse):
        scene.delete(digest)
    settle(scene)
    scene.clock.advance(8 * DAY_S)
    return _background(scene)


def _tombstones(scene: Scene, rng: random.Random) -> Asking:
    """The last step: bytes go."""
    scene.push_image(*FRESH[:3], tags=("brief",))
    scene.delete("brief")
    settle(scene)
    for days in (8, 2):
        scene.clock.advance(days * DAY_S - 3600 * 12)
        settle(scene)
    scene.clock.advance(DAY_S)
    return _background(scene)


def _purge(scene: Scene, rng: random.Random) -> Asking:
    """A deleted repository is beyond its grace period."""
    name = rng.choice((APP, OTHER))
    RepositoryRetirement(scene.stack).delete(scene.instance, scene.repository(name), "ann")
    settle(scene)
    scene.clock.advance(8 * DAY_S)
    return _background(scene)


def _freed_now(scene: Scene, rng: random.Random) -> Asking:
    """A person empties what a deleted repository holds before its time."""
    RepositoryRetirement(scene.stack).delete(scene.instance, scene.repository(), "ann")
    settle(scene)
    rows = scene.stack.table.query(keys.bin_partition(scene.instance.id), prefix="ENTRY#").items
    (entry,) = [row for row in rows if row["kind"] == "repository"]

    def ask(at: Scene) -> None:
        RepositoryRetirement(at.stack).expire(BinEntry.model_validate(entry))
        consume(at)

    return Asking(ask)


def _namespace_expires(scene: Scene, rng: random.Random) -> Asking:
    NamespaceRetirement(scene.stack).delete(scene.instance, scene.namespace(), "ann", repositories=2, size=0)
    settle(scene)
    scene.clock.advance(8 * DAY_S)
    return _background(scene)


def _events(scene: Scene, rng: random.Random) -> Asking:
    """What follows the pushes that were just made."""
    settle(scene)
    scene.push_image(*POOL[:2], tags=("told",))
    scene.push_image(CONFIG, POOL[3], tags=("told", "of"))
    return _background(scene)


def _lost_events(scene: Scene, rng: random.Random) -> Asking:
    """The store told nobody: the outbox does, a minute later."""
    _events(scene, rng)
    for created in scene.spool.take(1000):
        scene.spool.done(created.path)
    scene.clock.advance(61)
    return _background(scene)


def _instance(scene: Scene, rng: random.Random) -> Asking:
    """All that it holds, when the last push must have ended."""

    def ask(at: Scene) -> None:
        Closing(at.stack).begin(Instances(at.stack).load(at.instance.id), "ann")
        consume(at)

    return Asking(ask, done=(NotFound,))


OPERATIONS: Final[Mapping[str, Operation]] = {
    "deletion of a tag": Operation("delete", _tag),
    "deletion of a tag with its companion": Operation("delete", _original),
    "deletion of a manifest": Operation("delete", _manifest),
    "deletion of an index": Operation("delete", _index),
    "deletion of what an index holds": Operation("delete", _held_child),
    "deletion of a blob": Operation("delete", _blob),
    "deletion of some tags": Operation("delete", _some_tags),
    "deletion of many tags": Operation("delete", _many_tags),
    "deletion of a repository": Operation("delete", _repository),
    "deletion of a namespace": Operation("delete", _namespace),
    "deletion of an instance": Operation("delete", _instance),
    "a sweep over everything": Operation("collection", _everything_due),
    "a sweep of the bin": Operation("collection", _bin_expires),
    "a sweep of dead bytes": Operation("collection", _tombstones),
    "a purge of a repository": Operation("collection", _purge),
    "a repository freed at once": Operation("collection", _freed_now),
    "a purge of a namespace": Operation("collection", _namespace_expires),
    "events of pushes": Operation("events", _events),
    "events that got lost": Operation("events", _lost_events),
}
