"""Example calls of endpoints about advice, by the endpoint's name."""

from __future__ import annotations

import json

from chalicelib.kernel import media
from chalicelib.kernel.names import RepositoryName
from chalicelib.registry.service import Registry
from tests.layers import archives
from tests.registry.images import descriptor, owner_of, push_blob, push_manifest

from .world import NAMESPACE, Ask, Place, example


def _image(at: Place) -> dict[str, str]:
    """One whose layer can be read."""
    repository = at.repository()
    registry, caller, name = Registry(at.stack), owner_of(at.instance), RepositoryName.parse(repository.name)
    layer = archives.entry(b"app", b"program") + archives.END
    for data in (b"{}", layer):
        push_blob(registry, caller, data, name)
    document = {
        "schemaVersion": 2,
        "mediaType": media.OCI_MANIFEST,
        "config": descriptor(b"{}", media.OCI_CONFIG),
        "layers": [descriptor(layer, "application/vnd.oci.image.layer.v1.tar")],
    }
    pushed = push_manifest(registry, caller, json.dumps(document).encode(), "stable-1", name=name)
    return at.here(namespace=NAMESPACE, repository=repository.id, digest=pushed.digest)


@example
def show_advice(at: Place) -> Ask:
    return Ask(_image(at))


@example
def look_over_image(at: Place) -> Ask:
    return Ask(_image(at))
