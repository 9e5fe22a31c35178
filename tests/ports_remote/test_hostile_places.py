"""Registries that lead elsewhere: nothing private is called, and credentials stay where they belong (DESIGN §7)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from chalicelib.kernel.errors import Denied, Invalid, Refused, Unavailable
from chalicelib.kernel.names import Digest
from chalicelib.ports.outbound import Outbound
from chalicelib.ports.remote import RemoteRegistry
from chalicelib.ports.remote_login import LoginRefused
from chalicelib.ports.remote_reference import RemoteReference
from tests.identity.test_outbound import secured

from .hostile import LOGIN, MANIFEST, NAME, Heard, challenge, hostile, said

BLOB = Digest.of(b"blob")
TOKEN = json.dumps({"token": "token-of-ada", "expires_in": 300}).encode()
ANYWHERE = Outbound(allow_private=True)
NOWHERE_PRIVATE = Outbound()
INSIDE = (
    "http://127.0.0.1:1/x", "https://127.0.0.1/x", "https://[::1]/x", "https://10.0.0.1/x", "https://localhost/x",
    "http://169.254.169.254/latest/meta-data/", "https://169.254.169.254/", "https://[fd00:ec2::254]/",
    "https://[::ffff:127.0.0.1]/", "https://0x7f000001/", "https://2130706433/", "https://127.1/",
)  # fmt: skip
NO_ADDRESSES = (
    "file:///etc/passwd", "ftp://example.com/x", "gopher://example.com/x", "https://ada:pw@example.com/", "https://[",
    "", "https://example.com/#x", "javascript:x", "unix:/var/run/docker.sock", "https://example.com/" + "x" * 9000,
)  # fmt: skip


def logging_in(rest: Callable[[Heard], Iterable[bytes]], url: Callable[[], str]) -> Callable[[Heard], Iterable[bytes]]:
    """A registry that hands out a token and then does what it likes."""

    def answer(asked: Heard) -> Iterable[bytes]:
        if asked.path.startswith("/token"):
            return [said(200, {}, TOKEN)]
        return rest(asked) if "authorization" in asked.headers else [challenge(f"{url()}/token")]

    return answer


# Redirects


@pytest.mark.parametrize("location", [*INSIDE, *NO_ADDRESSES])
def test_a_redirect_leads_nowhere_private_and_nowhere_but_to_the_web(location: str) -> None:
    """That its own address may be private opens no other."""
    with hostile(lambda asked: [said(307, {"Location": location})]) as server:
        registry = server.registry(NOWHERE_PRIVATE, ANYWHERE)
        for read in (lambda: registry.pull(NAME, "v1"), lambda: list(registry.blob_pieces(NAME, BLOB))):
            with pytest.raises(Refused) as refused:
                read()
            assert refused.value.status in (400, 503)
        assert {one.path for one in server.heard} == {f"/v2/{NAME}/manifests/v1", f"/v2/{NAME}/blobs/{BLOB}"}


@pytest.mark.parametrize("location", [one for one in INSIDE if "169.254" in one or "fd00" in one])
def test_no_cloud_is_asked_for_its_machines_credentials_whatever_is_allowed(location: str) -> None:
    with hostile(lambda asked: [said(307, {"Location": location})]) as server:
        with pytest.raises(Invalid, match="private network"):
            server.registry(ANYWHERE).pull(NAME, "v1")
        assert len(server.heard) == 1


def test_a_redirect_to_another_host_takes_no_credentials_along() -> None:
    with hostile(lambda asked: [said(200, {}, b"blob")]) as other:

        def elsewhere(asked: Heard) -> Iterable[bytes]:
            return [said(307, {"Location": f"{other.url}/storage?signature=x"})]

        with hostile(lambda asked: logging_in(elsewhere, lambda: server.url)(asked)) as server:
            assert b"".join(server.registry(ANYWHERE).read_blob(NAME, BLOB, 4)) == b"blob"
            assert server.secrets_heard()
        assert len(other.heard) == 1
        assert other.secrets_heard() == []


def test_who_was_redirected_to_may_not_ask_for_credentials() -> None:
    """Another host's challenge is not the registry's."""
    with hostile(lambda asked: [challenge(f"{other.url}/token")]) as other:
        with hostile(lambda asked: [said(307, {"Location": f"{other.url}/x"})]) as server:
            with pytest.raises(Denied):
                server.registry(ANYWHERE).pull(NAME, "v1")
            assert server.secrets_heard() == []
        assert other.secrets_heard() == []
        assert [one.path for one in other.heard] == ["/x"]


def test_redirects_without_end_are_left() -> None:
    def answer(asked: Heard) -> Iterable[bytes]:
        return [said(302, {"Location": f"{asked.path}x"})]

    with hostile(answer) as server:
        with pytest.raises(Unavailable, match="redirects more than"):
            server.registry(ANYWHERE).pull(NAME, "v1")
        assert len(server.heard) < 30


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_what_is_sent_is_not_sent_on(status: int) -> None:
    with hostile(lambda asked: [said(201)]) as other:

        def elsewhere(asked: Heard) -> Iterable[bytes]:
            return [said(status, {"Location": f"{other.url}/v2/{NAME}/manifests/v1"})]

        with hostile(logging_in(elsewhere, lambda: server.url)) as server, pytest.raises(Invalid, match="redirects"):
            server.registry(ANYWHERE).push(NAME, "v1", "application/json", MANIFEST)
        assert other.heard == []


# Realms


@pytest.mark.parametrize("scheme", ["Bearer", "Basic"])
def test_a_realm_on_another_host_gets_no_password(scheme: str) -> None:
    """CVE-2026-33540 of another registry."""
    with hostile(lambda asked: [said(200, {}, TOKEN)]) as other:
        header = {"WWW-Authenticate": f'{scheme} realm="{other.url}/token",service="x"'}
        with hostile(lambda asked: [said(401, header)]) as server:
            with pytest.raises(Denied):
                server.registry(ANYWHERE).pull(NAME, "v1")
            # The registry itself may see its own password, or the token that it sent for.
            assert len(server.heard) <= 3
        assert other.secrets_heard() == []
        assert len(other.heard) == (1 if scheme == "Bearer" else 0)


@pytest.mark.parametrize("realm", [*INSIDE[1:], *NO_ADDRESSES[:4]])
def test_a_realm_leads_nowhere_private(realm: str) -> None:
    with hostile(lambda asked: [challenge(realm)]) as server:
        with pytest.raises(Refused):
            server.registry(NOWHERE_PRIVATE, ANYWHERE).pull(NAME, "v1")
        assert server.secrets_heard() == []


def test_a_realm_inside_the_network_is_not_asked() -> None:
    with hostile(lambda asked: [said(200, {}, TOKEN)]) as inside:
        with hostile(lambda asked: [challenge(f"{inside.url}/token")]) as server, pytest.raises(Invalid):
            server.registry(NOWHERE_PRIVATE, ANYWHERE).pull(NAME, "v1")
        assert inside.connections == 0


def test_a_realm_that_redirects_is_not_followed() -> None:
    with hostile(lambda asked: [said(200, {}, TOKEN)]) as other:

        def answer(asked: Heard) -> Iterable[bytes]:
            if asked.path.startswith("/token"):
                return [said(302, {"Location": f"{other.url}/token"})]
            return [challenge(f"{server.url}/token")]

        with hostile(answer) as server, pytest.raises(Unavailable):
            server.registry(ANYWHERE).pull(NAME, "v1")
        assert other.heard == []


@pytest.mark.parametrize(
    "token", [b'{"token":"a\\r\\nX-Injected: b"}', b'{"token":["x"]}', b"[]", b'{"token":""}', b'{"token":"\xc3\xa9"}']
)
def test_what_is_no_token_is_not_sent(token: bytes) -> None:
    def answer(asked: Heard) -> Iterable[bytes]:
        return [said(200, {}, token) if asked.path.startswith("/token") else challenge(f"{server.url}/token")]

    with hostile(answer) as server:
        with pytest.raises(Unavailable, match="no token"):
            server.registry(ANYWHERE).pull(NAME, "v1")
        assert all("x-injected" not in one.headers for one in server.heard)


@pytest.mark.parametrize("scheme", ["Bearer", "Basic"])
def test_a_login_that_is_refused_is_not_tried_again_and_again(scheme: str) -> None:
    """Registries count failures, and lock out who makes many."""

    def answer(asked: Heard) -> Iterable[bytes]:
        header = {"WWW-Authenticate": f'{scheme} realm="{server.url}/token"'}
        return [said(401) if asked.path.startswith("/token") else said(401, header)]

    with hostile(answer) as server:
        registry = server.registry(ANYWHERE)
        for tag in ("v1", "v2", "v3"):
            with pytest.raises(LoginRefused):
                registry.pull(NAME, tag)
        assert len(server.secrets_heard()) == 1


def test_a_login_that_may_not_do_one_thing_may_do_others() -> None:
    """Some registries answer 401 to whom they know."""

    def answer(asked: Heard) -> Iterable[bytes]:
        known = "authorization" in asked.headers and not asked.path.endswith("secret")
        return [said(200, {}, MANIFEST) if known else said(401, {"WWW-Authenticate": 'Basic realm="x"'})]

    with hostile(answer) as server:
        registry = server.registry(ANYWHERE)
        for _ in range(2):
            registry.pull(NAME, "v1")
            with pytest.raises(Denied) as refused:
                registry.pull(NAME, "secret")
            assert not isinstance(refused.value, LoginRefused)


# Uploads


@pytest.mark.parametrize("kind", ["append", "finish", "offset", "put"])
def test_an_upload_elsewhere_is_followed_without_the_login(kind: str) -> None:
    def take(asked: Heard) -> Iterable[bytes]:
        status = {"PATCH": 202, "PUT": 201, "GET": 204}[asked.method]
        return [said(status, {} if status == 204 else {"Location": f"{other.url}/upload"})]

    with hostile(take) as other:

        def begin(asked: Heard) -> Iterable[bytes]:
            return [said(202, {"Location": f"{other.url}/upload?state=x"})]

        with hostile(logging_in(begin, lambda: server.url)) as server:
            registry = server.registry(ANYWHERE)
            location = registry.begin_upload(NAME)
            steps: dict[str, Callable[[], object]] = {
                "append": lambda: registry.append(NAME, location, 0, [b"blob"], 4),
                "finish": lambda: registry.finish_upload(NAME, location, BLOB),
                "offset": lambda: registry.upload_offset(NAME, location),
                "put": lambda: registry.put_blob(NAME, BLOB, [b"blob"], 4),
            }
            steps[kind]()
            assert "Bearer token-of-ada" in server.secrets_heard()
        assert len(other.heard) == 1
        assert "state=x" in other.heard[0].path
        assert other.secrets_heard() == []


def test_an_upload_that_asks_for_a_login_elsewhere_gets_none() -> None:
    with hostile(lambda asked: [challenge(f"{other.url}/token")]) as other:

        def begin(asked: Heard) -> Iterable[bytes]:
            return [said(202, {"Location": f"{other.url}/upload"})]

        with hostile(logging_in(begin, lambda: server.url)) as server:
            registry = server.registry(ANYWHERE)
            with pytest.raises(Denied):
                registry.put_blob(NAME, BLOB, [b"blob"], 4)
            with pytest.raises(Denied):
                registry.finish_upload(NAME, f"{other.url}/upload", BLOB)
        assert other.secrets_heard() == []
        assert {one.path.partition("?")[0] for one in other.heard} == {"/upload"}


@pytest.mark.parametrize("location", [*INSIDE, *NO_ADDRESSES])
def test_an_upload_leads_nowhere_private(location: str) -> None:
    with hostile(lambda asked: [said(202, {"Location": location})]) as server:
        registry = server.registry(NOWHERE_PRIVATE, ANYWHERE)
        with pytest.raises(Refused):
            registry.put_blob(NAME, BLOB, [b"blob"], 4)
        assert {one.method for one in server.heard} == {"POST"}


# Names


class Names:
    """A resolver whose answers change."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    def __call__(self, host: str, port: int) -> list[str]:
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def named(port: int, calls: Outbound) -> RemoteRegistry:
    reference = RemoteReference.parse(f"http://registry.example:{port}/{NAME}")
    return RemoteRegistry(reference, calls, login=LOGIN, pause=lambda _: None)


