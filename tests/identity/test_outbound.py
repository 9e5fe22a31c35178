"""Calls to servers that users name: where they may go, and how much of an answer is taken."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chalicelib.kernel.errors import Invalid, Unavailable
from chalicelib.ports.outbound import LIMIT_BYTES, Outbound, may_call
from tests.identity.issuer import answering

PRIVATE = (
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "0.0.0.1", "240.0.0.1", "255.255.255.255",
    "::1", "fc00::1", "fec0::1", "2001:db8::1",
)  # fmt: skip
NEVER = (
    "169.254.169.254", "fe80::1", "224.0.0.1", "ff02::1", "0.0.0.0", "::",  # noqa: S104
    "::ffff:10.0.0.1", "::ffff:8.8.8.8", "64:ff9b::a00:1", "64:ff9b::808:808", "64:ff9b:1::1",
    "2002:a00:1::", "2001::1", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "100.100.100.200", "192.0.0.192",
)  # fmt: skip


@pytest.mark.parametrize("text", [*PRIVATE, *NEVER])
def test_private_addresses_are_not_called(text: str) -> None:
    """DESIGN §7"""
    assert not may_call(ip_address(text), allow_private=False)
    assert may_call(ip_address(text), allow_private=True) is (text in PRIVATE)
    host = f"[{text}]" if ":" in text else text
    with pytest.raises(Invalid) as refused:
        Outbound().fetch_json(f"https://{host}/")
    assert refused.value.fields[0][0] == "url"


@pytest.mark.parametrize("text", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111"])
def test_public_addresses_are_called(text: str) -> None:
    assert may_call(ip_address(text), allow_private=False)


@pytest.mark.parametrize(
    "addresses", [["10.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["8.8.8.8", "::ffff:127.0.0.1"]], ids=str
)
def test_a_name_with_one_private_address_is_refused_whole(addresses: list[str]) -> None:
    """DESIGN §7"""
    with pytest.raises(Invalid):
        Outbound(resolve=lambda host, port: addresses).fetch_json("https://issuer.example/")


@pytest.mark.parametrize(
    "url",
    [
        "", "issuer.example", "ftp://issuer.example/", "http://issuer.example/", "https://", "https:///x",
        "https://user:pw@issuer.example/", "https://issuer.example/#x", "https://issuer.example/\n", "https://a b/",
        "https://issuer.example:99999/", "https://é.example/", "https://x/" + "y" * 2048, "file:///etc/passwd",
    ],
)  # fmt: skip
def test_what_is_no_https_address_is_refused(url: str) -> None:
    """DESIGN §7"""
    with pytest.raises(Invalid):
        Outbound(resolve=lambda host, port: ["8.8.8.8"]).vet_url(url)


def test_a_name_is_looked_up_once_and_its_certificate_is_the_names(tmp_path: Path) -> None:
    """DESIGN §7: the vetted address is pinned, so that a name that means another one later leads nowhere else."""
    asked: list[tuple[str, int]] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return ["127.0.0.1"]

    with secured(tmp_path, "issuer.example") as (port, trust):
        calls = Outbound(allow_private=True, resolve=resolve, trust=trust)
        assert calls.fetch_json(f"https://issuer.example:{port}/x") == {"host": f"issuer.example:{port}", "path": "/x"}
        assert asked == [("issuer.example", port)]
        with pytest.raises(Unavailable):
            calls.fetch_json(f"https://other.example:{port}/x")
        with pytest.raises(Unavailable):
            Outbound(allow_private=True, resolve=resolve).fetch_json(f"https://issuer.example:{port}/x")


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (302, {"Location": "/elsewhere"}, b"{}"),
        (404, {}, b"{}"),
        (200, {}, b"not json"),
        (200, {}, b'{"a": 1, "a": 2}'),
        (200, {}, b"[" * 100_000),
        (200, {}, b'"' + b"x" * LIMIT_BYTES + b'"'),
        (200, {"Content-Encoding": "gzip"}, b"{}"),
        (200, {"X": "y" * 200_000}, b"{}"),
    ],
    ids=["redirect", "missing", "no json", "doubled", "nested", "long", "packed", "long header"],
)
def test_an_answer_that_is_not_plain_json_of_a_bounded_size_is_none(
    status: int, headers: dict[str, str], body: bytes
) -> None:
    """DESIGN §7"""
    asked: list[str] = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)

    with answering(answer) as port, pytest.raises(Unavailable):
        Outbound(allow_private=True).fetch_json(f"http://127.0.0.1:{port}/x")
    assert asked == ["/x"]


def test_where_one_address_does_not_answer_the_next_one_does() -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        request.wfile.write(b"{}")

    with answering(answer) as port:
        calls = Outbound(allow_private=True, resolve=lambda host, port: ["127.0.0.2", "127.0.0.1"])
        assert calls.fetch_json(f"http://issuer.example:{port}/") == {}


def test_nobody_there_is_told_as_that() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(Unavailable):
            Outbound(allow_private=True).fetch_json(f"http://127.0.0.1:{bound.getsockname()[1]}/")


def test_a_server_that_drips_is_left_after_five_seconds() -> None:
    """DESIGN §7: one deadline for all of it, not one for each byte."""
    ended = threading.Event()

    def answer(request: BaseHTTPRequestHandler) -> None:
        while not ended.wait(0.2):
            try:
                request.wfile.write(b"H")
            except OSError:
                return

    began = time.monotonic()
    with answering(answer) as port, pytest.raises(Unavailable):
        Outbound(allow_private=True, longest_s=0.6).fetch_json(f"http://127.0.0.1:{port}/x")
    ended.set()
    assert time.monotonic() - began < 2.0


def test_a_resolver_that_does_not_answer_is_left() -> None:
    ended = threading.Event()

    def resolve(host: str, port: int) -> list[str]:
        ended.wait(10)
        return []

    with pytest.raises(Unavailable):
        Outbound(resolve=resolve, longest_s=0.2).fetch_json("https://issuer.example/")
    ended.set()


@contextmanager
def secured(folder: Path, name: str) -> Iterator[tuple[int, ssl.SSLContext]]:
    """A TLS server on loopback that says what it was asked, and who believes its certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "cert.pem", folder / "key.pem")

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        request.wfile.write(b'{"host": "%s", "path": "%s"}' % (request.headers["Host"].encode(), request.path.encode()))

    with answering(answer, tls=server) as port:
        yield port, ssl.create_default_context(cafile=str(folder / "cert.pem"))
