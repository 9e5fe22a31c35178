"""What clients do, request by request, each step held to what was promised before.

A deed that a fault ends leaves its tags out of the game: nobody knows any more what they point to.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import quote, urlencode

from benchmarks.wire import Answer

from .access import Access, document, expect
from .pace import Broken, Deed, Step
from .world import NAMESPACE, Blob, Image, Repository, Tag, World, digest_of

_BIN: Final = "/instances/default/recycle-bin"
_OCTETS: Final = "application/octet-stream"
# A repository's tags are listed whole in one page.
_MOST_TAGS: Final = 1000

Doing = Generator[Step, Answer, None]


class Deeds:
    """Picks what comes next, so that about `standing` of the changing tags stand."""

    def __init__(self, world: World, access: Access, dice: random.Random, standing: int) -> None:
        self._world = world
        self._access = access
        self._dice = dice
        self._standing = standing
        self._leaving: list[Repository] = []

    def next(self) -> tuple[str, Deed] | None:
        """A deed and its name; None where no tag is free for it."""
        full = sum(len(repository.standing()) for repository in self._world.changing) >= self._standing
        weighted: dict[Callable[[], tuple[str, Deed] | None], float] = {
            self._some_push: 22 if full else 40,
            self._some_pull: 36,
            self._some_list: 4,
            self._some_deletion: 22 if full else 6,
            self._announce_departure: 0.6 if full else 0.0,
        }
        for repository in self._leaving:
            if not repository.users:
                self._leaving.remove(repository)
                return "delete repository", self.delete_repository(repository)
        [pick] = self._dice.choices(list(weighted), list(weighted.values()))
        return pick()

    def fill(self) -> list[tuple[str, Deed]]:
        """The pushes that make the steady tags."""
        tags = [tag for repository in self._world.steady for tag in repository.tags.values()]
        return [("push", self.push(tag, self._world.image())) for tag in tags]

    def check(self) -> list[tuple[str, Deed]]:
        """The pulls of every tag that stands."""
        return [("last pull", self.pull(tag)) for tag in self._world.standing() if tag.idle]

    def arrive(self) -> Deed:
        """Asks like a stranger, and is told where tokens are to be had."""
        answer = yield from self._access.challenge()
        challenge = expect(answer, 401).header("WWW-Authenticate") or ""
        found = re.search('service="([^"]+)"', challenge)
        if found is None:
            raise Broken(f"a stranger is not told which service to name: {challenge!r}")
        self._access.service = found[1]

    # What next

    def _some_push(self) -> tuple[str, Deed] | None:
        tag = self._free_tag(lambda tag: True)
        if tag is None:
            return None
        chance = self._dice.random()
        if chance < 0.15 and tag.gone is not None and not _concerned(tag.repository, tag.gone.top.digest):
            return "push again", self.push(tag, tag.gone)
        others = [other for other in tag.repository.standing() if other.idle and other is not tag]
        if 0.15 <= chance < 0.25 and others:
            return "retag", self.retag(self._dice.choice(others), tag)
        return "push", self.push(tag, self._world.image())

    def _some_pull(self) -> tuple[str, Deed] | None:
        repository = self._dice.choice(self._world.repositories)
        tags = [] if repository.leaving else repository.standing()
        tags = [tag for tag in tags if not tag.changing or tag.coming is not None]
        return ("pull", self.pull(self._dice.choice(tags))) if tags else None

    def _some_list(self) -> tuple[str, Deed] | None:
        repository = self._dice.choice(self._world.repositories)
        return None if repository.leaving or not repository.standing() else ("list", self.list_tags(repository))

    def _some_deletion(self) -> tuple[str, Deed] | None:
        tag = self._free_tag(lambda tag: tag.image is not None)
        if tag is None or tag.image is None:
            return None
        digest, repository = tag.image.top.digest, tag.repository
        if self._dice.random() < 0.6:
            return "delete tag", self.delete_tag(tag)
        if _concerned(repository, digest):
            return None
        same = [one for one in repository.standing() if one.image and one.image.top.digest == digest]
        return "delete manifest", self.delete_manifest(same, digest)

    def _announce_departure(self) -> None:
        """No deed begins in the repository any more; once the last one has ended, it is deleted."""
        repository = self._dice.choice(self._world.changing)
        if not repository.leaving and repository.standing():
            repository.leaving = True
            self._leaving.append(repository)

    def _free_tag(self, wanted: Callable[[Tag], bool]) -> Tag | None:
        tags = [
            tag for repository in self._world.changing for tag in repository.tags.values() if tag.idle and wanted(tag)
        ]
        return self._dice.choice(tags) if tags else None

    # Pushing

    def push(self, tag: Tag, image: Image) -> Deed:
        """Blobs that are missing, then manifest and index. A blob that was answered for may not be unknown then."""
        with _changing(tag):
            for blob in image.blobs:
                yield from self._bring(tag.repository, blob)
            if image.index is not None:
                yield from self._put_manifest(tag.repository, image.manifest, image.manifest.digest)
            tag.await_push(image)
            yield from self._put_manifest(tag.repository, image.top, tag.name)
            tag.settle(image)

    def retag(self, source: Tag, tag: Tag) -> Deed:
        """The same manifest under another name; no blob is asked for."""
        image = source.image
        assert image is not None
        with _changing(source), _changing(tag):
            tag.await_push(image)
            yield from self._put_manifest(tag.repository, image.top, tag.name)
            tag.settle(image)

    def _put_manifest(self, repository: Repository, manifest: Blob, reference: str) -> Doing:
        kind, path = "manifest PUT", f"manifests/{reference}"
        answer = yield from self._access.registry(
            kind, repository.name, "PUT", path, manifest.data, manifest.media_type
        )
        expect(answer, 201)

    def _bring(self, repository: Repository, blob: Blob) -> Doing:
        name, digest = repository.name, blob.digest
        answer = yield from self._access.registry("blob HEAD", name, "HEAD", f"blobs/{digest}")
        if expect(answer, 200, 404).status == 200:
            return
        source = self._dice.choice(self._world.repositories).name
        if source != name and self._dice.random() < 0.3:
            mount = f"blobs/uploads/?mount={digest}&from={source}"
            answer = yield from self._access.registry("mount POST", name, "POST", mount, source=source)
        else:
            answer = yield from self._access.registry("upload POST", name, "POST", "blobs/uploads/")
        if expect(answer, 201, 202).status == 201:
            return
        path = answer.location()
        path = f"{path}{'&' if '?' in path else '?'}digest={quote(digest)}"
        answer = yield from self._access.registry("upload PUT", name, "PUT", path, blob.data, _OCTETS)
        expect(answer, 201)

    # Pulling

    def pull(self, tag: Tag) -> Deed:
        """By tag, then every part by its digest; each byte compared."""
        repository = tag.repository
        with _pulling(tag) as may_find:
            answer = yield from self._access.registry("manifest GET", repository.name, "GET", f"manifests/{tag.name}")
            digest = digest_of(expect(answer, 200).body)
            image = may_find.get(digest)
            if image is None:
                raise Broken(f"{repository.name}:{tag.name} is {digest}, which is none of {sorted(may_find)}")
            if image.index is not None:
                yield from self._fetch("manifest GET", repository, f"manifests/{image.manifest.digest}", image.manifest)
            for blob in image.blobs:
                yield from self._fetch("blob GET", repository, f"blobs/{blob.digest}", blob)

    def _fetch(self, kind: str, repository: Repository, path: str, blob: Blob) -> Doing:
        answer = yield from self._access.registry(kind, repository.name, "GET", path)
        if digest_of(expect(answer, 200).body) != blob.digest:
            raise Broken(f"{path} of {repository.name} came as {digest_of(answer.body)}")

    def list_tags(self, repository: Repository) -> Deed:
        """What stood before the question and was not touched until the answer is in it."""
        before = {tag.name: tag.version for tag in repository.standing() if not tag.changing}
        with _using(repository):
            path = f"tags/list?n={_MOST_TAGS}"
            answer = yield from self._access.registry("tag list", repository.name, "GET", path)
            listed = set(document(expect(answer, 200))["tags"])
            after = {tag.name: tag.version for tag in repository.standing() if not tag.changing}
            untouched = {name for name, version in after.items() if before.get(name) == version}
            if missing := untouched - listed:
                raise Broken(f"the list of {repository.name} lacks {sorted(missing)}")

    # Deleting

    def delete_tag(self, tag: Tag) -> Deed:
        """By name; the next read must not find it."""
        with _changing(tag):
            name, path = tag.repository.name, f"manifests/{tag.name}"
            expect((yield from self._access.registry("tag DELETE", name, "DELETE", path)), 202)
            expect((yield from self._access.registry("manifest HEAD", name, "HEAD", path)), 404)
            if self._regrets():
                yield from self._restore("tag", name, tag.name)
            else:
                tag.settle(None)

    def delete_manifest(self, tags: list[Tag], digest: str) -> Deed:
        """With all its tags."""
        repository = tags[0].repository
        with _changing(*tags):
            path = f"manifests/{digest}"
            expect((yield from self._access.registry("manifest DELETE", repository.name, "DELETE", path)), 202)
            expect((yield from self._access.registry("manifest HEAD", repository.name, "HEAD", path)), 404)
            if self._regrets():
                yield from self._restore("manifest", repository.name, digest)
                return
            for tag in tags:
                tag.settle(None)

    def delete_repository(self, repository: Repository) -> Deed:
        """Through the management API, while nobody else is at work in it."""
        short = repository.name.removeprefix(f"{NAMESPACE}/")
        path = f"/instances/default/namespaces/{NAMESPACE}/repositories/{short}"
        answer = yield from self._access.manage("repository DELETE", "DELETE", f"{path}?confirm={short}")
        expect(answer, 204)
        if self._regrets():
            yield from self._restore("repository", repository.name, repository.name)
        else:
            for tag in repository.tags.values():
                tag.settle(None)
        repository.leaving = False

    # Bringing back

    def _regrets(self) -> bool:
        return self._dice.random() < 0.25

    def _restore(self, kind: str, repository: str, name: str) -> Doing:
        """The newest entry of this name in the recycle bin; what came back is as it was."""
        query = urlencode({"kind": kind, "search": name, "limit": 100})
        answer = yield from self._access.manage("recycle bin GET", "GET", f"{_BIN}?{query}")
        entries = document(expect(answer, 200))["items"]
        found = next((one["id"] for one in entries if one["name"] == name and one["repository"] == repository), None)
        if found is None:
            raise Broken(f"the recycle bin does not show {kind} {name} of {repository}, which was just deleted")
        expect((yield from self._access.manage(f"{kind} restore", "POST", f"{_BIN}/{found}/restore", {})), 200)


def _concerned(repository: Repository, digest: str) -> bool:
    return any(tag.concerns(digest) for tag in repository.tags.values())


@contextmanager
def _using(repository: Repository) -> Iterator[None]:
    repository.users += 1
    try:
        yield
    finally:
        repository.users -= 1


@contextmanager
def _changing(*tags: Tag) -> Iterator[None]:
    """The tags are this deed's own. After a fault they stay so: nobody can say what they point to."""
    for tag in tags:
        tag.changing = True
        tag.repository.users += 1
    yield
    for tag in tags:
        tag.changing = False
        tag.coming = None
        tag.repository.users -= 1


@contextmanager
def _pulling(tag: Tag) -> Iterator[dict[str, Image]]:
    found = tag.begin_pull()
    try:
        with _using(tag.repository):
            yield found
    finally:
        tag.end_pull(found)
