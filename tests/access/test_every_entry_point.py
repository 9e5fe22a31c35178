"""Every way in refuses a foreign address, whatever headers it sends: each endpoint of the management API that is about
an instance, each verb of the registry protocol, tokens, and uploads that somebody else began."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from chalicelib.access.service import Access
from chalicelib.edge.endpoint import Endpoint
from chalicelib.kernel.roles import RIGHTS, Role
from chalicelib.registry.routes import METHODS
from tests.api.conftest import bucket_maker, opened
from tests.api.world import World, every, examples
from tests.management import Api, endpoints
from tests.registry.wire import LOGIN, MANIFEST, Wire, exchange, image, sha256

HOME, FOREIGN, INTERNAL = "127.0.0.1", "203.0.113.9", 5999
LAYER = b"layer"
# What proxies, clouds and careless services take for the client's address; each names one that is allowed.
FORGED = {
    "x-forwarded-for": f"{HOME}, {HOME}",
    "x-real-ip": HOME,
    "x-client-ip": HOME,
    "x-cluster-client-ip": HOME,
    "x-originating-ip": HOME,
    "x-remote-addr": HOME,
    "true-client-ip": HOME,
    "cf-connecting-ip": HOME,
    "fastly-client-ip": HOME,
    "forwarded": f"for={HOME};by={HOME};proto=https",
    "via": f"1.1 {HOME}",
    "x-amzn-source-ip": HOME,
    "x-internal-listener": "true",
    "internallistener": "true",
    "origin": f"http://{HOME}",
    "x-http-method-override": "OPTIONS",
}
OF_INSTANCES = [endpoint for endpoint in every(endpoints()) if endpoint.of_instance]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with opened("embedded", tmp_path_factory.mktemp("entries")) as stack:
        yield World(stack, bucket_maker(stack))


def callers(world: World, endpoint: Endpoint) -> list[Api]:
    """Everybody who may call it, save an owner who is let in from anywhere."""
    if endpoint.needs is None:
        return [Api(world.stack)]
    roles = [role for role in Role if endpoint.needs in RIGHTS[role]]
    return [world.people[role] for role in roles if not (endpoint.from_anywhere and role is Role.OWNER)]


@pytest.mark.parametrize("endpoint", OF_INSTANCES, ids=lambda endpoint: endpoint.name)
def test_the_api_refuses_a_foreign_address_whatever_it_says(world: World, endpoint: Endpoint) -> None:
    """G2: and the same call goes through on the internal listener, so that nothing else was wrong with it."""
    for caller in callers(world, endpoint):
        ask = examples()[endpoint.name](world.home)
        foreign = caller.at(FOREIGN)
        for headers in ({}, FORGED):
            answer = ask.send(endpoint, Api(foreign.stack, foreign.token, FOREIGN, headers=headers))
            assert (answer.status, answer.code) == (403, "ADDRESS_NOT_ALLOWED")
        answer = ask.send(endpoint, caller.at(FOREIGN, internal=True))
        assert answer.status in endpoint.answers, answer.text


@pytest.mark.parametrize(
    "endpoint", [one for one in OF_INSTANCES if one.from_anywhere], ids=lambda endpoint: endpoint.name
)
def test_the_owner_is_let_in_from_anywhere_where_that_is_meant(world: World, endpoint: Endpoint) -> None:
    """G2: allowlist, instance, renewal; nowhere else, as the test above shows."""
    answer = examples()[endpoint.name](world.home).send(endpoint, world.people[Role.OWNER].at(FOREIGN))
    assert answer.status in endpoint.answers, answer.text


def test_content_and_credentials_are_nowhere_open_from_anywhere() -> None:
    """G2"""
    rooms = {endpoint.room for endpoint in OF_INSTANCES if endpoint.from_anywhere}
    assert rooms <= {"access", "instances", "billing", "opening", "closing"}


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """An enterprise instance that lets this machine in, with a private and a public image, and an upload under way."""
    served = Wire(tmp_path_factory.mktemp("wire"), edition="enterprise", internal_port=INTERNAL)
    Access(served.stack).add(served.instance, HOME)
    for name in ("library/app", "open/app"):
        served.push_image(name, "v1", LAYER)
    yield served
    served.close()


@pytest.fixture(scope="module")
def upload(wire: Wire) -> str:
    """The path of an upload that a client on this machine began."""
    return str(wire.ask("POST", "/v2/library/app/blobs/uploads/").headers["location"]).partition("?")[0]


def paths_of(kind: str, name: str, upload: str) -> list[str]:
    digest = sha256(image(LAYER))
    return {
        "ping": ["/v2/", "/v2"],
        "catalog": ["/v2/_catalog"],
        "tags": [f"/v2/{name}/tags/list"],
        "manifest": [f"/v2/{name}/manifests/v1", f"/v2/{name}/manifests/{digest}", f"/v2/{name}/manifests/none"],
        "blob": [f"/v2/{name}/blobs/{sha256(LAYER)}", f"/v2/{name}/blobs/{sha256(b'none')}"],
        "uploads": [f"/v2/{name}/blobs/uploads/"],
        "upload": [upload],
        "referrers": [f"/v2/{name}/referrers/{digest}"],
    }[kind]


@pytest.mark.parametrize(("kind", "method"), [(kind, method) for kind in METHODS for method in METHODS[kind]])
@pytest.mark.parametrize("name", ["library/app", "open/app", "library/none"])
def test_the_registry_refuses_a_foreign_address_whatever_it_says(
    wire: Wire, upload: str, kind: str, method: str, name: str
) -> None:
    """G2: with a token, a password or nothing; what it asks for is neither answered nor redirected."""
    token = wire.token(f"repository:{name}:pull,push,delete")
    password = base64.b64encode(":".join(LOGIN).encode()).decode()
    for path in paths_of(kind, name, upload):
        for credentials in ([], [("authorization", f"Bearer {token}")], [("authorization", f"Basic {password}")]):
            for forged in ([], list(FORGED.items())):
                headers = [("content-type", MANIFEST), *credentials, *forged]
                query = f"digest={sha256(b'{}')}" if kind in ("upload", "uploads") else ""
                seen = exchange(wire, method, path, headers, [b"{}"], peer=FOREIGN, query=query)
                assert seen.status == 403, path
                assert {"location", "docker-content-digest", "range"} & set(seen.headers) == set()
                assert method == "HEAD" or seen.code == "DENIED"


def test_tokens_are_not_given_to_a_foreign_address(wire: Wire) -> None:
    """G2: by GET and by POST, with the right password or with none."""
    form = urlencode(
        {"grant_type": "password", "service": "x", "client_id": "t", "username": LOGIN[0], "password": LOGIN[1]}
    ).encode()
    sent = [("content-type", "application/x-www-form-urlencoded"), ("content-length", str(len(form)))]
    for forged in ([], list(FORGED.items())):
        by_get = exchange(wire, "GET", "/token", forged, peer=FOREIGN)
        by_post = exchange(wire, "POST", "/token", [*sent, *forged], [form], peer=FOREIGN)
        for seen in (by_get, by_post):
            assert (seen.status, b"token" in seen.body) == (403, False)
    assert exchange(wire, "POST", "/token", sent, [form]).status == 200


def test_after_all_of_that_everything_is_as_it_was(wire: Wire, upload: str) -> None:
    """G2"""
    assert wire.ask("GET", "/v2/library/app/manifests/v1").content == image(LAYER)
    assert wire.ask("GET", f"/v2/library/app/blobs/{sha256(LAYER)}").content == LAYER
    assert wire.ask("GET", upload).headers["range"] == "0-0"
    assert wire.ask("GET", "/v2/_catalog").json()["repositories"] == ["library/app", "open/app"]
