"""Scanning again, without reading a layer: what a new database says of the packages that reports have listed.

    pointer moved ─► RescanImages for each instance ─► pages of records:
        its packages are among those that changed ─► report object ─► examined again ─► stored (results)
        none of them is                           ─► confirmed: one small write
        nobody holds the image any more           ─► record and report go
    ─► indexes ─► the instance's row says up to which database it is judged

A message is a hint: it may come twice, and one that is lost is sent again by the schedule (`missing`), which reads one
row as long as all is done. A pass goes on where it was; an image that fails keeps its old judgement and stops no other.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from chalicelib.edge.log import logger
from chalicelib.findings.service import Findings
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import NotFound
from chalicelib.kernel.messages import RescanImages
from chalicelib.kernel.moment import from_text, to_text
from chalicelib.ports.stack import Stack

from . import database_store, databases
from . import rescan_store as store
from .database_models import DatabasePointer
from .rescan_images import Judging
from .rescan_store import Standing

# A message is handled in less than a minute; the queue hides it for two.
BUDGET_S: Final = 40.0
PAGE: Final = 100
# A pass that was not seen at work for so long was lost with its message.
LOST_AFTER: Final = timedelta(minutes=10)
# A scan that began by the old database may store its result behind a pass: so long after the switch there is another.
SETTLED_AFTER: Final = timedelta(minutes=15)
# Silences that ran out count exactly where somebody looks; rows that lists show follow.
SILENCES_EVERY: Final = timedelta(hours=1)
# Behind all digests: the second half of a pass, over indexes.
_INDEXES: Final = "~"


def missing(stack: Stack) -> list[RescanImages]:
    """For instances that are not judged by the database in use, though nobody is at it, or where silences ran out."""
    pointer = database_store.pointer(stack.table)
    if pointer is None:
        return []
    now, known = stack.clock.now(), store.all_standing(stack.table)
    nothing_runs_out = not known.look_again_at or store.later(known.look_again_at, now)
    if known.database == pointer.record.digest and nothing_runs_out:
        return []
    instances = [one for one in Instances(stack).every() if _kept(one)]
    found = store.standings(stack.table, [one.id for one in instances])
    waiting = [one for one, standing in found.items() if not _judged(standing, pointer)]
    wanted = [one for one in found if _wants(stack, found[one], pointer)]
    if not waiting and not wanted:
        first = min((one.look_again_at for one in found.values() if one.look_again_at), default="")
        store.tell_all(stack.table, pointer.record.digest, first)
    return [_ask(stack, one, pointer) for one in wanted]


def _ask(stack: Stack, instance_id: str, pointer: DatabasePointer) -> RescanImages:
    store.told(stack.table, instance_id, asked_at=to_text(stack.clock.now()))
    return RescanImages(instance_id=instance_id, database=pointer.record.digest)


def _kept(instance: Instance) -> bool:
    return instance.state != "releasing"


def _judged(standing: Standing, pointer: DatabasePointer) -> bool:
    """All of it, and scans that were under way at the switch too."""
    settled_at = to_text(_settles(pointer))
    return standing.ended and standing.database == pointer.record.digest and standing.began_at >= settled_at


def _wants(stack: Stack, standing: Standing, pointer: DatabasePointer) -> bool:
    now = stack.clock.now()
    asked = standing.asked_at > max(standing.began_at, to_text(now - LOST_AFTER))
    if asked or _at_work(stack, standing):
        return False
    if standing.look_again_at and standing.look_again_at <= to_text(now):
        return True
    through = standing.ended and standing.database == pointer.record.digest
    return not through or (not _judged(standing, pointer) and now >= _settles(pointer))


def _at_work(stack: Stack, standing: Standing) -> bool:
    return not standing.ended and standing.seen_at > to_text(stack.clock.now() - LOST_AFTER)


def _settles(pointer: DatabasePointer) -> datetime:
    return from_text(pointer.switched_at) + SETTLED_AFTER


def rescan(stack: Stack, message: RescanImages, budget_s: float = BUDGET_S) -> Sequence[RescanImages]:
    """A part of a pass over an instance; the message that goes on, or none.

    Where documents came or went that silence findings, all images are judged again, and the messages that go on name
    no database. A hundred documents are a hundred messages, and one pass: whoever finds one under way leaves it to it.
    """
    until = time.monotonic() + budget_s
    record, database = databases.opened(stack)
    try:
        instance = Instances(stack).load(message.instance_id)
    except NotFound:
        return []
    if record is None or database is None or not _kept(instance):
        return []
    everything, after, known = message.database == "", message.after, store.standing(stack.table, instance.id)
    if after and known.judging == record.digest:
        store.told(stack.table, instance.id, seen_at=to_text(stack.clock.now()))
    else:
        # What was judged so far was judged by a database that is not used any more: it begins anew.
        after, silences = "", store.silences_of(stack.table, instance.id)
        if _at_work(stack, known) and (known.judging, known.under) == (record.digest, silences):
            return []
        _began(stack, instance, record.digest, silences)
        everything = silences != (known.silences or store.NO_SILENCES)
    judging = Judging(stack, instance, record, database, everything=everything)
    after = _pass(stack, judging, after, until)
    if after:
        return [RescanImages(instance_id=instance.id, database="" if everything else record.digest, after=after)]
    _ended(stack, instance)
    logger.info("images judged again", instance_id=instance.id, database=record.digest, counts=dict(judging.counts))
    return []


def _began(stack: Stack, instance: Instance, database: str, silences: str) -> None:
    now = to_text(stack.clock.now())
    store.told(stack.table, instance.id, began_at=now, seen_at=now, ended=False, judging=database, under=silences)


def _ended(stack: Stack, instance: Instance) -> None:
    known = store.standing(stack.table, instance.id)
    silenced = store.silences_of(stack.table, instance.id) != store.NO_SILENCES
    again = to_text(stack.clock.now() + SILENCES_EVERY) if silenced else ""
    through = {"database": known.judging, "silences": known.under, "ended": True, "look_again_at": again}
    store.told(stack.table, instance.id, **through)
    if again:
        store.hurry_all(stack.table, again)


def _pass(stack: Stack, judging: Judging, after: str, until: float) -> str:
    """Judges images, then indexes, until it is time. Where to go on; "" at the end."""
    findings, instance_id = Findings(stack), judging.instance.id
    at_indexes, place = after.startswith(_INDEXES), after.removeprefix(_INDEXES)
    while True:
        page = findings.following(instance_id, place, PAGE)
        if page and at_indexes:
            judging.indexes([record for record in page if record.children])
            place = page[-1].digest
        elif page:
            place = judging.images(page, until)
        elif at_indexes:
            return ""
        else:
            at_indexes, place = True, ""
        if time.monotonic() > until:
            return (_INDEXES if at_indexes else "") + place
