"""Where a vulnerability database comes from, brought into one folder with `trivy.db` and `metadata.json`.

    FOLDER       the two files, as Trivy keeps them (in the folder, or in its `db`)         used where they are
    ARCHIVE      `db.tar.gz`, as it is pulled with oras                                   ─┐
    OCI-LAYOUT   a folder with `oci-layout`; `folder:tag` where it has several            ─┼► unpacked under bounds
    REFERENCE    a registry's: ghcr.io/aquasecurity/trivy-db:2                            ─┘

Of the latter two every byte is compared with its digest before the files are believed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chalicelib.advisories.database import DATABASE_FILE, METADATA_FILE
from chalicelib.kernel import media, strict_json
from chalicelib.kernel.errors import DigestInvalid, Invalid, NotFound
from chalicelib.kernel.names import Digest
from chalicelib.kernel.settings import Settings
from chalicelib.ports.outbound import Outbound, outbound
from chalicelib.ports.remote import MANIFEST_BYTES, RemoteRegistry
from chalicelib.ports.remote_login import Login
from chalicelib.ports.remote_reference import RemoteReference
from chalicelib.ports.stack import Stack

from .database_unpacking import Bounds, unpack

LAYER: Final = "application/vnd.aquasec.trivy.db.layer.v1.tar+gzip"
# What other tools call the one file that they push.
_PACKED: Final = frozenset({LAYER, "application/gzip", "application/vnd.oci.image.layer.v1.tar+gzip"})
_LAYOUT: Final = "oci-layout"
_PIECE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Arrived:
    """folder: has the two files. source: for people; digest: of the artifact's manifest, "" where there was none."""

    folder: Path
    source: str
    digest: str = ""


def from_path(text: str, into: Path, bounds: Bounds | None = None) -> Arrived:
    """A folder, an archive or an OCI layout of this machine. Raises Invalid, DigestInvalid, NotFound."""
    path, tag = Path(text), ""
    if not path.exists() and ":" in text:
        path, tag = Path(text.rpartition(":")[0]), text.rpartition(":")[2]
    if path.is_file():
        unpack(_pieces(path), into, bounds)
        return Arrived(into, str(path))
    if (path / _LAYOUT).is_file():
        return _from_layout(path, tag, into, bounds)
    for folder in (path, path / "db"):
        if (folder / DATABASE_FILE).is_file() and (folder / METADATA_FILE).is_file():
            return Arrived(folder, str(folder))
    raise Invalid("source", f"{text} holds neither {DATABASE_FILE} with {METADATA_FILE} nor an OCI layout")


def from_reference(
    text: str,
    settings: Settings,
    into: Path,
    known: Collection[str] = (),
    bounds: Bounds | None = None,
    registry: Callable[[RemoteReference], RemoteRegistry] | None = None,
) -> Arrived | None:
    """What a registry has under the reference, or None where it is one of the artifacts that are known.

    Raises Invalid, and what `RemoteRegistry` does.
    """
    reference = RemoteReference.parse(text)
    with registry(reference) if registry else operators_registry(reference, settings) as remote:
        manifest = remote.pull(reference.repository, reference.wanted)
        if manifest.digest in known:
            return None
        layer = packed_layer(manifest.body, str(reference))
        chunks = remote.read_blob(reference.repository, Digest.parse(layer["digest"]), int(layer["size"]))
        unpack(chunks, into, bounds)
    return Arrived(into, str(reference), manifest.digest)


def with_login(stack: Stack) -> Settings:
    """Settings with the login that the deployment keeps secret, unless they have one. May raise Unavailable."""
    if stack.settings.vulndb_login:
        return stack.settings
    return stack.settings.model_copy(update={"vulndb_login": stack.secrets().get("vulndb_login")})


def operators_registry(reference: RemoteReference, settings: Settings) -> RemoteRegistry:
    """The operator wrote its address, so it may be private; where it leads to may not, unless that is allowed."""
    username, _, password = (settings.vulndb_login or "").partition(":")
    login = Login(username, password) if username else None
    home = Outbound(allow_private=True)
    return RemoteRegistry(reference, outbound(settings), home=home, login=login)


def packed_layer(manifest: bytes, name: str) -> Mapping[str, Any]:
    """Descriptor of the layer that is the packed database. Raises Invalid."""
    document = strict_json.parse(manifest, "manifest")
    layers = document.get("layers") if isinstance(document, dict) else None
    found: list[Mapping[str, Any]] = [one for one in layers if _fits(one)] if isinstance(layers, list) else []
    trivys = [one for one in found if one["mediaType"] == LAYER]
    if len(trivys or found) != 1:
        raise Invalid("manifest", f"{name} is no vulnerability database: it has no one layer of type {LAYER}")
    return (trivys or found)[0]


def _fits(layer: object) -> bool:
    if not isinstance(layer, dict):
        return False
    size, digest = layer.get("size"), layer.get("digest")
    known = isinstance(digest, str) and Digest.fits(digest) and isinstance(size, int) and size >= 0
    return known and layer.get("mediaType") in _PACKED


def _from_layout(path: Path, tag: str, into: Path, bounds: Bounds | None) -> Arrived:
    listed = strict_json.parse((path / "index.json").read_bytes()[:MANIFEST_BYTES], "index.json")
    manifests = listed.get("manifests", []) if isinstance(listed, dict) else []
    named = [
        one
        for one in manifests
        if isinstance(one, dict)
        and one.get("mediaType", media.OCI_MANIFEST) in media.IMAGES
        and tag in ("", (one.get("annotations") or {}).get("org.opencontainers.image.ref.name"))
    ]
    if len(named) != 1:
        raise Invalid("source", f"{path} has {len(named)} manifests that could be meant; name one: {path}:TAG")
    digest = Digest.parse(str(named[0].get("digest")))
    body = b"".join(_verified(path, digest))
    layer = packed_layer(body, str(path))
    unpack(_verified(path, Digest.parse(layer["digest"])), into, bounds)
    return Arrived(into, str(path), digest)


def _verified(layout: Path, digest: Digest) -> Iterator[bytes]:
    """Raises DigestInvalid at the end of bytes that are not the digest's, NotFound without them."""
    path, hashed = layout / "blobs" / digest.algorithm / digest.hex, hashlib.new(digest.algorithm)
    if not path.is_file():
        raise NotFound(f"{layout} lacks {digest}", digest=digest)
    for piece in _pieces(path):
        hashed.update(piece)
        yield piece
    if hashed.hexdigest() != digest.hex:
        raise DigestInvalid(f"{path} is not {digest}")


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece
