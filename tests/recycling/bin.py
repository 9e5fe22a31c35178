"""The recycle bin of a library, as the API shows and changes it."""

from __future__ import annotations

import sqlite3
from typing import Any

import msgspec

from chalicelib.instances.models import Instance
from chalicelib.kernel.names import Digest, RepositoryName, TagName
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.registry.models import BinEntry
from tests.background import run_tasks
from tests.management import Api, Reply
from tests.registry.images import NAME
from tests.registry.library import Library

PATH = "/instances/ci/recycle-bin"
# (pk, sk) → what stands there.
Rows = dict[tuple[str, str], dict[str, Any]]


def listed(api: Api, **query: object) -> list[dict[str, Any]]:
    answer = api.get(PATH, **query)
    assert answer.status == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def restore(api: Api, entry: dict[str, Any], **order: object) -> Reply:
    return api.post(f"{PATH}/{entry['id']}/restore", order)


def free(api: Api, entry: dict[str, Any]) -> Reply:
    return api.delete(f"{PATH}/{entry['id']}", confirm=entry["name"])


def delete_tag(library: Library, tag: str, name: RepositoryName = NAME) -> None:
    library.registry.delete(library.owner, name, TagName(tag))


def delete_digest(library: Library, digest: Digest, name: RepositoryName = NAME) -> None:
    library.registry.delete(library.owner, name, digest)


def delete_repository(library: Library, name: RepositoryName = NAME) -> None:
    answer = library.api().delete(library.path(name=name), confirm=name)
    assert answer.status == 204, answer.text


def delete_namespace(library: Library, name: str = "library") -> None:
    answer = library.api().delete(f"/instances/ci/namespaces/{name}", confirm=name)
    assert answer.status == 202, answer.text
    run_tasks(library.stack)


def pulled(library: Library, reference: str, name: RepositoryName = NAME) -> str:
    """The digest that a pull answers."""
    wanted = Digest(reference) if ":" in reference else TagName(reference)
    return library.registry.pull(library.owner, name, wanted).digest


def entries(stack: Stack, instance: Instance) -> list[BinEntry]:
    rows = stack.table.query(keys.bin_partition(instance.id), prefix="ENTRY#", limit=1000).items
    return [BinEntry.model_validate(row) for row in rows]


def everything(stack: Stack) -> Rows:
    """Every row of the table."""
    database = sqlite3.connect(stack.settings.data / "table.sqlite3")
    try:
        rows = database.execute("SELECT pk, sk, body FROM items").fetchall()
    finally:
        database.close()
    return {(pk, sk): msgspec.msgpack.decode(body) for pk, sk, body in rows}


def lasting(rows: Rows) -> Rows:
    """Rows of what users see: without tasks, sessions, answers kept for replays, events that are still to be told, and
    counters at nothing."""
    passing = ("TASK", "SESSION#", "REPLAY#", "EVENT#", "ACCOUNT", "INSTANCES")
    counted = {key: {name: value for name, value in row.items() if value != 0} for key, row in rows.items()}
    says_something = {key: row for key, row in counted.items() if row.keys() - {"pk", "sk", "schema_version"}}
    return {key: row for key, row in says_something.items() if not key[0].startswith(passing)}
