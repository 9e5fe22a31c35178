"""How bad a vulnerability is, and who says so.

    the package's own severity (Debian's, Red Hat's) ─► who publishes the advisory ─► GitHub, of its own ids ─► NVD
    ─► what the database has without saying whose it is ─► unknown

Source: Trivy's pkg/vulnerability, "auto".
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from .advisory import DataSource, severity_of
from .database import Database
from .descriptions import Vulnerability
from .models import Severity

# Sees the same vulnerability for each package that has it. About 1 KB each.
_REMEMBERED: Final = 4096
_WORDS: Final[dict[str, Severity]] = {
    "CRITICAL": "critical",
    "HIGH": "high",
    "MEDIUM": "medium",
    "LOW": "low",
}


class Severities:
    """Of one database."""

    def __init__(self, database: Database) -> None:
        self._vulnerability: Callable[[str], Vulnerability | None] = lru_cache(_REMEMBERED)(database.vulnerability)

    def rate(
        self, vulnerability_id: str, source: DataSource, own: tuple[Severity, str] | None = None
    ) -> tuple[Severity, str]:
        """The severity and who gave it, "" for nobody in particular.

        own: what the advisory says itself of this package, and who speaks there
        """
        if own:
            return own
        found = self._vulnerability(vulnerability_id)
        if found is None:
            return "unknown", ""
        given = found.severities or {}
        # Who publishes the advisory is believed even where it says that it does not know.
        if source.rater in given:
            return severity_of(given[source.rater]), source.rater
        for rater in ("ghsa", "nvd") if vulnerability_id.startswith("GHSA-") else ("nvd",):
            if rater in given:
                severity = severity_of(given[rater])
                return (severity, rater) if severity != "unknown" else (_WORDS.get(found.severity, "unknown"), "")
        return _WORDS.get(found.severity, "unknown"), ""
