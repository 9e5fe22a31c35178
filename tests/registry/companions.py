"""Originals and their companions, as the conversion pushes them."""

from __future__ import annotations

from chalicelib.kernel import media
from chalicelib.kernel.names import Digest, TagName
from chalicelib.kernel.principal import Principal
from chalicelib.registry.companions import BY
from chalicelib.registry.models import Acceleration, Caller, TagRecord
from chalicelib.registry.service import Registry

from .images import NAME, image, push_blob
from .library import Library


def converter(library: Library) -> Caller:
    return Caller(library.instance, Principal("primary", BY, library.instance.id, 1))


def original(library: Library, tag: str = "v1") -> TagRecord:
    return library.registry.tag(library.repository(), TagName(tag))


def push_companion(
    library: Library, beside: TagRecord, registry: Registry | None = None, layer: bytes = b"lazy"
) -> Digest:
    """What the last step of a conversion does."""
    for data in (b"{}", layer):
        push_blob(library.registry, library.owner, data)
    return push_same(library, beside, image(layer, annotations={"of": beside.digest}), registry)


def push_same(library: Library, beside: TagRecord, body: bytes, registry: Registry | None = None) -> Digest:
    """A conversion that came to this manifest."""
    registry, caller, name = registry or library.registry, converter(library), beside.name.accelerated
    return registry.push(caller, NAME, name, (), body, media.OCI_MANIFEST, "conversion", beside=beside).digest


def accelerate(library: Library, tag: str = "v1", layer: bytes = b"lazy") -> Digest:
    """The companion of a tag that stands."""
    return push_companion(library, original(library, tag), layer=layer)


def running(library: Library, tag: str = "v1") -> bool:
    return library.registry.mark_tag(original(library, tag), Acceleration(state="running", task="T"))
