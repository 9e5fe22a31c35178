"""The gateway with namespaces that pull through, as clients and users see it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from chalicelib.caching.arrivals import FIRST_LOOK_S
from chalicelib.caching.filling import LOOK_AGAIN_S
from chalicelib.kernel.names import RepositoryName, TagName
from chalicelib.registry.models import Caller
from chalicelib.registry.service import Registry
from tests.background import run_tasks
from tests.management import Api, Reply
from tests.registry.images import owner_of
from tests.registry.wire import Wire
from tests.stacks import make_namespace

from .upstream import Upstream

CACHES = "/instances/default/caches"


class Cached(Wire):
    def __init__(self, folder: Path, there: Upstream, **settings: Any) -> None:
        super().__init__(folder, edition="enterprise", **{"allow_private_addresses": True, **settings})
        self.there = there

    def cache(self, name: str, upstream: str, *, default_visibility: str = "public", **more: Any) -> Reply:
        make_namespace(
            self.stack, self.instance, name, default_visibility=default_visibility, auto_create_repository=False
        )
        answer = self.api.post(CACHES, {"namespace": name, "upstream": upstream, **more})
        assert answer.status == 201, answer.text
        return answer

    @property
    def api(self) -> Api:
        return Api.signed_in(self.stack)

    @property
    def owner(self) -> Caller:
        return owner_of(self.instance)

    def pull(self, path: str, method: str = "GET", **more: Any) -> httpx.Response:
        """As nobody, unless a login is given."""
        more.setdefault("login", None)
        return self.ask(method, f"/v2/{path}", **more)

    def filled(self) -> int:
        """Everything that was asked for is brought here. How many messages that took."""
        self.clock.advance(max(FIRST_LOOK_S, LOOK_AGAIN_S) + 1)
        return run_tasks(self.stack)

    def here(self, name: str, tag: str) -> str:
        """What a tag points to here, whatever its upstream says; "" for nothing."""
        registry = Registry(self.stack)
        try:
            return registry.pull(self.owner, RepositoryName(name), TagName(tag)).digest
        except Exception:
            return ""
