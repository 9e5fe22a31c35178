"""Items of rules, and of what namespaces are to them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from chalicelib.kernel.errors import Invalid
from chalicelib.kernel.ids import is_id, new_id
from chalicelib.kernel.paging import Page
from chalicelib.ports import sync_keys as keys
from chalicelib.ports.passes import rows_sorted, rows_wanted
from chalicelib.ports.table import (
    ConditionFailed,
    Delete,
    Item,
    Put,
    Table,
    Write,
    absent,
    equals,
)

from .models import Rule, SyncRuleQuery
from .rules import Claim

# As long as tasks can be looked up.
_KEPT: Final = timedelta(days=90)

Place = tuple[str, str]


def load(table: Table, instance_id: str, rule_id: str) -> Rule | None:
    row = table.get(keys.rule(instance_id, rule_id))
    return None if row is None else Rule.model_validate(row)


def page(table: Table, instance_id: str, cursor: str | None, limit: int) -> Page[Rule]:
    """In the order they were made."""
    prefix = keys.rule(instance_id, "").sk
    found = table.query(keys.rules_partition(instance_id), prefix=prefix, cursor=cursor, limit=limit)
    return found.map(Rule.model_validate)


def found(table: Table, instance_id: str, query: SyncRuleQuery) -> Page[Rule]:
    """What of them is asked for, in the order they were made, or by name. Raises Invalid naming `cursor`."""
    wanted = query.search.lower()

    def fits(row: Item) -> bool:
        told = ("name", "description", "source_namespace", "target_namespace")
        return any(wanted in row[name].lower() for name in told)

    first, descending = keys.rule(instance_id, ""), query.sort.startswith("-")
    if query.sort.removeprefix("-") == "name":
        page = rows_sorted(table, first, fits, _named, query.cursor, query.limit, descending=descending)
    elif query.cursor is not None and not is_id(query.cursor):
        raise Invalid("cursor", "is not `next` of a page of this list")
    else:
        page = rows_wanted(table, first, fits, query.cursor, query.limit, descending=descending)
    return page.map(Rule.model_validate)


def _named(row: Item) -> str:
    return str(row["name"]).casefold()


def creation(rule: Rule) -> Put:
    return Put(_item(rule), absent())


def replacement(seen: Rule, wanted: Rule) -> Put:
    return Put(_item(wanted), equals("version", seen.version))


def deletion(seen: Rule) -> Delete:
    return Delete(keys.rule(seen.instance_id, seen.id), equals("version", seen.version))


def _item(rule: Rule) -> dict[str, Any]:
    return {**keys.rule(rule.instance_id, rule.id)._asdict(), **rule.model_dump()}


def claims(table: Table, account: str, places: Iterable[Place]) -> dict[Place, Claim]:
    """Those that there are, as the table has them."""
    wanted = {keys.claim(account, *place): place for place in places}
    found = table.get_many(list(wanted))
    return {wanted[key]: Claim(row["role"], dict(row["rules"]), row["mark"]) for key, row in found.items()}


def claim_write(account: str, place: Place, seen: Claim | None, wanted: Claim | None) -> Write | None:
    """Makes the one of the other, if it still is as it was seen. None: nothing is to be done.

    A claim that went and came again is another: its mark is never given twice.
    """
    key = keys.claim(account, *place)
    when = absent() if seen is None else equals("mark", seen.mark)
    if wanted is None:
        return None if seen is None else Delete(key, when)
    return Put({**key._asdict(), "role": wanted.role, "rules": dict(wanted.rules), "mark": new_id()}, when)


def claim_entry(table: Table, instance_id: str, about: str, seen: str, wanted: str, now: datetime) -> str:
    """The id of the audit entry about a task's end: the one wanted, if the one seen was agreed on till then."""
    row: Item = {
        **keys.entry(instance_id, about)._asdict(),
        "entry": wanted,
        "expires": int((now + _KEPT).timestamp()),
    }
    try:
        table.put(row, equals("entry", seen) if seen else absent())
    except ConditionFailed as failed:
        return "" if failed.item is None else str(failed.item["entry"])
    return wanted
