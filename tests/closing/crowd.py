"""An instance that holds one of everything, and what of it can still be found anywhere."""

from __future__ import annotations

import contextlib
import sqlite3

import msgspec

from chalicelib.credentials.service import Credentials
from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import Unauthenticated
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.names import RepositoryName, TagName
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports import acceleration_keys, cache_keys, keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Update
from chalicelib.registry.models import BinEntry
from chalicelib.registry.namespace_retirement import NamespaceRetirement
from chalicelib.registry.repository_retirement import RepositoryRetirement
from chalicelib.registry.service import Registry
from chalicelib.repositories.service import Repositories
from chalicelib.sharing.models import NewShare
from chalicelib.sharing.service import Shares
from tests.background import run_tasks
from tests.registry.images import NAME, image, index, owner_of, push_blob, push_image, push_manifest
from tests.stacks import FrozenClock, make_instance, make_namespace

OTHER, THIRD, FOURTH = (RepositoryName(f"library/{name}") for name in ("other", "third", "fourth"))
BINNED = RepositoryName("binned/app")


def crowded(stack: Stack, clock: FrozenClock, name: str) -> Instance:
    """Live, moved, deleted, shared, purged and half-done content. Takes a minute and more of the clock's time."""
    instance = make_instance(stack, name, bucket=stack.settings.bucket)
    for namespace in (make_namespace(stack, instance), make_namespace(stack, instance, "binned")):
        _rules(stack, namespace.id)
        lease = cache_keys.lease(instance.id, namespace.id, NAME, "sha256:" + "0" * 64)
        stack.table.put({**lease._asdict(), "instance_id": instance.id, "expires": 4_000_000_000})
    _webhook(stack, instance)
    registry, caller = Registry(stack), owner_of(instance)
    push_image(registry, caller, b"one", tag="v1")
    push_image(registry, caller, b"two", tag="moves")
    push_image(registry, caller, b"two and more", tag="moves")
    push_manifest(registry, caller, index(image(b"one"), image(b"two")), "both")
    push_image(registry, caller, b"binned tag", tag="gone")
    registry.delete(caller, NAME, TagName("gone"))
    for repository in (OTHER, THIRD, FOURTH, BINNED):
        push_image(registry, caller, b"one", str(repository).encode(), tag="v1", name=repository)
    _large(registry, instance)
    _delete(stack, instance)
    _half_done(stack, instance)
    _people(stack, instance)
    _conversions(stack, instance)
    clock.advance(60)
    return instance


def _rules(stack: Stack, namespace_id: str) -> None:
    """All that hangs on a namespace's id."""
    runs = [keys.retention_run(namespace_id, new_id()) for _ in range(3)]
    due = keys.due("retention", "2027-01-01T00:00:00.000000Z", namespace_id)
    rows = [keys.policy(namespace_id, shard) for shard in range(keys.POLICY_SHARDS)] + runs
    stack.table.put_many([{**key._asdict(), "namespace_id": namespace_id, "version": 1, "rules": []} for key in rows])
    stack.table.put({**keys.retention(namespace_id)._asdict(), "version": 1, **due})
    stack.table.put({**cache_keys.upstream(namespace_id)._asdict(), "version": 1})


def _webhook(stack: Stack, instance: Instance) -> None:
    """With more deliveries than go at once."""
    webhook = new_id()
    deliveries = [keys.delivery(webhook, new_id()) for _ in range(120)]
    stack.table.put_many([{**key._asdict(), "webhook_id": webhook} for key in deliveries])
    stack.table.put({**keys.webhook(instance.id, webhook)._asdict(), "id": webhook, "instance_id": instance.id})


def _large(registry: Registry, instance: Instance) -> None:
    """A manifest whose body is a blob."""
    caller = owner_of(instance)
    push_manifest(registry, caller, image(b"one", annotations={"note": "x" * 20_000}), "large")


def _delete(stack: Stack, instance: Instance) -> None:
    """A repository in the bin, one being purged, and a namespace in the bin."""
    retirement, repositories = RepositoryRetirement(stack), Repositories(stack)
    for name in (OTHER, THIRD):
        retirement.delete(instance, repositories.get(instance.id, name, fresh=True), "ann")
    entries = stack.table.query(keys.bin_partition(instance.id), prefix="ENTRY#").items
    (third,) = [entry for entry in entries if entry["name"] == THIRD]
    retirement.expire(BinEntry.model_validate(third))
    namespace = Namespaces(stack).get(instance.id, "binned", fresh=True)
    NamespaceRetirement(stack).delete(instance, namespace, "ann", repositories=1, size=0)
    run_tasks(stack)


def _half_done(stack: Stack, instance: Instance) -> None:
    """Uploads with parts and without, a blob that no manifest names, one that is dead, a push that never ended."""
    registry, caller = Registry(stack), owner_of(instance)
    registry.start_upload(caller, NAME)
    upload = registry.start_upload(caller, NAME)
    writer = registry.resume(caller, NAME, upload.id, 0)
    writer.append(b"half " * 400_000)
    writer.keep()
    writer.close()
    push_blob(registry, caller, b"never named")
    dead = push_blob(registry, caller, b"dead")
    link = keys.link(Repositories(stack).get(instance.id, NAME, fresh=True).id, dead)
    stack.table.delete(link)


def _people(stack: Stack, instance: Instance) -> None:
    """Credentials, failed logins, shares and counts."""
    credentials = Credentials(stack)
    credentials.create(instance, "admin", "a password of some length")
    with contextlib.suppress(Unauthenticated):
        credentials.basic(instance, "admin", "wrong", "192.0.2.1")
    fourth = Repositories(stack).get(instance.id, FOURTH, fresh=True)
    Shares(stack).create(instance, fourth.id, NewShare(account="guests", username="bob"), "ann")
    stack.table.update(Update(keys.series(instance.id, "2026-01-31T08"), add={"pulls": 3}))


def _conversions(stack: Stack, instance: Instance) -> None:
    """Of more layers than go at once, and what a repository's images need first."""
    digests = [f"sha256:{number:064x}" for number in range(120)]
    rows = [acceleration_keys.conversion(instance.id, digest, "a recipe") for digest in digests]
    fourth = Repositories(stack).get(instance.id, FOURTH, fresh=True)
    stack.table.put_many([{**key._asdict(), "state": "succeeded"} for key in rows])
    stack.table.put({**acceleration_keys.first_files(fourth.id)._asdict(), "files": b""})


def everything(stack: Stack) -> dict[tuple[str, str], object]:
    """Every row of the table: (pk, sk) → what stands there. Without events of what is no more: they go when the
    schedule has told them, whoever there is to tell."""
    database = sqlite3.connect(stack.settings.data / "table.sqlite3")
    try:
        rows = database.execute("SELECT pk, sk, body FROM items").fetchall()
    finally:
        database.close()
    return {(pk, sk): msgspec.msgpack.decode(body) for pk, sk, body in rows if sk != keys.early_event("").sk}


def stored(stack: Stack, instance: Instance) -> list[str]:
    return [found.key for found in stack.objects(instance.bucket).list(f"{instance.id}/").items]
