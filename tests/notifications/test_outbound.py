"""Where webhooks may go, and how much of an answer is taken (X5, DESIGN §7)."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chalicelib.kernel.errors import Invalid, Unavailable
from chalicelib.ports.outbound import KEPT_BYTES, Outbound
from tests.identity.test_outbound import NEVER, PRIVATE

from .receiver import Receiver, receiving


def sent(calls: Outbound, url: str) -> int:
    return calls.post(url, b"{}", {"webhook-id": "one"}).status


@contextmanager
def speaking(*pieces: bytes, every_s: float = 0.0) -> Iterator[tuple[str, list[bytes]]]:
    """A server that answers its first caller with these bytes, whatever it is asked, and then says nothing more."""
    ended, heard = threading.Event(), []

    def run(bound: socket.socket) -> None:
        caller, _ = bound.accept()
        with caller:
            heard.append(caller.recv(65536))
            for piece in pieces:
                try:
                    caller.sendall(piece)
                except OSError:
                    return
                ended.wait(every_s)
            ended.wait(5)

    with socket.create_server(("127.0.0.1", 0)) as bound:
        thread = threading.Thread(target=run, args=(bound,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/", heard
        ended.set()
        thread.join(2)


@pytest.mark.parametrize("text", [*PRIVATE, *NEVER])
def test_nothing_is_sent_to_private_addresses(text: str) -> None:
    """X5: written as they are, or behind a name."""
    host = f"[{text}]" if ":" in text else text
    for calls, url in (
        (Outbound(), f"https://{host}/"),
        (Outbound(resolve=lambda host, port: [text]), "https://hooks.example/"),
        (Outbound(resolve=lambda host, port: ["8.8.8.8", text]), "https://hooks.example/"),
    ):
        with pytest.raises(Invalid) as refused:
            sent(calls, url)
        assert refused.value.fields[0][0] == "url"


@pytest.mark.parametrize("text", NEVER)
def test_link_local_addresses_stay_closed_though_private_ones_are_allowed(text: str) -> None:
    """X5: there clouds keep their machines' credentials."""
    with pytest.raises(Invalid):
        sent(Outbound(allow_private=True, resolve=lambda host, port: [text]), "http://hooks.example/")


def test_a_name_that_means_another_address_a_moment_later_leads_nowhere_else() -> None:
    """X5: the address that was looked at is the one that is called."""
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    with receiving() as receiver:
        url = receiver.url.replace("127.0.0.1", "hooks.example")
        assert sent(Outbound(allow_private=True, resolve=resolve), url) == 204
        assert receiver.received[0].headers["host"] == url.split("/")[2]
    assert asked == ["hooks.example"]


def test_redirects_are_an_answer_and_nothing_more() -> None:
    """X5: least of all into a private network."""
    with receiving() as inside, receiving() as receiver:
        receiver.status, receiver.headers = 307, {"Location": inside.url}
        assert sent(Outbound(allow_private=True), receiver.url) == 307
        assert inside.received == []


def test_what_is_sent_is_one_request_with_its_length(tmp_path: Path) -> None:
    with receiving() as receiver:
        assert Outbound(allow_private=True).post(receiver.url, b'{"a":1}', {"webhook-id": "one"}).status == 204
    (got,) = receiver.received
    assert (got.body, got.path, got.headers["webhook-id"]) == (b'{"a":1}', "/hook", "one")
    assert (got.headers["content-length"], got.headers["user-agent"]) == ("7", "crs")
    assert "authorization" not in got.headers


def test_of_an_answer_the_first_kilobyte_is_kept(receiver: Receiver) -> None:
    """X5"""
    receiver.status, receiver.body = 500, b"x" * 5_000_000
    answer = Outbound(allow_private=True).post(receiver.url, b"", {})
    assert (answer.status, answer.beginning) == (500, b"x" * KEPT_BYTES)


@pytest.mark.parametrize(
    ("pieces", "why"),
    [
        ([b"SSH-2.0-x\r\n\r\n"], "not as HTTP"),
        ([b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000 + b"\r\n\r\n"], "not as HTTP"),
        ([], "in time"),
        ([b"HTTP/1.1 100 Continue\r\n\r\n"] * 50, "in time"),
        ([b"H", b"T", b"T", b"P", b"/", b"1", b".", b"1"] * 3, "in time"),
    ],
    ids=["no http", "long header", "silent", "on and on", "drips"],
)
def test_what_is_no_answer_in_time_is_told_as_that(pieces: list[bytes], why: str) -> None:
    """X5: one deadline for all of it."""
    began = time.monotonic()
    with (
        speaking(*pieces, every_s=0.05 if len(pieces) > 1 else 0) as (url, _),
        pytest.raises(Unavailable, match=why),
    ):
        sent(Outbound(allow_private=True, longest_s=0.4), url)
    assert time.monotonic() - began < 2.0


def test_a_status_counts_though_its_body_never_ends() -> None:
    """X5"""
    with speaking(b"HTTP/1.1 202 Accepted\r\nContent-Length: 99\r\n\r\nhal") as (url, _):
        answer = Outbound(allow_private=True, longest_s=0.4).post(url, b"", {})
    assert (answer.status, answer.beginning) == (202, b"hal")


def test_a_server_without_a_certificate_that_is_believed_gets_nothing() -> None:
    """X5"""
    with speaking(b"HTTP/1.1 200 OK\r\n\r\n") as (url, heard):
        with pytest.raises(Unavailable, match="certificate"):
            Outbound(allow_private=True, longest_s=2).post(url.replace("http:", "https:"), b"names of images", {})
        assert b"names of images" not in heard[0]


def test_nobody_there_and_a_name_of_nobody_are_told_apart() -> None:
    """X5"""
    with pytest.raises(Unavailable, match="takes no connection"):
        sent(Outbound(allow_private=True), "http://127.0.0.1:9/")
    with pytest.raises(Unavailable, match="has no address"):
        sent(Outbound(allow_private=True, resolve=lambda host, port: []), "http://hooks.example/")
