"""The door of the room: judging tags. `policies.py` lists and changes the rules by which they are judged.

    rule edited     every copy of the policy is written, one version up                            one transaction
    tag moves       policy read ─► a rule over it: refused ─► else the transaction that moves it
                    checks that the copy which judged it has the version that was read

So a move and an edit have an order: after an edit was answered no tag moves by the rules before it. A tag that is not
there yet is made by anybody: of two who make it one wins, and the other meets an existing tag.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from chalicelib.kernel.errors import TagImmutable
from chalicelib.kernel.names import RepositoryName, TagName
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Check

from . import store
from .rules import rule_over, shard_of


@dataclass(frozen=True, slots=True)
class Judgement:
    """Of some tags of one repository. checks: for the transaction that moves or deletes them, one for each copy."""

    repository: RepositoryName
    rules: Mapping[TagName, str]
    checks: tuple[Check, ...]

    def rule_over(self, tag: TagName) -> str:
        """The id of the rule that keeps the tag as it is, "" if there is none."""
        return self.rules[tag]

    def require_movable(self) -> None:
        """Raises TagImmutable that names the first tag that a rule keeps."""
        for tag, rule in self.rules.items():
            if rule:
                raise TagImmutable(self.repository, tag, rule)


class Immutability:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._table = stack.table

    def judge(self, namespace_id: str, repository_id: str, name: RepositoryName, tags: Iterable[TagName]) -> Judgement:
        """Of tags that exist and are to be moved or deleted, by the rules as the table has them at this moment.

        Whatever keeps the rules from being read refuses: the error goes to the caller.
        """
        shards = {tag: shard_of(repository_id, tag) for tag in tags}
        copies = {shard: keys.policy(namespace_id, shard) for shard in sorted(set(shards.values()))}
        found = self._table.get_many(list(copies.values()))
        policies = {shard: store.read(namespace_id, found.get(key)) for shard, key in copies.items()}
        return Judgement(
            name,
            {tag: rule_over(policies[shard].rules, name, tag) for tag, shard in shards.items()},
            tuple(store.check(namespace_id, shard, policy.version) for shard, policy in policies.items()),
        )

    def told(self, namespace_id: str, name: RepositoryName) -> Callable[[TagName], str]:
        """For lists and warnings: tag → the id of the rule that keeps it now, "" if there is none. One read."""
        rules = store.read(namespace_id, self._table.get(keys.policy(namespace_id, 0))).rules
        return lambda tag: rule_over(rules, name, tag)
