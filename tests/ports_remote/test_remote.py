"""Reading a foreign registry: what it sends is believed only as far as its digest, and leads nowhere it may not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.kernel.errors import (
    Denied,
    DigestInvalid,
    Invalid,
    NotFound,
    Refused,
    SizeInvalid,
    TooLarge,
    Unavailable,
)
from chalicelib.kernel.names import Digest
from chalicelib.ports.remote import ATTEMPTS, MANIFEST_BYTES, RemoteRegistry
from chalicelib.ports.remote_login import Login

from .foreign import ANYWHERE, PUBLIC, Fault, Foreign, foreign

LAYER = bytes(range(256)) * 1000


@pytest.fixture
def registry() -> Iterator[Foreign]:
    with foreign() as made:
        made.tags["v1"] = b'{"schemaVersion":2}'
        yield made


def blob(registry: Foreign, digest: Digest, size: int, pauses: list[float] | None = None) -> bytes:
    return b"".join(registry.reader(pauses=pauses).read_blob("owner/app", digest, size))


def test_a_tag_is_answered_with_its_manifest_and_digest(registry: Foreign) -> None:
    """S2"""
    manifest = registry.reader().pull("owner/app", "v1")
    assert manifest.body == b'{"schemaVersion":2}'
    assert manifest.digest == Digest.of(manifest.body)
    assert manifest.media_type == "application/vnd.oci.image.manifest.v1+json"


def test_a_blob_arrives_in_pieces_and_whole(registry: Foreign) -> None:
    digest = registry.add(LAYER)
    pieces = list(registry.reader().read_blob("owner/app", digest, len(LAYER)))
    assert b"".join(pieces) == LAYER
    assert len(pieces) > 1


def test_a_manifest_other_than_its_digest_is_refused(registry: Foreign) -> None:
    registry.lies["v1"] = b'{"schemaVersion":3}'
    with pytest.raises(DigestInvalid):
        registry.reader().pull("owner/app", "v1")
    registry.blobs[Digest.of(b"{}")] = b'{"other":1}'
    with pytest.raises(DigestInvalid):
        registry.reader().pull("owner/app", Digest.of(b"{}"))


@pytest.mark.parametrize(
    ("sent", "refusal"),
    [(LAYER[:-1] + b"x", DigestInvalid), (LAYER[:-1], SizeInvalid), (LAYER + b"x", SizeInvalid)],
    ids=["other bytes", "less", "more"],
)
def test_a_blob_other_than_its_digest_and_size_is_refused(
    registry: Foreign, sent: bytes, refusal: type[Refused]
) -> None:
    digest = registry.add(LAYER)
    registry.lies[digest] = sent
    with pytest.raises(refusal):
        blob(registry, digest, len(LAYER))


@pytest.mark.parametrize("ranges", [True, False])
def test_a_blob_that_breaks_off_goes_on_where_it_was(registry: Foreign, ranges: bool) -> None:
    digest = registry.add(LAYER)
    registry.ranges = ranges
    registry.faults = [Fault(cut=100_000), Fault(cut=50_000 if ranges else 150_000)]
    assert blob(registry, digest, len(LAYER)) == LAYER
    assert [one.range for one in registry.asked] == ["", "bytes=100000-", "bytes=150000-"]


def test_a_blob_that_breaks_off_again_and_again_is_given_up(registry: Foreign) -> None:
    digest = registry.add(LAYER)
    registry.faults = [Fault(cut=10) for _ in range(20)]
    with pytest.raises(Unavailable):
        blob(registry, digest, len(LAYER))
    assert len(registry.asked) == ATTEMPTS


def test_a_busy_registry_is_asked_again_when_it_says_so(registry: Foreign) -> None:
    pauses: list[float] = []
    registry.faults = [Fault(429, {"Retry-After": "7"}), Fault(503), Fault(500, {"Retry-After": "9999999"})]
    assert registry.reader(pauses=pauses).pull("owner/app", "v1").body
    assert pauses == [7.0, 4.0, 30.0]


def test_a_registry_that_stays_busy_is_given_up(registry: Foreign) -> None:
    registry.faults = [Fault(502) for _ in range(20)]
    with pytest.raises(Unavailable):
        registry.reader().pull("owner/app", "v1")
    assert len(registry.asked) == ATTEMPTS


def test_what_is_not_there_is_told_as_that_and_asked_for_once(registry: Foreign) -> None:
    with pytest.raises(NotFound):
        registry.reader().pull("owner/app", "v2")
    assert len(registry.asked) == 1


def test_a_manifest_without_end_is_not_read_to_its_end(registry: Foreign) -> None:
    registry.tags["v1"] = b"x" * (MANIFEST_BYTES + 1)
    with pytest.raises(TooLarge):
        registry.reader().pull("owner/app", "v1")


# Logging in


def test_a_token_is_fetched_with_the_login_and_sent_from_then_on(registry: Foreign) -> None:
    registry.login = "ada:secret"
    digest = registry.add(LAYER)
    reader = registry.reader(Login("ada", "secret"))
    reader.pull("owner/app", "v1")
    assert b"".join(reader.read_blob("owner/app", digest, len(LAYER))) == LAYER
    sent = [one.authorization.partition(" ")[0] for one in registry.asked]
    assert sent == ["", "Basic", "Bearer", "Bearer"]


def test_a_registry_that_wants_the_password_itself_gets_it(registry: Foreign) -> None:
    registry.login, registry.scheme = "ada:secret", "basic"
    assert registry.reader(Login("ada", "secret")).pull("owner/app", "v1").body


@pytest.mark.parametrize("scheme", ["bearer", "basic"])
@pytest.mark.parametrize("login", [None, Login("ada", "wrong")])
def test_a_wrong_login_is_told_as_that_and_not_tried_for_ever(
    registry: Foreign, scheme: str, login: Login | None
) -> None:
    registry.login, registry.scheme = "ada:secret", scheme
    with pytest.raises(Denied):
        registry.reader(login).pull("owner/app", "v1")
    assert len(registry.asked) <= 3


def test_the_password_is_not_sent_to_a_realm_that_is_somebody_elses(registry: Foreign) -> None:
    """DESIGN §7: a registry could name anybody's."""
    with foreign() as other:
        registry.login = other.login = "ada:secret"
        registry.realm = f"{other.url}/token"
        reader = RemoteRegistry(registry.reference(), ANYWHERE, login=Login("ada", "secret"), pause=lambda _: None)
        with pytest.raises(Denied):
            reader.pull("owner/app", "v1")
        assert [one.authorization for one in other.asked] == [""]


