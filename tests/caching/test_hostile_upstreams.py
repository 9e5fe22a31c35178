"""X7: an upstream that lies, never ends, or leads elsewhere: nothing of it is kept, and clients see that."""

from __future__ import annotations

import json

import pytest

from chalicelib.kernel.names import Digest
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from tests.registry.wire import exchange

from .caches import Cached
from .upstream import Upstream, upstream

LAYER = b"a layer" * 1_000_000
BLOB = Digest.of(LAYER)
HUB = "hub/team/app"


@pytest.fixture
def served(cached: Cached, there: Upstream) -> Cached:
    there.add_image("team/app", "v1", LAYER)
    assert cached.pull(f"{HUB}/manifests/v1").status_code == 200
    return cached


def kept_bytes(stack: Stack, cached: Cached) -> int:
    listed = stack.objects(cached.instance.bucket).list(f"{cached.instance.id}/blobs/").items
    return sum(one.size for one in listed)


def uploads(stack: Stack) -> int:
    """How many are under way."""
    shards = keys.due_partitions("upload")
    return sum(len(stack.table.query(shard, index="i1").items) for shard in shards)


def cut_short(cached: Cached) -> int:
    """Bytes that came of a blob's answer before it broke off."""
    seen = exchange(cached, "GET", f"/v2/{HUB}/blobs/{BLOB}")
    assert seen.status == 200
    assert seen.sent[-1].get("more_body"), "it came to an end as if it were right"
    return len(seen.body)


@pytest.mark.parametrize("lie", [b"b" * len(LAYER), LAYER[:-1], LAYER + b"more"])
def test_a_blob_that_is_another_breaks_off_and_is_not_kept(served: Cached, there: Upstream, lie: bytes) -> None:
    """X7: the client never gets all the bytes that it was told of."""
    there.lies[BLOB] = lie
    assert cut_short(served) < len(LAYER)
    assert kept_bytes(served.stack, served) == 0
    assert uploads(served.stack) == 0
    served.filled()
    assert kept_bytes(served.stack, served) < 1000
    assert served.here(HUB, "v1") == ""


def test_a_blob_without_end_is_left_at_its_size(served: Cached, there: Upstream) -> None:
    """X7"""
    there.endless.add(BLOB)
    seen = exchange(served, "GET", f"/v2/{HUB}/blobs/{BLOB}")
    assert seen.status == 503 or len(seen.body) <= len(LAYER)
    assert there.sent_bytes < 20 * len(LAYER)
    assert kept_bytes(served.stack, served) == 0


def test_a_small_blob_that_is_another_is_refused_before_a_byte_of_it(cached: Cached, there: Upstream) -> None:
    """X7"""
    there.add_image("team/app", "v1", b"small")
    cached.pull(f"{HUB}/manifests/v1")
    there.lies[Digest.of(b"small")] = b"SMALL"
    assert cached.pull(f"{HUB}/blobs/{Digest.of(b'small')}").status_code == 503


def test_a_manifest_that_is_another_is_not_served(cached: Cached, there: Upstream) -> None:
    """X7: by tag, where the upstream says what it should be, and by digest."""
    digest = there.add_image("team/app", "v1", b"small")
    there.lies[digest] = b"{}"
    assert cached.pull(f"{HUB}/manifests/v1").status_code == 503
    assert cached.pull(f"{HUB}/manifests/{digest}").status_code == 503


@pytest.mark.parametrize("body", [{"mediaType": "application/vnd.docker.distribution.manifest.v1+json"}, {}])
def test_what_is_no_manifest_of_ours_is_not_served(cached: Cached, there: Upstream, body: dict[str, str]) -> None:
    """X7"""
    text = json.dumps({"schemaVersion": 1, **body}).encode()
    there.manifests["team/app", "v1"] = (body.get("mediaType", "text/html"), text)
    answer = cached.pull(f"{HUB}/manifests/v1")
    assert answer.status_code == 503
    assert "cannot be kept" in answer.text


def test_a_digest_alone_opens_nothing(served: Cached, there: Upstream) -> None:
    """X7: what no manifest that was served from there names is not fetched for anybody."""
    secret = b"of another repository there"
    there.blobs[Digest.of(secret)] = secret
    assert served.pull(f"{HUB}/blobs/{Digest.of(secret)}").status_code == 404
    assert served.pull(f"hub/team/other/blobs/{BLOB}").status_code == 404
    assert there.count("GET", Digest.of(secret)) == there.count("HEAD", Digest.of(secret)) == 0


def test_redirects_are_followed_without_the_login(cached: Cached, there: Upstream) -> None:
    """X7: as most registries hand out blobs."""
    with upstream() as store:
        store.blobs[BLOB] = LAYER
        there.add_image("team/app", "v1", LAYER)
        there.login = "Basic dXNlcjpzZWNyZXQ="
        cached.api.patch("/instances/default/caches/hub", {"username": "user", "password": "secret"})
        assert cached.pull(f"{HUB}/manifests/v1").status_code == 200
        there.redirects[f"/v2/team/app/blobs/{BLOB}"] = f"http://{store.address}/blobs/{BLOB}"
        assert cached.pull(f"{HUB}/blobs/{BLOB}").content == LAYER
        assert store.logins == [""]


def test_a_realm_elsewhere_never_sees_the_password(cached: Cached, there: Upstream) -> None:
    """X7"""
    with upstream() as thief:
        there.add_image("team/app", "v1", LAYER)
        there.login, there.challenge = "Bearer x", f'Bearer realm="http://{thief.address}/token",service="x"'
        cached.api.patch("/instances/default/caches/hub", {"username": "user", "password": "secret"})
        assert cached.pull(f"{HUB}/manifests/v1").status_code in (403, 503)
        assert thief.logins
        assert not any(thief.logins)


def test_redirects_into_private_networks_are_not_followed(served: Cached, there: Upstream) -> None:
    """X7: nowhere that machines of clouds keep their credentials, whatever the operator allows."""
    there.redirects[f"/v2/team/app/blobs/{BLOB}"] = "http://169.254.169.254/latest/meta-data"
    assert served.pull(f"{HUB}/blobs/{BLOB}").status_code == 503


def test_a_manifest_that_was_told_of_is_no_blob(cached: Cached, there: Upstream) -> None:
    """X7: what a HEAD leaves behind opens nothing but the manifest."""
    digest = there.add_image("team/app", "v1", b"small")
    assert cached.pull(f"{HUB}/manifests/v1", "HEAD").status_code == 200
    assert cached.pull(f"{HUB}/blobs/{digest}").status_code == 404
    assert there.count("GET", "blobs") == 0
