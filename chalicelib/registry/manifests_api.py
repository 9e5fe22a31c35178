"""Manifests through the API: one in detail."""

from __future__ import annotations

from chalicelib.edge.apicall import Call
from chalicelib.edge.endpoint import Routes
from chalicelib.instances.models import instance_of
from chalicelib.kernel.errors import DigestInvalid, NotFound
from chalicelib.kernel.names import Digest
from chalicelib.kernel.roles import Right
from chalicelib.repositories.api import REPOSITORY, repository_of

from .manifest_views import ManifestView, ManifestViews

routes = Routes("registry")


@routes.get(f"{REPOSITORY}/manifests/{{digest}}", needs=Right.READ_CONTENT)
def get_manifest(call: Call) -> ManifestView:
    """Show one manifest in detail.

    Layers with their sizes and the commands that made them, the config of an image, the platforms of an index, and the
    signatures, SBOMs and other artifacts that refer to it.
    """
    repository = repository_of(call)
    try:
        digest = Digest.parse(call.parts["digest"])
    except DigestInvalid:
        raise NotFound("there is no such manifest") from None
    return ManifestViews(call.stack).of(instance_of(call), repository, digest)
