"""Images that are pushed, looked over as their pushes ask for it, and asked for their advice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.chain import CHAIN
from chalicelib.edge.consume import decode, handle
from chalicelib.instances.models import Instance
from chalicelib.kernel import media
from chalicelib.kernel.messages import ContinueScan
from chalicelib.kernel.names import Digest
from chalicelib.ports.stack import Stack
from chalicelib.tasks.models import Task
from chalicelib.tasks.service import Tasks
from tests.advice.building import Step, history, packed
from tests.registry.images import descriptor, push_blob, push_manifest
from tests.registry.library import Library

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass(frozen=True)
class Shelf:
    library: Library

    @property
    def stack(self) -> Stack:
        return self.library.stack

    @property
    def instance(self) -> Instance:
        return self.library.instance

    def push(
        self, *steps: Step, tag: str = "v1", layers: Sequence[bytes] = (), platform: str = "linux/amd64"
    ) -> Digest:
        """layers: instead of what the steps make."""
        bodies = list(layers) or packed(steps)
        system, architecture = platform.split("/")
        described = {"os": system, "architecture": architecture, "history": history(steps)}
        config = json.dumps({**described, "config": {"User": "app"}}).encode()
        for data in (config, *bodies):
            push_blob(self.library.registry, self.library.owner, data)
        document = {
            "schemaVersion": 2,
            "mediaType": media.OCI_MANIFEST,
            "config": descriptor(config, media.OCI_CONFIG),
            "layers": [descriptor(body, LAYER) for body in bodies],
        }
        body = json.dumps(document).encode()
        return push_manifest(self.library.registry, self.library.owner, body, *([tag] if tag else [])).digest

    def work(self, most: int = 1000) -> int:
        """Brings pushes their events, and tasks that read layers their messages, up to so many."""
        self.library.handle_events()
        brought = 0
        while brought < most and (found := self.stack.queues.receive(ContinueScan.queue, most=1)):
            for delivery in found:
                handle(self.stack, decode(delivery.body, [ContinueScan]), CHAIN)
                brought += 1
            self.stack.queues.complete(found)
        return brought

    def tasks(self) -> list[Task]:
        found = Tasks(self.stack).list(self.instance.id, None, None, None, 50)
        return [task for task in found.items if task.kind == "advice"]

    def advice(self, digest: str) -> dict[str, Any]:
        answer = self.library.api().get(self.library.path(f"/manifests/{digest}/advice"))
        assert answer.status == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def ask(self, digest: str) -> Any:
        return self.library.api().post(self.library.path(f"/manifests/{digest}/advice"))
