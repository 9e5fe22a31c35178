"""Y5: copies that others come in between of, that break off, and that are lied to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from chalicelib.collection.service import Fsck
from chalicelib.copying import copier, gathering, local
from chalicelib.copying.ends import Pieces, Source
from chalicelib.copying.local import LocalRepository
from chalicelib.copying.models import Effort, Interrupted, Manifest, Standing, Upload
from chalicelib.kernel.errors import NotFound, Unavailable
from chalicelib.kernel.names import Digest, TagName
from chalicelib.ports.stack import Stack
from tests.registry.images import image, index, owner_of

from .shops import Route, Shop, stopping, two_instances


@dataclass
class Elsewhere:
    """A source of which nothing can be taken inside a store, which tells of each call and may fail, or lie.

    before   is told the name of each call before it is made
    lies     digest → what comes under it
    """

    inner: LocalRepository
    before: Callable[[str], None] = lambda _: None
    lies: dict[str, bytes] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()

    def tags(self) -> Iterator[str]:
        return self.inner.tags()

    def manifest(self, reference: str) -> Manifest:
        self.before("manifest")
        if reference in self.missing:
            raise NotFound
        return self.inner.manifest(reference)

    def referrers(self, digest: Digest) -> Sequence[Digest]:
        self.before("referrers")
        return self.inner.referrers(digest)

    def read(self, digest: Digest, size: int, start: int = 0) -> Iterator[bytes]:
        self.before("read")
        whole = self.lies.get(digest) or b"".join(self.inner.read(digest, size))
        for at in range(start, len(whole), 1000):
            self.before("piece")
            yield whole[at : at + 1000]

    def companion(self, tag: str) -> Digest | None:
        return self.inner.companion(tag)


@dataclass
class Shelf:
    """A target that may fail before any call, or behind it."""

    inner: LocalRepository
    before: Callable[[str], None] = lambda _: None
    behind: Callable[[str], None] = lambda _: None

    def _call(self, name: str, *arguments: Any, **more: Any) -> Any:
        self.before(name)
        answer = getattr(self.inner, name)(*arguments, **more)
        self.behind(name)
        return answer

    def standing(self, tag: str) -> Standing | None:
        found: Standing | None = self._call("standing", tag)
        return found

    def holds(self, digest: Digest) -> bool:
        return bool(self._call("holds", digest))

    def has(self, digest: Digest) -> bool:
        return bool(self._call("has", digest))

    def take(self, source: Source, digest: Digest, size: int) -> bool:
        return bool(self._call("take", source, digest, size))

    def upload(self, digest: Digest, size: int, source: Source, before: Upload | None, pieces: Pieces) -> Upload | None:
        left: Upload | None = self._call("upload", digest, size, source, before, pieces)
        return left

    def push(self, manifest: Manifest, tag: str, at: Standing | None, *, override: bool) -> bool:
        return bool(self._call("push", manifest, tag, at, override=override))

    def wants(self, companion: Digest, tag: str, original: Digest) -> bool:
        return bool(self._call("wants", companion, tag, original))

    def accelerate(self, companion: Manifest, tag: str, original: Digest) -> bool:
        return bool(self._call("accelerate", companion, tag, original))


class Calls:
    """Does something at one call, the n-th of all or the first of a name, and nothing before or behind."""

    def __init__(self, act: Callable[[], None], *, number: int = -1, name: str = "") -> None:
        self._act = act
        self._number = number
        self._name = name
        self.count = 0
        self.done = False

    def __call__(self, name: str) -> None:
        self.count += 1
        if not self.done and (self.count == self._number or name == self._name):
            self.done = True
            self._act()


def fail() -> None:
    raise Unavailable("gone for a moment", retry_after_s=7)


@pytest.fixture
def shops(stack: Stack) -> tuple[Shop, Shop]:
    return two_instances(stack)


# What comes in between


def test_a_copy_that_stood_still_puts_nothing_older_in_place_of_what_another_brought(shops: tuple[Shop, Shop]) -> None:
    """Y5: not for a moment either, override or not."""
    here, there = shops
    here.push("v1", layers=(b"old",))
    newest = ""

    def overtake() -> None:
        nonlocal newest
        newest = here.push("v1", layers=(b"new",))
        Route(here.source(), there.target()).copy(override=True)

    slow = Shelf(there.target(), before=Calls(overtake, name="push"))
    outcome = Route(here.source(), slow).copy(override=True)
    assert (outcome.digest, there.digest("v1")) == (newest, newest)
    assert there.tag("v1").version == 1


# What breaks off


@pytest.mark.parametrize("side", ["source", "target", "behind"])
def test_a_copy_broken_off_at_any_call_is_finished_by_another(
    shops: tuple[Shop, Shop], side: str, stack: Stack
) -> None:
    """Whatever stood by then stays, and nothing of it is half an image."""
    here, there = shops
    number, finished = 0, False
    while not finished:
        number += 1
        tag = f"v{number}"
        here.push(layers=(b"%d" % number * 900,))
        body = image(b"%d" % number * 900)
        digest = here.put(index(body), tag)
        here.sign(digest, b"signature %d" % number)
        calls = Calls(fail, number=number)
        source = Elsewhere(here.source(), before=calls if side == "source" else lambda _: None)
        target = Shelf(
            there.target(),
            before=calls if side == "target" else lambda _: None,
            behind=calls if side == "behind" else lambda _: None,
        )
        try:
            outcome = Route(source, target, Effort(parallel=1)).copy(tag)
            finished = True
        except Interrupted as interrupted:
            outcome = Route(source, target).resume(interrupted.progress, tag)
        assert outcome.verdict == "copied"
        assert there.digest(tag) == digest
        assert len(there.referrers(digest)) == 1
        assert there.layers(Digest.of(body)) == [b"%d" % number * 900]
    assert number > 8
    assert list(Fsck(stack, deep=True).run()) == []


def test_a_blob_that_broke_off_goes_on_where_it_was(shops: tuple[Shop, Shop]) -> None:
    """Y5: resume."""
    here, there = shops
    layer = bytes(range(256)) * 100
    here.push("v1", layers=(layer,))
    calls = Calls(fail, number=20)
    with pytest.raises(Interrupted, match="gone for a moment") as broken:
        Route(Elsewhere(here.source(), calls), there.target(), Effort(parallel=1)).copy()
    assert broken.value.retry_after_s == 7
    assert 0 < broken.value.progress.uploads[Digest.of(layer)].offset < len(layer)
    done = Route(Elsewhere(here.source()), there.target()).resume(broken.value.progress)
    assert (done.verdict, done.moved) == ("copied", len(layer) + 2)
    assert there.layers("v1") == [layer]


def test_a_copy_that_has_no_time_left_says_where_it_goes_on(
    shops: tuple[Shop, Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "PIECE_BYTES", 2000)
    here, there = shops
    here.push("v1", layers=(b"a" * 9000, b"b" * 9000))
    route = Route(Elsewhere(here.source()), there.target())
    outcome = Route(route.source, route.target, stopping(4000)).copy()
    assert outcome.verdict == "unfinished"
    steps = 1
    while outcome.verdict == "unfinished":
        steps += 1
        again = Route(route.source, route.target, stopping(4000))
        outcome = again.copy(progress=outcome.progress)
    assert (outcome.verdict, outcome.moved, outcome.skipped) == ("copied", 18_002, 0)
    assert steps > 3
    assert there.layers("v1") == [b"a" * 9000, b"b" * 9000]


def test_a_source_that_sends_slowly_takes_no_longer_than_there_is_time(shops: tuple[Shop, Shop]) -> None:
    here, there = shops
    here.push("v1", layers=(b"a" * 2_000_000,))
    outcome = Route(Elsewhere(here.source()), there.target(), stopping(200_000)).copy()
    assert outcome.verdict == "unfinished"
    assert outcome.moved < 600_000


# Who comes in between


@pytest.mark.parametrize("at", ["has", "upload", "push"])
def test_a_tag_that_moves_meanwhile_is_brought_as_it_is_then(shops: tuple[Shop, Shop], at: str) -> None:
    """Overtaking: the last writer leaves the newest."""
    here, there = shops
    here.push("v1")
    moved: list[Digest] = []
    calls = Calls(lambda: moved.append(here.push("v1", layers=(b"newer",))), name=at)
    outcome = Route(Elsewhere(here.source()), Shelf(there.target(), before=calls)).copy()
    assert (outcome.verdict, outcome.digest) == ("copied", moved[0])
    assert there.digest("v1") == moved[0]


def test_of_two_copies_that_overtake_each_other_the_newest_image_stays(shops: tuple[Shop, Shop]) -> None:
    here, there = shops
    here.push("v1")

    def overtaken() -> None:
        here.push("v1", layers=(b"newer",))
        assert Route(here.source(), there.target()).copy(override=True).verdict == "copied"

    slow = Shelf(there.target(), before=Calls(overtaken, name="push"))
    Route(here.source(), slow).copy(override=True)
    assert there.layers("v1") == [b"newer"]


def test_a_tag_that_never_stands_still_is_left_for_later(shops: tuple[Shop, Shop]) -> None:
    here, there = shops
    pushes = 0

    def move(name: str) -> None:
        nonlocal pushes
        if name == "push":
            pushes += 1
            here.push("v1", layers=(b"%d" % pushes,))

    here.push("v1")
    outcome = Route(here.source(), Shelf(there.target(), before=move)).copy(override=True)
    assert (outcome.verdict, pushes) == ("unfinished", copier.MOST_ROUNDS)


def test_a_tag_that_somebody_else_pushed_meanwhile_is_left(shops: tuple[Shop, Shop]) -> None:
    """Without override, also when it was not there as the copy began."""
    here, there = shops
    here.push("v1")
    other: list[Digest] = []

    def intrude() -> None:
        other.append(there.push("v1", layers=(b"theirs",)))

    outcome = Route(here.source(), Shelf(there.target(), before=Calls(intrude, name="push"))).copy()
    assert (outcome.verdict, outcome.reason) == ("left", "tag_exists")
    assert there.digest("v1") == other[0]


def test_a_tag_deleted_at_the_source_meanwhile_is_copied_all_the_same(shops: tuple[Shop, Shop]) -> None:
    here, there = shops
    digest = here.push("v1")
    gone = Calls(lambda: here.registry.delete(owner_of(here.instance), here.name, TagName("v1")), name="push")
    assert Route(here.source(), Shelf(there.target(), before=gone)).copy().verdict == "copied"
    assert there.digest("v1") == digest


# Who lies


@pytest.mark.parametrize("lie", [b"another" * 1000, b"x", b"y" * 7001])
def test_bytes_that_are_another_blobs_are_never_published(shops: tuple[Shop, Shop], lie: bytes, stack: Stack) -> None:
    here, there = shops
    layer = b"z" * 7000
    here.push("v1", layers=(layer,))
    lying = Elsewhere(here.source(), lies={Digest.of(layer): lie})
    outcome = Route(lying, there.target()).copy()
    assert (outcome.verdict, outcome.reason) == ("failed", "digest_invalid")
    assert there.target().standing("v1") is None
    assert not there.target().has(Digest.of(layer))
    assert Route(here.source(), there.target()).copy().verdict == "copied"
    assert list(Fsck(stack, deep=True).run()) == []


def test_an_index_that_is_not_whole_at_the_source_fails_where_the_target_wants_it_whole(
    shops: tuple[Shop, Shop],
) -> None:
    here, there = shops
    here.push_index("v1", b"amd64", b"arm64")
    lacking = Elsewhere(here.source(), missing=frozenset({Digest.of(image(b"arm64"))}))
    outcome = Route(lacking, there.target()).copy()
    assert (outcome.verdict, outcome.reason) == ("failed", "not_found")
    assert Digest.of(image(b"arm64")) in outcome.message


def test_an_image_of_more_than_may_be_is_refused_before_anything_moves(
    shops: tuple[Shop, Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "MOST_MANIFESTS", 3)
    here, there = shops
    here.push_index("v1", b"1", b"2", b"3")
    outcome = Route(here.source(), there.target()).copy()
    assert (outcome.verdict, outcome.reason, outcome.moved) == ("failed", "image_too_large", 0)
    assert there.target().standing("v1") is None
