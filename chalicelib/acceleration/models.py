"""What is to be converted, how far that has come, and what was told of files that come first."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field

from chalicelib.kernel.errors import Refused
from chalicelib.kernel.modelling import GIVEN, KEPT
from chalicelib.kernel.moment import Moment
from chalicelib.kernel.names import Digest, RepositoryName, TagName
from chalicelib.registry import companions

SOURCE: Final = companions.SOURCE
# On their manifests: how many files come first, and who told which.
FIRST_FILES: Final = "crs.accelerated.first-files"
FIRST_FILES_FROM: Final = "crs.accelerated.first-files.from"
# An artifact about an image that lists the files which a container needs first.
FIRST_FILES_TYPE: Final = "application/vnd.crs.first-files.v1"

Phase = Literal["plan", "starts", "ask", "wait", "assemble"]
ConversionState = Literal["queued", "running", "succeeded", "failed"]
# Where a list of first files came from.
FilesFrom = Literal["artifact", "repository", "static"]


class NotConverted(Refused):
    """An image, or one of its layers, that is not converted. reason: one word, for programs."""

    code = "NOT_CONVERTED"
    status = 409

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message, reason=reason)
        self.reason = reason


class Wanted(BaseModel):
    """A tag that is to get a companion. push: it is about the tag as that push left it, and as no other did."""

    model_config = KEPT

    name: TagName
    push: str


class Planned(BaseModel):
    """An image of what is converted. recipes: ids, one for each of its layers, lowest first."""

    model_config = KEPT

    digest: str
    recipes: tuple[str, ...]
    files_from: FilesFrom = "static"


class Work(BaseModel):
    """Where the conversion of an image goes on.

    pushed   a push asked for it, and the switch has to be on still
    image    the one under way, by its place; layer: the one of it whose starts are looked for next
    done     layers that were found converted so far, of all images; bytes: of their sources
    settled  tags of which nothing more is to be done; why: the last of them that failed did
    """

    model_config = KEPT

    repository_id: str
    repository: RepositoryName
    digest: Digest
    tags: tuple[Wanted, ...]
    pushed: bool = False
    phase: Phase = "plan"
    image: int = 0
    layer: int = 0
    planned: tuple[Planned, ...] = ()
    done: int = 0
    bytes: int = 0
    settled: tuple[TagName, ...] = ()
    why: str = ""


class ConversionRecord(BaseModel):
    """One layer by one recipe, for all images of an instance that have it.

    repository_id, repository   where its blob is, or will be, uploaded to
    files          of the recipe: compressed JSON
    waiters        tasks that are told when it is done
    asked_at       when a converter was last told of it
    claim          of who converts it, until claimed_until; "" for nobody
    failures       times that a converter did not come back
    read           bytes of the source that it has read so far
    digest …       what came of it, once it succeeded (`estargz.models.Converted`); reused: the source itself was fit
    version        raised by every change
    """

    model_config = KEPT

    layer: str
    recipe: str
    state: ConversionState = "queued"
    repository_id: str
    repository: RepositoryName
    files: bytes
    waiters: tuple[str, ...] = ()
    asked_at: str
    claim: str = ""
    claimed_until: str = ""
    failures: int = 0
    read: int = 0
    reason: str = ""
    message: str = ""
    digest: str = ""
    size: int = 0
    diff_id: str = ""
    toc_digest: str = ""
    uncompressed_size: int = 0
    source_bytes: int = 0
    entries: int = 0
    prioritized: int = 0
    reused: bool = False
    expires: int = 0
    version: int = 1
    schema_version: int = 1


class FirstFilesRecord(BaseModel):
    """What a repository's users told of files that its images need first, in the order they are needed."""

    model_config = KEPT

    repository_id: str
    files: bytes
    count: int
    set_at: Moment
    set_by: str
    schema_version: int = 1


class NewFirstFiles(BaseModel):
    """files: absolute paths inside the image, in the order they are needed."""

    model_config = GIVEN

    files: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=4096)], ...], Field(min_length=1)]
