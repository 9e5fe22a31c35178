"""The ends of a migration that runs outside of the service: registries reached over HTTP, asked no more than needed.

source        a tag is read once; who lists no referrers is not asked for them again
destination   what it holds is known from its list of tags and from what was sent: asked for only where that says
              nothing; a blob that several images share is sent by one of them, and the others wait for it
small blobs   are sent without asking first: that takes no longer than to ask
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from chalicelib.copying.contents import contents
from chalicelib.copying.ends import Pieces, Source
from chalicelib.copying.models import Manifest, Standing, Upload
from chalicelib.copying.remote import RemoteRepository
from chalicelib.kernel.errors import NotFound, Refused
from chalicelib.kernel.names import Digest
from chalicelib.ports.remote_login import LoginRefused

from .registries import Known

SMALL_BYTES: Final = 64 * 1024
# A tag that is read again so soon has not been missed.
_FRESH_S: Final = 5.0
# Names of repositories that have a blob; of one more none is noted.
_MOST_HOMES: Final = 500_000


class Departure(RemoteRepository):
    """tags: all that the repository has, where that is known before they are listed here. refused: told of a login that
    is not known."""

    def __init__(
        self,
        registry: Known,
        name: str,
        sizes: dict[Digest, int],
        tags: frozenset[str] | None,
        refused: Callable[[str], None],
    ) -> None:
        super().__init__(registry, name)
        self._refused = refused
        self._known = registry
        self._sizes = sizes
        self._tags = tags
        self._read: tuple[str, float, Manifest] | None = None

    def tags(self) -> Iterator[str]:
        with _noticing(self._refused):
            listed = list(super().tags())
        self._tags = frozenset(listed)
        return iter(listed)

    def manifest(self, reference: str) -> Manifest:
        now = time.monotonic()
        if self._read is not None and self._read[0] == reference and now - self._read[1] < _FRESH_S:
            return self._read[2]
        with _noticing(self._refused):
            found = super().manifest(reference)
        self._read = (reference, time.monotonic(), found)
        with suppress(Refused):  # What it is no image of is told by whoever copies it.
            self._sizes.update(contents(found).blobs)
        return found

    def referrers(self, digest: Digest) -> Sequence[Digest]:
        listed_by_clients = f"{digest.algorithm}-{digest.hex[:64]}"
        if self._known.lists_referrers is False and self._tags is not None and listed_by_clients not in self._tags:
            return []
        return super().referrers(digest)


class Holdings:
    """What the repositories of one registry hold, as far as this process knows."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._tags: dict[str, frozenset[str]] = {}
        self._listing: dict[str, threading.Lock] = {}
        self._blobs: set[tuple[str, Digest]] = set()
        self._homes: dict[Digest, str] = {}
        self._sending: dict[tuple[str, Digest], threading.Event] = {}
        self._given_up = False

    def tags(self, name: str, load: Callable[[], frozenset[str]]) -> frozenset[str]:
        """Of a repository when it was first looked at."""
        with self._guard:
            listing = self._listing.setdefault(name, threading.Lock())
        with listing:
            if name not in self._tags:
                self._tags[name] = load()
            return self._tags[name]

    def has(self, name: str, digest: Digest) -> bool:
        return (name, digest) in self._blobs

    def arrived(self, name: str, digest: Digest) -> None:
        with self._guard:
            self._blobs.add((name, digest))
            if len(self._homes) < _MOST_HOMES:
                self._homes.setdefault(digest, name)

    def forget(self, name: str) -> None:
        """Something was not as it was known to be: what the repository holds is asked for again."""
        with self._guard:
            self._blobs = {known for known in self._blobs if known[0] != name}
            self._homes = {digest: home for digest, home in self._homes.items() if home != name}

    def home(self, digest: Digest) -> str | None:
        return self._homes.get(digest)

    def claim(self, name: str, digest: Digest) -> bool:
        """Whether the caller is the one to send it, until `release`; else somebody else has sent it, or tried to."""
        with self._guard:
            under_way = self._sending.get((name, digest))
            if self._given_up:
                return True
            if under_way is None:
                self._sending[name, digest] = threading.Event()
                return True
        under_way.wait()
        return False

    def give_up(self) -> None:
        """Nobody waits for anybody any more: of images that stop at once each could hold what another one wants."""
        with self._guard:
            self._given_up = True
            waited_for = list(self._sending.values())
        for under_way in waited_for:
            under_way.set()

    def release(self, name: str, digest: Digest) -> None:
        with self._guard:
            under_way = self._sending.pop((name, digest), None)
        if under_way is not None:
            under_way.set()


