"""When tags were pulled last, and how often: gathered in memory, written at most once a minute, never per pull.

    GET of a manifest ─► counts of this process ─► every 60 s ─► TAG pulled_at, pulls   if it is there still
                                                              └► SERIES of the hour

docker and containerd ask for a tag's digest by HEAD and pull by the digest, so a pull by digest counts for the tags
that point there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from chalicelib.edge.tally import Tally, tally
from chalicelib.kernel.moment import to_text
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Condition, ConditionFailed, Update, equals, present

from .series import Series

# A pull by digest is noted on so many tags of it at most.
MOST_TAGS: Final = 100


class Pull(NamedTuple):
    """tag: "" for a pull by digest."""

    instance_id: str
    repository_id: str
    tag: str
    digest: str


def pull_tally(stack: Stack) -> Tally[Pull]:
    return tally(stack, "pulls", lambda counts: Pulls(stack).write(counts))


class Pulls:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._series = Series(stack)

    def write(self, counts: Mapping[Pull, int]) -> None:
        """Each tag once, however it was pulled, and each instance's hour once."""
        by_instance: Counter[str] = Counter()
        by_tag: Counter[tuple[str, str, str]] = Counter()
        for pull, count in counts.items():
            by_instance[pull.instance_id] += count
            for name, digest in self._tags(pull):
                by_tag[pull.repository_id, name, digest] += count
        now = to_text(self._stack.clock.now())
        for (repository, name, digest), count in by_tag.items():
            self._note(repository, name, equals("digest", digest) if digest else present(), now, count)
        for instance_id, count in by_instance.items():
            self._series.add(instance_id, pulls=count)

    def _tags(self, pull: Pull) -> Iterable[tuple[str, str]]:
        """Names, each with the digest that it has to point to still, "" for any."""
        if pull.tag:
            return [(pull.tag, "")]
        prefix = keys.hold_prefix(pull.digest, "TAG")
        page = self._stack.table.query(keys.repository_partition(pull.repository_id), prefix=prefix, limit=MOST_TAGS)
        return [(hold["owner"], pull.digest) for hold in page.items]

    def _note(self, repository: str, name: str, when: Condition, now: str, count: int) -> None:
        change = Update(keys.tag(repository, name), set={"pulled_at": now}, add={"pulls": count}, when=when)
        try:
            self._stack.table.update(change, relaxed=True)
        except ConditionFailed:
            return  # Deleted, or moved on.
