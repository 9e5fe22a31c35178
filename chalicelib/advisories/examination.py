"""Examines an image: what a database says of all that is installed in it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache

from chalicelib.packages.models import ImageInventory, Installed, OperatingSystem

from .database import Database
from .families import end_of_life
from .language_matching import lookups, match_languages
from .models import SEVERITIES, Examination, Finding
from .rebuilders import rebuilt_by
from .system_matching import NOTHING, match_system, of_system


def examine(inventory: ImageInventory, database: Database, now: datetime) -> Examination:
    """Reads the database only, and of it only what the inventory names. Raises DatabaseCorrupt.

    An image without packages of a system is examined by its languages alone: there is nothing of a system to support.

    now   aware; decides which releases have ended
    """
    system = inventory.system
    installed = [one for one in inventory.packages if of_system(one.package, system)]
    others = [one for one in inventory.packages if not of_system(one.package, system)]
    matched = match_system(system, installed, database, now) if system or installed else NOTHING
    findings = sorted((*matched.findings, *match_languages(others, database)), key=_place)
    return Examination(
        findings=tuple(findings),
        supported=matched.supported,
        examined=matched.examined + _examined(others, database),
        end_of_life=_ended(system, installed, now),
    )


def _ended(system: OperatingSystem | None, installed: Iterable[Installed], now: datetime) -> bool:
    """Whoever rebuilds packages looks after releases that their makers do not look after any more."""
    if system is None or rebuilt_by(system, (one.package for one in installed)):
        return False
    return end_of_life(system, now)


def _examined(installed: Iterable[Installed], database: Database) -> int:
    """How many have a language that the database has advisories of."""
    known = lru_cache(None)(lambda prefix: bool(database.platforms(prefix)))
    return sum(any(known(prefix) for prefix, _ in lookups(one.package)) for one in installed)


def _place(finding: Finding) -> tuple[str, str, str, int, str]:
    """Packages by name, and of each the worst first."""
    severity = SEVERITIES.index(finding.severity)
    return (finding.package, finding.installed, finding.path, severity, finding.id)
