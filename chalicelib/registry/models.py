"""What the registry keeps, and what it answers with.

ManifestRecord   one manifest of one repository; `incarnation` tells it from an earlier or later one of this digest
TagRecord        a name for a manifest
UploadRecord     an upload under way; once finished, the record of the generation it wrote
BinEntry         what was deleted and can be restored
Pulled, Pushed, StoredBlob, Caller   answers and questions at the room's door
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from chalicelib.instances.models import Instance
from chalicelib.kernel.modelling import KEPT
from chalicelib.kernel.names import Digest, TagName
from chalicelib.kernel.principal import Principal

# How a tag came to point where it does.
How = Literal["push", "copy", "rollback", "restore", "conversion", "sync", "migration", "cache"]


class Record(BaseModel):
    model_config = KEPT

    schema_version: int = 1


class ManifestRecord(Record):
    """
    version     raised by every change of the row or of what holds it; with the incarnation, the fence of every deletion
    state       `binned`: deleted, answers like missing, restorable while a bin entry holds it
    mortal      since it was last pushed by digest alone it had a tag, an index or a living subject: it goes with its
                last holder
    held_until  it stays at least until then though nothing holds it (the grace period)
    held_still_s  how long its instance had been frozen by then: later freezing adds to the grace period
    body        None for a large one: then the body is the blob of this digest
    blobs       what it needs to be pulled: config, layers, and its own body if large
    optional    layers that clients fetch from elsewhere; held where they are here
    size        of the body; content_size: of config and layers together (index: of its children's bodies), in bytes
    platforms   `linux/amd64`, `linux/arm64/v8` …; None until somebody has looked into its config
    whole_size  of all that its pull brings, children's layers included; None as long
    chart       of a Helm chart: the fields of its Chart.yaml that lists show (`chart_facts`); None as long
    """

    repository_id: str
    digest: Digest
    incarnation: str
    version: int = 1
    state: Literal["live", "binned"] = "live"
    mortal: bool = False
    held_until: str = ""
    held_still_s: int = 0
    media_type: str
    artifact_type: str = ""
    size: int
    content_size: int = 0
    body: bytes | None = None
    blobs: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    subject: str = ""
    pushed_at: str
    pushed_by: str
    platforms: tuple[str, ...] | None = None
    whole_size: int | None = None
    chart: str | None = None

    @property
    def held(self) -> tuple[str, ...]:
        """Every digest that an edge of this manifest stands for."""
        return self.blobs + self.optional


class Acceleration(BaseModel):
    """How far the conversion of what a tag points to has come. It stands on the tag's row, and goes with the push that
    it is about.

    reason   one word for programs, message: the same for people; "" unless it failed
    task     id of the task that looks after it, while it is queued or running
    digest   of the converted image, once there is one; size: of all that its pull brings, in bytes
    """

    model_config = KEPT

    state: Literal["queued", "running", "succeeded", "failed"]
    reason: str = ""
    message: str = ""
    task: str = ""
    digest: str = ""
    size: int = 0


class TagRecord(Record):
    """
    push      id of the push that put the tag where it is; never the same twice, not even for a tag that was deleted and
              made anew, so it is what a worker moves or deletes a tag by
    version   counts the pushes of the tag since it was made
    size      of all that its pull brings, in bytes
    pulled_at, pulls   when it was pulled last, "" for never, and how often; at most a minute behind
    acceleration   of an original; None where nobody asked for any
    """

    repository_id: str
    name: TagName
    digest: Digest
    push: str
    version: int = 1
    media_type: str
    size: int
    pushed_at: str
    pushed_by: str
    pulled_at: str = ""
    pulls: int = 0
    acceleration: Acceleration | None = None


class UploadRecord(Record):
    """
    repository_id  of the repository when it began, "" where there was none; into another of its name it does not go
    offset     bytes received and kept, tail included
    parts      (size, receipt) of each part written, in order
    tail       bytes past the last part, kept in an object of their own where parts have a least size
    state      `finished`: verified; `digest` is set, and the id names the generation that holds the bytes
    """

    id: str
    instance_id: str
    bucket: str
    repository: str
    repository_id: str = ""
    principal: str
    state: Literal["open", "finished"] = "open"
    multipart: str = ""
    offset: int = 0
    parts: tuple[tuple[int, str], ...] = ()
    tail: int = 0
    tails: int = 0
    algorithm: str = "sha256"
    digest: str = ""
    version: int = 1


class HeadRecord(Record):
    """Which generation of a blob is live. L lives · C condemned, rescued by whoever needs it · D dead."""

    state: Literal["L", "C", "D"]
    generation: str
    bucket: str
    key: str
    size: int
    token: str = ""


class BinEntry(Record):
    """A deleted tag, manifest with the tags that named it, repository or namespace. Restorable until it expires.

    repository_id, repository   where it was; empty for a namespace
    name        tag, digest, or the full name of a repository or namespace
    record      of a repository or namespace: its row as it was; its content lies untouched under its id
    parent      entry of the namespace that a repository was deleted with: it comes back and goes with that one
    whole       all repositories of a namespace are in the bin; until then it can be neither restored nor freed
    returns     the task that brings a namespace back, "" for none; until it is done it is not freed
    ends        a namespace is on its way out and does not come back
    size        bytes of what it holds, as far as known when it was made; of a namespace all of it, of its parts 0
    counted     the instance's counter has its size; entries of before there was one are not in it
    stood_still_s   how long its instance had been frozen when it was deleted: `expires_at` moves by what comes after
    origin      id of the request that deleted it, at once or by a task; "" for what nobody asked for
    i2sk        there as long as nobody was told of it (`keys.untold`)
    """

    id: str
    instance_id: str
    repository_id: str = ""
    repository: str = ""
    kind: Literal["tag", "manifest", "repository", "namespace"]
    name: str
    digest: str = ""
    tags: tuple[dict[str, str | int], ...] = ()
    record: dict[str, Any] | None = None
    parent: str = ""
    whole: bool = True
    returns: str = ""
    ends: bool = False
    size: int
    counted: bool = False
    deleted_at: str
    deleted_by: str
    expires_at: str
    stood_still_s: int = 0
    origin: str = ""
    i2sk: Annotated[str, Field(exclude=True)] = ""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, of which instance. Made once per request, after address and credentials were checked.

    address, request_id   of a registry client's write, for the audit record; "" for the management API's, which keeps
                          its own
    makes   of the service itself: it was told to bring content here, and makes the repository whatever the namespace
            says of pushes
    """

    instance: Instance
    principal: Principal
    address: str = ""
    request_id: str = ""
    makes: bool = False

    @property
    def owner(self) -> str:
        """Of its uploads: another login of the instance cannot see, write or cancel them."""
        return f"{self.principal.kind}:{self.principal.name}"


@dataclass(frozen=True, slots=True)
class Pulled:
    """A manifest as it goes out. `body` is byte for byte what was pushed. judged: a pull policy let it go now, which
    says nothing of later. upstream: its namespace pulls through another registry, where its tag may have moved."""

    repository_id: str
    digest: Digest
    media_type: str
    body: bytes
    judged: bool = False
    upstream: bool = False


@dataclass(frozen=True, slots=True)
class Pushed:
    """`subject` is empty for a manifest without one."""

    digest: Digest
    subject: str
    tags: tuple[TagName, ...]


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """Where a blob's bytes are: `key` in `bucket`, `size` bytes. judged: as of `Pulled`."""

    digest: Digest
    size: int
    bucket: str
    key: str
    judged: bool = False


@dataclass(frozen=True, slots=True)
class Referrer:
    """A descriptor as the referrers list shows it."""

    media_type: str
    digest: str
    size: int
    artifact_type: str
    annotations: dict[str, str]
