"""What a cache is (X7), and how the API speaks of it."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, Field, StringConstraints

from chalicelib.edge.answers import SearchQuery, Sorting
from chalicelib.kernel.modelling import GIVEN, KEPT, MADE
from chalicelib.kernel.moment import Moment
from chalicelib.kernel.names import NamespaceName
from chalicelib.kernel.patterns import Pattern

# A year: whoever wants tags never to move pulls by digest.
_LONGEST_TTL_S: Final = 365 * 86_400
DEFAULT_TTL_S: Final = 3600
Address = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300), Field(examples=["docker.io"])
]
Username = Annotated[str, Field(max_length=256)]
# Tokens of clouds' registries have some kilobytes.
Password = Annotated[str, Field(max_length=8192)]
Ttl = Annotated[int, Field(ge=0, le=_LONGEST_TTL_S)]
Everything: Final = Pattern("**")


class NewCache(BaseModel):
    """
    namespace      whose pulls go through; it must hold no repository yet
    upstream       `host[:port][/path]`: where `<namespace>/<name>` is `<upstream>/<name>`
    username, password   at the upstream; "" for nobody
    ttl_seconds    a tag is asked for there again after so long; 0: with every pull
    repositories   pattern: only such are looked for there; names inside the namespace
    """

    model_config = GIVEN

    namespace: NamespaceName
    upstream: Address
    username: Username = ""
    password: Password = ""
    ttl_seconds: Ttl = DEFAULT_TTL_S
    repositories: Pattern = Everything


class CacheEdit(BaseModel):
    """What may be changed later. None leaves it as it is. An upstream at another host needs the password anew."""

    model_config = GIVEN

    upstream: Address | None = None
    username: Username | None = None
    password: Password | None = None
    ttl_seconds: Ttl | None = None
    repositories: Pattern | None = None


class Cache(BaseModel):
    """As it is kept. sealed: the password (`identity.sealing`), "" for none. version: raised by every change."""

    model_config = KEPT

    namespace_id: str
    upstream: str
    username: str = ""
    sealed: Annotated[str, Field(repr=False)] = ""
    ttl_seconds: int = DEFAULT_TTL_S
    repositories: str = "**"
    version: int = 1
    created_at: Moment
    created_by: str
    schema_version: int = 1

    @property
    def about(self) -> str:
        """What the password was sealed for."""
        return f"caches/{self.namespace_id}"

    def covers(self, name: str) -> bool:
        """name: of a repository, inside the namespace."""
        return Pattern(self.repositories).matches(name)


class CacheQuery(SearchQuery):
    """sort: by the namespace's name, up or down."""

    sort: Sorting = "name"


class CacheView(BaseModel):
    """A pull-through cache, without its password. address: what clients write before the upstream's names."""

    model_config = MADE

    namespace: str
    address: str
    upstream: str
    username: str
    has_password: bool
    ttl_seconds: int
    repositories: str
    created_at: Moment
    created_by: str


class Lease(BaseModel):
    """What a manifest from the upstream named, and is not here yet.

    size           in bytes, as the manifest says; of a manifest 0
    manifest       that named it; of a manifest itself ""
    runs           that is one of an image, which pull policies judge
    tag            of a manifest: by which it was asked for
    filling_until  somebody brings it, until then
    expires        in seconds since 1970: from then on it is asked for by its manifest again
    """

    model_config = KEPT

    digest: str
    size: int = 0
    manifest: str = ""
    runs: bool = True
    tag: str = ""
    filling_until: int = 0
    expires: int
    schema_version: int = 1
