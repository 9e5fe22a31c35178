"""X7: pulls of a namespace with an upstream answer from there, keep what comes, and go on when it is gone."""

from __future__ import annotations

import asyncio
import threading

from chalicelib.caching.leases import Leases
from chalicelib.caching.places import Places
from chalicelib.collection.service import Fsck
from chalicelib.kernel.names import Digest, RepositoryName
from tests.calls.counting import Calls, counted, told

from .caches import Cached
from .upstream import Upstream

LAYER = b"a layer" * 1000
HUB = "hub/team/app"


def test_the_first_pull_comes_from_the_upstream_and_later_ones_from_here(cached: Cached, there: Upstream) -> None:
    """X7"""
    digest = there.add_image("team/app", "v1", LAYER)
    answer = cached.pull(f"{HUB}/manifests/v1")
    assert (answer.status_code, answer.headers["docker-content-digest"]) == (200, digest)
    assert answer.content == there.manifest("team/app", digest)
    blob = cached.pull(f"{HUB}/blobs/{Digest.of(LAYER)}")
    assert (blob.status_code, blob.content) == (200, LAYER)
    cached.filled()
    there.down = True
    assert cached.pull(f"{HUB}/manifests/v1").content == answer.content
    assert cached.pull(f"{HUB}/manifests/{digest}").content == answer.content
    assert cached.pull(f"{HUB}/blobs/{Digest.of(LAYER)}").content == LAYER
    assert list(Fsck(cached.stack, deep=True).run()) == []


def test_what_a_client_pulled_through_is_not_fetched_twice(cached: Cached, there: Upstream) -> None:
    """X7"""
    there.add_image("team/app", "v1", LAYER, b"another")
    cached.pull(f"{HUB}/manifests/v1")
    cached.pull(f"{HUB}/blobs/{Digest.of(LAYER)}")
    cached.filled()
    assert there.count("GET", Digest.of(LAYER)) == 1
    assert there.count("GET", Digest.of(b"another")) == 1
    assert cached.here(HUB, "v1")


def test_within_the_time_to_live_nobody_asks_the_upstream(cached: Cached, there: Upstream) -> None:
    """X7: after it, once by HEAD, which no registry counts."""
    there.add_image("team/app", "v1", LAYER)
    cached.pull(f"{HUB}/manifests/v1")
    cached.filled()
    cached.pull(f"{HUB}/manifests/v1")
    there.asked.clear()
    for _ in range(3):
        assert cached.pull(f"{HUB}/manifests/v1").status_code == 200
    assert there.asked == []
    cached.clock.advance(3601)
    for _ in range(3):
        assert cached.pull(f"{HUB}/manifests/v1").status_code == 200
    assert there.asked == [("HEAD", "/v2/team/app/manifests/v1")]


def test_a_tag_that_moved_is_served_anew_and_brought_here(cached: Cached, there: Upstream) -> None:
    """X7"""
    there.add_image("team/app", "v1", LAYER)
    cached.pull(f"{HUB}/manifests/v1")
    cached.filled()
    later = there.add_image("team/app", "v1", b"a newer layer")
    assert cached.pull(f"{HUB}/manifests/v1").headers["docker-content-digest"] != later
    cached.clock.advance(3601)
    assert cached.pull(f"{HUB}/manifests/v1").headers["docker-content-digest"] == later
    cached.filled()
    assert cached.here(HUB, "v1") == later
    assert [one["how"] for one in _history(cached)] == ["cache", "cache"]


def _history(cached: Cached) -> list[dict[str, str]]:
    path = "/instances/default/namespaces/hub/repositories"
    [repository] = cached.api.get(path).json()["items"]
    return list(cached.api.get(f"{path}/{repository['id']}/tags/v1/history").json()["items"])


def test_an_index_is_kept_alone_and_its_images_as_they_are_pulled(cached: Cached, there: Upstream) -> None:
    """X7"""
    wanted = there.add_image("team/app", "", b"for this machine")
    other = there.add_image("team/app", "", b"for another")
    index = there.add_index("team/app", "v1", wanted, other)
    assert cached.pull(f"{HUB}/manifests/v1").headers["docker-content-digest"] == index
    assert cached.pull(f"{HUB}/manifests/{wanted}").status_code == 200
    cached.filled()
    there.down = True
    assert cached.pull(f"{HUB}/manifests/v1").status_code == 200
    assert cached.pull(f"{HUB}/manifests/{wanted}").status_code == 200
    assert cached.pull(f"{HUB}/blobs/{Digest.of(b'for this machine')}").content == b"for this machine"
    assert cached.pull(f"{HUB}/manifests/{other}").status_code == 503
    assert there.count("GET", Digest.of(b"for another")) == 0


