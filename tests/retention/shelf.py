"""A namespace with tags of known push order, its rules, and its runs as people see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.kernel.names import RepositoryName, TagName
from chalicelib.kernel.roles import Role
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.retention.models import NewRetentionRule, RetentionRule
from chalicelib.retention.service import Retention
from tests.background import run_tasks
from tests.management import Api, Reply
from tests.registry.images import image, push_blob, push_manifest
from tests.registry.library import Library
from tests.stacks import FrozenClock

from .oracle import OracleRule, OracleTag, expected

Told = Mapping[tuple[str, str], tuple[str, str, str]]
"""(repository, tag) → (verdict, reason, rule id)"""
BASE = b"a layer of all images"


@dataclass(frozen=True)
class Shelf:
    library: Library
    clock: FrozenClock

    @classmethod
    def opened(cls, stack: Stack, clock: FrozenClock) -> Shelf:
        return cls(Library.opened(stack), clock)

    @property
    def stack(self) -> Stack:
        return self.library.stack

    @property
    def path(self) -> str:
        return "/instances/ci/namespaces/library/retention"

    def api(self, role: Role = Role.OWNER) -> Api:
        return self.library.api(role)

    def name(self, repository: str = "app") -> RepositoryName:
        return RepositoryName.parse(f"library/{repository}")

    def push(self, *tags: str, repository: str = "app", layer: bytes = b"") -> None:
        """One image under these tags, a second after the one before. layer: that tells it from others."""
        self.clock.advance(1)
        own = layer or f"layer of {repository}:{tags[0]}".encode()
        registry, owner, name = self.library.registry, self.library.owner, self.name(repository)
        for data in (b"{}", BASE, own):
            push_blob(registry, owner, data, name)
        push_manifest(registry, owner, image(BASE, own), *tags, name=name)

    def rule(self, tags: str, keep_last: int, repositories: str = "**") -> RetentionRule:
        new = NewRetentionRule.model_validate({"repositories": repositories, "tags": tags, "keep_last": keep_last})
        return Retention(self.stack).add_rule(self.namespace, new, "ann")

    @property
    def namespace(self) -> Any:
        from chalicelib.namespaces.service import Namespaces

        return Namespaces(self.stack).get(self.library.instance.id, "library", fresh=True)

    def begin(self, *, dry_run: bool = False) -> str:
        """The run's id. It has not taken a step."""
        self.clock.advance(1)
        answer = self.api().post(f"{self.path}/runs", {"dry_run": dry_run, "acknowledged": True})
        assert answer.status == 202, answer.text
        return str(answer.json()["id"])

    def run(self, *, dry_run: bool = False) -> str:
        """To its end."""
        run = self.begin(dry_run=dry_run)
        run_tasks(self.stack)
        assert self.shown(run)["state"] == "succeeded", self.shown(run)
        return run

    def shown(self, run: str) -> dict[str, Any]:
        answer = self.api().get(f"{self.path}/runs/{run}")
        assert answer.status == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def told(self, run: str) -> Told:
        """Of every tag, by pages."""
        told: dict[tuple[str, str], tuple[str, str, str]] = {}
        for item in every_item(self.api(), f"{self.path}/runs/{run}/items"):
            place = (item["repository"].removeprefix("library/"), item["tag"])
            assert place not in told
            told[place] = (item["verdict"], item["reason"], item["rule_id"])
        return told

    def tags(self, repository: str = "app") -> set[str]:
        """As the table has them now."""
        partition = keys.repository_partition(self.library.repository(self.name(repository)).id)
        found, cursor = set[str](), None
        while True:
            page = self.stack.table.query(partition, prefix="TAG#", cursor=cursor, limit=1000)
            found |= {row["name"] for row in page.items}
            cursor = page.next
            if cursor is None:
                return found

    def oracle(self, immutable: Mapping[tuple[str, str], str] | None = None, *repositories: str) -> Told:
        """What a run has to tell of the tags as they are."""
        policy = Retention(self.stack).policy(self.namespace)
        rules = [OracleRule(rule.id, rule.repositories, rule.tags, rule.keep_last) for rule in policy.rules]
        told: dict[tuple[str, str], tuple[str, str, str]] = {}
        for repository in repositories or ("app",):
            found = expected(repository, self._seen(repository, immutable or {}), rules)
            told |= {(repository, tag): verdict for tag, verdict in found.items()}
        return told

    def _seen(self, repository: str, immutable: Mapping[tuple[str, str], str]) -> Sequence[OracleTag]:
        stored, name = self.library.repository(self.name(repository)), self.name(repository)
        records = [self.library.registry.tag(stored, TagName(tag)) for tag in self.tags(repository)]
        assert all(stored.name == name for _ in records)
        moments = sorted({record.pushed_at for record in records})
        return [
            OracleTag(record.name, moments.index(record.pushed_at), immutable.get((repository, record.name), ""))
            for record in records
        ]


def every_item(api: Api, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        answer: Reply = api.get(path, limit=200, **({"cursor": cursor} if cursor else {}))
        assert answer.status == 200, answer.text
        found += answer.json()["items"]
        cursor = answer.json()["next"]
        if not cursor:
            return found
