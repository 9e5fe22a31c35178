"""Rules become images: which tag of a source goes under which name where."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .files import Rule
from .places import Place


@dataclass(frozen=True, slots=True)
class Image:
    """
    entry       the rule that wants it, as it was written
    reference   tag or digest at the source
    tag         at the target; "": by its digest alone
    """

    entry: str
    source: Place
    reference: str
    target: Place
    tag: str

    @property
    def source_name(self) -> str:
        return f"{self.source}{_joined(self.reference)}"

    @property
    def target_name(self) -> str:
        return f"{self.target}{_joined(self.tag or self.reference)}"


def lists_tags(rule: Rule) -> bool:
    """Whether its source has to say which tags it has."""
    return rule.source.all_tags


def images(rule: Rule, tags: Iterable[str]) -> Iterator[Image]:
    """What a rule wants. tags: all that the source has, where `lists_tags`."""
    source, target = rule.source, rule.target
    if source.digest:
        yield Image(rule.entry, source, source.digest, target, target.tags[0] if target.tags else "")
        return
    if source.tags:
        for tag, name in zip(source.tags, target.tags or source.tags, strict=True):
            yield Image(rule.entry, source, tag, target, name)
        return
    for tag in tags:
        if source.expression is None or source.expression.matches(tag):
            yield Image(rule.entry, source, tag, target, tag)


def _joined(reference: str) -> str:
    return f"@{reference}" if ":" in reference else f":{reference}"
