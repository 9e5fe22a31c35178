"""Paths under /v2, read from their end, because a repository's name may hold words such as `manifests` or `blobs`.

/v2/                                ping
/v2/_catalog                        catalog
/v2/<name>/tags/list                tags
/v2/<name>/manifests/<tag|digest>   manifest
/v2/<name>/blobs/<digest>           blob
/v2/<name>/blobs/uploads/           uploads
/v2/<name>/blobs/uploads/<id>       upload
/v2/<name>/referrers/<digest>       referrers
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from chalicelib.kernel.errors import NameInvalid, NotFound
from chalicelib.kernel.names import Digest, RepositoryName, TagName

Kind = Literal["ping", "catalog", "tags", "manifest", "blob", "uploads", "upload", "referrers"]

METHODS: Final[dict[Kind, tuple[str, ...]]] = {
    "ping": ("GET", "HEAD"),
    "catalog": ("GET", "HEAD"),
    "tags": ("GET", "HEAD"),
    "manifest": ("GET", "HEAD", "PUT", "DELETE"),
    "blob": ("GET", "HEAD", "DELETE"),
    "uploads": ("POST",),
    "upload": ("GET", "HEAD", "PATCH", "PUT", "DELETE"),
    "referrers": ("GET", "HEAD"),
}
_ACTIONS: Final = {"GET": ("pull",), "HEAD": ("pull",), "DELETE": ("delete",)}
_PUSH: Final = ("pull", "push")
NO_NAME: Final = RepositoryName("")
_LONGEST_PATH: Final = 1024


@dataclass(frozen=True, slots=True)
class Route:
    """name: NO_NAME where the path has none; reference: tag, digest or upload id, "" where the path has none."""

    kind: Kind
    name: RepositoryName = NO_NAME
    reference: str = ""

    def actions(self, method: str) -> tuple[str, ...]:
        """What a token must allow for this; the words of scopes."""
        if not self.name:
            return ()
        return _PUSH if self.kind in ("uploads", "upload") else _ACTIONS.get(method, _PUSH)


def names_content(found: Route) -> bool:
    """Whether the path names its answer by digest: then the answer never changes, though it may come to an end."""
    return found.kind == "blob" or (found.kind == "manifest" and ":" in found.reference)


def route(path: str, raw_path: bytes = b"") -> Route:
    """Raises NotFound for a path of nobody, NameInvalid and DigestInvalid for one with a part of the wrong shape."""
    if b"%2f" in raw_path.lower():
        raise NameInvalid("name", "a slash inside a name is not to be encoded")
    if path in ("/v2/", "/v2"):
        return Route("ping")
    if path == "/v2/_catalog":
        return Route("catalog")
    if not path.startswith("/v2/") or len(path) > _LONGEST_PATH:
        raise NotFound("there is nothing at this path")
    head, _, last = path[4:].rpartition("/")
    if head.endswith("/manifests") and last:
        return Route("manifest", RepositoryName.parse(head[:-10]), reference(last))
    if head.endswith("/blobs/uploads"):
        return Route("upload" if last else "uploads", RepositoryName.parse(head[:-14]), last)
    if head.endswith("/blobs") and last == "uploads":
        return Route("uploads", RepositoryName.parse(head[:-6]))
    if head.endswith("/blobs") and last:
        return Route("blob", RepositoryName.parse(head[:-6]), Digest.parse(last))
    if head.endswith("/tags") and last == "list":
        return Route("tags", RepositoryName.parse(head[:-5]))
    if head.endswith("/referrers") and last:
        return Route("referrers", RepositoryName.parse(head[:-10]), Digest.parse(last))
    raise NotFound("there is nothing at this path")


def reference(text: str) -> TagName | Digest:
    """A tag holds no colon, a digest always does. Raises NameInvalid, DigestInvalid."""
    return Digest.parse(text) if ":" in text else TagName.parse(text)
