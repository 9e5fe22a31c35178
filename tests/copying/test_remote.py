"""Y3, K2: copies to and from registries elsewhere; each is the gateway of a service of this kind, on a real socket."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chalicelib.copying import remote
from chalicelib.copying.models import Interrupted, Upload
from chalicelib.copying.remote import RemoteRepository
from chalicelib.kernel import media
from chalicelib.kernel.errors import Invalid, Unavailable
from chalicelib.kernel.names import Digest, RepositoryName
from chalicelib.ports.outbound import Outbound
from chalicelib.ports.remote import RemoteRegistry
from chalicelib.ports.remote_reference import RemoteReference
from tests.registry.images import descriptor, image, owner_of

from .served import COPY, LOGIN, NAME, House, house
from .shops import Route, Shop, stopping

Pair = Callable[[House, House, RepositoryName], tuple[Shop, Shop, Route]]


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, House]]:
    with house(tmp_path_factory.mktemp("one")) as one, house(tmp_path_factory.mktemp("two")) as two:
        yield one, two


@pytest.fixture
def name(request: pytest.FixtureRequest) -> RepositoryName:
    """A repository of the test's own."""
    called = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:12]
    return RepositoryName(f"library/{called}")


def to_remote(one: House, two: House, name: RepositoryName) -> tuple[Shop, Shop, Route]:
    return one.shop(name), two.shop(name), Route(one.shop(name).source(), two.end(name))


def from_remote(one: House, two: House, name: RepositoryName) -> tuple[Shop, Shop, Route]:
    return one.shop(name), two.shop(name), Route(one.end(name), two.shop(name).target())


def between(one: House, two: House, name: RepositoryName) -> tuple[Shop, Shop, Route]:
    return one.shop(name), two.shop(name), Route(one.end(name), two.end(name))


PAIRS = pytest.mark.parametrize("pair", [to_remote, from_remote, between])


@PAIRS
def test_an_image_comes_whole_and_is_counted(pair: Pair, houses: tuple[House, House], name: RepositoryName) -> None:
    """Y5: bytes moved."""
    here, there, copying = pair(*houses, name)
    digest = here.push("v1", layers=(b"one" * 1000, b"", b"two" * 1000))
    outcome = copying.copy()
    assert (outcome.verdict, outcome.reason) == ("copied", "")
    assert (outcome.digest, outcome.moved, outcome.skipped) == (digest, 6002, 0)
    assert there.digest("v1") == digest
    assert there.layers("v1") == [b"one" * 1000, b"", b"two" * 1000]
    again = copying.copy()
    assert (again.verdict, again.moved) == ("unchanged", 0)


@PAIRS
def test_indexes_and_referrers_come_whole(pair: Pair, houses: tuple[House, House], name: RepositoryName) -> None:
    """Y5."""
    here, there, copying = pair(*houses, name)
    digest = here.push_index("v1", b"amd64", b"arm64")
    about_index, about_child = here.sign(digest), here.sign(Digest.of(image(b"arm64")), b"of a child")
    assert copying.copy().verdict == "copied"
    assert there.digest("v1") == digest
    assert there.layers(Digest.of(image(b"amd64"))) == [b"amd64"]
    assert there.referrers(digest) == [about_index]
    assert there.referrers(Digest.of(image(b"arm64"))) == [about_child]
    assert copying.copy().verdict == "unchanged"


@PAIRS
def test_docker_images_stay_docker_images(pair: Pair, houses: tuple[House, House], name: RepositoryName) -> None:
    here, there, copying = pair(*houses, name)
    here.blob(b"{}")
    here.blob(b"layer")
    document = {
        "schemaVersion": 2,
        "mediaType": media.DOCKER_MANIFEST,
        "config": descriptor(b"{}", media.DOCKER_CONFIG),
        "layers": [descriptor(b"layer", "application/vnd.docker.image.rootfs.diff.tar.gzip")],
    }
    here.put(json.dumps(document).encode(), "v1")
    assert copying.copy().verdict == "copied"
    assert there.body("v1") == here.body("v1")


