"""Repositories without a name: deleted, and either in the recycle bin or on their way out of it. For `fsck`.

binned    a bin entry, or one of a namespace's, has its record; its content is whole
purging   its id is due until nothing is left under it; its content is in pieces, and nobody can see it
"""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.kernel.paging import every
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Index, Item
from chalicelib.repositories.models import Repository


def binned(stack: Stack, instance_id: str) -> Iterator[Repository]:
    """Repositories that can be restored, alone or with their namespace."""
    for row in rows(stack, keys.bin_partition(instance_id)):
        if row["kind"] == "repository" and row["record"] is not None:
            yield Repository.model_validate(row["record"])


def places_kept(stack: Stack, instance_id: str) -> int:
    """Repositories in the bin that have their place in the quota already: their namespace is on its way back."""
    returning = [row["id"] for row in rows(stack, keys.bin_partition(instance_id), "ENTRY#") if row.get("returns")]
    parts = (keys.bin_part(instance_id, entry, "").sk for entry in returning)
    return sum(1 for prefix in parts for _ in rows(stack, keys.bin_partition(instance_id), prefix))


def rows(stack: Stack, partition: str, prefix: str = "", *, index: Index | None = None) -> Iterator[Item]:
    """All of a partition that begin so."""
    return every(lambda cursor: stack.table.query(partition, index=index, prefix=prefix, cursor=cursor, limit=1000))


def astray(stack: Stack, repository_id: str) -> str:
    """What is wrong with how a repository that holds content can be reached, "" if nothing is."""
    pointer = stack.table.get(keys.repository_by_id(repository_id))
    if pointer is None:
        return "its repository is gone, and nothing will clear what is left under its id"
    state, instance = pointer.get("state", "live"), pointer["instance_id"]
    if state == "purging":
        return "" if "i1sk" in pointer else "its repository is being purged, and no sweeper will look at it"
    if state == "live":
        named = stack.table.get(keys.repository(instance, pointer["name"]))
        return "" if named is not None and named["id"] == repository_id else "its repository has lost its name"
    entry = stack.table.get(keys.bin_entry(instance, pointer["entry"]))
    if entry is not None or any(
        row["repository_id"] == repository_id for row in rows(stack, keys.bin_partition(instance), "PART#")
    ):
        return ""
    return "its repository is deleted, and no bin entry knows of it"


def unfinished_namespaces(stack: Stack, instance_id: str) -> Iterator[tuple[str, str]]:
    """(name, what is wrong) of namespaces whose deletion or restoration nobody carries on."""
    for row in rows(stack, keys.instance_partition(instance_id), keys.namespace(instance_id, "").sk):
        if "deletion" not in row:
            continue
        task = stack.table.get(keys.task(instance_id, row["deletion"]))
        if task is None or task["state"] not in ("queued", "running"):
            done = "restored" if task is not None and task["kind"] == "restoration" else "deleted"
            yield row["name"], f"is being {done}, and no task goes on with it; retry the task"