@pytest.mark.parametrize("realm", ["https://[", "https://host:port/token", "http://\u00e9xample:0x/"])
def test_a_realm_that_is_no_address_is_told_as_that(registry: Foreign, realm: str) -> None:
    registry.login, registry.realm = "ada:secret", realm
    with pytest.raises(Refused):
        registry.reader(Login("ada", "secret")).pull("owner/app", "v1")


# Redirects


def test_a_redirect_is_followed_and_gets_no_credentials(registry: Foreign) -> None:
    """DESIGN §7"""
    with foreign() as storage:
        registry.login = "ada:secret"
        digest = registry.add(LAYER)
        storage.add(LAYER)
        registry.redirects[digest] = f"{storage.url}/v2/owner/app/blobs/{digest}"
        reader = RemoteRegistry(registry.reference(), ANYWHERE, login=Login("ada", "secret"))
        assert b"".join(reader.read_blob("owner/app", digest, len(LAYER))) == LAYER
        assert [one.authorization for one in storage.asked] == [""]


def test_a_redirect_into_a_private_network_is_refused(registry: Foreign) -> None:
    """DESIGN §7: that the operator wrote down one private address opens no other."""
    with foreign() as inside:
        digest = registry.add(LAYER)
        inside.add(LAYER)
        registry.redirects[digest] = f"{inside.url}/v2/owner/app/blobs/{digest}"
        with pytest.raises(Invalid) as refused:
            blob(registry, digest, len(LAYER))
        assert refused.value.fields[0][0] == "url"
        assert inside.asked == []


def test_redirects_in_a_circle_end(registry: Foreign) -> None:
    digest = registry.add(LAYER)
    registry.redirects[digest] = f"/v2/owner/app/blobs/{digest}"
    with pytest.raises(Unavailable):
        blob(registry, digest, len(LAYER))
    assert len(registry.asked) < 100


def test_a_redirect_to_nowhere_is_told_as_that(registry: Foreign) -> None:
    digest = registry.add(LAYER)
    registry.redirects[digest] = "https://[broken"
    with pytest.raises(Refused):
        blob(registry, digest, len(LAYER))


def test_nothing_private_is_called_where_the_operator_allows_none(registry: Foreign) -> None:
    """DESIGN §7"""
    with pytest.raises(Invalid):
        RemoteRegistry(registry.reference(), PUBLIC).pull("owner/app", "v1")
    assert registry.asked == []
