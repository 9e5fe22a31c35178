"""Images are accelerated: on their push and by request, with and without files that come first, and in spite of all
that may happen meanwhile."""

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
from functools import cache
from typing import Any, Final

from chalicelib.kernel import media
from chalicelib.ports import keys, paths
from tests.api.world import NAMESPACE
from tests.registry.images import descriptor
from tests.registry.wire import sha256
from tests.scanning.shelf import LAYER, Files, config_of, packed

from .functions import Clients, Functions
from .story_of_clients import LOGIN, index, push_blob, put
from .story_of_owners import Owner

LAZY: Final = f"{NAMESPACE}/lazy"
SMALL: Final[Files] = {"app/main": "its program", "app/help": "its help"}
# Converted, it is more than one part, and its end is shorter than one: it cannot be compressed.
LARGE: Final[Files] = {"app/data": random.Random(1).randbytes(11_000_000)}
_BROKEN: Final = b"\x1f\x8b no archive"


def images_are_accelerated(aws: Functions, owner: Owner, clients: Clients) -> None:
    _push(clients, "before", SMALL)
    aws.settle()
    repository = owner.repository(LAZY)
    owner.ask("PATCH", repository, {"acceleration": True})
    image = _push(clients, "v1", SMALL, LARGE)
    put(clients, LAZY, "multi", index(image), kind=media.OCI_INDEX)
    _push(clients, "broken", _BROKEN)
    _push(clients, "unnamed", _ends_badly())
    aws.settle()
    good = {"before": "none", "v1": "succeeded", "multi": "succeeded"}
    assert _states(owner, repository) == {**good, "broken": "failed", "unnamed": "failed"}
    owner.ask("GET", f"{repository}/tags/v1/acceleration")
    _with_first_files(aws, owner, repository)
    _is_known_elsewhere(aws, owner, clients)
    _loses_its_message(aws, owner, repository)
    _is_deleted_meanwhile(aws, owner, clients, repository)
    # What it is now cannot be converted: the companion of what it was goes.
    _push(clients, "multi", _BROKEN)
    aws.settle()
    assert _tags(owner, repository) & {"v1-accelerated", "multi-accelerated"} == {"v1-accelerated"}
    _push(clients, "v1", SMALL)
    owner.ask("PATCH", repository, {"acceleration": False})
    aws.settle()
    assert "v1-accelerated" not in _tags(owner, repository)
    for tag in ("before", "multi"):
        owner.ask("DELETE", f"{repository}/tags/{tag}")
    aws.settle()


def _with_first_files(aws: Functions, owner: Owner, repository: str) -> None:
    """As told by hand; then everything is converted anew, by request."""
    owner.ask("PUT", f"{repository}/first-files", {"files": ["/app/help"]})
    owner.ask("GET", f"{repository}/first-files")
    owner.ask("POST", f"{repository}/tags/v1/accelerate")
    aws.settle()
    assert _states(owner, repository)["v1"] == "succeeded"
    owner.ask("DELETE", f"{repository}/first-files")


def _is_known_elsewhere(aws: Functions, owner: Owner, clients: Clients) -> None:
    """Another repository has the layers, and finds them converted."""
    other = f"{NAMESPACE}/lazy-too"
    _push(clients, "v1", SMALL, name=other)
    repository = owner.repository(other)
    owner.ask("POST", f"{repository}/tags/v1/accelerate")
    aws.settle()
    assert _states(owner, repository)["v1"] == "succeeded"


def _loses_its_message(aws: Functions, owner: Owner, repository: str) -> None:
    """A task of which nobody is told: the sweep sends its message again."""
    owner.ask("POST", f"{repository}/tags/before/accelerate")
    lost = aws.stack.queues.receive("conversions", most=10)
    assert lost
    aws.stack.queues.complete(lost)
    aws.pass_time(3600)
    assert _states(owner, repository)["before"] == "succeeded"


def _is_deleted_meanwhile(aws: Functions, owner: Owner, clients: Clients, repository: str) -> None:
    """A layer goes while it is looked at: what was found goes after it."""

    def goes(key: str) -> None:
        row = aws.stack.table.get(keys.head(paths.instance_of(key), paths.layer_of(key)))
        assert row is not None
        gone.append(row)
        aws.stack.table.put({**row, "state": "D"})

    gone: list[Any] = []
    _push(clients, "gone", {"app/main": "of an image that goes"})
    with aws.record.meanwhile("*/starts/*/*", goes):
        aws.settle()
    aws.stack.table.put(gone.pop())


def _states(owner: Owner, repository: str) -> dict[str, str]:
    tags = owner.ask("GET", f"{repository}/tags")["items"]
    return {tag["tag"]: tag["acceleration"]["state"] for tag in tags if not tag["accelerated"]}


def _tags(owner: Owner, repository: str) -> set[str]:
    return {tag["tag"] for tag in owner.ask("GET", f"{repository}/tags")["items"]}


@cache
def _ends_badly() -> bytes:
    """Refused when parts of it were converted and stored: its last file's name is no text."""
    much = random.Random(2).randbytes(30_000_000)
    with io.BytesIO() as made:
        with tarfile.open(fileobj=made, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for name, data in (("app/much", much), ("app/\udcff", b"")):
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
        return gzip.compress(made.getvalue(), 1, mtime=0)


def _push(at: Clients, tag: str, *layers: Files | bytes, name: str = LAZY) -> bytes:
    bodies = [packed(layer) for layer in layers]
    config = config_of(bodies)
    for data in (config, *bodies):
        at.ask("HEAD", f"/v2/{name}/blobs/{sha256(data)}", 200, 404, auth=LOGIN)
        push_blob(at, name, data)
    document = {
        "schemaVersion": 2,
        "mediaType": media.OCI_MANIFEST,
        "config": descriptor(config, media.OCI_CONFIG),
        "layers": [descriptor(body, LAYER) for body in bodies],
    }
    body = json.dumps(document).encode()
    put(at, name, tag, body, kind=media.OCI_MANIFEST)
    return body