@PAIRS
def test_digests_of_512_bits_and_large_manifests_come(
    pair: Pair, houses: tuple[House, House], name: RepositoryName
) -> None:
    here, there, copying = pair(*houses, name)
    here.push("v1")
    body = image(b"one", b"two", annotations={"padding": "x" * 200_000})
    digest = Digest.of(body, "sha512")
    here.registry.push(owner_of(here.instance), name, digest, [], body, media.OCI_MANIFEST)
    assert copying.copy(digest, "").verdict == "copied"
    assert there.body(digest) == body
    assert copying.copy(digest, "").verdict == "unchanged"


@PAIRS
def test_a_tag_with_another_digest_is_left_or_replaced(
    pair: Pair, houses: tuple[House, House], name: RepositoryName
) -> None:
    """Y5: override."""
    here, there, copying = pair(*houses, name)
    here.push("v1")
    copying.copy()
    kept = there.digest("v1")
    newer = here.push("v1", layers=(b"newer",))
    left = copying.copy()
    assert (left.verdict, left.reason, there.digest("v1")) == ("left", "tag_exists", kept)
    assert copying.copy(override=True).verdict == "copied"
    assert there.digest("v1") == newer


@PAIRS
def test_what_is_layered_on_something_known_moves_only_what_is_new(
    pair: Pair, houses: tuple[House, House], name: RepositoryName
) -> None:
    here, _, copying = pair(*houses, name)
    here.push("v1", layers=(b"base" * 100,))
    copying.copy()
    here.push("v2", layers=(b"base" * 100, b"new"))
    outcome = copying.copy("v2")
    assert (outcome.verdict, outcome.moved, outcome.skipped) == ("copied", 3, 402)


def test_within_one_registry_elsewhere_blobs_are_mounted(houses: tuple[House, House], name: RepositoryName) -> None:
    one, _ = houses
    copy = RepositoryName(f"shelf/{name.short}")
    one.shop(name).push("v1", layers=(b"layer" * 100,))
    outcome = Route(one.end(name), one.end(copy)).copy()
    assert (outcome.verdict, outcome.moved, outcome.skipped) == ("copied", 0, 502)
    assert one.shop(copy).layers("v1") == [b"layer" * 100]


