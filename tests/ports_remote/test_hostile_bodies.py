"""Registries that send too much, too slowly, or something else than they say: bounded, and told as what it is."""

from __future__ import annotations

import itertools
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator

import pytest

from chalicelib.kernel.errors import DigestInvalid, Invalid, Refused, SizeInvalid, TooLarge, Unavailable
from chalicelib.kernel.names import Digest
from chalicelib.ports.outbound import Outbound
from chalicelib.ports.remote import MANIFEST_BYTES, MOST_TAGS, RemoteRegistry

from .hostile import MANIFEST, NAME, Hasty, Heard, challenge, dripping, endless, error, hostile, said

BLOB = Digest.of(b"blob")
OK = b"HTTP/1.1 200 OK\r\n\r\n"
# What waits in sockets and buffers on top of what was taken.
BUFFERED = 16 * 1024 * 1024
READS: dict[str, Callable[[RemoteRegistry], object]] = {
    "a manifest": lambda remote: remote.pull(NAME, "v1"),
    "a blob": lambda remote: list(remote.read_blob(NAME, BLOB, 4)),
    "tags": lambda remote: list(remote.tags(NAME)),
    "repositories": lambda remote: list(remote.repositories()),
    "referrers": lambda remote: remote.referrers(NAME, BLOB),
    "a push": lambda remote: remote.push(NAME, "v1", "application/json", MANIFEST),
}


@pytest.fixture
def ended() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.parametrize("what", ["a manifest", "a blob", "tags", "repositories", "referrers"])
def test_a_body_without_end_is_not_read_to_its_end(what: str) -> None:
    """DESIGN §7"""
    with hostile(lambda asked: endless(OK)) as server:
        with pytest.raises(Invalid) as refused:
            READS[what](server.registry())
        assert isinstance(refused.value, TooLarge | SizeInvalid)
        assert server.sent < 16 * 1024 * 1024 + BUFFERED


@pytest.mark.parametrize("what", list(READS))
def test_a_token_without_end_is_not_read_to_its_end(what: str) -> None:
    """DESIGN §7"""

    def answer(asked: Heard) -> Iterable[bytes]:
        return endless(OK) if asked.path.startswith("/token") else [challenge(f"{server.url}/token")]

    with hostile(answer) as server:
        with pytest.raises(Unavailable, match="gives no token"):
            READS[what](server.registry())
        assert server.sent < BUFFERED


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_refusal_without_end_is_a_refusal(status: int) -> None:
    head = f"HTTP/1.1 {status} No\r\n\r\n".encode()
    with hostile(lambda asked: endless(head)) as server, pytest.raises(Refused) as refused:
        server.registry().pull(NAME, "v1")
    assert refused.value.status == {500: 503}.get(status, status)


def test_a_reason_is_bounded_and_printable() -> None:
    """DESIGN §7: it stands in records, logs and pages."""
    message = "no\r\nSet-Cookie: a=b\x1b[31m\u202e " + "x" * 5000
    with hostile(lambda asked: [error(403, message)]) as server, pytest.raises(Refused) as refused:
        server.registry().pull(NAME, "v1")
    assert refused.value.message.isprintable()
    assert len(refused.value.message) < 500
    assert "no Set-Cookie: a=b" in refused.value.message


# Slow ones


@pytest.mark.parametrize("what", ["a manifest", "a blob", "tags"])
@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n"])
def test_a_registry_that_drips_is_left(what: str, head: bytes, ended: threading.Event) -> None:
    """DESIGN §7: one deadline for all of it, not one for each byte."""
    began = time.monotonic()
    with hostile(lambda asked: dripping(head, ended)) as server, pytest.raises(Refused):
        READS[what](server.registry(Hasty(allow_private=True)))
    assert time.monotonic() - began < 15


@pytest.mark.parametrize("piece", [b"x", b""], ids=["drips", "is silent"])
def test_a_blob_that_comes_too_slowly_is_left_long_before_its_deadline(piece: bytes, ended: threading.Event) -> None:
    """DESIGN §7: a blob has a quarter of an hour, but not for nothing."""
    began = time.monotonic()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
    calls = Outbound(allow_private=True, stalled_s=0.1)
    with hostile(lambda asked: dripping(head, ended, piece)) as server, pytest.raises(Unavailable):
        list(server.registry(calls).read_blob(NAME, BLOB, 4_000_000))
    assert time.monotonic() - began < 15


