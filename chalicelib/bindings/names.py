"""Names of environments, services and versions. They never change, so they are what paths and rows know them by.

EnvironmentName   test-001       1–63; no `_`, which parts environment and service in the name of a repository
ServiceName       my_service     1–63; a segment of a repository's name
VersionName       2026-01.rc1    1–63
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final, Self

from chalicelib.kernel.errors import NameInvalid
from chalicelib.kernel.names import Name

_LONGEST: Final = 63
_ENVIRONMENT: Final = re.compile(r"[a-z0-9]+(?:(?:\.|-+)[a-z0-9]+)*", re.ASCII)
# Of the distribution specification: a segment of a repository's name.
_SERVICE: Final = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*", re.ASCII)
_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)


def _grammar(pattern: re.Pattern[str]) -> dict[str, Any]:
    return {"pattern": f"^{pattern.pattern}$", "minLength": 1, "maxLength": _LONGEST}


class EnvironmentName(Name):
    __slots__ = ()
    grammar: ClassVar[dict[str, Any]] = _grammar(_ENVIRONMENT)

    @classmethod
    def parse(cls, text: str) -> Self:
        if len(text) > _LONGEST or not _ENVIRONMENT.fullmatch(text):
            raise NameInvalid(
                "name", "an environment is named in 1–63 of a–z and 0–9, with . or - between them, and no _"
            )
        return cls(text)


class ServiceName(Name):
    __slots__ = ()
    grammar: ClassVar[dict[str, Any]] = _grammar(_SERVICE)

    @classmethod
    def parse(cls, text: str) -> Self:
        if len(text) > _LONGEST or not _SERVICE.fullmatch(text):
            raise NameInvalid("name", "a service is named in 1–63 of a–z and 0–9, with . _ or - between them")
        return cls(text)


class VersionName(Name):
    __slots__ = ()
    grammar: ClassVar[dict[str, Any]] = _grammar(_VERSION)

    @classmethod
    def parse(cls, text: str) -> Self:
        if len(text) > _LONGEST or not _VERSION.fullmatch(text):
            raise NameInvalid(
                "name", "a version is named in 1–63 of A–Z a–z 0–9 . _ - and starts with a letter or digit"
            )
        return cls(text)
