"""A foreign registry, read and written over HTTP as `registry.service` reads and writes our own.

remote_reference   what its content is called           remote_login      who may see its credentials
remote_transport   one request, logged in and repeated  remote_refusals   what it refuses, in our words
remote_reading     manifests, blobs, lists              here: mounts, uploads, pushes

upload   begin ─► location ─► append … append ─► location ─► finish        a location is the registry's own; on another
                     ▲           │ broken off                              origin it is followed without the login
                     └─ offset ◄─┘ the session says how much it holds
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, Self

import httpx

from chalicelib.kernel.errors import Denied, DigestInvalid, NotFound, RangeInvalid, SizeInvalid, Unavailable
from chalicelib.kernel.names import Digest

from .outbound import Outbound
from .outbound_addresses import LONGEST_ADDRESS
from .remote_login import Login, pull_from, push_to
from .remote_reading import (
    BLOB_S,
    MANIFEST_BYTES,
    MOST_REFERRERS,
    MOST_REPOSITORIES,
    MOST_TAGS,
    RemoteHead,
    RemoteManifest,
    RemoteReader,
)
from .remote_reference import RemoteReference
from .remote_refusals import held_bytes
from .remote_transport import ATTEMPTS, SMALL_S, Asking, Body, Rate, Transport

__all__ = [
    "ATTEMPTS",
    "BLOB_S",
    "MANIFEST_BYTES",
    "MOST_REFERRERS",
    "MOST_REPOSITORIES",
    "MOST_TAGS",
    "Rate",
    "RemoteHead",
    "RemoteManifest",
    "RemoteRegistry",
]

# Says that a push is a copy of one elsewhere, from which no further copies follow.
SYNCHRONISED: Final = "Crs-Synchronised"
# A registry may have to put a large upload together before it answers.
_FINISH_S: Final = 600.0
# What a large body may take on top of `sending_s`, in bytes a second.
_SLOWEST: Final = 512 * 1024
_OCTETS: Final = "application/octet-stream"
# Of a blob that comes with the request that begins its upload, where the registry takes it so.
_SMALL_BYTES: Final = 64 * 1024
# An upload that a refused mount has begun is used by the next one, if that comes soon.
_BEGUN_S: Final = 60.0
_MOST_BEGUN: Final = 64


class RemoteRegistry(RemoteReader):
    """For many threads. To be closed; what is not leaves connections to the garbage collector.

    reference  names the registry; what is read and written of it is named by each call
    calls      for addresses that the registry names: of redirects, of tokens' realms, of uploads
    home       for the registry's own address, where the operator wrote that down; `calls` without
    pause      waits so many seconds between two attempts
    sending_s  what a request with a body may take, on top of what its size allows
    """

    def __init__(
        self,
        reference: RemoteReference,
        calls: Outbound,
        *,
        home: Outbound | None = None,
        login: Login | None = None,
        pause: Callable[[float], None] = time.sleep,
        sending_s: float = BLOB_S,
    ) -> None:
        self._sending_s = sending_s
        super().__init__(Transport(httpx.URL(reference.origin), calls, home or calls, login, pause))
        # Repository → an upload of it, and when it was begun.
        self._begun: dict[str, tuple[str, float]] = {}
        # Whether it makes blobs of what comes with the first request of an upload; until that was tried.
        self._takes_whole = True

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def mount(self, repository: str, digest: Digest, source: str) -> bool:
        """Whether the registry took the blob over from another of its repositories."""
        asking = self._writing(
            "POST",
            self._uploads(repository).copy_with(params={"mount": digest, "from": source}),
            repository,
            f"a mount of {digest} into {repository}",
            also_from=source,
        )
        try:
            with self._transport.ask(asking, 405) as answer:
                if answer.status == 202 and len(self._begun) < _MOST_BEGUN:
                    self._begun[repository] = (self._location(answer.headers, asking.url), time.monotonic())
                return answer.status == 201
        except (Denied, NotFound):
            return False

    def begin_upload(self, repository: str) -> str:
        """Where the upload's bytes go. Raises as `push`."""
        location, at = self._begun.pop(repository, ("", 0.0))
        if location and time.monotonic() - at < _BEGUN_S:
            return location
        asking = self._writing("POST", self._uploads(repository), repository, f"an upload into {repository}")
        with self._transport.ask(asking) as answer:
            return self._location(answer.headers, asking.url)

    def append(self, repository: str, location: str, offset: int, chunks: Iterable[bytes], size: int) -> str:
        """Sends the next piece of an upload, of exactly so many bytes; where the one after it goes.

        Raises RangeInvalid (it holds another number of bytes: its `offset`), UploadUnknown, and Unavailable where it
        broke off: `upload_offset` knows how far it came.
        """
        if not size:
            return location
        headers = {"Content-Range": f"{offset}-{offset + size - 1}"}
        what, sent = f"a piece of an upload into {repository}", _exactly(chunks, size)
        asking = self._writing("PATCH", httpx.URL(location), repository, what, headers, sent, size)
        try:
            with self._transport.ask(asking) as answer:
                held = held_bytes(answer.headers)
                if "range" in answer.headers and held not in (0, offset + size):
                    raise RangeInvalid(f"{self.host} holds {held} bytes of an upload of {offset + size}", held)
                return self._location(answer.headers, asking.url) if "location" in answer.headers else location
        except RangeInvalid as refused:
            held_now = refused.offset or self.upload_offset(repository, location) or 0
            raise RangeInvalid(refused.message, held_now) from None

    def upload_offset(self, repository: str, location: str) -> int | None:
        """How many bytes of an upload the registry holds; None where there is no such upload any more."""
        asking = self._writing("GET", httpx.URL(location), repository, f"an upload into {repository}", body=None)
        with self._transport.ask(asking, 404, 410) as answer:
            return None if answer.status in (404, 410) else held_bytes(answer.headers)

    def finish_upload(self, repository: str, location: str, digest: Digest) -> None:
        """Makes a blob of what was appended. Raises DigestInvalid, UploadUnknown, and as `push`."""
        self._put(repository, location, digest, b"", 0)

    def put_blob(self, repository: str, digest: Digest, chunks: Iterable[bytes], size: int) -> None:
        """A blob whole. Raises SizeInvalid where the chunks are of another size, and as `finish_upload`."""
        sent = _exactly(chunks, size)
        if size > _SMALL_BYTES:
            self._put(repository, self.begin_upload(repository), digest, sent, size)
        else:
            self.put_small(repository, digest, b"".join(sent))

    def put_small(self, repository: str, digest: Digest, body: bytes) -> None:
        """A blob that is held in memory: by one request, where the registry takes it so."""
        begun = repository in self._begun or not self._takes_whole
        location = self.begin_upload(repository) if begun else self._post(repository, digest, body)
        if location:
            self._put(repository, location, digest, body, len(body))

    def push(
        self, repository: str, reference: str, media_type: str, body: bytes, *, synchronised: bool = False
    ) -> Digest:
        """Puts a manifest under a tag or its digest. synchronised: it is a copy, from which no others follow.

        Raises Denied, QuotaExceeded, Conflict (TagImmutable where it says so), Invalid, TooLarge, Unavailable, and
        DigestInvalid where the registry says that it holds something else.
        """
        headers = {"Content-Type": media_type, **({SYNCHRONISED: "1"} if synchronised else {})}
        url = self._transport.url(f"/v2/{repository}/manifests/{reference}")
        digest = Digest.of(body, Digest.parse(reference).algorithm if ":" in reference else "sha256")
        asking = self._writing("PUT", url, repository, f"{reference} of {repository}", headers, body)
        with self._transport.ask(asking) as answer:
            self._compare(answer.headers, digest)
        return digest

    def _post(self, repository: str, digest: Digest, body: bytes) -> str:
        """ "" where the registry took the blob with the request; else where it is to be put."""
        url, octets = self._uploads(repository).copy_with(params={"digest": digest}), {"Content-Type": _OCTETS}
        asking = self._writing("POST", url, repository, f"{digest} of {repository}", octets, body, len(body))
        with self._transport.ask(asking, 405, 415) as answer:
            self._takes_whole = answer.status == 201
            if answer.status == 201:
                self._compare(answer.headers, digest)
                return ""
            if answer.status == 202:
                return self._location(answer.headers, asking.url)
        return self.begin_upload(repository)

    def _put(self, repository: str, location: str, digest: Digest, body: Body, size: int) -> None:
        url = httpx.URL(location).copy_merge_params({"digest": digest})
        what = f"{digest} of {repository}"
        longest_s = SMALL_S if size else min(_FINISH_S, self._sending_s)
        asking = self._writing("PUT", url, repository, what, {"Content-Type": _OCTETS}, body, size, longest_s)
        try:
            with self._transport.ask(asking) as answer:
                self._compare(answer.headers, digest)
        except NotFound:
            # Its first answer may have been lost, and with it that the upload has ended.
            if not self.has_blob(repository, digest):
                raise

    def _compare(self, headers: Mapping[str, str], digest: Digest) -> None:
        told = headers.get("docker-content-digest", "")
        if told and told.partition(":")[0] == digest.algorithm and told != digest:
            raise DigestInvalid(f"{self.host} made {told[:200]!r} of what was sent as {digest}")

    def _uploads(self, repository: str) -> httpx.URL:
        return self._transport.url(f"/v2/{repository}/blobs/uploads/")

    def _location(self, headers: Mapping[str, str], url: httpx.URL) -> str:
        """Absolute. Raises Unavailable where there is none; whether it may be called is `outbound`'s to say."""
        named = headers.get("location", "")
        try:
            location = str(url.join(named)) if named else ""
        except httpx.InvalidURL:
            location = ""
        if not location or len(location) > LONGEST_ADDRESS:
            raise Unavailable(f"{self.host} does not say where an upload goes", retry_after_s=60)
        return location

    def _writing(
        self,
        method: str,
        url: httpx.URL,
        repository: str,
        what: str,
        headers: Mapping[str, str] | None = None,
        body: Body = b"",
        size: int = 0,
        longest_s: float = SMALL_S,
        *,
        also_from: str = "",
    ) -> Asking:
        scopes = (push_to(repository), pull_from(also_from)) if also_from else (push_to(repository),)
        sent = dict(headers or {})
        if size:
            sent |= {"Content-Type": _OCTETS, "Content-Length": str(size)}
            longest_s += self._sending_s + size / _SLOWEST
        return Asking(method, url, what, scopes, sent, body, longest_s)


def _exactly(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Raises SizeInvalid as soon as there is more, or no more comes."""
    sent = 0
    for chunk in chunks:
        sent += len(chunk)
        if sent > size:
            raise SizeInvalid(f"there are more than the {size} bytes to be sent")
        yield chunk
    if sent != size:
        raise SizeInvalid(f"there are {sent} of the {size} bytes to be sent")