@pytest.mark.parametrize("calls", [Hasty(allow_private=True), Outbound(allow_private=True, stalled_s=0.2)])
def test_who_reads_nothing_of_what_is_sent_to_it_is_left(calls: Outbound, ended: threading.Event) -> None:
    """DESIGN §7"""
    began = time.monotonic()
    mib = bytes(1024 * 1024)

    def answer(asked: Heard) -> Iterable[bytes]:
        if asked.method == "POST":
            return [said(202, {"Location": "/v2/owner/app/blobs/uploads/1"})]
        return dripping(b"", ended, b"")

    with hostile(answer) as server, pytest.raises(Unavailable):
        server.registry(calls).put_blob(NAME, BLOB, (mib for _ in range(64)), 64 * len(mib))
    assert time.monotonic() - began < 15


# Something else than it says


@pytest.mark.parametrize("told", ["", Digest.of(b"other"), "sha256:nonsense"])
def test_a_manifest_is_what_its_bytes_are_whatever_the_registry_says(told: str) -> None:
    """DESIGN §7"""
    headers = {"Docker-Content-Digest": told} if told else {}
    with hostile(lambda asked: [said(200, headers, MANIFEST)]) as server:
        if told:
            with pytest.raises(DigestInvalid):
                server.registry().pull(NAME, "v1")
        else:
            assert server.registry().pull(NAME, "v1").digest == Digest.of(MANIFEST)
        with pytest.raises(DigestInvalid):
            server.registry().pull(NAME, Digest.of(b"other"))


def test_a_head_that_tells_of_another_manifest_is_refused() -> None:
    with hostile(lambda asked: [said(200, {"Docker-Content-Digest": Digest.of(b"other")}, b"", 19)]) as server:
        assert server.registry().head(NAME, "v1").digest == Digest.of(b"other")
        with pytest.raises(DigestInvalid):
            server.registry().head(NAME, Digest.of(MANIFEST))


def test_a_head_that_tells_no_digest_is_found_out() -> None:
    """Some registries say nothing of the kind."""

    def answer(asked: Heard) -> Iterable[bytes]:
        return [said(200, {}, b"", 19) if asked.method == "HEAD" else said(200, {}, MANIFEST)]

    with hostile(answer) as server:
        assert server.registry().head(NAME, "v1").digest == Digest.of(MANIFEST)


def test_a_push_that_becomes_something_else_is_told() -> None:
    """Y1"""
    answer = said(201, {"Docker-Content-Digest": Digest.of(b"other")})
    with hostile(lambda asked: [answer]) as server, pytest.raises(DigestInvalid):
        READS["a push"](server.registry())


@pytest.mark.parametrize("sent", [b"blux", b"blo", b"blob and more"])
def test_a_blob_other_than_its_digest_is_refused(sent: bytes) -> None:
    """DESIGN §7"""
    with hostile(lambda asked: [said(200, {}, sent)]) as server, pytest.raises((DigestInvalid, SizeInvalid)):
        READS["a blob"](server.registry())


def test_another_part_of_a_blob_than_was_asked_for_is_refused() -> None:
    headers = {"Content-Range": "bytes 0-3/4"}
    with hostile(lambda asked: [said(206, headers, b"blob")]) as server, pytest.raises(SizeInvalid):
        list(server.registry().blob_pieces(NAME, BLOB, 2))


@pytest.mark.parametrize(
    "answer",
    [
        said(200, {}, MANIFEST, 10_000),
        said(200, {"Content-Length": "-5"}, MANIFEST, -1),
        said(200, {"content-length": "7"}, MANIFEST),
        said(200, {"Content-Length": "99999999999999999999999999"}, MANIFEST, -1),
        said(200, {"Transfer-Encoding": "chunked"}, b"zz\r\n" + MANIFEST, -1),
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1_000_000 + b"\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x00" * 100,
    ],
    ids=["less", "negative", "two lengths", "huge", "chunks", "many headers", "long header", "ssh", "zeroes"],
)
def test_what_is_no_http_is_no_answer(answer: bytes) -> None:
    """DESIGN §7"""

    def once(asked: Heard) -> Iterator[bytes]:
        yield answer
        raise OSError

    with hostile(once) as server, pytest.raises(Unavailable):
        server.registry(Hasty(allow_private=True)).pull(NAME, "v1")


def test_interim_answers_without_end_are_not_waited_for() -> None:
    """DESIGN §7: they are read and thrown away, and no deadline of a large upload may let them go on."""
    began = time.monotonic()
    flood = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 100
    with hostile(lambda asked: endless(flood, flood)) as server, pytest.raises(Unavailable):
        server.registry().put_blob(NAME, BLOB, [b"blob"], 4)
    assert server.sent < 4 * BUFFERED
    assert time.monotonic() - began < 45


@pytest.mark.parametrize("what", ["a manifest", "a blob", "tags", "referrers"])
@pytest.mark.parametrize("encoding", ["gzip", "identity, gzip"])
def test_packed_answers_are_refused_unopened(what: str, encoding: str) -> None:
    """DESIGN §7: a few bytes may be gigabytes."""
    answer = said(200, {"Content-Encoding": encoding}, b"\x1f\x8b" + bytes(1000))
    with hostile(lambda asked: [answer]) as server:
        with pytest.raises(Unavailable, match="encoded"):
            READS[what](server.registry())
        assert {one.headers["accept-encoding"] for one in server.heard} == {"identity"}


