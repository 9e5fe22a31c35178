"""What becomes of images once they are pushed: they are scanned, judged again, advised on, and guarded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from chalicelib.advisories.database import METADATA_FILE
from chalicelib.kernel import media
from chalicelib.kernel.moment import to_text
from chalicelib.ports import keys, paths
from chalicelib.ports.table import Item
from chalicelib.scanning import rescans
from chalicelib.scanning.database_import import DatabaseImport
from chalicelib.scanning.database_sources import Arrived
from tests.advisories import rows
from tests.api.world import NAMESPACE
from tests.ports_remote.foreign import Foreign
from tests.registry.images import descriptor
from tests.registry.wire import sha256
from tests.scanning.shelf import DATABASE, DEBIAN, LAYER, PYTHON, Files, config_of, packed
from tests.scanning.vulndb import artifact
from tests.scanning.vulndb import packed as archived

from .functions import Clients, Functions
from .story_of_clients import LOGIN, index, push_blob, put
from .story_of_owners import Owner

SCANNED: Final = f"{NAMESPACE}/scanned"
# Refused: it says it is an archive.
_BROKEN: Final = b"\x1f\x8b no archive"
# The schedule asks the source no sooner.
_ASKED_AGAIN_S: Final = 6 * 3600 + 60


@dataclass
class Source:
    """The registry that the service fetches its vulnerability database from."""

    registry: Foreign
    editions: int = 0

    @property
    def reference(self) -> str:
        return f"127.0.0.1:{self.registry.port}/owner/app:2"

    def import_by_hand(self, aws: Functions) -> None:
        """As an operator's command line does."""
        with TemporaryDirectory() as folder:
            DatabaseImport(aws.stack).take_over(Arrived(self._edition(Path(folder), aws), "by hand"))

    def publish(self, aws: Functions | None = None) -> None:
        """For the schedule to find."""
        with TemporaryDirectory() as folder:
            layer = archived(self._edition(Path(folder), aws))
        self.registry.add(layer)
        self.registry.tags["2"] = artifact(layer)

    def _edition(self, folder: Path, aws: Functions | None) -> Path:
        """Another one, in which something else is fixed. As many rows as before: others would be refused."""
        self.editions += 1
        news = {"zlib1g": {"CVE-2024-0009": {"FixedVersion": f"9.{self.editions}", "Severity": 4}}}
        tree: Mapping[str, Any] = {**DATABASE, "debian 12": {**DATABASE["debian 12"], **news}}
        built = to_text(aws.clock.now()) if aws else "2026-01-31T06:00:00Z"
        place = rows.write(folder, rows.packed(tree))
        (place / METADATA_FILE).write_text(json.dumps({"Version": 2, "UpdatedAt": built}))
        return place


def images_are_scanned(aws: Functions, owner: Owner, clients: Clients, source: Source) -> None:
    owner.ask("PATCH", f"/namespaces/{NAMESPACE}", {"scan_on_push": True})
    digest = sha256(_push(clients, "v1", DEBIAN, PYTHON))
    _push(clients, "broken", _BROKEN)
    body = _push(clients, "arm", DEBIAN, platform="linux/arm64")
    put(clients, SCANNED, "multi", index(body), kind=media.OCI_INDEX)
    aws.settle()
    repository = owner.repository(SCANNED)
    manifest = f"{repository}/manifests/{digest}"
    assert owner.ask("GET", f"{repository}/tags/v1/scan")["critical"] >= 1
    assert owner.ask("GET", f"{manifest}/vulnerabilities")["items"]
    owner.ask("GET", f"{manifest}/sbom", format="spdx")
    owner.ask("GET", f"{manifest}/advice")
    _is_deleted_meanwhile(aws, owner, clients)
    # Judged by another database, it has another report.
    source.import_by_hand(aws)
    owner.ask("POST", f"{repository}/tags/multi/scan")
    aws.settle()
    _loses_its_message(aws, owner, repository)
    owner.ask("POST", f"/namespaces/{NAMESPACE}/scan")
    aws.settle()
    _guards(owner, clients)


def _guards(owner: Owner, clients: Clients) -> None:
    policy = f"/namespaces/{NAMESPACE}/pull-policy"
    guarded = owner.ask("PUT", policy, {"severity": "critical", "version": owner.ask("GET", policy)["version"]})
    for tag in ("v1", "multi"):
        clients.ask("GET", f"/v2/{SCANNED}/manifests/{tag}", 403, auth=LOGIN)
    owner.ask("PUT", policy, {"severity": None, "version": guarded["version"]})


def _is_deleted_meanwhile(aws: Functions, owner: Owner, clients: Clients) -> None:
    """Layer and config go while they are looked at: what was found goes after them."""

    def goes(key: str) -> None:
        row = aws.stack.table.get(keys.head(paths.instance_of(key), paths.layer_of(key)))
        assert row is not None
        gone.append(row)
        aws.stack.table.put({**row, "state": "D"})

    def comes_back() -> None:
        aws.stack.table.put(gone.pop())

    gone: list[Item] = []
    body = _push(clients, "gone", {"etc/passwd": "nobody"})
    with aws.record.meanwhile("*/surveys/*/*", goes):
        aws.settle()
    comes_back()
    manifest = f"{owner.repository(SCANNED)}/manifests/{sha256(body)}"
    owner.ask("POST", f"{manifest}/advice")
    with aws.record.meanwhile("*/advice/*/*", goes):
        aws.settle()
    comes_back()
    with aws.record.meanwhile("*/advice/*/*", goes):
        owner.ask("GET", f"{manifest}/advice")
    comes_back()


def _loses_its_message(aws: Functions, owner: Owner, repository: str) -> None:
    """A scan of which nobody is told: the sweep sends its message again."""
    owner.ask("POST", f"{repository}/tags/arm/scan")
    lost = aws.stack.queues.receive("scans", most=10)
    assert lost
    aws.stack.queues.complete(lost)
    aws.pass_time(3600)


def _push(at: Clients, tag: str, *layers: Files | bytes, platform: str = "linux/amd64") -> bytes:
    bodies = [packed(layer) for layer in layers]
    config = config_of(bodies, platform)
    for data in (config, *bodies):
        push_blob(at, SCANNED, data)
    document = {
        "schemaVersion": 2,
        "mediaType": media.OCI_MANIFEST,
        "config": descriptor(config, media.OCI_CONFIG),
        "layers": [descriptor(body, LAYER) for body in bodies],
    }
    body = json.dumps(document).encode()
    put(at, SCANNED, tag, body, kind=media.OCI_MANIFEST)
    return body


def images_are_judged_again(aws: Functions, source: Source) -> None:
    """New databases come, more than are kept; one import dies half-way, and what it left goes. Whoever judges has no
    time for more than a page of images."""
    aws.variables.setattr(rescans.rescan, "__defaults__", (0.0,))
    for _ in range(4):
        source.publish(aws)
        aws.pass_time(_ASKED_AGAIN_S)
    source.publish(aws)
    aws.clock.advance(_ASKED_AGAIN_S)
    with aws.record.dying_after("UploadPart"):
        aws.wake("vulnerability_database")
    aws.pass_time(_ASKED_AGAIN_S)
    source.publish(aws)
    aws.pass_time(_ASKED_AGAIN_S)
