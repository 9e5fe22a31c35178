"""How a foreign registry is asked: over kept connections, with tokens that end, as often as it likes and no more."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from chalicelib.kernel.errors import (
    Conflict,
    Denied,
    Invalid,
    ManifestInvalid,
    NotFound,
    PullBlocked,
    QuotaExceeded,
    RangeInvalid,
    Refused,
    SizeInvalid,
    TagImmutable,
    TooLarge,
    Unavailable,
    UploadUnknown,
)
from chalicelib.kernel.names import Digest
from chalicelib.ports.outbound import Outbound
from chalicelib.ports.remote import ATTEMPTS, RemoteRegistry
from chalicelib.ports.remote_reference import RemoteReference

from .hostile import LOGIN, MANIFEST, NAME, Heard, Hostile, challenge, error, hostile, said

BLOB = Digest.of(b"blob")
ANYWHERE = Outbound(allow_private=True)
JSON = "application/json"
UPLOAD = f"/v2/{NAME}/blobs/uploads/1"


def waiting(server: Hostile, pauses: list[float]) -> RemoteRegistry:
    reference = RemoteReference.parse(f"127.0.0.1:{server.port}/{NAME}")
    return RemoteRegistry(reference, ANYWHERE, login=LOGIN, pause=pauses.append)


# Connections


def test_one_connection_serves_many_requests() -> None:
    def answer(asked: Heard) -> Iterable[bytes]:
        return [said(200, {}, MANIFEST if asked.method == "GET" else b"", len(MANIFEST))]

    with hostile(answer) as server, server.registry() as registry:
        for _ in range(5):
            registry.pull(NAME, "v1")
            registry.has_blob(NAME, BLOB)
        assert (len(server.heard), server.connections) == (10, 1)


def test_refusals_leave_the_connection_open() -> None:
    with hostile(lambda asked: [error(404, "none")]) as server, server.registry() as registry:
        for _ in range(3):
            with pytest.raises(NotFound):
                registry.pull(NAME, "v1")
        assert server.connections == 1


def test_a_connection_that_the_registry_ended_is_opened_again() -> None:
    """Registries end idle connections; nobody has to know."""
    asked_of: list[int] = []

    def answer(asked: Heard) -> Iterator[bytes]:
        asked_of.append(server.connections)
        if len(asked_of) == 2:
            raise OSError  # As a request crosses the end of the connection.
        yield said(200, {}, MANIFEST)

    pauses: list[float] = []
    with hostile(answer) as server:
        registry = waiting(server, pauses)
        for _ in range(2):
            assert registry.pull(NAME, "v1").body == MANIFEST
    assert (asked_of, pauses) == ([1, 1, 2], [])


def test_many_threads_share_a_registry() -> None:
    def answer(asked: Heard) -> Iterable[bytes]:
        if asked.path.startswith("/token"):
            return [said(200, {}, b'{"token":"t","expires_in":300}')]
        if "authorization" not in asked.headers:
            return [challenge(f"{server.url}/token")]
        return [said(200, {}, asked.path.encode())]

    with hostile(answer) as server, server.registry() as registry, ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda number: registry.pull(NAME, f"v{number}").body, range(80)))
        assert found == [f"/v2/{NAME}/manifests/v{number}".encode() for number in range(80)]
        assert server.connections <= 16
        assert sum(one.path.startswith("/token") for one in server.heard) <= 8


def test_calls_that_keep_nothing_have_a_connection_each() -> None:
    with hostile(lambda asked: [said(200, {}, b"{}")]) as server:
        for _ in range(2):
            assert ANYWHERE.fetch_json(f"{server.url}/x") == {}
        assert server.connections == 2


# Tokens


def test_a_token_that_is_taken_no_more_is_fetched_once_more() -> None:
    good, fetched = {"Bearer t1"}, 0

    def answer(asked: Heard) -> Iterable[bytes]:
        nonlocal fetched
        if asked.path.startswith("/token"):
            fetched += 1
            return [said(200, {}, json.dumps({"token": f"t{fetched}", "expires_in": 300}).encode())]
        known = asked.headers.get("authorization") in good
        return [said(200, {}, MANIFEST) if known else challenge(f"{server.url}/token")]

    with hostile(answer) as server, server.registry() as registry:
        registry.pull(NAME, "v1")
        good.clear()
        good.add("Bearer t2")
        registry.pull(NAME, "v1")
        assert fetched == 2


@pytest.mark.parametrize(("lasts", "fetched"), [(300, 1), (None, 1), (0.001, 3), (-5, 1), ("x", 1), (10**400, 1)])
def test_a_token_is_used_as_long_as_it_lasts(lasts: object, fetched: int) -> None:
    def answer(asked: Heard) -> Iterable[bytes]:
        if asked.path.startswith("/token"):
            return [said(200, {}, json.dumps({"access_token": "t", "expires_in": lasts}).encode())]
        return [said(200, {}, MANIFEST) if "authorization" in asked.headers else challenge(f"{server.url}/token")]

    with hostile(answer) as server, server.registry() as registry:
        for _ in range(3):
            registry.pull(NAME, "v1")
            threading.Event().wait(0.002)
        assert sum(one.path.startswith("/token") for one in server.heard) == fetched


def test_a_token_is_asked_for_what_is_done_with_it() -> None:
    """Least privilege: who reads asks for no more."""

    def answer(asked: Heard) -> Iterable[bytes]:
        if asked.path.startswith("/token"):
            return [said(200, {}, b'{"token":"t"}')]
        if "authorization" not in asked.headers:
            return [challenge(f"{server.url}/token")]
        return [said(201, {"Location": "/x"}, MANIFEST)]

    with hostile(answer) as server, server.registry() as registry:
        registry.pull(NAME, "v1")
        registry.push(NAME, "v1", JSON, MANIFEST)
        registry.mount(NAME, BLOB, "other/app")
        asked = [one.path.partition("&")[2] for one in server.heard if one.path.startswith("/token")]
    pull, push = "scope=repository%3Aowner%2Fapp%3Apull", "scope=repository%3Aowner%2Fapp%3Apull%2Cpush"
    assert asked == [pull, push, f"{push}&scope=repository%3Aother%2Fapp%3Apull"]


# Waiting


@pytest.mark.parametrize(("asked", "told"), [("3600", 3600), ("99999999999999999999", 86400)])
def test_a_registry_that_wants_to_be_left_alone_for_long_is_left_at_once(asked: str, told: int) -> None:
    """X7: whoever asked knows for how long."""
    pauses: list[float] = []
    with hostile(lambda _: [error(429, "too many", {"Retry-After": asked})]) as server:
        with pytest.raises(Unavailable, match="too often: too many") as refused:
            waiting(server, pauses).pull(NAME, "v1")
        assert (len(server.heard), pauses) == (1, [])
    assert refused.value.retry_after_s == told


def test_a_date_says_how_long_too() -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    with hostile(lambda _: [said(429, {"Retry-After": moment})]) as server, pytest.raises(Unavailable) as refused:
        waiting(server, []).pull(NAME, "v1")
    assert 3500 < refused.value.retry_after_s <= 3600


@pytest.mark.parametrize("asked", ["soon", "-5", "", "²", "Mon, 99 Foo"])
def test_a_pause_that_is_none_is_as_without(asked: str) -> None:
    pauses: list[float] = []
    with hostile(
        lambda _: [b"HTTP/1.1 429 No\r\nContent-Length: 0\r\nRetry-After: %s\r\n\r\n" % asked.encode("latin-1")]
    ) as server:
        with pytest.raises(Unavailable):
            waiting(server, pauses).pull(NAME, "v1")
        assert len(server.heard) == ATTEMPTS
    assert pauses == [2.0, 4.0, 8.0]


def test_how_much_may_be_pulled_yet_is_told() -> None:
    """X7"""
    headers = {"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "76;w=21600"}
    with hostile(lambda _: [said(200, headers, MANIFEST)]) as server, server.registry() as registry:
        assert registry.rate is None
        registry.pull(NAME, "v1")
        assert registry.rate is not None
        assert (registry.rate.limit, registry.rate.remaining) == (100, 76)


# Refusals


@pytest.mark.parametrize(
    ("status", "code", "reason", "kind"),
    [
        (403, "DENIED", "", Denied), (403, "DENIED", "QUOTA_EXCEEDED", QuotaExceeded),
        (403, "QUOTA_EXCEEDED", "", QuotaExceeded), (403, "DENIED", "SCAN_POLICY", PullBlocked),
        (409, "DENIED", "TAG_IMMUTABLE", TagImmutable), (409, "DENIED", "", Conflict),
        (404, "NAME_UNKNOWN", "", NotFound), (400, "MANIFEST_INVALID", "", ManifestInvalid),
        (413, "SIZE_INVALID", "", TooLarge), (405, "UNSUPPORTED", "", Invalid),
    ],
)  # fmt: skip
def test_a_refusal_keeps_its_kind_and_its_words(status: int, code: str, reason: str, kind: type[Refused]) -> None:
    """K2, Y5: told for each image."""
    body = json.dumps({"errors": [{"code": code, "message": "because of this", "detail": {"reason": reason}}]})
    with hostile(lambda _: [said(status, {}, body.encode())]) as server, server.registry() as registry:
        with pytest.raises(kind) as refused:
            registry.push(NAME, "v1", JSON, MANIFEST)
        assert len(server.heard) == 1
    assert type(refused.value).__mro__.index(kind) <= 1
    verb = "does not know" if status == 404 else "refuses"
    assert refused.value.message == f"127.0.0.1 {verb} v1 of {NAME}: because of this"


# Writing


def test_a_copy_says_that_it_is_one() -> None:
    """Y2: no further copies follow from it."""
    with hostile(lambda _: [said(201)]) as server, server.registry() as registry:
        registry.push(NAME, "v1", JSON, MANIFEST)
        registry.push(NAME, "v1", JSON, MANIFEST, synchronised=True)
        assert [one.headers.get("crs-synchronised") for one in server.heard] == [None, "1"]


@pytest.mark.parametrize("chunks", [[b"blo"], [b"blob", b"s"], []])
def test_a_body_of_another_size_is_not_made_to_fit(chunks: list[bytes]) -> None:
    with hostile(lambda _: [said(202, {"Location": UPLOAD})]) as server, server.registry() as registry:
        with pytest.raises(SizeInvalid):
            registry.put_blob(NAME, BLOB, chunks, 4)
        with pytest.raises(SizeInvalid):
            registry.put_blob(NAME, BLOB, [b"x" * 70_000, *chunks], 70_004)
        with pytest.raises(SizeInvalid):
            registry.append(NAME, f"{server.url}{UPLOAD}", 0, chunks, 4)


@pytest.mark.parametrize("failure", [Unavailable("the source stays away", 7), OSError("the disk is gone")])
def test_what_a_source_raises_is_the_sources_own(failure: Exception) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"bl"
        raise failure

    with hostile(lambda _: [said(202, {"Location": UPLOAD})]) as server, server.registry() as registry:
        with pytest.raises(type(failure)) as raised:
            registry.put_blob(NAME, BLOB, chunks(), 100_000)
        assert raised.value is failure


def test_a_small_blob_comes_with_one_request_where_the_registry_takes_it() -> None:
    with hostile(lambda _: [said(201)]) as server, server.registry() as registry:
        registry.put_blob(NAME, BLOB, [b"bl", b"ob"], 4)
        assert [(one.method, one.body) for one in server.heard] == [("POST", b"blob")]


def test_a_small_blob_is_put_where_the_registry_wants_it() -> None:
    """Distribution takes none with the first request; it is asked that once."""

    def answer(asked: Heard) -> Iterable[bytes]:
        return [said(202, {"Location": UPLOAD}) if asked.method == "POST" else said(201)]

    with hostile(answer) as server, server.registry() as registry:
        for _ in range(2):
            registry.put_blob(NAME, BLOB, [b"blob"], 4)
        kinds = [(one.method, one.body) for one in server.heard]
        assert kinds == [("POST", b"blob"), ("PUT", b"blob"), ("POST", b""), ("PUT", b"blob")]


def test_what_is_streamed_is_sent_once() -> None:
    def answer(asked: Heard) -> Iterable[bytes]:
        return [said(202, {"Location": UPLOAD}) if asked.method == "POST" else said(503)]

    with hostile(answer) as server, server.registry() as registry:
        with pytest.raises(Unavailable):
            registry.put_blob(NAME, BLOB, [bytes(100_000)], 100_000)
        assert [one.method for one in server.heard] == ["POST", "PUT"]


def test_pieces_say_where_they_belong() -> None:
    """Y4"""

    def answer(asked: Heard) -> Iterable[bytes]:
        return [said(202, {"Location": f"{UPLOAD}?state={asked.method}"})]

    with hostile(answer) as server, server.registry() as registry:
        location = registry.begin_upload(NAME)
        assert location == f"{server.url}{UPLOAD}?state=POST"
        location = registry.append(NAME, location, 7, [b"bl", b"ob"], 4)
        assert location == f"{server.url}{UPLOAD}?state=PATCH"
        piece = server.heard[-1]
        assert (piece.headers["content-range"], piece.headers["content-length"], piece.body) == ("7-10", "4", b"blob")
        assert "transfer-encoding" not in piece.headers


@pytest.mark.parametrize(("told", "offset"), [("0-99", 100), ("", 50)])
def test_a_piece_in_the_wrong_place_is_told_with_the_right_one(told: str, offset: int) -> None:
    """Y4: where its refusal does not say how much a registry holds, the upload does."""

    def answer(asked: Heard) -> Iterable[bytes]:
        if asked.method == "GET":
            return [said(204, {"Range": "0-49"}, size=-1)]
        return [said(416, {"Range": told} if told else {})]

    with hostile(answer) as server, server.registry() as registry:
        with pytest.raises(RangeInvalid) as refused:
            registry.append(NAME, f"{server.url}{UPLOAD}", 0, [b"blob"], 4)
        assert refused.value.offset == offset


def test_an_upload_that_is_gone_is_told_as_that() -> None:
    body = json.dumps({"errors": [{"code": "BLOB_UPLOAD_UNKNOWN", "message": "gone"}]}).encode()
    with hostile(lambda _: [said(404, {}, body)]) as server, server.registry() as registry:
        location = f"{server.url}{UPLOAD}"
        assert registry.upload_offset(NAME, location) is None
        with pytest.raises(UploadUnknown):
            registry.append(NAME, location, 0, [b"blob"], 4)
        with pytest.raises(UploadUnknown):
            registry.finish_upload(NAME, location, BLOB)


def test_an_upload_that_a_refused_mount_began_is_the_next_ones() -> None:
    with hostile(lambda _: [said(202, {"Location": UPLOAD})]) as server, server.registry() as registry:
        assert not registry.mount(NAME, BLOB, "other/app")
        assert registry.begin_upload(NAME).endswith(UPLOAD)
        assert [one.path for one in server.heard] == [
            f"/v2/{NAME}/blobs/uploads/?mount=sha256%3A{BLOB.hex}&from=other%2Fapp"
        ]
        registry.begin_upload(NAME)
        assert len(server.heard) == 2
