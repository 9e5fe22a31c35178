"""An identity provider on loopback, whose keys and documents a test changes as it likes.

with issuing() as issuer:
    token = issuer.token(aud="registry", sub="repo:acme/app")
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from chalicelib.kernel.moment import Clock
from tests.stacks import FrozenClock

RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that leave early are what some tests are about."""


def _set() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


@dataclass
class Issuer:
    """keys: key id → private key of what is published; asked: paths of all requests that came in; speaks: cleared, they
    wait for their answers; codes: code → id token that is given for it, once; exchanges: forms sent to `/token`, with
    the header `authorization`."""

    url: str
    clock: Clock
    keys: dict[str, Any] = field(default_factory=lambda: {"first": EC_KEY})
    extra_keys: list[dict[str, Any]] = field(default_factory=list)
    document: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    codes: dict[str, str] = field(default_factory=dict)
    exchanges: list[dict[str, str]] = field(default_factory=list)
    broken: bool = False
    speaks: threading.Event = field(default_factory=_set)

    def answer(self, path: str) -> tuple[int, bytes]:
        self.asked.append(path)
        self.speaks.wait(20)
        if self.broken:
            return 503, b"{}"
        if path == "/.well-known/openid-configuration":
            places = {"authorization_endpoint": "/sign-in", "token_endpoint": "/token", "jwks_uri": "/keys"}
            document = {"issuer": self.url, **{name: self.url + path for name, path in places.items()}, **self.document}
            return 200, json.dumps(document).encode()
        if path == "/keys":
            published = [public_jwk(key, key_id) for key_id, key in self.keys.items()]
            return 200, json.dumps({"keys": [*published, *self.extra_keys]}).encode()
        return 404, b"{}"

    def exchange(self, form: dict[str, str]) -> tuple[int, bytes]:
        self.exchanges.append(form)
        token = self.codes.pop(form.get("code", ""), None)
        return (200, json.dumps({"id_token": token}).encode()) if token else (400, b'{"error": "invalid_grant"}')

    def claims(self, **more: Any) -> dict[str, Any]:
        now = int(self.clock.now().timestamp())
        usual = {"iss": self.url, "sub": "repo:acme/app", "aud": "registry", "iat": now, "nbf": now, "exp": now + 600}
        given = {**usual, **more}
        return {name: value for name, value in given.items() if value is not None}

    def token(
        self,
        *,
        key: Any = EC_KEY,
        algorithm: str = "ES256",
        kid: str | None = "first",
        header: dict[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """A claim given as None is left out."""
        headers = {**({"kid": kid} if kid is not None else {}), **(header or {})}
        return jwt.encode(self.claims(**claims), key, algorithm=algorithm, headers=headers)


def public_jwk(key: Any, key_id: str) -> dict[str, Any]:
    algorithms: dict[type, Callable[..., Any]] = {
        rsa.RSAPrivateKey: jwt.algorithms.RSAAlgorithm.to_jwk,
        ec.EllipticCurvePrivateKey: jwt.algorithms.ECAlgorithm.to_jwk,
        ed25519.Ed25519PrivateKey: jwt.algorithms.OKPAlgorithm.to_jwk,
    }
    to_jwk = next(write for kind, write in algorithms.items() if isinstance(key, kind))
    return {**json.loads(to_jwk(key.public_key())), "kid": key_id, "use": "sig"}


@contextmanager
def answering(answer: Callable[[BaseHTTPRequestHandler], None], tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """The port of a server on loopback that answers every GET and POST so."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        do_POST = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            """Tests print nothing."""

    server = _Quiet(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def issuing(clock: Clock | None = None) -> Iterator[Issuer]:
    issuer = Issuer("", clock or FrozenClock())

    def answer(request: BaseHTTPRequestHandler) -> None:
        if request.command == "POST":
            sent = request.rfile.read(int(request.headers["content-length"])).decode()
            form = {**dict(parse_qsl(sent)), "authorization": request.headers.get("authorization", "")}
            status, body = issuer.exchange(form)
        else:
            status, body = issuer.answer(request.path)
        request.send_response(status)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    with answering(answer) as port:
        issuer.url = f"http://127.0.0.1:{port}"
        yield issuer