def test_a_large_blob_goes_in_pieces_and_on_where_it_stopped(
    houses: tuple[House, House], name: RepositoryName, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Y5: resume."""
    monkeypatch.setattr(remote, "PIECE_BYTES", 100_000)
    here, there, copying = to_remote(*houses, name)
    here.push("v1", layers=(b"x" * 350_000,))
    outcome = replace(copying, effort=stopping(150_000)).copy()
    assert outcome.verdict == "unfinished"
    assert outcome.progress is not None
    assert 150_000 <= outcome.moved < 350_000
    done = copying.resume(outcome.progress)
    assert (done.verdict, done.moved, done.skipped) == ("copied", 350_002, 0)
    assert there.layers("v1") == [b"x" * 350_000]


@pytest.mark.parametrize(
    ("piece_s", "sizes"), [(1000.0, [1000, 2000, 4000, 4000, 4000, 100]), (0.0, [1000, 500, 250, *[200] * 66, 150])]
)
def test_pieces_are_as_large_as_the_way_is_fast(
    piece_s: float, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Y5: a step over a slow link ends in time, and one over a fast link does not ask for every piece anew."""
    monkeypatch.setattr(remote, "FIRST_PIECE_BYTES", 1000)
    monkeypatch.setattr(remote, "LEAST_PIECE_BYTES", 200)
    monkeypatch.setattr(remote, "PIECE_S", piece_s)
    sent: list[int] = []

    class Slow(RemoteRegistry):
        def append(self, repository: str, location: str, offset: int, chunks: Iterable[bytes], size: int) -> str:
            sent.append(sum(len(chunk) for chunk in chunks))
            return location

        def begin_upload(self, repository: str) -> str:
            return "http://127.0.0.1/upload"

        def finish_upload(self, repository: str, location: str, digest: Digest) -> None:
            return

    class Unhurried:
        def go_on(self) -> bool:
            return True

        def moved(self, size: int) -> None:
            return

        def stands(self, upload: Upload) -> None:
            return

    class Layer(RemoteRepository):
        def read(self, digest: Digest, size: int, start: int = 0) -> Iterator[bytes]:
            yield b"x" * size

    registry = Slow(RemoteReference.parse("127.0.0.1:1/x"), Outbound(allow_private=True))
    size, layer = sum(sizes), Digest.of(b"layer")
    source, target = Layer(registry, "a/b"), RemoteRepository(registry, "c/d", piece_bytes=4000)
    assert target.upload(layer, size, source, None, Unhurried()) is None
    assert sent == sizes


def test_a_registry_that_does_not_say_how_much_it_holds_is_sent_the_rest(
    houses: tuple[House, House], name: RepositoryName, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Y5: some know no GET of an upload."""

    class Silent(RemoteRegistry):
        def upload_offset(self, repository: str, location: str) -> int | None:
            raise Invalid("registry", "refuses it: status 405")

    monkeypatch.setattr(remote, "PIECE_BYTES", 100_000)
    one, two = houses
    reference = RemoteReference.parse(f"127.0.0.1:{two.server.address[1]}/x")
    here, size = one.shop(name), 350_000
    here.push("v1", layers=(b"z" * size,))
    with Silent(reference, Outbound(allow_private=True), login=LOGIN) as registry:
        copying = Route(here.source(), RemoteRepository(registry, name))
        outcome = replace(copying, effort=stopping(150_000)).copy()
        done = copying.resume(outcome.progress)
    assert (outcome.verdict, done.verdict, done.moved) == ("unfinished", "copied", size + 2)


@pytest.mark.parametrize("pair", [to_remote, between])
def test_an_upload_that_was_whole_when_it_broke_off_is_only_ended(
    pair: Pair, houses: tuple[House, House], name: RepositoryName, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Y5: there is nothing left to be read of the source."""

    class Brief(RemoteRegistry):
        broken = False

        def finish_upload(self, repository: str, location: str, digest: Digest) -> None:
            if not self.broken:
                self.broken = True
                raise Unavailable("it takes its time")
            super().finish_upload(repository, location, digest)

    monkeypatch.setattr(remote, "PIECE_BYTES", 100_000)
    here, there, copying = pair(*houses, name)
    here.push("v1", layers=(b"w" * 350_000,))
    reference = RemoteReference.parse(f"127.0.0.1:{houses[1].server.address[1]}/x")
    with Brief(reference, Outbound(allow_private=True), login=LOGIN) as registry:
        copying = replace(copying, target=RemoteRepository(registry, name))
        with pytest.raises(Interrupted) as broken:
            copying.copy()
        done = copying.resume(broken.value.progress)
    assert (done.verdict, done.moved) == ("copied", 350_002)
    assert there.layers("v1") == [b"w" * 350_000]


def test_an_upload_that_was_given_up_begins_anew(
    houses: tuple[House, House], name: RepositoryName, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "PIECE_BYTES", 100_000)
    here, there, copying = to_remote(*houses, name)
    here.push("v1", layers=(b"y" * 350_000,))
    outcome = replace(copying, effort=stopping(50_000)).copy()
    assert outcome.progress is not None
    lost = {
        digest: upload.model_copy(update={"location": upload.location.replace("uploads/0", "uploads/Z")})
        for digest, upload in outcome.progress.uploads.items()
    }
    assert copying.resume(outcome.progress.model_copy(update={"uploads": lost})).verdict == "copied"
    assert there.layers("v1") == [b"y" * 350_000]


def test_a_registry_that_does_not_answer_is_waited_for(tmp_path: Path, houses: tuple[House, House]) -> None:
    """Y5: a target down for a while."""
    one, _ = houses
    one.shop(NAME).push("v1")
    with house(tmp_path / "gone") as gone:
        end = gone.end(COPY)
        gone.server.stop()
        with pytest.raises(Interrupted) as raised:
            Route(one.shop(NAME).source(), end).copy()
        assert raised.value.retry_after_s > 0


def test_what_the_target_refuses_is_told_of_the_image(houses: tuple[House, House]) -> None:
    one, two = houses
    one.shop(NAME).push("v1")
    outcome = Route(one.shop(NAME).source(), two.end(RepositoryName("nowhere/app"))).copy()
    assert outcome.verdict == "failed"
    assert "nowhere" in outcome.message


def test_what_the_service_brought_elsewhere_is_told_to_be_a_copy(
    houses: tuple[House, House], name: RepositoryName
) -> None:
    """Y2: so that no rule there takes it further."""
    here, there, copying = to_remote(*houses, name)
    here.push("v1")
    copying.copy()
    history = there.stack.table.query(f"REPO#{there.tag('v1').repository_id}", prefix="HISTORY#v1").items
    assert [row["how"] for row in history] == ["sync"]
