"""Keeps the vulnerability database in sync: what the schedule does, and what `crs vulndb check` does at once.

    CRS_VULNDB         the operator's folder: taken over when its files are others than last time
    CRS_VULNDB_SOURCE  a registry's reference: every six hours its digest is compared, and fetched if it is new
    neither, nothing   on one machine a demonstration, so that a first scan shows something

One host looks at a time; what went wrong is kept for people to see, and tried again an hour later.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from chalicelib.advisories.database import DATABASE_FILE, METADATA_FILE, read_metadata
from chalicelib.edge.log import logger
from chalicelib.kernel.errors import Invalid, Refused
from chalicelib.kernel.messages import Message
from chalicelib.kernel.moment import from_text, to_text
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import ConditionFailed

from . import database_rules
from . import database_store as store
from .database_models import DatabaseCheck
from .database_sources import Arrived, from_path, from_reference, with_login

EVERY: Final = timedelta(hours=6)
_AGAIN: Final = timedelta(hours=1)
# A download of 100 MB, and proving it, take minutes.
_CLAIM: Final = timedelta(minutes=30)
DEMONSTRATION: Final = "demonstration"


def keep_current(stack: Stack) -> Sequence[Message]:
    """For the schedule: looks for a newer database where it is time to, and answers what follows from a new one."""
    from . import rescans

    look(stack)
    return rescans.missing(stack)


def look(stack: Stack, *, at_once: bool = False) -> DatabaseCheck:
    """What is known of the last look, which may have been this one. at_once: though it is not time yet."""
    seen = store.check(stack.table)
    now = stack.clock.now()
    steps = _steps(stack, seen, at_once=at_once)
    if not steps or seen.claimed_until > to_text(now):
        return seen
    claimed = seen.model_copy(update={"claimed_until": to_text(now + _CLAIM)})
    try:
        store.check_written(stack.table, claimed, store.unclaimed(seen))
    except ConditionFailed:
        return seen
    result = claimed.model_copy(update={"checked_at": to_text(now), "error": ""})
    for step in steps:
        result = _tried(stack, step, result)
    result = result.model_copy(update={"claimed_until": ""})
    store.check_written(stack.table, result)
    return result


Step = Callable[[Stack, DatabaseCheck], DatabaseCheck]


def _tried(stack: Stack, step: Step, result: DatabaseCheck) -> DatabaseCheck:
    try:
        return step(stack, result)
    except (Refused, OSError) as failed:
        message = _told(failed)
        logger.warning("failed to renew the vulnerability database", error=message)
        return result.model_copy(update={"error": message})


def _steps(stack: Stack, seen: DatabaseCheck, *, at_once: bool) -> list[Step]:
    """What it is time for, in this order."""
    settings, steps = stack.settings, list[Step]()
    if settings.vulndb is not None and (at_once or _stamp(settings.vulndb) != seen.folder_stamp):
        steps.append(_from_folder)
    if settings.vulndb_source and (at_once or _due(stack, seen)):
        steps.append(_from_source)
    if settings.one_machine and store.pointer(stack.table) is None:
        steps.append(_demonstrate)
    return steps


def _due(stack: Stack, seen: DatabaseCheck) -> bool:
    if seen.source != stack.settings.vulndb_source or not seen.checked_at:
        return True
    wait = _AGAIN if seen.error and seen.error != seen.refused else EVERY
    return stack.clock.now() >= from_text(seen.checked_at) + wait


def _from_folder(stack: Stack, result: DatabaseCheck) -> DatabaseCheck:
    folder = stack.settings.vulndb
    if folder is None:
        return result
    stamp = _stamp(folder)
    from .databases import scratch

    error = ""
    with scratch(stack) as into:
        try:
            arrived = from_path(str(folder), into)
            if _is_newer(stack, arrived):
                _take_over(stack, arrived)
        except Refused as refused:
            # The same files come to the same: they are not read again before they change.
            error = _told(refused)
            logger.warning("failed to take over the folder's vulnerability database", error=error)
    return result.model_copy(update={"folder_stamp": stamp, "error": error})


def _is_newer(stack: Stack, arrived: Arrived) -> bool:
    """A folder that is older than what is in use is no failure: it is what an earlier import left there."""
    used = store.pointer(stack.table)
    if used is None or used.record.demonstration:
        return True
    metadata = read_metadata((arrived.folder / METADATA_FILE).read_bytes())
    return database_rules.is_younger(metadata, used.record)


def _from_source(stack: Stack, result: DatabaseCheck) -> DatabaseCheck:
    from .databases import scratch

    source, used = stack.settings.vulndb_source, store.pointer(stack.table)
    if result.source != source:
        result = result.model_copy(update={"source": source, "source_digest": "", "refused": ""})
    if used is not None and used.record.source_digest:
        # Imported by hand, it was not refused after all.
        in_use = result.source_digest == used.record.source_digest
        result = result.model_copy(update={"refused": ""}) if in_use else result
    known = {result.source_digest, used.record.source_digest if used else ""} - {""}
    with scratch(stack) as into:
        arrived = from_reference(source, with_login(stack), into, known)
        if arrived is None:
            return result.model_copy(update={"error": result.refused})
        refused = ""
        try:
            _take_over(stack, arrived)
        except Invalid as unusable:
            refused = _told(unusable)
            logger.warning("failed to take over a vulnerability database", source=source, error=refused)
    return result.model_copy(update={"source_digest": arrived.digest, "refused": refused, "error": refused})


def _demonstrate(stack: Stack, result: DatabaseCheck) -> DatabaseCheck:
    """Unless one of the steps before has brought a real one."""
    if store.pointer(stack.table) is None:
        from chalicelib.advisories.demonstration import demonstration

        from .databases import scratch

        with scratch(stack) as into:
            demonstration(into)
            _take_over(stack, Arrived(into, DEMONSTRATION))
    return result


def _take_over(stack: Stack, arrived: Arrived) -> None:
    # Proving one loads what reads databases, which a look that finds nothing new does without.
    from .database_import import DatabaseImport

    DatabaseImport(stack).take_over(arrived)


def _told(failed: Exception) -> str:
    if isinstance(failed, Invalid):
        return "; ".join(message for _, message in failed.fields)
    return failed.message if isinstance(failed, Refused) else f"{type(failed).__name__}: {failed}"


def _stamp(folder: Path) -> str:
    """Changes with the files of the folder; "" without them."""
    for place in (folder, folder / "db"):
        try:
            status = [(place / name).stat() for name in (DATABASE_FILE, METADATA_FILE)]
        except OSError:
            continue
        return " ".join(f"{one.st_mtime_ns}-{one.st_size}-{one.st_ino}" for one in status)
    return ""
