"""A foreign registry, read: manifests, blobs that are streamed, lists that are paged.

body, within bounds ─► its digest is compared before anybody may believe it
list ─► page by page, until it ends or is too long; pages stay with the registry, and none comes twice
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import httpx

from chalicelib.kernel import media, strict_json
from chalicelib.kernel.errors import DigestInvalid, Invalid, NotFound, SizeInvalid, TooLarge, Unavailable
from chalicelib.kernel.names import Digest, TagName

from .outbound import Streamed
from .remote_login import CATALOG, pull_from
from .remote_refusals import TooManyThere
from .remote_transport import ATTEMPTS, SMALL_S, Asking, BrokenOff, Rate, Transport, unbroken

# Of a manifest, as the distribution specification has it.
MANIFEST_BYTES: Final = 4 * 1024 * 1024
# A blob of 5 GiB at 50 Mbit/s.
BLOB_S: Final = 900.0
MOST_TAGS: Final = 100_000
MOST_REPOSITORIES: Final = 100_000
MOST_REFERRERS: Final = 10_000
# Some registries know no pages: all that is allowed comes at once.
_PAGE_BYTES: Final = 16 * 1024 * 1024
_PAGE_NAMES: Final = 1000
_MOST_PAGES: Final = 2000
# Waiting for all pages of one list; less than a step of a task may take.
_LIST_S: Final = 150.0
# What a blob has to move on by, so that an attempt counts as none.
_PROGRESS_BYTES: Final = 1024 * 1024
_ACCEPTED: Final = ", ".join((media.OCI_MANIFEST, media.OCI_INDEX, media.DOCKER_MANIFEST, media.DOCKER_LIST))
_NEXT: Final = re.compile(r"<([^<>]{1,4096})>\s*;[^,<]{0,256}?\brel=\"?next\b", re.ASCII)
_REPOSITORY: Final = re.compile(r"[a-z0-9][a-z0-9._/-]{0,511}", re.ASCII)


@dataclass(frozen=True, slots=True)
class RemoteManifest:
    """digest: of the body, whatever the registry said."""

    digest: Digest
    media_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class RemoteHead:
    """What a registry says of a manifest; it is believed once that was pulled."""

    digest: Digest
    media_type: str
    size: int


class RemoteReader:
    """Each call may raise NotFound, Denied (it wants another login), Unavailable, Invalid (an address that may not be
    called)."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def host(self) -> str:
        return self._transport.host

    @property
    def rate(self) -> Rate | None:
        """How much may be pulled yet, where the registry has told."""
        return self._transport.rate

    def pull(self, repository: str, wanted: str) -> RemoteManifest:
        """A manifest by tag or digest. Raises DigestInvalid and TooLarge too."""
        asking = self._asking(repository, f"manifests/{wanted}", f"{wanted} of {repository}", accept=_ACCEPTED)
        answer, body = self._fetch(asking, "manifest", MANIFEST_BYTES)
        told = answer.headers.get("docker-content-digest", "")
        for expected in (wanted if ":" in wanted else "", told):
            if expected and Digest.parse(expected) != Digest.of(body, Digest.parse(expected).algorithm):
                raise DigestInvalid(f"{self.host} sent a manifest that is not {expected}")
        digest = Digest.parse(wanted) if ":" in wanted else Digest.of(body)
        return RemoteManifest(digest, _media_type(answer.headers), body)

    def head(self, repository: str, wanted: str) -> RemoteHead:
        """What a tag points to now, or that a manifest is there. Raises DigestInvalid too."""
        asking = self._asking(
            repository, f"manifests/{wanted}", f"{wanted} of {repository}", accept=_ACCEPTED, method="HEAD"
        )
        with self._transport.ask(asking, 405) as answer:
            told, size = answer.headers.get("docker-content-digest", ""), answer.headers.get("content-length", "")
        if answer.status == 405 or not told or not (size.isascii() and size.isdigit() and len(size) < 10):
            manifest = self.pull(repository, wanted)
            return RemoteHead(manifest.digest, manifest.media_type, len(manifest.body))
        if ":" in wanted and told != wanted:
            raise DigestInvalid(f"{self.host} has another manifest as {wanted}")
        return RemoteHead(Digest.parse(told), _media_type(answer.headers), int(size))

    def has_blob(self, repository: str, digest: Digest) -> bool:
        asking = self._asking(repository, f"blobs/{digest}", f"{digest} of {repository}", method="HEAD")
        with self._transport.ask(asking, 404) as answer:
            return answer.status != 404

    def read_blob(self, repository: str, digest: Digest, size: int) -> Iterator[bytes]:
        """The blob's bytes. What has been read may be believed once the iterator ends: then size and digest fit.

        Raises SizeInvalid, DigestInvalid and as `blob_pieces`.
        """
        hashed, at = hashlib.new(digest.algorithm), 0
        for piece in self.blob_pieces(repository, digest):
            at += len(piece)
            if at > size:
                raise SizeInvalid(f"{self.host} sent more than the {size} bytes of {digest}")
            hashed.update(piece)
            yield piece
        if at != size:
            raise SizeInvalid(f"{self.host} sent {at} of the {size} bytes of {digest}")
        if hashed.hexdigest() != digest.hex:
            raise DigestInvalid(f"{self.host} sent bytes that are not {digest}")

    def blob_pieces(self, repository: str, digest: Digest, start: int = 0) -> Iterator[bytes]:
        """What the registry sends as the blob, from there on; whoever reads it compares and bounds it.

        One that breaks off goes on where it was.
        """
        at, failures, failed_at = start, 0, start
        while True:
            try:
                for piece in self._blob_from(repository, digest, at):
                    at += len(piece)
                    yield piece
            except BrokenOff:
                failures = 1 if at - failed_at >= _PROGRESS_BYTES else failures + 1
                failed_at = at
                if failures == ATTEMPTS:
                    raise
                self._transport.pause(2.0 ** (failures - 1))
            else:
                return

    def _blob_from(self, repository: str, digest: Digest, start: int) -> Iterator[bytes]:
        asking = self._asking(repository, f"blobs/{digest}", f"{digest} of {repository}", start=start, longest_s=BLOB_S)
        with self._transport.ask(asking, *((416,) if start else ())) as answer:
            if answer.status == 416:
                return  # All of it came before.
            continued = answer.headers.get("content-range", "").startswith(f"bytes {start}-")
            if answer.status == 206 and not continued:
                raise SizeInvalid(f"{self.host} sent another part of {digest} than was asked for")
            passed = start if answer.status == 206 else 0
            for piece in unbroken(answer).chunks:
                unseen = piece if passed >= start else piece[start - passed :]
                passed += len(piece)
                if unseen:
                    yield unseen

    # Lists

    def tags(self, repository: str) -> Iterator[str]:
        """Names of all tags, page by page. Raises TooLarge where there are more than `MOST_TAGS`."""
        asking = self._asking(repository, f"tags/list?n={_PAGE_NAMES}", f"the tags of {repository}")
        for tag in self._names(asking, "tags", MOST_TAGS):
            if not TagName.fits(tag):
                raise Unavailable(f"{self.host} lists tags of {repository} that cannot be tags", retry_after_s=600)
            yield tag

    def repositories(self) -> Iterator[str]:
        """Names of all repositories, where the registry lists them. Raises TooLarge as `tags`."""
        url = self._transport.url(f"/v2/_catalog?n={_PAGE_NAMES}")
        asking = Asking("GET", url, "its list of repositories", (CATALOG,))
        for name in self._names(asking, "repositories", MOST_REPOSITORIES):
            if not _REPOSITORY.fullmatch(name):
                raise Unavailable(f"{self.host} lists repositories that cannot be any", retry_after_s=600)
            yield name

    def referrers(self, repository: str, digest: Digest) -> list[Digest]:
        """Manifests about another one. Where the registry does not list them, those that its clients have listed."""
        asking = self._asking(repository, f"referrers/{digest}", f"what refers to {digest}", accept=media.OCI_INDEX)
        found: dict[Digest, None] = {}
        try:
            for document in self._pages(asking, MANIFEST_BYTES):
                found |= dict.fromkeys(_manifests_of(document))
                if len(found) > MOST_REFERRERS:
                    raise TooManyThere("referrers", f"{self.host} has more than {MOST_REFERRERS} of {digest}")
        except NotFound:
            return self._fallback_referrers(repository, digest)
        return list(found)

    def _fallback_referrers(self, repository: str, digest: Digest) -> list[Digest]:
        try:
            body = self.pull(repository, f"{digest.algorithm}-{digest.hex[:64]}").body
        except NotFound:
            return []
        return list(dict.fromkeys(_manifests_of(strict_json.parse(body, "referrers"))))

    def _names(self, asking: Asking, member: str, most: int) -> Iterator[str]:
        count = 0
        for document in self._pages(asking, _PAGE_BYTES, most):
            names = document.get(member) if isinstance(document, dict) else None
            for name in names if isinstance(names, list) else ():
                count += 1
                if count > most:
                    raise self._too_many(asking, member, most)
                if not isinstance(name, str):
                    raise Unavailable(f"{self.host} sends no list of {member}", retry_after_s=600)
                yield name

    def _pages(self, asking: Asking, limit: int, most: int = 0) -> Iterator[Any]:
        """Documents of one list. most: names in one of them, looked at before it is parsed."""
        url, seen, waited_s = asking.url, set[str](), 0.0
        while len(seen) < _MOST_PAGES and waited_s < _LIST_S:
            seen.add(str(url))
            begun = time.monotonic()
            answer, body = self._fetch(_with(asking, url), "page", limit)
            waited_s += time.monotonic() - begun
            if most and body.count(b'",') > most:
                raise self._too_many(asking, "names", most)
            try:
                document = strict_json.parse(body, "page")
            except Invalid as malformed:
                message = f"{self.host} sends no list as {asking.what}: {malformed.message}"
                raise Unavailable(message, retry_after_s=600) from None
            yield document
            following = _NEXT.search(answer.headers.get("link", "")[:8192])
            if following is None:
                return
            url = self._next_page(url, following[1])
            if str(url) in seen:
                raise Unavailable(f"{self.host} sends {asking.what} in a circle", retry_after_s=600)
        raise Unavailable(f"{self.host} comes to no end of {asking.what}", retry_after_s=600)

    def _next_page(self, url: httpx.URL, link: str) -> httpx.URL:
        """Of the registry itself, whatever the link's scheme and port: behind a proxy some name the wrong ones."""
        try:
            named = url.join(link)
        except httpx.InvalidURL:
            named = httpx.URL("")
        if named.host != url.host or not named.path.startswith("/v2/") or named.fragment:
            raise Unavailable(f"{self.host} continues a list elsewhere", retry_after_s=600)
        return url.copy_with(raw_path=named.raw_path)

    def _too_many(self, asking: Asking, member: str, most: int) -> TooLarge:
        return TooManyThere(member, f"{self.host} lists more than {most} {member} as {asking.what}")

    # Asking

    def _fetch(self, asking: Asking, what: str, limit: int) -> tuple[Streamed, bytes]:
        """A small answer whole; one that breaks off is asked for once more."""
        with suppress(BrokenOff), self._transport.ask(asking) as answer:
            return answer, unbroken(answer).whole(what, limit)
        with self._transport.ask(asking) as answer:
            return answer, answer.whole(what, limit)

    def _asking(
        self,
        repository: str,
        path: str,
        what: str,
        *,
        method: str = "GET",
        accept: str = "",
        start: int = 0,
        longest_s: float = SMALL_S,
    ) -> Asking:
        headers = {"Accept": accept} if accept else {}
        if start:
            headers["Range"] = f"bytes={start}-"
        url = self._transport.url(f"/v2/{repository}/{path}")
        return Asking(method, url, what, (pull_from(repository),), headers, None, longest_s)


def _with(asking: Asking, url: httpx.URL) -> Asking:
    return Asking(asking.method, url, asking.what, asking.scopes, asking.headers, None, asking.longest_s)


def _media_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _manifests_of(document: object) -> Iterator[Digest]:
    """Digests of an index; what else is in it is nobody's."""
    manifests = document.get("manifests") if isinstance(document, dict) else None
    for one in manifests if isinstance(manifests, list) else ():
        digest = one.get("digest") if isinstance(one, dict) else None
        if isinstance(digest, str) and Digest.fits(digest):
            yield Digest(digest)
