"""Names as types. A raw string stops at the door: `Digest.parse(text)` answers a Digest or raises.

InstanceName      ci, team-a            2–30 of a–z 0–9 -, starts with a letter
NamespaceName     library               2–64; one path segment of a repository's full name
RepositoryName    library/nginx/arm     <namespace>/<one or more segments>, at most 255
TagName           v1.0                  at most 128
Digest            sha256:<64 hex>       sha256 and sha512
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, ClassVar, Final, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from .errors import DigestInvalid, NameInvalid

# Grammar of the distribution specification 1.1, "Pulling manifests".
_SEGMENT: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY: Final = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})+", re.ASCII)
_NAMESPACE: Final = re.compile(_SEGMENT, re.ASCII)
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", re.ASCII)
_INSTANCE: Final = re.compile(r"[a-z](?:[a-z0-9-]{0,28}[a-z0-9])", re.ASCII)
_HEX_LENGTHS: Final = {"sha256": 64, "sha512": 128}
# Of addresses that users write down.
LONGEST_URL: Final = 2048
# Behind the name of a tag: the same image in a form that starts before it is downloaded (A1).
ACCELERATED: Final = "-accelerated"
_HEX: Final = re.compile(r"[0-9a-f]+", re.ASCII)


class Name(str):
    """Text that has passed its class's `parse`.

    grammar   the same in JSON Schema's words, for documents; `parse` decides
    """

    __slots__ = ()
    grammar: ClassVar[dict[str, Any]] = {}

    @classmethod
    def parse(cls, text: str) -> Self:
        raise NotImplementedError

    @classmethod
    def fits(cls, text: str) -> bool:
        """Whether the text can be such a name; where it cannot, nothing needs to be looked up."""
        try:
            cls.parse(text)
        except (NameInvalid, DigestInvalid):
            return False
        return True

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(cls._validate, core_schema.str_schema())

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), **cls.grammar}

    @classmethod
    def _validate(cls, text: str) -> Self:
        try:
            return cls.parse(text)
        except (NameInvalid, DigestInvalid) as refused:
            raise ValueError(refused.message) from refused


class InstanceName(Name):
    __slots__ = ()
    grammar: ClassVar[dict[str, Any]] = {"pattern": f"^{_INSTANCE.pattern}$"}

    @classmethod
    def parse(cls, text: str) -> Self:
        if not _INSTANCE.fullmatch(text):
            raise NameInvalid("name", "an instance name has 2–30 of a–z, 0–9 and -, and starts with a letter")
        return cls(text)


class NamespaceName(Name):
    __slots__ = ()
    grammar: ClassVar[dict[str, Any]] = {"pattern": f"^{_NAMESPACE.pattern}$", "minLength": 2, "maxLength": 64}

    @classmethod
    def parse(cls, text: str) -> Self:
        if not 2 <= len(text) <= 64 or not _NAMESPACE.fullmatch(text):
            raise NameInvalid("namespace", "a namespace name has 2–64 of a–z and 0–9, with . _ or - between them")
        return cls(text)


class RepositoryName(Name):
    """The full name: namespace, a slash, and the name inside the namespace, which may hold further slashes."""

    __slots__ = ()
    grammar: ClassVar[dict[str, Any]] = {"pattern": f"^{_REPOSITORY.pattern}$", "maxLength": 255}

    @classmethod
    def parse(cls, text: str) -> Self:
        if len(text) > 255 or not _REPOSITORY.fullmatch(text) or not 2 <= text.index("/") <= 64:
            raise NameInvalid("name", "a repository is named <namespace>/<name> in a–z, 0–9, with . _ - / between them")
        return cls(text)

    @property
    def namespace(self) -> NamespaceName:
        return NamespaceName(self[: self.index("/")])

    @property
    def short(self) -> str:
        """The name inside its namespace."""
        return self[self.index("/") + 1 :]


class TagName(Name):
    __slots__ = ()
    grammar: ClassVar[dict[str, Any]] = {"pattern": f"^{_TAG.pattern}$"}

    @classmethod
    def parse(cls, text: str) -> Self:
        if not _TAG.fullmatch(text):
            raise NameInvalid("tag", "a tag has 1–128 of A–Z a–z 0–9 _ . - and does not start with . or -")
        return cls(text)

    @property
    def original(self) -> TagName:
        """The tag that this one follows: `v1` of `v1-accelerated`, any other is its own."""
        followed = self.removesuffix(ACCELERATED)
        return TagName(followed) if followed else self

    @property
    def accelerated(self) -> TagName:
        """The tag that follows this one: the same image, lazily loadable."""
        return TagName(self + ACCELERATED)


class Digest(Name):
    __slots__ = ()
    grammar: ClassVar[dict[str, Any]] = {"pattern": "^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$"}

    @classmethod
    def parse(cls, text: str) -> Self:
        algorithm, colon, hexadecimal = text.partition(":")
        if not colon or len(hexadecimal) != _HEX_LENGTHS.get(algorithm) or not _HEX.fullmatch(hexadecimal):
            raise DigestInvalid("a digest is sha256: and 64, or sha512: and 128 lower-case hexadecimal digits")
        return cls(text)

    @classmethod
    def of(cls, data: bytes, algorithm: str = "sha256") -> Self:
        return cls(f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}")

    @property
    def algorithm(self) -> str:
        return self[: self.index(":")]

    @property
    def hex(self) -> str:
        return self[self.index(":") + 1 :]
