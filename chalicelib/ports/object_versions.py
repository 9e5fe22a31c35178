"""Versions of objects, where a store keeps them: what was deleted can be seen again. For the operator's recovery alone;
the service itself neither makes nor reads a version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from chalicelib.kernel.paging import Page


class Version(NamedTuple):
    """One version of a key, or the mark of a deletion, which hides the versions before it while it is the newest."""

    key: str
    id: str
    newest: bool
    deletion: bool


class ObjectVersions(Protocol):
    """Any method may raise `Unavailable`, and NotFound if there is no bucket."""

    def kept(self, bucket: str) -> bool:
        """Whether the bucket keeps versions of what is deleted there from now on."""
        ...

    def page(self, bucket: str, prefix: str, *, cursor: str | None = None, after: str = "") -> Page[Version]:
        """Versions and marks of keys that begin so, in key order. after: only keys behind this one."""
        ...

    def undelete(self, bucket: str, marks: Sequence[Version]) -> None:
        """Removes marks of deletions, at most a page of them. Repeating it is harmless."""
        ...

    def hide(self, bucket: str, keys: Sequence[str]) -> None:
        """Deletes objects, at most a page of them, so that their versions stay. Repeating it is harmless."""
        ...
