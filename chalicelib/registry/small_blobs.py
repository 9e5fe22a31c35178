"""Blobs that the service itself makes and holds in memory: configs, documents."""

from __future__ import annotations

from chalicelib.kernel.names import Digest, RepositoryName

from .models import Caller
from .service import Registry


def put_blob(registry: Registry, caller: Caller, name: RepositoryName, data: bytes) -> Digest:
    """By an upload like any other. Raises QuotaExceeded and what `Rights.writable` raises."""
    digest = Digest.of(data)
    upload = registry.start_upload(caller, name)
    writer = registry.resume(caller, name, upload.id, 0)
    try:
        writer.append(data)
        writer.finish(digest)
    finally:
        writer.close()
    return digest
