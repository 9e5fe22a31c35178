"""P3: the decision, held to an oracle that was written by itself."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.kernel.names import RepositoryName, TagName
from chalicelib.kernel.patterns import Pattern
from chalicelib.retention.models import RetentionRule, Verdict
from chalicelib.retention.rules import covering, decide, follow, root

from .oracle import SUFFIX, OracleRule, OracleTag, expected

NAMES = ["v1", "v2", "v10", "w1", "latest", "v", "x"]
TAG_NAMES = st.sampled_from([*NAMES, *(name + SUFFIX for name in NAMES), "v1" + SUFFIX * 2, "w1" + SUFFIX * 2])
TAGS = st.lists(
    st.builds(OracleTag, TAG_NAMES, st.integers(0, 4), st.sampled_from(["", "", "", "frozen"])),
    unique_by=lambda tag: tag.name,
    max_size=14,
)
PATTERNS = st.sampled_from(["**", "v*", "v1", "{v1,w*}", "latest", "nothing", "*".join(["v1", ""])])
RULES = st.lists(
    st.builds(OracleRule, st.uuids().map(str), st.sampled_from(["**", "app", "other"]), PATTERNS, st.integers(1, 3)),
    max_size=4,
)
PAGES = st.lists(st.integers(1, 4), min_size=1)


def as_rule(rule: OracleRule) -> RetentionRule:
    return RetentionRule(
        id=rule.id,
        repositories=Pattern.parse(rule.repositories),
        tags=Pattern.parse(rule.tags),
        keep_last=rule.keep_last,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        created_by="ann",
    )


def decided(tags: list[OracleTag], rules: list[OracleRule], pages: list[int]) -> dict[str, tuple[str, str, str]]:
    """By pages of these sizes, the last of them as often as it takes."""
    ours = covering([as_rule(rule) for rule in rules], RepositoryName("library/app"))
    if not ours:
        return {}
    immutable = {TagName(tag.name): tag.immutable for tag in tags}
    there = list(immutable)
    newest_first = [TagName(tag.name) for tag in sorted(tags, key=lambda tag: (tag.pushed, tag.name), reverse=True)]
    ordinary = [tag for tag in newest_first if root(tag, there) == tag]
    verdicts: dict[TagName, Verdict] = {}
    seen: dict[str, int] = {}
    sizes = iter(pages)
    while ordinary:
        size = next(sizes, pages[-1])
        page, seen = decide(ordinary[:size], ours, immutable, seen)
        assert [verdict.tag for verdict in page] == ordinary[:size]
        verdicts |= {verdict.tag: verdict for verdict in page}
        ordinary = ordinary[size:]
    for tag in newest_first:
        if tag not in verdicts:
            verdicts[tag] = follow(tag, immutable[tag], verdicts[root(tag, there)])
    return {tag: (verdict.verdict, verdict.reason, verdict.rule_id) for tag, verdict in verdicts.items()}


@given(TAGS, RULES, PAGES)
def test_every_tag_gets_the_oracles_verdict_however_it_is_paged(
    tags: list[OracleTag], rules: list[OracleRule], pages: list[int]
) -> None:
    """P3"""
    assert decided(tags, rules, pages) == dict(expected("app", tags, rules))


def rule(tags: str, keep_last: int, name: str = "r") -> OracleRule:
    return OracleRule(name, "**", tags, keep_last)


def kept(tags: list[OracleTag], *rules: OracleRule) -> set[str]:
    return {tag for tag, (verdict, _, _) in decided(tags, list(rules), [100]).items() if verdict == "kept"}


def test_latest_goes_under_a_pattern_that_does_not_match_it() -> None:
    """P3"""
    tags = [OracleTag("latest", 9), OracleTag("v1", 1)]
    assert kept(tags, rule("v*", 1)) == {"v1"}
    assert decided(tags, [rule("v*", 1)], [1])["latest"] == ("deleted", "no_pattern_matches", "")


def test_rules_add_up_and_count_only_what_they_match() -> None:
    """P3"""
    tags = [OracleTag("w2", 4), OracleTag("v2", 3), OracleTag("w1", 2), OracleTag("v1", 1)]
    assert kept(tags, rule("v*", 1, "a"), rule("w*", 2, "b")) == {"v2", "w2", "w1"}
    assert kept(tags, rule("**", 1, "a"), rule("v*", 1, "b")) == {"w2", "v2"}


def test_an_immutable_tag_stays_and_counts() -> None:
    """P3"""
    tags = [OracleTag("v3", 3, "frozen"), OracleTag("v2", 2), OracleTag("v1", 1, "frozen")]
    assert kept(tags, rule("v*", 1)) == {"v3", "v1"}


def test_an_accelerated_tag_goes_with_its_original_and_counts_for_nothing() -> None:
    """P3"""
    tags = [OracleTag("v2" + SUFFIX, 9), OracleTag("v2", 3), OracleTag("v1", 2), OracleTag("v1" + SUFFIX, 8)]
    assert kept(tags, rule("**", 1)) == {"v2", "v2" + SUFFIX}
    assert kept([OracleTag("v1" + SUFFIX, 1)], rule("v1", 1)) == set()


def test_of_one_moment_the_last_name_is_the_newest() -> None:
    """P3"""
    assert kept([OracleTag("v1", 1), OracleTag("v2", 1)], rule("**", 1)) == {"v2"}
