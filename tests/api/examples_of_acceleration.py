"""Example calls of endpoints about accelerated images, by the endpoint's name."""

from __future__ import annotations

import json

from chalicelib.kernel import media
from chalicelib.kernel.names import RepositoryName
from chalicelib.registry.service import Registry
from tests.layers import archives
from tests.registry.images import descriptor, owner_of, push_blob, push_manifest

from .world import NAMESPACE, Ask, Place, example

_TAG = "stable-1"


def _repository(at: Place) -> dict[str, str]:
    return at.here(namespace=NAMESPACE, repository=at.repository().id)


def _tag(at: Place) -> dict[str, str]:
    """Of an image whose layer is an archive."""
    repository = at.repository()
    registry, owner, name = Registry(at.stack), owner_of(at.instance), RepositoryName.parse(repository.name)
    layer = archives.entry(b"app", b"program") + archives.END
    for data in (b"{}", layer):
        push_blob(registry, owner, data, name)
    document = {
        "schemaVersion": 2,
        "mediaType": media.OCI_MANIFEST,
        "config": descriptor(b"{}", media.OCI_CONFIG),
        "layers": [descriptor(layer, "application/vnd.oci.image.layer.v1.tar")],
    }
    push_manifest(registry, owner, json.dumps(document).encode(), _TAG, name=name)
    return at.here(namespace=NAMESPACE, repository=repository.id, tag=_TAG)


@example
def accelerate_tag(at: Place) -> Ask:
    return Ask(_tag(at))


@example
def show_acceleration(at: Place) -> Ask:
    return Ask(_tag(at))


@example
def show_first_files(at: Place) -> Ask:
    return Ask(_repository(at))


@example
def tell_first_files(at: Place) -> Ask:
    return Ask(_repository(at), {"files": ["/usr/bin/python3", "/srv/app.py"]})


@example
def forget_first_files(at: Place) -> Ask:
    return Ask(_repository(at))
