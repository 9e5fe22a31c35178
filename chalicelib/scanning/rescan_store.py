"""Rows that say how far scanning again has come.

RESCAN of an instance   {database, silences} by which its images are judged; when the pass under way began and was
                        last seen at work; when to look again though no database changed
RESCANS                 {database} by which every instance is, so that a schedule asks one row and not thousands
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from hashlib import blake2b
from typing import Final

from pydantic import BaseModel

from chalicelib.kernel.modelling import KEPT
from chalicelib.kernel.moment import to_text
from chalicelib.kernel.paging import every
from chalicelib.ports import scan_keys as keys
from chalicelib.ports.table import ConditionFailed, Table, Update, at_least, equals

NO_SILENCES: Final = "none"


class Standing(BaseModel):
    """Of one instance.

    database, silences   by which its images were judged when the last pass ended; "" for none yet
    judging, under       database and silences by which the pass under way judges
    asked_at             when a message was sent last; began_at, seen_at: of the pass under way or the last one
    ended                it is through
    look_again_at        silences may have run out then; "" where there are none
    """

    model_config = KEPT

    database: str = ""
    silences: str = ""
    judging: str = ""
    under: str = ""
    asked_at: str = ""
    began_at: str = ""
    seen_at: str = ""
    ended: bool = False
    look_again_at: str = ""
    schema_version: int = 1


class AllStanding(BaseModel):
    """Every instance is judged by the database; look_again_at: the first of theirs, "" for none."""

    model_config = KEPT

    database: str = ""
    look_again_at: str = ""
    schema_version: int = 1


def standing(table: Table, instance_id: str) -> Standing:
    return Standing.model_validate(table.get(keys.rescan(instance_id)) or {})


def standings(table: Table, instances: Iterable[str]) -> dict[str, Standing]:
    wanted = {keys.rescan(one): one for one in instances}
    found = table.get_many(list(wanted)) if wanted else {}
    return {one: Standing.model_validate(found.get(key) or {}) for key, one in wanted.items()}


def told(table: Table, instance_id: str, **fields: object) -> None:
    table.update(Update(keys.rescan(instance_id), set={"schema_version": 1, **fields}))


def all_standing(table: Table) -> AllStanding:
    return AllStanding.model_validate(table.get(keys.rescans()) or {})


def tell_all(table: Table, database: str, look_again_at: str) -> None:
    wanted = AllStanding(database=database, look_again_at=look_again_at)
    table.put({**keys.rescans()._asdict(), **wanted.model_dump(mode="json")})


def hurry_all(table: Table, look_again_at: str) -> None:
    """One instance is to be looked at earlier than any was."""
    for later in (at_least("look_again_at", look_again_at), equals("look_again_at", "")):
        with suppress(ConditionFailed):
            table.update(Update(keys.rescans(), set={"look_again_at": look_again_at}, when=later))
            return


def silences_of(table: Table, instance_id: str) -> str:
    """A digest over which documents silence findings of an instance."""
    pk, prefix = keys.scans_partition(instance_id), keys.vex(instance_id, "").sk
    found = sorted(item["sk"] for item in every(lambda cursor: table.query(pk, prefix=prefix, cursor=cursor)))
    return blake2b("\n".join(found).encode(), digest_size=16).hexdigest() if found else NO_SILENCES


def later(moment: str, than: datetime) -> bool:
    return moment > to_text(than)
