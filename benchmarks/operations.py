"""What a client does to a registry, each as one operation: reads, blobs both ways, manifests, whole small images.

All content is unique, so that no registry can answer an upload with what it has already. Buffers share one random
prefix and differ in their last bytes: the digest of the prefix is computed once and finished for each, which keeps
hashing out of the timed part even for 64 MiB.
"""

import hashlib
import itertools
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.target import Target
from benchmarks.wire import Operation, Refused, Request

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
_CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
_LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
_STAMP_BYTES = 32
_REDIRECTS = (301, 302, 303, 307, 308)
_serial = itertools.count()


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes that exist once, with their digest."""

    parts: tuple[memoryview, ...]
    digest: str
    size_bytes: int


class BlobMaker:
    """Makes blobs of one size, no two alike."""

    def __init__(self, size_bytes: int) -> None:
        self._size_bytes = size_bytes
        self._prefix = memoryview(os.urandom(size_bytes - _STAMP_BYTES))
        self._prefix_hash = hashlib.sha256(self._prefix)

    def make(self) -> Blob:
        """The next blob."""
        stamp = str(next(_serial)).encode().ljust(_STAMP_BYTES)
        finished = self._prefix_hash.copy()
        finished.update(stamp)
        return Blob((self._prefix, memoryview(stamp)), f"sha256:{finished.hexdigest()}", self._size_bytes)


def next_tag() -> str:
    """A tag no other push of this run uses."""
    return f"t{next(_serial):08d}"


def build_manifest(config: Blob, layers: Sequence[Blob]) -> bytes:
    """A small image manifest, different from every other by an annotation."""
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": _CONFIG_TYPE, "digest": config.digest, "size": config.size_bytes},
        "layers": [{"mediaType": _LAYER_TYPE, "digest": layer.digest, "size": layer.size_bytes} for layer in layers],
        "annotations": {"org.opencontainers.image.revision": str(next(_serial))},
    }
    return json.dumps(document, separators=(",", ":")).encode()


def fetch(request: Request, follow: Callable[[str], Request]) -> Operation:
    """One read; goes where a redirect points to.

    follow  the request for a redirect's path
    """
    answer = yield request
    while answer.status in _REDIRECTS:
        answer = yield follow(answer.location())
    answer.expect(200)


def fetch_directly(request: Request) -> Operation:
    """One read that must be answered where it was asked."""
    (yield request).expect(200)


def push_blob(target: Target, blob: Blob, patched: bool) -> Operation:
    """One blob: POST, then either PATCH with the bytes and an empty PUT, or PUT with the bytes."""
    opened = (yield target.request("POST", target.path("blobs/uploads/"))).expect(202)
    session = opened.location()
    octets = {"Content-Type": "application/octet-stream"}
    if patched:
        session = (yield target.request("PATCH", session, octets, blob.parts)).expect(202).location()
    joint = "&" if "?" in session else "?"
    body = () if patched else blob.parts
    (yield target.request("PUT", f"{session}{joint}digest={blob.digest}", octets, body)).expect(201)


def push_manifest(target: Target, reference: str, manifest: bytes) -> Operation:
    """One manifest under a tag or its digest, with a query where the reference bears one."""
    path = target.path(f"manifests/{reference}")
    (yield target.request("PUT", path, {"Content-Type": MANIFEST_TYPE}, (memoryview(manifest),))).expect(201)


def push_tags(target: Target, manifest: bytes, tags: tuple[str, ...]) -> Operation:
    """One manifest under several tags in one request; one request each where the registry does not know how."""
    digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    query = "&".join(f"tag={tag}" for tag in tags)
    content = {"Content-Type": MANIFEST_TYPE}
    body = (memoryview(manifest),)
    answer = (yield target.request("PUT", target.path(f"manifests/{digest}?{query}"), content, body)).expect(201)
    if answer.header("OCI-Tag") is None:
        for tag in tags:
            yield from push_manifest(target, tag, manifest)


def push_image(target: Target, configs: BlobMaker, layers: BlobMaker) -> Operation:
    """A whole small image under a tag of its own: config, one layer, manifest; nothing of it was there before."""
    config, layer = configs.make(), layers.make()
    yield from push_blob(target, config, patched=False)
    yield from push_blob(target, layer, patched=False)
    yield from push_manifest(target, next_tag(), build_manifest(config, (layer,)))


def check_bytes(target: Target, path: str, digest: str) -> Operation:
    """Reads something whole and compares its digest: proves that what a row reads is what was pushed."""
    answer = (yield target.request("GET", path, {"Accept": MANIFEST_TYPE})).expect(200)
    seen = f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
    if seen != digest:
        raise Refused(f"{path} came back as {seen}, not {digest}")