def test_who_asks_for_the_head_and_pulls_by_digest_has_the_tag_kept(cached: Cached, there: Upstream) -> None:
    """X7: as containerd pulls."""
    digest = there.add_image("team/app", "v1", LAYER)
    head = cached.pull(f"{HUB}/manifests/v1", "HEAD")
    assert (head.status_code, head.headers["docker-content-digest"]) == (200, digest)
    assert int(head.headers["content-length"]) == len(there.manifest("team/app", digest))
    assert cached.pull(f"{HUB}/manifests/{digest}").status_code == 200
    assert [method for method, path in there.asked if "manifests" in path] == ["HEAD", "GET"]
    cached.filled()
    assert cached.here(HUB, "v1") == digest


def test_many_who_pull_at_once_are_one_to_the_upstream(cached: Cached, there: Upstream) -> None:
    """X7: the manifest and each layer are fetched once; the others wait for it."""
    digest, path = there.add_image("team/app", "v1", LAYER), f"/v2/{HUB}"
    blob = Digest.of(LAYER)

    async def all_of(path: str, gate: str) -> list[int]:
        there.gates[gate] = threading.Event()
        pulls = [asyncio.ensure_future(cached.client.get(path)) for _ in range(5)]
        await asyncio.to_thread(there.wait_for, gate)
        there.gates[gate].set()
        return [(await pull).status_code for pull in pulls]

    assert cached.loop.run_until_complete(all_of(f"{path}/manifests/v1", "/v2/team/app/manifests/v1")) == [200] * 5
    assert cached.loop.run_until_complete(all_of(f"{path}/blobs/{blob}", f"/v2/team/app/blobs/{blob}")) == [200] * 5
    assert there.count("GET", "manifests") == 1
    assert there.count("GET", blob) == 1
    assert digest


def test_a_range_of_what_is_not_here_is_passed_through_and_not_kept(cached: Cached, there: Upstream) -> None:
    """X7"""
    there.add_image("team/app", "v1", LAYER)
    cached.pull(f"{HUB}/manifests/v1")
    path = f"{HUB}/blobs/{Digest.of(LAYER)}"
    part = cached.pull(path, headers={"Range": "bytes=7-13"})
    assert (part.status_code, part.content) == (206, LAYER[7:14])
    assert part.headers["content-range"] == f"bytes 7-13/{len(LAYER)}"
    assert cached.pull(path, headers={"Range": f"bytes={len(LAYER)}-"}).status_code == 416
    head = cached.pull(path, "HEAD")
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(LAYER)))
    there.down = True
    assert cached.pull(path).status_code == 503


def test_an_upstream_with_a_path_is_asked_below_it(cached: Cached, there: Upstream) -> None:
    """X7: and of the usual registry, images without an owner are called as it calls them."""
    digest = there.add_image("team/app", "v1", LAYER)
    assert cached.pull("vault/app/manifests/v1", login=("admin", "correct-horse-battery")).status_code == 200
    assert there.asked == [("GET", "/v2/team/app/manifests/v1")]
    assert digest


def test_what_a_client_is_pulling_through_is_left_to_it(cached: Cached, there: Upstream) -> None:
    """X7: and brought once the client is done, or was gone for too long."""
    there.add_image("team/app", "v1", LAYER, b"another")
    cached.pull(f"{HUB}/manifests/v1")
    place = Places(cached.stack).filled(cached.owner, RepositoryName(HUB))
    assert place is not None
    leases = Leases(cached.stack)
    leases.begin(place.repository, Digest.of(LAYER))
    assert cached.filled() == 1
    assert there.count("GET", "blobs") == 0
    leases.end(place.repository, Digest.of(LAYER))
    assert cached.filled() == 1
    assert there.count("GET", "blobs") == 3
    assert cached.here(HUB, "v1")


def test_a_tag_that_is_here_costs_what_any_tag_costs(cached: Cached, there: Upstream) -> None:
    """X7: what is read of a namespace that has an upstream is remembered; of others nothing is."""
    there.add_image("team/app", "v1", LAYER)
    cached.pull(f"{HUB}/manifests/v1")
    cached.filled()
    calls = Calls()
    cached.use(counted(cached.stack, calls))
    cached.pull(f"{HUB}/manifests/v1")
    with calls.counting() as made:
        assert cached.pull(f"{HUB}/manifests/v1").status_code == 200
    assert told(made) == "table.get 1"
