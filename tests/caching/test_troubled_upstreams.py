"""X7: while an upstream does not answer, or wants to be left alone, what is here is served, and nobody keeps asking."""

from __future__ import annotations

import pytest

from chalicelib.kernel.names import Digest

from .caches import Cached
from .upstream import Upstream

LAYER = b"a layer"
HUB = "hub/team/app"
V1 = f"{HUB}/manifests/v1"


@pytest.fixture
def old(cached: Cached, there: Upstream) -> Digest:
    """An image that is here, and whose tag is to be asked for again."""
    digest = there.add_image("team/app", "v1", LAYER)
    cached.pull(V1)
    cached.filled()
    cached.clock.advance(3601)
    there.asked.clear()
    return digest


@pytest.mark.parametrize("trouble", ["down", "500", "503", "429", "403"])
def test_what_is_here_is_served_however_old(cached: Cached, there: Upstream, old: Digest, trouble: str) -> None:
    """X7: and says that it may be old."""
    there.down, there.status = trouble == "down", 0 if trouble == "down" else int(trouble)
    answer = cached.pull(V1)
    assert (answer.status_code, answer.headers["docker-content-digest"]) == (200, old)
    assert answer.headers["warning"].startswith("110")


@pytest.mark.parametrize(("trouble", "status"), [("down", 503), ("500", 503), ("429", 503), ("404", 404), ("403", 403)])
def test_what_is_not_here_is_refused_clearly(cached: Cached, there: Upstream, trouble: str, status: int) -> None:
    """X7: and leaves no repository behind."""
    there.down, there.status = trouble == "down", 0 if trouble == "down" else int(trouble)
    for path in (V1, f"{HUB}/manifests/{Digest.of(b'x')}"):
        answer = cached.pull(path)
        assert answer.status_code == status, answer.text
        assert ("retry-after" in answer.headers) == (status == 503)
        cached.clock.advance(120)
    assert cached.api.get("/instances/default/namespaces/hub/repositories").json()["items"] == []


def test_an_upstream_that_asks_to_be_left_alone_is(cached: Cached, there: Upstream, old: Digest) -> None:
    """X7: nobody asks it anything before the time that it named, about no image."""
    there.status, there.headers = 429, {"Retry-After": "120"}
    assert cached.pull(V1).status_code == 200
    asked = len(there.asked)
    cached.clock.advance(110)
    assert cached.pull(V1).status_code == 200
    other = cached.pull("hub/team/other/manifests/v1")
    assert (other.status_code, int(other.headers["retry-after"])) == (503, 10)
    assert len(there.asked) == asked
    there.status = 0
    cached.clock.advance(11)
    assert "warning" not in cached.pull(V1).headers
    assert len(there.asked) == asked + 1


def test_an_upstream_that_keeps_failing_is_asked_more_and_more_seldom(cached: Cached, there: Upstream) -> None:
    """X7"""
    there.status = 500
    for _ in range(120):
        cached.pull(V1)
        cached.clock.advance(1)
    assert 5 <= len(there.asked) <= 9


def test_the_last_pulls_that_an_upstream_allows_are_for_what_is_not_here(
    cached: Cached, there: Upstream, old: Digest
) -> None:
    """X7: `RateLimit-Remaining` near its end."""
    there.headers = {"RateLimit-Limit": "100;w=21600", "RateLimit-Remaining": "3;w=21600"}
    there.add_image("team/app", "new", b"another")
    assert cached.pull(f"{HUB}/manifests/new").status_code == 200
    asked = len(there.asked)
    assert cached.pull(V1).headers["docker-content-digest"] == old
    assert len(there.asked) == asked
    there.headers = {}
    cached.clock.advance(601)
    assert cached.pull(V1).status_code == 200
    assert len(there.asked) == asked + 1


def test_a_tag_that_is_gone_there_is_not_served(cached: Cached, there: Upstream, old: Digest) -> None:
    """X7: its image still is, by digest."""
    del there.manifests["team/app", "v1"]
    assert cached.pull(V1).status_code == 404
    assert cached.pull(f"{HUB}/manifests/{old}").status_code == 200


def test_a_missing_tag_is_not_asked_for_each_time(cached: Cached, there: Upstream) -> None:
    """X7"""
    for _ in range(5):
        assert cached.pull(V1).status_code == 404
    assert len(there.asked) == 1
    there.add_image("team/app", "v1", LAYER)
    cached.clock.advance(31)
    assert cached.pull(V1).status_code == 200


def test_a_cache_that_asks_each_time_does(cached: Cached, there: Upstream) -> None:
    """X7: `ttl_seconds` 0."""
    cached.api.patch("/instances/default/caches/hub", {"ttl_seconds": 0})
    there.add_image("team/app", "v1", LAYER)
    cached.pull(V1)
    cached.filled()
    there.asked.clear()
    later = there.add_image("team/app", "v1", b"newer")
    assert cached.pull(V1).headers["docker-content-digest"] == later
    assert there.count("HEAD", "v1") == 1


def test_an_upstream_that_dies_while_a_cache_is_filled_is_asked_again_by_the_next_pull(
    cached: Cached, there: Upstream
) -> None:
    """X7: nothing is half here, and no message is left behind."""
    digest = there.add_image("team/app", "v1", LAYER)
    cached.pull(V1)
    there.down = True
    assert cached.filled() == 1
    assert cached.here(HUB, "v1") == ""
    there.down = False
    cached.clock.advance(120)
    assert cached.pull(V1).status_code == 200
    cached.filled()
    assert cached.here(HUB, "v1") == digest
