"""X7: pulls through an upstream need the rights of any pull, and are judged, bounded and ruled like any other."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

import pytest

from chalicelib.caching.flights import FOR_KNOWN, MOST_OF_ONE, Flights
from chalicelib.caching.places import Places
from chalicelib.kernel.errors import Unavailable
from chalicelib.kernel.names import Digest, RepositoryName
from chalicelib.kernel.principal import ANONYMOUS, Action
from chalicelib.ports import keys
from chalicelib.ports.table import Update
from chalicelib.registry.companions import BY
from chalicelib.repositories.service import Repositories
from tests.credentials.test_robots_on_the_wire import robot
from tests.pull_policies.gated import scanned, set_policy
from tests.registry.wire import LOGIN, MANIFEST

from .caches import CACHES, Cached
from .upstream import Upstream

LAYER = b"a layer"
BLOB = Digest.of(LAYER)
HUB = "hub/team/app"


@pytest.fixture
def image(there: Upstream) -> Digest:
    return there.add_image("team/app", "v1", LAYER)


def test_nobody_pulls_through_a_private_namespace(cached: Cached, there: Upstream, image: Digest) -> None:
    """X7: and the upstream is not even asked; it is all the same whether the image is there."""
    token = cached.token("repository:vault/app:pull", login=None)
    for more in ({"login": None}, {"token": token}):
        for path in (
            "vault/app/manifests/v1",
            "vault/none/manifests/v1",
            f"vault/app/manifests/{image}",
            f"vault/app/blobs/{BLOB}",
        ):
            assert cached.pull(path, **more).status_code == 401
    assert there.asked == []


def test_anybody_pulls_through_a_public_namespace_by_token_too(cached: Cached, image: Digest) -> None:
    """X7: a token that was made before anything was here."""
    token = cached.token(f"repository:{HUB}:pull", login=None)
    assert cached.pull(f"{HUB}/manifests/v1", token=token).status_code == 200
    assert cached.pull(f"{HUB}/blobs/{BLOB}", token=token).content == LAYER
    assert (
        cached.pull(f"{HUB}/manifests/v1", token=cached.token("repository:hub/o:pull", login=None)).status_code == 401
    )


def test_a_robot_pulls_through_where_its_permissions_say(cached: Cached, there: Upstream, image: Digest) -> None:
    """X7: by password and by token."""
    may, other = robot(cached, "vault", "**", Action.PULL), robot(cached, "library", "**", Action.PULL)
    for more in ({"login": other}, {"token": cached.token("repository:vault/app:pull", login=other)}):
        assert cached.pull("vault/app/manifests/v1", **more).status_code in (401, 404)
    assert there.asked == []
    token = cached.token("repository:vault/app:pull", login=may)
    assert cached.pull("vault/app/manifests/v1", token=token).status_code == 200
    assert cached.pull("vault/app/manifests/v1", login=may).status_code == 200
    assert cached.pull(f"vault/app/blobs/{BLOB}", token=token).content == LAYER
    assert cached.pull("vault/app/manifests/v1").status_code == 401


def test_nothing_is_pushed_into_such_a_namespace(cached: Cached, there: Upstream, image: Digest) -> None:
    """X7: whether the repository is here or not; who may push is still told what is here."""
    body = there.manifest("team/app", image)
    cached.push_image("library/app", "v1", LAYER)
    for _ in range(2):
        for method, path, more in (
            ("POST", f"{HUB}/blobs/uploads/", {}),
            ("POST", f"{HUB}/blobs/uploads/", {"params": {"mount": BLOB, "from": "library/app"}}),
            ("PUT", f"{HUB}/manifests/v2", {"headers": {"Content-Type": MANIFEST}, "content": body}),
        ):
            answer = cached.pull(path, method, login=LOGIN, **more)
            assert answer.status_code == 409, answer.text
            assert answer.json()["errors"][0]["detail"]["reason"] == "CACHE_NAMESPACE"
        cached.pull(f"{HUB}/manifests/v1", login=LOGIN)
        cached.filled()
    assert cached.pull(f"{HUB}/blobs/{BLOB}", "HEAD", login=LOGIN).status_code == 200


def test_a_deleted_tag_comes_again_with_the_next_pull(cached: Cached, image: Digest) -> None:
    """X7"""
    cached.pull(f"{HUB}/manifests/v1")
    cached.filled()
    assert cached.pull(f"{HUB}/manifests/v1", "DELETE", login=LOGIN).status_code == 202
    assert cached.here(HUB, "v1") == ""
    cached.clock.advance(61)
    assert cached.pull(f"{HUB}/manifests/v1").status_code == 200
    cached.filled()
    assert cached.here(HUB, "v1") == image


def test_what_nobody_has_examined_is_kept_back_where_the_policy_says_so(
    cached: Cached, there: Upstream, image: Digest
) -> None:
    """X6, X7: it is brought here all the same, so that it can be; its layers are no way round."""
    set_policy(cached.stack, "default", "high", namespace="hub", unscanned="block")
    for path in (f"{HUB}/manifests/v1", f"{HUB}/manifests/{image}", f"{HUB}/blobs/{BLOB}"):
        for method in ("GET", "HEAD"):
            answer = cached.pull(path, method)
            assert answer.status_code == 403
            assert method == "HEAD" or answer.json()["errors"][0]["detail"]["cause"] == "unscanned"
    cached.filled()
    assert cached.pull(f"{HUB}/manifests/v1").status_code == 403
    scanned(cached.stack, cached.instance.id, image, {})
    assert cached.pull(f"{HUB}/manifests/v1").status_code == 200
    assert cached.pull(f"{HUB}/blobs/{BLOB}").status_code == 200
    assert there.count("GET", BLOB) == 1


def test_an_image_that_is_kept_back_makes_way_for_the_next_one(cached: Cached, there: Upstream, image: Digest) -> None:
    """X6, X7: the upstream is asked for it like for any other."""
    cached.pull(f"{HUB}/manifests/v1")
    cached.filled()
    set_policy(cached.stack, "default", "high", namespace="hub")
    scanned(cached.stack, cached.instance.id, image)
    assert cached.pull(f"{HUB}/manifests/v1").status_code == 403
    cached.clock.advance(3601)
    assert cached.pull(f"{HUB}/manifests/v1").status_code == 403
    better = there.add_image("team/app", "v1", b"a better layer")
    cached.clock.advance(3601)
    assert cached.pull(f"{HUB}/manifests/v1").headers["docker-content-digest"] == better


def test_an_immutable_tag_stays_wherever_it_is_at_the_upstream(cached: Cached, there: Upstream, image: Digest) -> None:
    """P1, X7"""
    answer = cached.api.post("/instances/default/immutability-rules", {"namespace": "hub", "tags": "v*"})
    assert answer.status == 201
    cached.pull(f"{HUB}/manifests/v1")
    cached.filled()
    there.add_image("team/app", "v1", b"a newer layer")
    cached.clock.advance(3601)
    assert cached.pull(f"{HUB}/manifests/v1").headers["docker-content-digest"] == image
    cached.filled()
    assert cached.here(HUB, "v1") == image
    del there.manifests["team/app", "v1"]
    cached.clock.advance(3601)
    assert cached.pull(f"{HUB}/manifests/v1").headers["docker-content-digest"] == image


def test_an_accelerated_tag_is_served_though_the_upstream_knows_of_none(
    cached: Cached, there: Upstream, image: Digest
) -> None:
    """A1, X7"""
    cached.pull(f"{HUB}/manifests/v1")
    cached.filled()
    repository = Repositories(cached.stack).get(cached.instance.id, RepositoryName(HUB))
    original = cached.stack.table.get(keys.tag(repository.id, "v1")) or {}
    companion = {**keys.tag(repository.id, "v1-accelerated")._asdict(), "name": "v1-accelerated"}
    cached.stack.table.put({**original, **companion, "pushed_by": BY})
    assert cached.pull(f"{HUB}/manifests/v1-accelerated").headers["docker-content-digest"] == image
    cached.stack.table.put({**original, **companion})
    assert cached.pull(f"{HUB}/manifests/v1-accelerated").status_code == 404


def _limit(cached: Cached, **limits: int) -> None:
    cached.stack.table.update(Update(keys.instance(cached.instance.id), set=limits))


def test_without_room_for_a_repository_it_is_served_and_not_kept(
    cached: Cached, there: Upstream, image: Digest
) -> None:
    """I7, X7"""
    _limit(cached, repository_limit=0)
    for _ in range(2):
        assert cached.pull(f"{HUB}/manifests/v1").status_code == 200
        assert cached.pull(f"{HUB}/blobs/{BLOB}").content == LAYER
    assert cached.filled() == 0
    assert there.count("GET", BLOB) == 2


def test_without_room_for_its_bytes_it_is_served_and_not_kept(cached: Cached, there: Upstream, image: Digest) -> None:
    """I1, X7"""
    _limit(cached, storage_limit_bytes=3)
    for _ in range(2):
        assert cached.pull(f"{HUB}/manifests/v1").status_code == 200
        assert cached.pull(f"{HUB}/blobs/{BLOB}").content == LAYER
    cached.filled()
    assert there.count("GET", BLOB) == 2
    objects = cached.stack.objects(cached.instance.bucket)
    assert objects.list(f"{cached.instance.id}/blobs/").items == ()


def test_only_what_the_pattern_names_is_looked_for(cached: Cached, there: Upstream, image: Digest) -> None:
    """X7"""
    cached.api.patch(f"{CACHES}/hub", {"repositories": "{library/*,team/base}"})
    assert cached.pull(f"{HUB}/manifests/v1").status_code in (401, 404)
    assert there.asked == []


def test_an_upstream_that_the_operator_does_not_list_any_more_is_not_called(
    tmp_path_factory: pytest.TempPathFactory, there: Upstream, image: Digest
) -> None:
    """X7: what came from there is served on."""
    folder = tmp_path_factory.mktemp("narrowed")
    before = Cached(folder, there)
    before.cache("hub", there.address)
    before.pull(f"{HUB}/manifests/v1")
    before.filled()
    before.clock.advance(3601)
    there.asked.clear()
    settings = before.stack.settings.model_copy(update={"cache_upstreams": "registry.example, *.example.org"})
    before.use(replace(before.stack, settings=settings))
    assert before.pull(f"{HUB}/manifests/v1").status_code == 200
    assert before.pull("hub/team/other/manifests/v1").status_code == 503
    assert there.asked == []
    before.close()


def test_strangers_have_only_so_much_fetched(cached: Cached, there: Upstream) -> None:
    """X7: whoever logs in is not held up by them."""
    statuses = [cached.pull(f"hub/made/up-{n}/manifests/v1").status_code for n in range(25)]
    assert statuses[0] == 404
    assert statuses[-1] == 429
    assert cached.pull("hub/made/up-30/manifests/v1", login=LOGIN).status_code == 404


def test_strangers_leave_seats_to_whoever_logs_in(cached: Cached) -> None:
    """X7: however slowly they read what they pull through."""
    places, flights = Places(cached.stack), Flights()
    known = places.filled(cached.owner, RepositoryName(HUB))
    stranger = places.filled(replace(cached.owner, principal=ANONYMOUS), RepositoryName(HUB))
    assert known is not None
    assert stranger is not None
    with ExitStack() as taken:
        for _ in range(MOST_OF_ONE - FOR_KNOWN):
            taken.enter_context(flights.seat(stranger))
        with pytest.raises(Unavailable):
            taken.enter_context(flights.seat(stranger))
        for _ in range(FOR_KNOWN):
            taken.enter_context(flights.seat(known))
        with pytest.raises(Unavailable):
            taken.enter_context(flights.seat(known))
    with flights.seat(stranger):
        pass
