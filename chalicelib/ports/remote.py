"""A foreign registry, read over HTTP as `registry.service` reads our own: manifests, and blobs that are streamed.

    ask ─► 401: log in (`remote_login`), ask again ─► 3xx: vetted like the first address ─► 429, 5xx: wait, ask again
        ─► body, within bounds ─► its digest is compared before anybody may believe it

Everything goes through `outbound`: addresses are vetted and pinned, TLS is verified, and where the operator does not
allow it nothing is called that is private. Credentials go to the host that they belong to, and follow no redirect.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

import httpx

from chalicelib.kernel import media, strict_json
from chalicelib.kernel.errors import Denied, DigestInvalid, NotFound, SizeInvalid, TooLarge, Unavailable
from chalicelib.kernel.names import Digest

from .outbound import Outbound, Streamed
from .remote_login import Challenge, Login, is_its_own, same_origin
from .remote_reference import RemoteReference

# Of a manifest, as the distribution specification has it; of a token's answer.
MANIFEST_BYTES: Final = 4 * 1024 * 1024
_TOKEN_BYTES: Final = 1024 * 1024
_SMALL_S: Final = 30.0
# A blob of 5 GiB at 50 Mbit/s.
BLOB_S: Final = 900.0
ATTEMPTS: Final = 4
_MOST_HOPS: Final = 5
_LONGEST_PAUSE_S: Final = 30.0
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_ACCEPTED: Final = ", ".join((media.OCI_MANIFEST, media.OCI_INDEX, media.DOCKER_MANIFEST, media.DOCKER_LIST))


@dataclass(frozen=True, slots=True)
class RemoteManifest:
    """digest: of the body, whatever the registry said."""

    digest: Digest
    media_type: str
    body: bytes


class RemoteRegistry:
    """
    reference  names the registry; what is read of it is named by each call
    calls      for addresses that the registry names: of redirects, of tokens' realms
    home       for the registry's own address, where the operator wrote that down; `calls` without
    pause      waits so many seconds between two attempts
    """

    def __init__(
        self,
        reference: RemoteReference,
        calls: Outbound,
        *,
        home: Outbound | None = None,
        login: Login | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._origin = httpx.URL(reference.origin)
        self._calls = calls
        self._home = home or calls
        self._login = login
        self._pause = pause
        # Repository → what is sent as its Authorization.
        self._held: dict[str, str] = {}

    def pull(self, repository: str, wanted: str) -> RemoteManifest:
        """A manifest by tag or digest.

        Raises NotFound, Denied (it wants another login), DigestInvalid, TooLarge, Unavailable, Invalid (an address that
        may not be called).
        """
        with ExitStack() as held:
            answer = self._ask(held, repository, f"manifests/{wanted}", {"Accept": _ACCEPTED}, _SMALL_S)
            body = _whole(answer, "manifest", MANIFEST_BYTES)
        told = answer.headers.get("docker-content-digest", "")
        for expected in (wanted if ":" in wanted else "", told):
            if expected and Digest.parse(expected) != Digest.of(body, Digest.parse(expected).algorithm):
                raise DigestInvalid(f"{self._origin.host} sent a manifest that is not {expected}")
        digest = Digest.parse(wanted) if ":" in wanted else Digest.of(body)
        media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        return RemoteManifest(digest, media_type, body)

    def read_blob(self, repository: str, digest: Digest, size: int) -> Iterator[bytes]:
        """The blob's bytes. What has been read may be believed once the iterator ends: then size and digest fit.

        One that breaks off goes on where it was. Raises SizeInvalid, DigestInvalid and as `pull`.
        """
        hashed, at = hashlib.new(digest.algorithm), 0
        for attempt in range(ATTEMPTS):
            try:
                for piece in self._blob_from(repository, digest, at):
                    at += len(piece)
                    if at > size:
                        raise SizeInvalid(f"{self._origin.host} sent more than the {size} bytes of {digest}")
                    hashed.update(piece)
                    yield piece
            except Unavailable:
                if attempt == ATTEMPTS - 1:
                    raise
                self._pause(2.0**attempt)
            else:
                break
        if at != size:
            raise SizeInvalid(f"{self._origin.host} sent {at} of the {size} bytes of {digest}")
        if hashed.hexdigest() != digest.hex:
            raise DigestInvalid(f"{self._origin.host} sent bytes that are not {digest}")

    def _blob_from(self, repository: str, digest: Digest, start: int) -> Iterator[bytes]:
        headers = {"Range": f"bytes={start}-"} if start else {}
        with ExitStack() as held:
            answer = self._ask(held, repository, f"blobs/{digest}", headers, BLOB_S)
            continued = answer.headers.get("content-range", "").startswith(f"bytes {start}-")
            passed = start if answer.status == 206 and continued else 0
            for piece in answer.chunks:
                unseen = piece[max(0, start - passed) :]
                passed += len(piece)
                if unseen:
                    yield unseen

    def _ask(
        self, held: ExitStack, repository: str, path: str, headers: Mapping[str, str], longest_s: float
    ) -> Streamed:
        """The answer 200 or 206, open until `held` ends."""
        url, challenged, failures = self._origin.join(f"/v2/{repository}/{path}"), False, 0
        while True:
            try:
                answer = self._follow(held, repository, url, headers, longest_s)
            except Unavailable as unreachable:
                failures += 1
                if failures == ATTEMPTS:
                    raise
                self._pause(min(2.0**failures, unreachable.retry_after_s))
                continue
            if answer.status in (200, 206):
                return answer
            if answer.status == 401 and not challenged:
                challenged = True
                self._log_in(repository, Challenge.parse(answer.headers.get("www-authenticate", "")))
            elif answer.status == 429 or answer.status >= 500:
                failures += 1
                if failures == ATTEMPTS:
                    raise Unavailable(f"{self._origin.host} answers with status {answer.status}", retry_after_s=60)
                self._pause(_asked_pause_s(answer.headers.get("retry-after", ""), 2.0**failures))
            else:
                raise self._refused(answer.status, repository, path)
            held.close()

    def _follow(
        self, held: ExitStack, repository: str, url: httpx.URL, headers: Mapping[str, str], longest_s: float
    ) -> Streamed:
        """The answer after all redirects. Each address is vetted, and only the registry's own gets its login."""
        for _ in range(_MOST_HOPS + 1):
            at_home = same_origin(url, self._origin)
            sent = dict(headers)
            if at_home and repository in self._held:
                sent["Authorization"] = self._held[repository]
            calls = self._home if at_home else self._calls
            answer = held.enter_context(calls.get(str(url), sent, longest_s))
            if answer.status not in _REDIRECTS:
                return answer
            held.close()
            url = _led_to(url, answer.headers.get("location", ""))
        raise Unavailable(f"{self._origin.host} redirects more than {_MOST_HOPS} times", retry_after_s=60)

    def _log_in(self, repository: str, challenge: Challenge) -> None:
        """Raises Denied where nothing at hand answers the challenge."""
        if challenge.scheme == "basic" and self._login is not None:
            self._held[repository] = self._login.basic
            return
        url = challenge.token_url(repository)
        if not url:
            raise Denied(f"{self._origin.host} wants a user name and a password", host=self._origin.host)
        try:
            realm = httpx.URL(url)
        except httpx.InvalidURL:
            raise Unavailable(f"{self._origin.host} gets its tokens from nowhere", retry_after_s=60) from None
        may_see = self._login is not None and is_its_own(url, str(self._origin))
        sent = {"Authorization": self._login.basic} if self._login is not None and may_see else {}
        calls = self._home if same_origin(realm, self._origin) else self._calls
        with calls.get(url, {"Accept": "application/json", **sent}, _SMALL_S) as answer:
            if answer.status in (401, 403):
                raise Denied(f"{self._origin.host} does not know this login", host=self._origin.host)
            if answer.status != 200:
                raise Unavailable(f"{realm.host} gives no token: status {answer.status}", retry_after_s=60)
            told = strict_json.parse(_whole(answer, "token", _TOKEN_BYTES), "token")
        token = (told.get("token") or told.get("access_token")) if isinstance(told, dict) else None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise Unavailable(f"{realm.host} gives no token", retry_after_s=60)
        self._held[repository] = f"Bearer {token}"

    def _refused(self, status: int, repository: str, path: str) -> Exception:
        host = self._origin.host
        if status == 404:
            return NotFound(f"{host} has no {path} in {repository}", host=host)
        if status in (401, 403):
            return Denied(f"{host} does not let this login read {repository}", host=host)
        return Unavailable(f"{host} answers with status {status}", retry_after_s=60)


def _led_to(url: httpx.URL, location: str) -> httpx.URL:
    """Raises Unavailable where a redirect leads nowhere; whether it may be called is `outbound`'s to say."""
    try:
        return url.join(location) if location else _nowhere(url)
    except httpx.InvalidURL:
        return _nowhere(url)


def _nowhere(url: httpx.URL) -> httpx.URL:
    raise Unavailable(f"{url.host} redirects to nowhere", retry_after_s=60)


def _whole(answer: Streamed, what: str, limit: int) -> bytes:
    body = bytearray()
    for piece in answer.chunks:
        body += piece
        if len(body) > limit:
            raise TooLarge(what, limit)
    return bytes(body)


def _asked_pause_s(header: str, otherwise: float) -> float:
    seconds = float(header) if header.isascii() and header.isdigit() else otherwise
    return min(seconds, _LONGEST_PAUSE_S)