def test_a_name_that_means_another_address_later_is_asked_where_it_was_vetted() -> None:
    """A kept connection keeps its address; who looks up anew is vetted anew."""
    names = Names(["127.0.0.1"], ["169.254.169.254"])

    def answer(asked: Heard) -> Iterable[bytes]:
        yield said(200, {}, MANIFEST)
        if asked.path.endswith("last"):
            raise OSError

    with hostile(answer) as server:
        registry = named(server.port, Outbound(allow_private=True, resolve=names))
        for _ in range(3):
            registry.pull(NAME, "v1")
        assert (names.asked, server.connections) == (1, 1)
        registry.pull(NAME, "last")
        with pytest.raises(Invalid, match="private network"):
            registry.pull(NAME, "v1")
        assert (names.asked, server.connections) == (2, 1)


def test_a_name_with_a_private_address_among_others_is_not_called() -> None:
    with hostile(lambda asked: [said(200, {}, MANIFEST)]) as server:
        calls = Outbound(resolve=lambda host, port: ["8.8.8.8", "127.0.0.1"])
        registry = RemoteRegistry(
            RemoteReference.parse(f"https://registry.example:{server.port}/{NAME}"), calls, login=LOGIN
        )
        with pytest.raises(Invalid, match="private network"):
            registry.pull(NAME, "v1")
        assert server.connections == 0


def test_a_registry_whose_certificate_is_somebody_elses_hears_nothing(tmp_path: Path) -> None:
    """And one whose certificate fits is read."""
    with secured(tmp_path, "registry.example") as (port, trust):
        for name, trusted in (("registry.example", None), ("other.example", trust)):
            calls = Outbound(allow_private=True, resolve=lambda host, port: ["127.0.0.1"], trust=trusted)
            reference = RemoteReference.parse(f"https://{name}:{port}/{NAME}")
            registry = RemoteRegistry(reference, calls, login=LOGIN, pause=lambda _: None)
            with pytest.raises(Unavailable, match="certificate"):
                registry.pull(NAME, "v1")
        calls = Outbound(allow_private=True, resolve=lambda host, port: ["127.0.0.1"], trust=trust)
        with RemoteRegistry(RemoteReference.parse(f"https://registry.example:{port}/{NAME}"), calls) as trusting:
            told = json.loads(trusting.pull(NAME, "v1").body)
    assert told == {"host": f"registry.example:{port}", "path": f"/v2/{NAME}/manifests/v1"}
