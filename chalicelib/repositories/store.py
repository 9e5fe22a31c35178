"""Items of repositories: one under the instance holds the record, one under the id points to it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from chalicelib.kernel.paging import Page
from chalicelib.ports import keys
from chalicelib.ports.table import (
    Check,
    ConditionFailed,
    Item,
    Key,
    Put,
    Table,
    Update,
    Write,
    absent,
    all_of,
    any_of,
    equals,
)

from .models import Kind, Repository, RepositoryEdit


def creation(repository: Repository) -> list[Write]:
    """Position 0 fails if the name is taken, 1 never, 2 if the namespace is gone."""
    by_name = keys.repository(repository.instance_id, repository.name)
    by_id = keys.repository_by_id(repository.id)
    name = str(repository.name)
    pointer = {"instance_id": repository.instance_id, "name": name, "schema_version": 1}
    namespace = keys.namespace(repository.instance_id, repository.name.namespace)
    return [
        Put({**by_name._asdict(), **repository.model_dump(), "name": name}, absent()),
        Put({**by_id._asdict(), **pointer}, absent()),
        Check(namespace, all_of(equals("id", repository.namespace_id), absent("deletion"))),
    ]


def load(table: Table, instance_id: str, name: str) -> Repository | None:
    key, namespace = keys.repository(instance_id, name), keys.namespace(instance_id, name.partition("/")[0])
    return read(table.get_many([key, namespace]), key, namespace)


def read(found: Mapping[Key, Item], key: Key, namespace: Key) -> Repository | None:
    # A namespace that is being deleted takes its repositories with it, all at the same moment.
    home = found.get(namespace, {})
    if key not in found or "deletion" in home:
        return None
    marks = {"guarded": bool(home.get("pull_policy")), "upstream": bool(home.get("upstream"))}
    return Repository.model_validate({**found[key], **marks})


def load_by_id(table: Table, repository_id: str) -> Repository | None:
    pointer = table.get(keys.repository_by_id(repository_id))
    if pointer is None:
        return None
    repository = load(table, pointer["instance_id"], pointer["name"])
    return repository if repository is not None and repository.id == repository_id else None


def edit(table: Table, repository: Repository, change: RepositoryEdit) -> Repository:
    """Raises ConditionFailed if the repository is gone, or another of its name stands there."""
    key = keys.repository(repository.instance_id, repository.name)
    wanted = change.model_dump(exclude_none=True)
    return Repository.model_validate(table.update(Update(key, set=wanted, when=equals("id", repository.id))))


def mark_kind(table: Table, repository: Repository, kind: Kind) -> None:
    """Nothing happens if it is marked already, or gone. Records from before there were kinds have no such attribute."""
    key = keys.repository(repository.instance_id, repository.name)
    unmarked = any_of(absent("kind"), equals("kind", ""))
    with suppress(ConditionFailed):
        table.update(Update(key, set={"kind": kind}, when=all_of(equals("id", repository.id), unmarked)))


def page(
    table: Table,
    instance_id: str,
    prefix: str,
    after: str | None,
    cursor: str | None,
    limit: int,
    *,
    descending: bool = False,
) -> Page[Repository]:
    found: Page[Item] = table.query(
        keys.instance_partition(instance_id),
        prefix=keys.repository(instance_id, prefix).sk,
        after=None if after is None else keys.repository(instance_id, after).sk,
        cursor=cursor,
        limit=limit,
        descending=descending,
    )
    return found.map(Repository.model_validate)
