"""Small images for tests, and the calls that push them."""

from __future__ import annotations

import json
from typing import Any

from chalicelib.instances.models import Instance
from chalicelib.kernel import media
from chalicelib.kernel.names import Digest, RepositoryName, TagName
from chalicelib.kernel.principal import Principal
from chalicelib.registry.models import Caller, Pushed
from chalicelib.registry.service import Registry

NAME = RepositoryName("library/app")


def owner_of(instance: Instance) -> Caller:
    """A caller who holds the instance's primary credential."""
    return Caller(instance, Principal("primary", "admin", instance.id, 1))


def descriptor(data: bytes, media_type: str = "application/octet-stream") -> dict[str, Any]:
    return {"mediaType": media_type, "digest": Digest.of(data), "size": len(data)}


def image(*layers: bytes, config: bytes = b"{}", config_type: str = media.OCI_CONFIG, **more: Any) -> bytes:
    """The manifest of an image of these layers."""
    document = {
        "schemaVersion": 2,
        "mediaType": media.OCI_MANIFEST,
        "config": descriptor(config, config_type),
        "layers": [descriptor(layer) for layer in layers],
        **more,
    }
    return json.dumps(document).encode()


def index(*manifests: bytes, **more: Any) -> bytes:
    children = [descriptor(manifest, media.OCI_MANIFEST) for manifest in manifests]
    document = {"schemaVersion": 2, "mediaType": media.OCI_INDEX, "manifests": children, **more}
    return json.dumps(document).encode()


def push_blob(registry: Registry, caller: Caller, data: bytes, name: RepositoryName = NAME) -> Digest:
    upload = registry.start_upload(caller, name)
    writer = registry.resume(caller, name, upload.id, 0)
    try:
        if data:
            writer.append(data)
        return writer.finish(Digest.of(data)).digest
    finally:
        writer.close()


def push_manifest(registry: Registry, caller: Caller, body: bytes, *tags: str, name: RepositoryName = NAME) -> Pushed:
    """By digest, under these tags."""
    media_type = json.loads(body)["mediaType"]
    return registry.push(caller, name, Digest.of(body), [TagName(tag) for tag in tags], body, media_type)


def push_image(
    registry: Registry, caller: Caller, *layers: bytes, tag: str = "v1", name: RepositoryName = NAME
) -> Pushed:
    for data in (b"{}", *layers):
        push_blob(registry, caller, data, name)
    return push_manifest(registry, caller, image(*layers), tag, name=name)
