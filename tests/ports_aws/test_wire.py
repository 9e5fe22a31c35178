"""S3 as it can behave on the wire, from a small server of our own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from chalicelib.kernel.errors import Unavailable
from chalicelib.ports.aws.clients import open_clients
from chalicelib.ports.aws.objects import S3Objects
from chalicelib.ports.objects import Part

from .emulators import environment_of

MIB = 1024 * 1024
INTERNAL_ERROR = b'<?xml version="1.0"?><Error><Code>InternalError</Code><Message>again</Message></Error>'
DONE = b"<CompleteMultipartUploadResult><Key>a/b</Key></CompleteMultipartUploadResult>"
Answer = Callable[[BaseHTTPRequestHandler], None]


@pytest.fixture
def answers() -> Iterator[list[Answer]]:
    """What the server answers, in turn; the last one again and again."""
    script: list[Answer] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            (script.pop(0) if len(script) > 1 else script[0])(self)

        do_GET = do_HEAD = do_POST

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    with pytest.MonkeyPatch.context() as environment:
        for name, value in environment_of("", f"http://127.0.0.1:{server.server_port}").items():
            environment.setenv(name, value)
        yield script
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def objects(answers: list[Answer]) -> Iterator[S3Objects]:
    clients = open_clients()
    clients.s3.meta.events.register_first("needs-retry.s3", _at_once)  # type: ignore[arg-type]
    yield S3Objects(clients.s3, "crs")
    clients.close()


def _at_once(attempts: int, response: tuple[object, dict[str, object]] | None, **_: object) -> int | None:
    """botocore's own tries, without its pauses."""
    failed = response is not None and "Error" in response[1]
    return 0 if failed and attempts < 4 else None


def answer(status: int, body: bytes, sent: int | None = None) -> Answer:
    """sent   bytes of the body after which the connection breaks"""

    def say(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body[:sent])
        handler.close_connection = sent is not None

    return say


PARTS = [Part(1, 7, '"etag"')]


def test_a_completion_that_fails_inside_an_answer_of_200_is_tried_again(
    objects: S3Objects, answers: list[Answer]
) -> None:
    answers += [answer(200, INTERNAL_ERROR), answer(200, INTERNAL_ERROR), answer(200, DONE), answer(500, b"")]
    objects.complete("a/b", "writer.upload", PARTS)
    assert len(answers) == 1


def test_a_completion_that_only_ever_answers_200_with_an_error_is_an_error(
    objects: S3Objects, answers: list[Answer]
) -> None:
    answers += [answer(200, INTERNAL_ERROR)]
    with pytest.raises(Unavailable):
        objects.complete("a/b", "writer.upload", PARTS)


def test_a_body_cut_short_is_unavailability_and_no_short_content(objects: S3Objects, answers: list[Answer]) -> None:
    answers += [answer(200, b"x" * (3 * MIB), sent=2 * MIB)]
    reading = objects.get("a/b")
    assert reading.size == 3 * MIB
    with pytest.raises(Unavailable):
        list(reading.chunks())
    reading.close()
    reading.close()


def test_content_comes_in_pieces_of_at_most_a_mebibyte_and_leaves_the_connection_open(
    objects: S3Objects, answers: list[Answer]
) -> None:
    connections: set[tuple[str, int]] = set()

    def remember(handler: BaseHTTPRequestHandler) -> None:
        connections.add(handler.client_address)
        answer(200, b"x" * (2 * MIB + 5))(handler)

    answers += [remember]
    for _ in range(3):
        reading = objects.get("a/b")
        assert [len(chunk) for chunk in reading.chunks()] == [MIB, MIB, 5]
        reading.close()
    assert len(connections) == 1