class Arrival(RemoteRepository):
    """For one image. `release` it, whatever became of it."""

    def __init__(
        self,
        registry: Known,
        name: str,
        sizes: dict[Digest, int],
        holdings: Holdings,
        refused: Callable[[str], None],
    ) -> None:
        super().__init__(registry, name, synchronised=False)
        self._refused = refused
        self._sizes = sizes
        self._holdings = holdings
        self._claimed: set[Digest] = set()

    def release(self) -> None:
        for digest in list(self._claimed):
            self._let_go(digest)

    def standing(self, tag: str) -> Standing | None:
        """Where it had no such tag in the beginning nobody else is expected to make it."""
        if ":" not in tag and tag not in self._tags():
            return None
        return super().standing(tag)

    def holds(self, digest: Digest) -> bool:
        """What is pushed though it is there does no harm."""
        return bool(self._tags()) and super().holds(digest)

    def has(self, digest: Digest) -> bool:
        while not self._holdings.has(self.name, digest):
            if not self._holdings.claim(self.name, digest):
                continue
            self._claimed.add(digest)
            likely_new = not self._tags() or self._sizes.get(digest, SMALL_BYTES + 1) <= SMALL_BYTES
            if self._holdings.has(self.name, digest) or (not likely_new and super().has(digest)):
                self._arrived(digest)
                break
            return False
        return True

    def take(self, source: Source, digest: Digest, size: int) -> bool:
        try:
            taken = self._mounted(digest, size) or super().take(source, digest, size)
        except BaseException:
            self._let_go(digest)
            raise
        if taken:
            self._arrived(digest)
        return taken

    def _mounted(self, digest: Digest, size: int) -> bool:
        home = self._holdings.home(digest)
        elsewhere = home is not None and home != self.name and size > SMALL_BYTES
        return elsewhere and home is not None and self.registry.mount(self.name, digest, home)

    def upload(self, digest: Digest, size: int, source: Source, before: Upload | None, pieces: Pieces) -> Upload | None:
        try:
            if size <= SMALL_BYTES and before is None:
                body = b"".join(source.read(digest, size))
                with _noticing(self._refused):
                    self.registry.put_small(self.name, digest, body)
                pieces.moved(size)
                left = None
            else:
                left = super().upload(digest, size, source, before, pieces)
            if left is None:
                self._arrived(digest)
            return left
        finally:
            self._let_go(digest)

    def _arrived(self, digest: Digest) -> None:
        self._holdings.arrived(self.name, digest)
        self._let_go(digest)

    def _let_go(self, digest: Digest) -> None:
        if digest in self._claimed:
            self._claimed.discard(digest)
            self._holdings.release(self.name, digest)

    def _tags(self) -> frozenset[str]:
        return self._holdings.tags(self.name, self._listed)

    def _listed(self) -> frozenset[str]:
        try:
            with _noticing(self._refused):
                return frozenset(self.registry.tags(self.name))
        except NotFound:
            return frozenset()


@contextmanager
def _noticing(refused: Callable[[str], None]) -> Iterator[None]:
    try:
        yield
    except LoginRefused as why:
        refused(why.message)
        raise
