"""A database that remembers what it was asked: thousands of images share their packages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from chalicelib.advisories.advisory import Advisory
from chalicelib.advisories.database import Database
from chalicelib.advisories.descriptions import Vulnerability

# Images of ten systems have some thousand different packages; what is asked less often is read again.
_PACKAGES: Final = 8192
_VULNERABILITIES: Final = 16384


class RememberingDatabase(Database):
    """The same answers. Safe for threads."""

    def __init__(self, database: Database) -> None:
        # Its pages, and what it has read of them, are those of the one that it stands for.
        self.__dict__.update(database.__dict__)
        self._known_advisories = lru_cache(_PACKAGES)(database.advisories)
        self._known_vulnerabilities = lru_cache(_VULNERABILITIES)(database.vulnerability)
        self._known_platforms = lru_cache(256)(database.platforms)

    def advisories(self, platform: str, package: str) -> Mapping[str, Advisory]:
        return self._known_advisories(platform, package)

    def vulnerability(self, vulnerability_id: str) -> Vulnerability | None:
        return self._known_vulnerabilities(vulnerability_id)

    def platforms(self, prefix: str) -> Sequence[str]:
        return self._known_platforms(prefix)
