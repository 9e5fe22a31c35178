"""Pure decisions: which tags of a repository stay. The oracle in the tests says the same in another way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from chalicelib.kernel.names import RepositoryName, TagName
from chalicelib.kernel.patterns import Pattern

from .models import RetentionRule, Verdict


class Patterns(Protocol):
    """A rule, saved or only proposed."""

    @property
    def repositories(self) -> Pattern: ...

    @property
    def tags(self) -> Pattern: ...


P = TypeVar("P", bound=Patterns)


def covering(rules: Iterable[P], repository: RepositoryName) -> list[P]:
    """The rules for a repository. One that has none is left alone."""
    return [rule for rule in rules if rule.repositories.matches(repository.short)]


def unmatched(rules: Iterable[Patterns], tag: TagName) -> bool:
    """Whether none of a repository's rules speaks of the tag, so that it goes however new it is."""
    return not any(rule.tags.matches(tag) for rule in rules)


def decide(
    tags: Sequence[TagName],
    rules: Sequence[RetentionRule],
    immutable: Mapping[TagName, str],
    seen: Mapping[str, int],
) -> tuple[list[Verdict], dict[str, int]]:
    """One verdict per tag, in the order given; reads nothing, deletes nothing.

    tags       a page of one repository, newest push first, of one moment the last name first; without those that
               follow an original
    rules      those that cover the repository; they add up: a tag that any of them keeps stays
    immutable  tag → the immutability rule over it, "" without one; such a tag stays, and counts like any other
    seen       rule id → matching tags of the pages before; the second answer is the same after this page
    Source: user guide §4.1.6.2.
    """
    verdicts: list[Verdict] = []
    counts = dict(seen)
    for tag in tags:
        matching = [rule for rule in rules if rule.tags.matches(tag)]
        for rule in matching:
            counts[rule.id] = counts.get(rule.id, 0) + 1
        keeping = [rule.id for rule in matching if counts[rule.id] <= rule.keep_last]
        if immutable.get(tag):
            verdicts.append(Verdict(tag, "kept", "immutable", immutable[tag]))
        elif keeping:
            verdicts.append(Verdict(tag, "kept", "among_newest", keeping[0]))
        elif matching:
            verdicts.append(Verdict(tag, "deleted", "not_among_newest", matching[0].id))
        else:
            verdicts.append(Verdict(tag, "deleted", "no_pattern_matches"))
    return verdicts, counts


def follow(tag: TagName, immutable: str, original: Verdict | None) -> Verdict:
    """Of a tag that follows an original, which it comes and goes with. original: None if nothing was decided of it,
    because it was pushed after the run began; then both stay."""
    if immutable:
        return Verdict(tag, "kept", "immutable", immutable)
    if original is None or original.verdict != "deleted":
        return Verdict(tag, "kept", "follows_original", original.rule_id if original else "")
    return Verdict(tag, "deleted", "follows_original", original.rule_id)


def originals(tag: TagName) -> list[TagName]:
    """What the tag may follow, nearest first: `v1-accelerated-accelerated` has two."""
    found: list[TagName] = []
    while tag.original != tag:
        tag = tag.original
        found.append(tag)
    return found


def root(tag: TagName, there: Iterable[TagName]) -> TagName:
    """The original of the original …, as far as they are there; the tag itself if it follows nothing."""
    existing = set(there)
    for original in originals(tag):
        if original not in existing:
            break
        tag = original
    return tag
