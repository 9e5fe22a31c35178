"""Items of retention policies and of runs."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.kernel.moment import to_text
from chalicelib.kernel.paging import Page
from chalicelib.ports import keys
from chalicelib.ports.passes import rows_wanted
from chalicelib.ports.table import ConditionFailed, Item, Put, Table, Update, absent, all_of, equals, present

from .models import Policy, Run, RunQuery


def load(table: Table, namespace_id: str) -> Policy | None:
    item = table.get(keys.retention(namespace_id))
    return None if item is None else Policy.model_validate(item)


def load_many(table: Table, namespace_ids: Sequence[str]) -> list[Policy]:
    """In one batch; namespaces without one are left out."""
    items = table.get_many([keys.retention(namespace_id) for namespace_id in namespace_ids])
    return [Policy.model_validate(item) for item in items.values()]


def replacement(wanted: Policy) -> Put:
    """If it is at the version before."""
    due = {} if wanted.next_at is None else keys.due("retention", to_text(wanted.next_at), wanted.namespace_id)
    before = wanted.version - 1
    item = {**keys.retention(wanted.namespace_id)._asdict(), **wanted.model_dump(mode="json"), **due}
    return Put(item, equals("version", before) if before else absent())


def due_page(table: Table, partition: str, now: str, cursor: str | None) -> Page[Item]:
    """Rows of the index: what they say may be old."""
    return table.query(partition, index="i1", until=f"{now}~", cursor=cursor, limit=100)


def run_creation(run: Run) -> Put:
    key = keys.retention_run(run.namespace_id, run.task_id)
    return Put({**key._asdict(), **run.model_dump(mode="json")}, absent())


def load_run(table: Table, namespace_id: str, task_id: str) -> Run | None:
    item = table.get(keys.retention_run(namespace_id, task_id))
    return None if item is None else Run.model_validate(item)


def runs(table: Table, namespace_id: str, query: RunQuery) -> Page[Run]:
    """query's cursor: a task's id."""

    def wanted(row: Item) -> bool:
        return query.dry_run in (None, row["dry_run"])

    first, descending = keys.retention_run(namespace_id, ""), query.sort == "-created_at"
    found = rows_wanted(table, first, wanted, query.cursor, query.limit, descending=descending)
    return found.map(Run.model_validate)


def claim_entry(table: Table, run: Run, about: str, seen: str, wanted: str) -> str:
    """The id of the audit entry about a run's beginning or an end: the one wanted if the one seen was agreed on till
    then; "" if the run is gone."""
    name = f"entry_{about}"
    as_seen = equals(name, seen) if seen else absent(name)
    key = keys.retention_run(run.namespace_id, run.task_id)
    try:
        table.update(Update(key, set={name: wanted}, when=all_of(present(), as_seen)))
    except ConditionFailed as failed:
        return "" if failed.item is None else str(failed.item[name])
    return wanted


def forget_run(table: Table, run: Run) -> None:
    table.delete(keys.retention_run(run.namespace_id, run.task_id), relaxed=True)
