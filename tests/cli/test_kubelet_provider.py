"""`crs-kubelet-credential-provider`: what a kubelet asks, and what it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from chalicelib.cli import credential_helper
from chalicelib.cli.kubelet_provider import main
from chalicelib.credentials.service import Credentials
from chalicelib.instances.service import Instances
from chalicelib.ports.stack import Stack
from tests.identity.issuer import Issuer, issuing
from tests.management import Api
from tests.stacks import FrozenClock, embedded_stack, make_instance

V1 = "credentialprovider.kubelet.k8s.io/v1"
HOST = "registry.example.com:5000"
PULL = [{"namespaces": "library", "repositories": "**", "actions": ["pull"]}]
Outcome = tuple[int, dict[str, Any], str]


@dataclass
class Node:
    """A machine with a kubelet, and the service that it reaches."""

    stack: Stack
    clock: FrozenClock
    issuer: Issuer
    folder: Path
    capsys: pytest.CaptureFixture[str]
    url: str = ""
    asked: list[str] = field(default_factory=list)
    redirect: str = ""

    def ask(
        self, *arguments: str, image: str = f"{HOST}/library/nginx:1", token: str = "", version: str = V1
    ) -> Outcome:
        request = {"apiVersion": version, "kind": "CredentialProviderRequest", "image": image}
        return self.send(json.dumps({**request, **({"serviceAccountToken": token} if token else {})}), *arguments)

    def send(self, text: str, *arguments: str) -> Outcome:
        given = ["--registry", HOST, *arguments]
        code = main(given, {"HOME": str(self.folder)}, lambda: text, self.clock.now)
        said = self.capsys.readouterr()
        return code, json.loads(said.out) if said.out else {}, said.err

    @property
    def exchange(self) -> list[str]:
        return ["--api", self.url, "--instance", Instances(self.stack).named("default", "ci").id]

    def logins(self, secret: str = "s3cret") -> str:
        path = str(self.folder / "logins.json")
        document = json.dumps({"ServerURL": HOST, "Username": "node", "Secret": secret})
        assert credential_helper.main(["store"], {"CRS_CREDENTIALS": path}, lambda: document) == 0
        return path


@pytest.fixture
def node(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Node]:
    clock = FrozenClock()
    with embedded_stack(tmp_path, clock, allow_private_addresses=True) as stack, issuing(clock) as issuer:
        make_instance(stack)
        rule = {"issuer": issuer.url, "audience": "registry", "subject": "repo:acme/*", "permissions": PULL}
        made = Api.signed_in(stack).post("/instances/ci/workload-identities", {**rule, "lifetime_s": 900})
        assert made.status == 201, made.text
        found = Node(stack, clock, issuer, tmp_path, capsys)
        with served(found):
            yield found


@contextmanager
def served(node: Node) -> Iterator[None]:
    """The management API behind a socket."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            node.asked.append(self.path)
            body = self.rfile.read(int(self.headers["content-length"]))
            if node.redirect:
                self.send_response(302)
                self.send_header("location", node.redirect)
                self.end_headers()
                return
            reply = Api(node.stack).post(self.path.removeprefix("/api/v1"), body)
            self.send_response(reply.status)
            self.end_headers()
            self.wfile.write(reply.text.encode())

        def do_GET(self) -> None:
            node.asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    node.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("version", [V1, V1.replace("v1", "v1beta1"), V1.replace("v1", "v1alpha1")])
def test_a_kubelet_is_told_the_login_of_the_file(node: Node, version: str) -> None:
    """X4: in the version that it speaks."""
    code, answer, _ = node.ask("--logins", node.logins(), "--cache-minutes", "30", version=version)
    assert (code, answer) == (0, {
        "apiVersion": version, "kind": "CredentialProviderResponse", "cacheKeyType": "Registry",
        "cacheDuration": "1800s", "auth": {HOST: {"username": "node", "password": "s3cret"}},
    })  # fmt: skip


@pytest.mark.parametrize("image", ["docker.io/library/nginx", "nginx", f"x{HOST}/a", f"{HOST}.evil.example/a", "", "/"])
def test_an_image_of_another_registry_gets_no_login(node: Node, image: str) -> None:
    """X4"""
    code, answer, _ = node.ask("--logins", node.logins(), image=image)
    assert (code, answer["cacheDuration"]) == (0, "0s")
    assert "auth" not in answer


def test_a_pods_own_token_becomes_a_login_that_the_kubelet_keeps_until_shortly_before_its_end(node: Node) -> None:
    """X4"""
    token = node.issuer.token()
    code, answer, _ = node.ask(*node.exchange, token=token)
    assert (code, answer["cacheDuration"], answer["cacheKeyType"]) == (0, "840s", "Registry")
    login = answer["auth"][HOST]
    instance = Instances(node.stack).named("default", "ci")
    assert Credentials(node.stack).basic(instance, login["username"], login["password"], "192.0.2.1").kind == "robot"
    # Each token is taken once, and another image of the registry asks with the same one.
    node.clock.advance(300)
    _, again, _ = node.ask(*node.exchange, token=token, image=f"{HOST}/library/other")
    assert (again["auth"][HOST], again["cacheDuration"], len(node.asked)) == (login, "540s", 1)
    other = node.ask(*node.exchange, token=node.issuer.token(sub="repo:acme/other"))[1]
    assert other["auth"][HOST] != login