# Lists


def page(names: Iterable[str], link: str = "") -> bytes:
    body = b'{"name":"owner/app","tags":[' + b",".join(b'"%s"' % name.encode() for name in names) + b"]}"
    return said(200, {"Link": f'<{link}>; rel="next"'} if link else {}, body)


def test_a_million_tags_page_by_page_are_refused_at_the_first_too_many() -> None:
    """DESIGN §7"""
    sent = 0

    def answer(asked: Heard) -> Iterable[bytes]:
        nonlocal sent
        sent += 1
        return [page((f"t{sent}-{number}" for number in range(1000)), f"/v2/{NAME}/tags/list?last={sent}")]

    with hostile(answer) as server:
        tags = server.registry().tags(NAME)
        assert sum(1 for _ in itertools.islice(tags, MOST_TAGS)) == MOST_TAGS
        with pytest.raises(TooLarge, match="more than 100000 tags"):
            next(tags)
    assert sent == MOST_TAGS // 1000 + 1


def test_a_million_tags_at_once_are_refused_unread() -> None:
    """DESIGN §7: some registries know no pages, so that one may be large."""
    whole = page(f"t{number}" for number in range(1_000_000))
    with hostile(lambda asked: [whole]) as server:
        tracemalloc.start()
        with pytest.raises(TooLarge):
            list(server.registry().tags(NAME))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 4 * len(whole)


def test_pages_without_names_and_without_end_are_left() -> None:
    sent = 0

    def answer(asked: Heard) -> Iterable[bytes]:
        nonlocal sent
        sent += 1
        return [page([], f"/v2/{NAME}/tags/list?last={sent}")]

    with hostile(answer) as server, pytest.raises(Unavailable, match="no end"):
        list(server.registry().tags(NAME))
    assert sent <= 2000


def test_pages_in_a_circle_are_told_as_that() -> None:
    with hostile(lambda asked: [page(["v1"], f"/v2/{NAME}/tags/list?last=v1")]) as server:
        with pytest.raises(Unavailable, match="circle"):
            list(server.registry().tags(NAME))
        assert len(server.heard) == 2


@pytest.mark.parametrize(
    "link",
    ["http://169.254.169.254/v2/x", "http://other.example/v2/x", "file:///etc/passwd", "/latest/meta-data", "//["],
)
def test_pages_elsewhere_are_not_asked_for(link: str) -> None:
    """DESIGN §7"""
    with hostile(lambda asked: [page(["v1"], link)]) as server:
        with pytest.raises(Unavailable, match="elsewhere"):
            list(server.registry().tags(NAME))
        assert len(server.heard) == 1


def test_pages_of_a_registry_behind_a_proxy_are_followed() -> None:
    """It names itself without TLS, and without its port."""

    def answer(asked: Heard) -> Iterable[bytes]:
        more = "last" in asked.path
        return [page(["v2"]) if more else page(["v1"], f"http://127.0.0.1/v2/{NAME}/tags/list?last=v1&n=1")]

    with hostile(answer) as server:
        assert list(server.registry().tags(NAME)) == ["v1", "v2"]
        assert server.heard[-1].path == f"/v2/{NAME}/tags/list?last=v1&n=1"


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000, b'{"tags":' * 50_000, b'{"tags":["v1"],"tags":["v2"]}', b'{"tags":[1]}', b'{"tags":["a b"]}',
        b'{"tags":["../../x"]}', b'{"tags":["' + b"x" * 200 + b'"]}', b"<html>", b"\xff\xfe",
    ],
)  # fmt: skip
def test_a_list_that_is_none_is_told_as_that(body: bytes) -> None:
    """DESIGN §7"""
    with hostile(lambda asked: [said(200, {}, body)]) as server, pytest.raises(Unavailable):
        list(server.registry().tags(NAME))


@pytest.mark.parametrize("body", [b'{"tags":null}', b"{}", b'{"tags":[]}'])
def test_a_repository_without_tags_has_none(body: bytes) -> None:
    with hostile(lambda asked: [said(200, {}, body)]) as server:
        assert list(server.registry().tags(NAME)) == []


def test_a_manifest_as_large_as_may_be_is_taken_and_one_byte_more_is_not() -> None:
    with hostile(lambda asked: [said(200, {}, b"x" * (MANIFEST_BYTES + asked.path.endswith("more")))]) as server:
        assert len(server.registry().pull(NAME, "v1").body) == MANIFEST_BYTES
        with pytest.raises(TooLarge):
            server.registry().pull(NAME, "more")
