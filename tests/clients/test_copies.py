"""K2, Y5: images copied to the registries that people run, and from them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from benchmarks.process import Server
from benchmarks.subjects import OURS
from chalicelib.copying.remote import RemoteRepository
from chalicelib.kernel.names import Digest
from chalicelib.ports.outbound import Outbound
from chalicelib.ports.remote import RemoteRegistry
from chalicelib.ports.remote_login import Login
from chalicelib.ports.remote_reference import RemoteReference
from chalicelib.ports.stack import Stack
from tests.copying.shops import Route, Shop, two_instances
from tests.lacking import needed, subjects
from tests.registry.images import image
from tests.serving import free_port

pytestmark = pytest.mark.clients
OTHERS = [one for one in subjects() if one.key != OURS]


@pytest.fixture(params=OTHERS, ids=lambda one: str(one.key))
def elsewhere(request: pytest.FixtureRequest) -> Iterator[RemoteRepository]:
    subject = request.param
    needed(subject)
    port = free_port()
    with TemporaryDirectory(prefix="crs-") as folder:
        launch = subject.launch(Path(folder), port)
        with Server(launch, f"http://127.0.0.1:{port}{subject.ready_path}", Path(folder) / "log"):
            login = Login(subject.account.username, subject.account.password) if subject.account else None
            calls = Outbound(allow_private=True)
            with RemoteRegistry(RemoteReference.parse(f"127.0.0.1:{port}/x"), calls, login=login) as registry:
                yield RemoteRepository(registry, "library/app")


@pytest.fixture
def shops(stack: Stack) -> tuple[Shop, Shop]:
    return two_instances(stack)


def test_an_image_goes_there_with_its_signatures_and_comes_back(
    elsewhere: RemoteRepository, shops: tuple[Shop, Shop]
) -> None:
    """Where the registry lists no referrers, an index under a tag does, as the specification has it."""
    here, back = shops
    digest = here.push_index("v1", b"amd64" * 1000, b"arm64" * 1000)
    child = Digest.of(image(b"arm64" * 1000))
    signatures = {here.sign(digest, b"one"), here.sign(digest, b"two")}
    of_child = here.sign(child, b"of a child")
    there = Route(here.source(), elsewhere)
    assert there.copy().verdict == "copied"
    assert set(elsewhere.referrers(digest)) == signatures
    assert there.copy().verdict == "unchanged"
    home = Route(elsewhere, back.target())
    assert home.copy().verdict == "copied"
    assert back.digest("v1") == digest
    assert back.layers(child) == [b"arm64" * 1000]
    assert (set(back.referrers(digest)), back.referrers(child)) == (signatures, [of_child])
    again = home.copy()
    assert (again.verdict, again.moved) == ("unchanged", 0)


def test_a_tag_there_is_left_or_replaced(elsewhere: RemoteRepository, shops: tuple[Shop, Shop]) -> None:
    here, _ = shops
    route = Route(here.source(), elsewhere)
    here.push("v1")
    route.copy()
    newer = here.push("v1", layers=(b"newer",))
    assert route.copy().verdict == "left"
    assert route.copy(override=True).verdict == "copied"
    standing = elsewhere.standing("v1")
    assert standing is not None
    assert standing.digest == newer


def test_layers_are_mounted_within_it(elsewhere: RemoteRepository, shops: tuple[Shop, Shop]) -> None:
    here, _ = shops
    here.push("v1", layers=(b"layer" * 1000,))
    Route(here.source(), elsewhere).copy()
    beside = RemoteRepository(elsewhere.registry, "library/beside")
    outcome = Route(elsewhere, beside).copy()
    assert (outcome.verdict, outcome.moved, outcome.skipped) == ("copied", 0, 5002)
