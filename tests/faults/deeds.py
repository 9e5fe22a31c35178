"""What clients and sweepers do to one instance, and what each of them was told.

World   one instance on a real stack, and the deeds done to it
Actor   one client or sweeper: does deeds through ports of its own, which may take turns, fail or crash
Deed    one request: when it began and ended, counted over all requests, and how it was answered
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any, Literal

from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import BlobUnknown, Conflict, ManifestBlobUnknown, NotFound, Refused, Unavailable
from chalicelib.kernel.names import Digest, RepositoryName, TagName
from chalicelib.ports import keys, paths
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Item
from chalicelib.registry.blobs import Blobs
from chalicelib.registry.handlers import object_settled
from chalicelib.registry.intents import Intents
from chalicelib.registry.models import BinEntry, Caller
from chalicelib.registry.restoration import Restoration
from chalicelib.registry.service import KINDS, Registry, Upkeep
from chalicelib.repositories.service import Repositories
from tests.registry.images import NAME, image, owner_of, push_blob, push_manifest
from tests.stacks import FrozenClock, make_instance, make_namespace

from .ports import faulty
from .turns import Crashed, Worker

OTHER = RepositoryName("library/other")
CONFIG, BASE, TOP = b"{}", b"base layer" * 30, b"top layer" * 20
DAY_S = 86_400
RENEWED_S = 23 * 3600

Outcome = Literal["open", "acknowledged", "refused"]


@dataclass
class Deed:
    """
    kind   push (body, tags) · upload (body: the blob; also a renewal and a mount) · delete (reference) · unlink (blob)
    end    None while it is under way or if nobody was told how it ended
    """

    kind: Literal["push", "upload", "delete", "unlink"]
    begun: int
    began_at: datetime
    name: RepositoryName = NAME
    body: bytes = b""
    tags: tuple[str, ...] = ()
    reference: str = ""
    lasts_s: int = DAY_S
    outcome: Outcome = "open"
    end: int | None = None
    ended_at: datetime | None = None

    @property
    def digest(self) -> Digest:
        return Digest.of(self.body)


@dataclass(frozen=True)
class Rooms:
    """How the rooms are made: an ablation makes them otherwise."""

    registry: Callable[[Stack], Registry] = Registry
    upkeep: Callable[[Stack], Upkeep] = Upkeep
    blobs: Callable[[Stack], Blobs] = Blobs
    intents: Callable[[Stack], Intents] = Intents
    stack: Callable[[Stack], Stack] = lambda stack: stack


REAL = Rooms()


class World:
    """One instance with a namespace and two repositories. Many of them may be made, one after another, on one stack."""

    def __init__(self, stack: Stack, clock: FrozenClock, number: int, rooms: Rooms = REAL) -> None:
        self.stack = stack
        self.clock = clock
        self.rooms = rooms
        self.instance: Instance = make_instance(stack, f"world-{number}")
        make_namespace(stack, self.instance)
        self.caller: Caller = owner_of(self.instance)
        self.ids = {name: Repositories(stack).ensure(self.instance, name, "admin").id for name in (NAME, OTHER)}
        self.ablated = rooms.stack(stack)
        self.deeds: list[Deed] = []
        self.broken: list[str] = []
        self.faults = False
        self.moments = count(1)
        self._upkeep = Upkeep(self.stack)

    def handle_events(self, *, lost_ones_too: bool = False) -> None:
        """As a pump does: what was announced is handled, and its push is never looked at again."""
        objects = self.stack.objects(self.instance.bucket)
        announced = {info.key for info in objects.list(f"{self.instance.id}/pushes/").items}
        for row in self.due("outbox", all_of_them=True):
            key = paths.push(row["instance_id"], row["repository_id"], row["incarnation"])
            if key in announced or lost_ones_too:
                object_settled(self.stack, row["bucket"], key)

    def forget(self) -> None:
        """Ends what would go on for ever, and takes the instance off the list that later checks walk."""
        self.handle_events(lost_ones_too=True)
        self.stack.table.delete(keys.listed_instance(self.instance.id), relaxed=True)

    def due(self, kind: str, *, all_of_them: bool = False) -> list[Item]:
        """Hints of one kind, in an order that does not depend on random ids."""
        rows: list[Item] = []
        for partition in keys.due_partitions(kind):
            if all_of_them:
                rows += self.stack.table.query(partition, index="i1", limit=1000).items
            else:
                rows += self._upkeep.due(partition, 1000)
        return sorted(rows, key=lambda row: (row["i1sk"], row["pk"], row["sk"]))


@dataclass
class Actor:
    """One client or sweeper of a world."""

    world: World
    worker: Worker = field(default_factory=Worker)

    def __post_init__(self) -> None:
        self.stack = faulty(self.world.ablated, self.worker)
        self.registry = self.world.rooms.registry(self.stack)

    # What clients do

    def upload(self, data: bytes, name: RepositoryName = NAME) -> bool:
        with self._deed("upload", body=data, name=name) as deed:
            push_blob(self.registry, self.world.caller, data, name)
        return deed.outcome == "acknowledged"

    def renew(self, data: bytes, name: RepositoryName = NAME) -> bool:
        """HEAD of a blob, as clients ask before they upload."""
        with self._deed("upload", body=data, name=name, lasts_s=RENEWED_S) as deed:
            self.registry.renew(self.world.caller, name, Digest.of(data))
        return deed.outcome == "acknowledged"

    def mount(self, data: bytes, name: RepositoryName = OTHER, source: RepositoryName = NAME) -> bool:
        with self._deed("upload", body=data, name=name) as deed:
            if not self.registry.mount(self.world.caller, name, Digest.of(data), source):
                raise BlobUnknown(Digest.of(data))
        return deed.outcome == "acknowledged"

    def push(self, body: bytes, *tags: str, name: RepositoryName = NAME) -> bool:
        with self._deed("push", body=body, tags=tags, name=name) as deed:
            push_manifest(self.registry, self.world.caller, body, *tags, name=name)
        return deed.outcome == "acknowledged"

    def push_image(self, *layers: bytes, tags: tuple[str, ...] = (), name: RepositoryName = NAME, **more: Any) -> bool:
        """As clients do it: ask for each blob, upload those that are missing, then the manifest."""
        for data in (CONFIG, *layers):
            if not (self.renew(data, name) or self.upload(data, name)):
                return False
        return self.push(image(*layers, **more), *tags, name=name)

    def delete(self, reference: str, name: RepositoryName = NAME) -> bool:
        wanted = Digest.parse(reference) if ":" in reference else TagName(reference)
        with self._deed("delete", reference=reference, name=name) as deed:
            self.registry.delete(self.world.caller, name, wanted)
        return deed.outcome == "acknowledged"

    def delete_blob(self, data: bytes, name: RepositoryName = NAME) -> bool:
        with self._deed("unlink", body=data, name=name) as deed:
            self.registry.delete_blob(self.world.caller, name, Digest.of(data))
        return deed.outcome == "acknowledged"

    def restore(self, body: bytes, *tags: str) -> bool:
        """What a person asks of the recycle bin: the entry of these tags, or of the manifest that had them. As good as
        a push of what it holds."""
        with self._deed("push", body=body, tags=tags) as deed:
            rows = self.stack.table.query(keys.bin_partition(self.world.instance.id), prefix="ENTRY#").items
            found = [BinEntry.model_validate(row) for row in rows if row["digest"] == deed.digest]
            entry = next((one for one in found if {tag["name"] for tag in one.tags} == set(tags)), None)
            if entry is None:
                raise NotFound("there is no such entry")
            Restoration(self.stack).restore(self.world.instance, entry, "ann")
        return deed.outcome == "acknowledged"

    # What sweepers do

    def pass_time(self, seconds: float) -> None:
        self.worker.call("clock advance", self.world.clock.advance, seconds)

    def sweep(self, after_s: float = 0) -> None:
        """One round over everything due then, kind by kind."""
        if after_s:
            self.pass_time(after_s)
        upkeep = self.world.rooms.upkeep(self.stack)
        for kind in KINDS:
            for row in self.world.due(kind):
                with self._unharmed():
                    upkeep.do(kind, row)

    def reap(self) -> None:
        """Takes every push under way for dead, whatever its deadline."""
        for row in self.world.due("intent", all_of_them=True):
            with self._unharmed():
                self.world.rooms.upkeep(self.stack)._steps["intent"](row)

    def collect(self, data: bytes) -> None:
        with self._unharmed():
            blobs = self.world.rooms.blobs(self.stack)
            blobs.collect(self.world.instance.id, Digest.of(data), self.world.clock.now())

    def release(self, data: bytes, name: RepositoryName = NAME) -> None:
        with self._unharmed():
            blobs = self.world.rooms.blobs(self.stack)
            blobs.release(self.world.instance.id, self.world.ids[name], Digest.of(data), self.world.clock.now())

    # What is noted of it

    @contextmanager
    def _deed(self, kind: Literal["push", "upload", "delete", "unlink"], **what: Any) -> Iterator[Deed]:
        deed = Deed(kind, next(self.world.moments), self.world.clock.now(), **what)
        self.world.deeds.append(deed)
        try:
            yield deed
        except Crashed:
            raise
        except Unavailable:
            deed.end = next(self.world.moments)
        except (NotFound, Conflict) as refusal:
            deed.outcome, deed.end = "refused", next(self.world.moments)
            self._judge(deed, refusal)
        except Refused as refusal:
            deed.outcome, deed.end = "refused", next(self.world.moments)
            self.world.broken.append(f"{kind} was refused: {refusal!r}")
        except Exception as crash:
            deed.end = next(self.world.moments)
            self.world.broken.append(f"{kind} ended as {crash!r}")
        else:
            deed.outcome, deed.end = "acknowledged", next(self.world.moments)
        finally:
            deed.ended_at = self.world.clock.now()

    def _judge(self, deed: Deed, refusal: Refused) -> None:
        """A manifest may only be told that a blob is unknown if nobody was told that it is there."""
        if isinstance(refusal, ManifestBlobUnknown):
            for promised in self.world.deeds:
                if promised.digest in str(refusal) and promised.kind == "upload" and self._stands(promised, deed):
                    self.world.broken.append(f"a manifest was refused its blob {promised.digest}, promised before")

    def _stands(self, upload: Deed, push: Deed) -> bool:
        if (
            upload.outcome != "acknowledged"
            or upload.end is None
            or upload.end > push.begun
            or upload.name != push.name
        ):
            return False
        return stands(self.world, upload)

    @contextmanager
    def _unharmed(self) -> Iterator[None]:
        try:
            yield
        except Unavailable:
            if not self.world.faults:
                self.world.broken.append(f"a sweeper gave up at {self.worker.waits_for}")
        except (Refused, AssertionError):
            raise
        except Exception as crash:
            self.world.broken.append(f"a sweeper ended as {crash!r}")


def stands(world: World, upload: Deed) -> bool:
    """Whether what an upload was told still binds: not expired, and nobody unlinked the blob meanwhile."""
    age_s = (world.clock.now() - upload.began_at).total_seconds()
    if upload.outcome != "acknowledged" or age_s >= upload.lasts_s:
        return False
    unlinks = [deed for deed in world.deeds if deed.kind == "unlink" and deed.outcome != "refused"]
    return not any(
        deed.name == upload.name and deed.body == upload.body and (deed.end is None or deed.end > upload.begun)
        for deed in unlinks
    )
