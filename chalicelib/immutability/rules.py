"""Pure decisions about immutability."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from zlib import crc32

from chalicelib.kernel.names import RepositoryName, TagName
from chalicelib.ports import keys

from .models import Rule

# All are read with every overwrite of a tag, and written in sixteen copies by one transaction of at most 4 MB.
MOST_RULES: Final = 50


def rule_over(rules: Iterable[Rule], repository: RepositoryName, tag: TagName) -> str:
    """The id of the first enabled rule under which the tag keeps its digest, "" if there is none.

    Rules judge originals: `v1-accelerated` stands under the rules of `v1`.
    """
    original = tag.original
    for rule in rules:
        if rule.enabled and rule.repositories.matches(repository.short) and rule.tags.matches(original):
            return rule.id
    return ""


def shard_of(repository_id: str, tag: TagName) -> int:
    """Which copy of its namespace's policy judges the tag: pushes to different tags seldom meet at the same."""
    return crc32(f"{repository_id}/{tag.original}".encode()) % keys.POLICY_SHARDS
