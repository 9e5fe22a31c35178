"""Instances, namespaces and rules for tests of synchronisation, and all that follows a push.

estate = Estate.opened(stack)                 instance `ci` with namespaces `dev` (pushed to) and `prod`
rule = estate.rule(source_tags="v*")          from `dev` to `prod`
digest = estate.push("v1", b"one")            into dev/app
estate.work()                                 its event, the task, its steps
assert estate.digest("v1") == digest          in prod/app
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from chalicelib.chain import CHAIN
from chalicelib.edge.consume import handle, send
from chalicelib.instances.models import Instance
from chalicelib.kernel import media
from chalicelib.kernel.errors import NotFound
from chalicelib.kernel.messages import AnnounceUntold
from chalicelib.kernel.names import Digest, RepositoryName, TagName
from chalicelib.kernel.roles import Role
from chalicelib.notifications.handlers import announce
from chalicelib.ports.stack import Stack
from chalicelib.registry import handlers
from chalicelib.registry.models import TagRecord
from chalicelib.registry.service import Registry
from chalicelib.repositories.service import Repositories
from tests.background import run_tasks
from tests.management import Api, Reply
from tests.registry.images import image, owner_of, push_blob, push_manifest
from tests.stacks import make_instance, make_namespace

APP: Final = RepositoryName("dev/app")
THERE: Final = RepositoryName("prod/app")
HELM: Final = media.HELM_CONFIG


@dataclass(frozen=True)
class Estate:
    stack: Stack
    instance: Instance

    @classmethod
    def opened(cls, stack: Stack, name: str = "ci", **namespace: Any) -> Estate:
        instance = make_instance(stack, name, bucket=stack.settings.bucket)
        make_namespace(stack, instance, "dev", **namespace)
        # Rules make the repositories that they need.
        make_namespace(stack, instance, "prod", auto_create_repository=False)
        return cls(stack, instance)

    @property
    def api(self) -> Api:
        return Api.signed_in(self.stack)

    @property
    def path(self) -> str:
        return f"/instances/{self.instance.id}"

    # Rules and tasks

    def ask(self, path: str = "/sync-rules", role: Role = Role.OWNER, **body: Any) -> Reply:
        """A rule, or with another path a task, from `dev` to `prod` where nothing else is said."""
        wanted = {"source_namespace": "dev", "target_instance": self.instance.id, "target_namespace": "prod", **body}
        named = {"name": "to production", **wanted} if path == "/sync-rules" else wanted
        return Api.signed_in(self.stack, role).post(f"{self.path}{path}", named)

    def rule(self, **body: Any) -> dict[str, Any]:
        answer = self.ask(**body)
        assert answer.status == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def task(self, **body: Any) -> dict[str, Any]:
        answer = self.ask("/sync-tasks", **body)
        assert answer.status == 202, answer.text
        begun: dict[str, Any] = answer.json()
        return begun

    def tasks(self, **query: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.api.get(f"{self.path}/sync-tasks", **query).json()["items"]
        return found

    def records(self, task: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Of a task, without one of the newest."""
        task_id = (task or self.tasks()[0])["id"]
        found: list[dict[str, Any]] = self.api.get(f"{self.path}/tasks/{task_id}/items", limit=200).json()["items"]
        return found

    def became(self, task: Mapping[str, Any] | None = None) -> dict[str, tuple[str, str]]:
        """`repository:tag` → verdict, reason"""
        named = {item["id"]: item for item in self.records(task)}
        return {name: (item["verdict"], item["reason"]) for name, item in named.items()}

    # Content

    def push(self, tag: str, *layers: bytes, name: RepositoryName = APP, **more: Any) -> Digest:
        """With tag "" by its digest alone."""
        registry, owner = Registry(self.stack), owner_of(self.instance)
        for data in (b"{}", *layers):
            push_blob(registry, owner, data, name)
        return push_manifest(registry, owner, image(*layers, **more), *([tag] if tag else []), name=name).digest

    def tag(self, tag: str, name: RepositoryName = THERE, instance: Instance | None = None) -> TagRecord | None:
        try:
            repository = Repositories(self.stack).get((instance or self.instance).id, name, fresh=True)
            return Registry(self.stack).tag(repository, TagName(tag))
        except NotFound:
            return None

    def digest(self, tag: str, name: RepositoryName = THERE, instance: Instance | None = None) -> str | None:
        found = self.tag(tag, name, instance)
        return found.digest if found is not None else None

    # The background

    def events(self) -> None:
        for push in self.stack.objects(self.instance.bucket).list("").items:
            if "/pushes/" in push.key:
                send(self.stack, handlers.object_created(self.stack, self.instance.bucket, push.key), CHAIN)

    def work(self) -> None:
        """Until nothing is left that is due."""
        for _ in range(20):
            self.events()
            if not run_tasks(self.stack):
                break
        for message in announce(self.stack):
            if isinstance(message, AnnounceUntold):
                handle(self.stack, message, CHAIN)
