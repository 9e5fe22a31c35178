"""What retention has to decide, said again in the plainest way: whole lists, no pages, no counters.

Written against the requirement and not against the code: P3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SUFFIX = "-accelerated"


@dataclass(frozen=True)
class OracleRule:
    """repositories, tags: patterns `key`, `key*`, `**` or `{…,…}`."""

    id: str
    repositories: str
    tags: str
    keep_last: int


@dataclass(frozen=True)
class OracleTag:
    """pushed: any number that grows with time; immutable: the rule of immutability over it."""

    name: str
    pushed: float
    immutable: str = ""


def fits(pattern: str, text: str) -> bool:
    if pattern == "**":
        return True
    if pattern.startswith("{"):
        return any(fits(part, text) for part in pattern.strip("{}").split(","))
    return text.startswith(pattern[:-1]) if pattern.endswith("*") else text == pattern


def original_of(name: str, names: frozenset[str]) -> str:
    """The tag that it follows in the end, itself if none is there."""
    while name.endswith(SUFFIX) and name[: -len(SUFFIX)] in names:
        name = name[: -len(SUFFIX)]
    return name


def expected(
    repository: str, tags: Sequence[OracleTag], rules: Sequence[OracleRule]
) -> Mapping[str, tuple[str, str, str]]:
    """tag → (verdict, reason, rule id), of all tags of a repository. Nothing of one that no rule covers.

    repository   its name inside its namespace
    """
    ours = [rule for rule in rules if fits(rule.repositories, repository)]
    if not ours:
        return {}
    names = frozenset(tag.name for tag in tags)
    standing = [tag for tag in tags if original_of(tag.name, names) == tag.name]
    newest_first = sorted(standing, key=lambda tag: (tag.pushed, tag.name), reverse=True)
    answer: dict[str, tuple[str, str, str]] = {}
    for tag in standing:
        speaking = [rule for rule in ours if fits(rule.tags, tag.name)]
        keeping = [
            rule
            for rule in speaking
            if tag in [other for other in newest_first if fits(rule.tags, other.name)][: rule.keep_last]
        ]
        if tag.immutable:
            answer[tag.name] = ("kept", "immutable", tag.immutable)
        elif keeping:
            answer[tag.name] = ("kept", "among_newest", keeping[0].id)
        elif speaking:
            answer[tag.name] = ("deleted", "not_among_newest", speaking[0].id)
        else:
            answer[tag.name] = ("deleted", "no_pattern_matches", "")
    for tag in tags:
        if tag not in standing:
            verdict, _, rule_id = answer[original_of(tag.name, names)]
            answer[tag.name] = (verdict, "follows_original", rule_id)
            if tag.immutable:
                answer[tag.name] = ("kept", "immutable", tag.immutable)
    return answer
