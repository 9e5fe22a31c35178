"""Images that can be scanned, a database that knows something of them, and the tasks that bring both together.

shelf = Shelf.opened(stack)
shelf.import_database(DATABASE)
digest = shelf.push(DEBIAN, PYTHON, tag="v1")
shelf.scan("v1")             the task, carried out
shelf.record(digest)         what came of it
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from chalicelib.advisories.database import METADATA_FILE
from chalicelib.findings.models import ScanRecord
from chalicelib.findings.service import Findings
from chalicelib.instances.models import Instance
from chalicelib.kernel import media
from chalicelib.kernel.messages import ContinueScan
from chalicelib.kernel.moment import to_text
from chalicelib.kernel.names import Digest, RepositoryName
from chalicelib.ports.stack import Stack
from chalicelib.scanning.database_import import DatabaseImport
from chalicelib.scanning.database_sources import Arrived
from chalicelib.tasks.models import Task
from chalicelib.tasks.service import Tasks
from tests.advisories import rows
from tests.background import run_tasks
from tests.management import Api
from tests.packages.rebuild import tar
from tests.registry.images import NAME, descriptor, push_blob, push_manifest
from tests.registry.library import Library

LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
Files = Mapping[str, str | bytes]


def dpkg(**versions: str) -> str:
    """var/lib/dpkg/status with these packages installed."""
    return "".join(
        f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\n"
        f"Maintainer: Debian <debian@lists.debian.org>\nVersion: {version}\n\n"
        for name, version in versions.items()
    )


DEBIAN: Final[Files] = {
    "etc/os-release": 'NAME="Debian GNU/Linux"\nID=debian\nVERSION_ID="12"\n',
    "etc/debian_version": "12.5\n",
    "var/lib/dpkg/status": dpkg(openssl="3.0.11-1", zlib1g="1.2.13"),
}
PYTHON: Final[Files] = {
    "usr/lib/python3/site-packages/jinja2-3.1.0.dist-info/METADATA": (
        "Metadata-Version: 2.1\nName: Jinja2\nVersion: 3.1.0\n"
    )
}
DATABASE: Final[Mapping[str, Any]] = {
    "data-source": {
        "debian 12": {"ID": "debian", "Name": "Debian Security Tracker", "URL": "https://example.com/debian"},
        "pip::GitHub Security Advisory Pip": {"ID": "ghsa", "Name": "GitHub", "URL": "https://example.com/pip"},
    },
    "debian 12": {
        "openssl": {
            "CVE-2024-0001": {"FixedVersion": "3.0.13-1", "Severity": 4, "Status": 3},
            "CVE-2024-0002": {"Status": 2},
        }
    },
    "pip::GitHub Security Advisory Pip": {
        "jinja2": {"CVE-2024-0003": {"VulnerableVersions": ["<3.1.3"], "PatchedVersions": ["3.1.3"]}}
    },
    "vulnerability": {
        "CVE-2024-0001": {"Title": "a hole", "Severity": "HIGH", "References": ["https://example.com/1"]},
        "CVE-2024-0002": {"Title": "a gap", "VendorSeverity": {"nvd": 2}},
        "CVE-2024-0003": {
            "Title": "a leak",
            "VendorSeverity": {"ghsa": 3},
            "CVSS": {"ghsa": {"V3Vector": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", "V3Score": 7.5}},
        },
    },
}


def packed(files: Files | bytes) -> bytes:
    """A layer as it is pushed. Bytes are pushed as they are."""
    return files if isinstance(files, bytes) else gzip.compress(tar(files), 1, mtime=0)


def config_of(layers: list[bytes], platform: str = "linux/amd64") -> bytes:
    system, architecture = platform.split("/")
    history = [{"created_by": f"COPY layer {number}"} for number in range(len(layers))]
    diff_ids = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]
    described = {"os": system, "architecture": architecture, "history": history}
    return json.dumps({**described, "rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode()


@dataclass(frozen=True)
class Shelf:
    library: Library

    @classmethod
    def opened(cls, stack: Stack, **namespace: Any) -> Shelf:
        return cls(Library.opened(stack, **namespace))

    @property
    def stack(self) -> Stack:
        return self.library.stack

    @property
    def instance(self) -> Instance:
        return self.library.instance

    @property
    def api(self) -> Api:
        return self.library.api()

    def import_database(self, tree: Mapping[str, Any] = DATABASE, *, demonstration: bool = False) -> str:
        """Answers its digest."""
        with TemporaryDirectory() as folder:
            place = rows.write(Path(folder), rows.packed(tree))
            built: dict[str, Any] = {"Version": 2, "UpdatedAt": to_text(self.stack.clock.now() - timedelta(hours=1))}
            built["Demonstration"] = demonstration
            (place / METADATA_FILE).write_text(json.dumps(built))
            imported = DatabaseImport(self.stack).take_over(Arrived(place, "a test"), force=True)
        return imported.record.digest

    def push(
        self,
        *layers: Files | bytes,
        tag: str = "v1",
        name: RepositoryName = NAME,
        platform: str = "linux/amd64",
        layer_type: str = LAYER,
    ) -> Digest:
        """An image of these layers; with tag "" by its digest alone."""
        bodies = [packed(layer) for layer in layers]
        config = config_of(bodies, platform)
        for data in (config, *bodies):
            push_blob(self.library.registry, self.library.owner, data, name)
        document = {
            "schemaVersion": 2,
            "mediaType": media.OCI_MANIFEST,
            "config": descriptor(config, media.OCI_CONFIG),
            "layers": [descriptor(body, layer_type) for body in bodies],
        }
        tags = (tag,) if tag else ()
        body = json.dumps(document).encode()
        return push_manifest(self.library.registry, self.library.owner, body, *tags, name=name).digest

    def scan(self, tag: str = "v1", name: RepositoryName = NAME) -> Task:
        return self.carried_out(self.begin(tag, name))

    def begin(self, tag: str = "v1", name: RepositoryName = NAME) -> str:
        answer = self.api.post(self.library.path(f"/tags/{tag}/scan", name))
        assert answer.status == 202, answer.text
        return str(answer.json()["id"])

    def scan_namespace(self) -> Task:
        answer = self.api.post("/instances/ci/namespaces/library/scan")
        assert answer.status == 202, answer.text
        return self.carried_out(answer.json()["id"])

    def carried_out(self, task_id: str) -> Task:
        run_tasks(self.stack)
        return self.task(task_id)

    def task(self, task_id: str) -> Task:
        return Tasks(self.stack).get(self.instance.id, task_id)

    def step(self, task_id: str) -> Task:
        """One step of it, as a message brings it."""
        from chalicelib.chain import WORKERS

        Tasks(self.stack).carry_out(self.instance.id, task_id, WORKERS)
        return self.task(task_id)

    def items(self, task: Task) -> dict[str, str]:
        """tag → verdict"""
        found = Tasks(self.stack).items(task, "", None, 1000).items
        return {item.tag: item.verdict for item in found}

    def record(self, digest: str) -> ScanRecord:
        record = Findings(self.stack).of(self.instance.id, digest)
        assert record is not None, f"nobody scanned {digest}"
        return record

    def findings(self, digest: str, **query: object) -> list[dict[str, Any]]:
        answer = self.api.get(self.library.path(f"/manifests/{digest}/vulnerabilities"), **query)
        assert answer.status == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["items"]
        return found

    def waiting(self) -> int:
        return self.stack.queues.depth(ContinueScan.queue)
