"""P1, P2: which tags a rule keeps."""

from __future__ import annotations

import pytest

from chalicelib.immutability.models import Rule
from chalicelib.immutability.rules import rule_over, shard_of
from chalicelib.kernel.moment import from_text
from chalicelib.kernel.names import RepositoryName, TagName
from chalicelib.kernel.patterns import Pattern
from chalicelib.ports import keys

APP = RepositoryName("library/team/app")


def made(repositories: str = "**", tags: str = "**", *, enabled: bool = True, rule_id: str = "one") -> Rule:
    return Rule(
        id=rule_id,
        repositories=Pattern.parse(repositories),
        tags=Pattern.parse(tags),
        enabled=enabled,
        created_at=from_text("2026-01-31T08:00:00.000000Z"),
        created_by="ann",
    )


@pytest.mark.parametrize(
    ("repositories", "tags", "tag", "kept"),
    [
        ("**", "**", "latest", True),
        ("**", "v*", "latest", False),
        ("**", "{v*,latest}", "latest", True),
        ("team/app", "**", "v1", True),
        ("team/*", "v1", "v1", True),
        ("team/*", "v1", "v1.0", False),
        ("app", "**", "v1", False),
        ("library/team/app", "**", "v1", False),
        ("**", "v1", "v1-accelerated", True),
        ("**", "v1-accelerated", "v1-accelerated", False),
    ],
)
def test_a_rule_keeps_what_its_patterns_name_inside_its_namespace(
    repositories: str, tags: str, tag: str, kept: bool
) -> None:
    """P1: `latest` is a tag like any other, and an accelerated tag follows its original by name alone."""
    assert rule_over([made(repositories, tags)], APP, TagName(tag)) == ("one" if kept else "")


def test_a_disabled_rule_keeps_nothing_and_the_first_enabled_one_is_named() -> None:
    """P1"""
    off, first, second = made(enabled=False, rule_id="off"), made(rule_id="first"), made(rule_id="second")
    assert rule_over([off], APP, TagName("v1")) == ""
    assert rule_over([off, first, second], APP, TagName("v1")) == "first"


def test_a_tag_and_the_one_that_follows_it_are_judged_by_the_same_copy_and_many_tags_by_many() -> None:
    """P1"""
    assert shard_of("r", TagName("v1")) == shard_of("r", TagName("v1-accelerated"))
    assert len({shard_of("r", TagName(f"v{n}")) for n in range(500)}) == keys.POLICY_SHARDS