def test_pulls_at_once_exchange_a_token_once(node: Node) -> None:
    """X4"""
    token, exchange = node.issuer.token(), node.exchange
    with ThreadPoolExecutor(6) as threads:
        codes = list(threads.map(lambda _: _quiet(node, exchange, token), range(6)))
    assert codes == [0] * 6
    assert len(node.asked) == 1


def _quiet(node: Node, exchange: list[str], token: str) -> int:
    request = {
        "apiVersion": V1,
        "kind": "CredentialProviderRequest",
        "image": f"{HOST}/a",
        "serviceAccountToken": token,
    }
    environment = {"HOME": str(node.folder)}
    return main(["--registry", HOST, *exchange], environment, lambda: json.dumps(request), node.clock.now)


def test_what_is_kept_of_logins_is_the_owners_alone_and_goes_when_it_is_over(node: Node) -> None:
    """X4"""
    first = node.issuer.token()
    node.ask(*node.exchange, token=first)
    kept = node.folder / ".cache/crs"
    (file,) = kept.glob("*.json")
    assert (kept.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
    assert first not in file.read_text()
    node.clock.advance(1000)
    node.ask(*node.exchange, token=node.issuer.token())
    assert len(list(kept.glob("*.json"))) == 1
    assert not file.exists()


def test_a_token_of_a_file_serves_where_the_kubelet_sends_none(node: Node) -> None:
    """X4"""
    (node.folder / "token").write_text(node.issuer.token() + "\n")
    code, answer, _ = node.ask(*node.exchange, "--token-file", str(node.folder / "token"))
    assert (code, list(answer["auth"])) == (0, [HOST])
    code, _, told = node.ask(*node.exchange)
    assert code == 1
    assert "--token-file" in told


def test_a_refused_token_is_told_in_the_services_words_and_never_shown(node: Node) -> None:
    """X4"""
    token = node.issuer.token(aud="somebody else")
    code, answer, told = node.ask(*node.exchange, token=token)
    assert (code, answer) == (1, {})
    assert "refused the token: 401" in told
    assert token not in told
    assert list((node.folder / ".cache/crs").glob("*.json")) == []


def test_a_token_goes_nowhere_else(node: Node) -> None:
    """X4: not where an answer points, and not in the clear."""
    node.redirect = f"{node.url}/elsewhere"
    assert node.ask(*node.exchange, token=node.issuer.token())[0] == 1
    assert len(node.asked) == 1
    code, _, told = node.ask("--api", "http://192.0.2.1", "--instance", "x", token=node.issuer.token())
    assert code == 1
    assert "https://" in told


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", "[" * 100_000, '{"apiVersion": 1, "kind": 2, "image": 3}',
        json.dumps({"apiVersion": V1, "kind": "CredentialProviderRequest", "image": 7}),
        json.dumps({"apiVersion": V1 + "0", "kind": "CredentialProviderRequest", "image": HOST}),
        json.dumps({"apiVersion": V1, "kind": "Pod", "image": HOST}),
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused(node: Node, text: str) -> None:
    """X4"""
    code, answer, told = node.send(text, "--logins", node.logins())
    assert (code, answer) == (1, {})
    assert told.startswith("failed to find a login: ")


@pytest.mark.parametrize("arguments", [[], ["--api", "https://x"], ["--logins", "a", "--api", "b", "--instance", "c"]])
def test_a_provider_has_one_source_of_logins(node: Node, arguments: list[str]) -> None:
    """X4"""
    with pytest.raises(SystemExit):
        node.ask(*arguments)


def test_the_helper_logs_a_job_in_by_its_token_too(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    """X4: so `docker pull` in CI needs no `docker login`."""
    (node.folder / "token").write_text(node.issuer.token())
    environment = {
        "HOME": str(node.folder), "CRS_LOGIN_REGISTRY": HOST, "CRS_LOGIN_API": node.url,
        "CRS_LOGIN_INSTANCE": node.exchange[-1], "CRS_LOGIN_TOKEN_FILE": str(node.folder / "token"),
    }  # fmt: skip
    get: Callable[[], int] = lambda: credential_helper.main(["get"], environment, lambda: HOST)  # noqa: E731
    assert get() == 0
    assert json.loads(capsys.readouterr().out)["Username"].startswith("workload-")
    (node.folder / "token").write_text(node.issuer.token(aud="other"))
    assert get() == 1
    assert "refused the token: 401" in capsys.readouterr().out
