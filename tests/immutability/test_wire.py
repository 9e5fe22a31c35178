"""P1, R5: what registry clients see of a tag that a rule keeps, and what the audit record keeps of it."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from chalicelib.audit.models import Filter
from chalicelib.audit.service import Audit
from chalicelib.kernel.roles import Role
from tests.management import Api
from tests.registry.wire import LOGIN, MANIFEST, Wire, image, sha256
from tests.serving import Service, serving

TAG = "/v2/library/app/manifests/v1"
CLIENTS = 8


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    """An enterprise instance whose `library/app:v1` is immutable."""
    served = Wire(tmp_path, edition="enterprise")
    served.push_image("library/app", "v1")
    yield served
    served.close()


def make_rule(wire: Wire) -> str:
    made = Api.signed_in(wire.stack).post("/instances/default/immutability-rules", {"namespace": "library"})
    return str(made.json()["id"])


def put(wire: Wire, path: str, body: bytes, **more: object) -> httpx.Response:
    return wire.ask("PUT", path, headers={"Content-Type": MANIFEST}, content=body, **more)  # type: ignore[arg-type]


def test_a_refused_move_names_tag_and_rule_whichever_way_it_came(wire: Wire) -> None:
    """R5: clients print code and message; programs read the detail."""
    rule, body, old = make_rule(wire), image(annotations={"n": "2"}), sha256(image())
    for answer in (
        put(wire, TAG, body),
        put(wire, f"/v2/library/app/manifests/{sha256(body)}", body, params={"tag": ["new", "v1"]}),
        wire.ask("DELETE", TAG),
        wire.ask("DELETE", f"/v2/library/app/manifests/{old}"),
    ):
        (problem,) = answer.json()["errors"]
        assert (answer.status_code, problem["code"]) == (409, "DENIED")
        assert problem["message"] == (
            f"tag v1 of library/app is immutable under rule {rule}; use another tag, or have the rule changed"
        )
        assert problem["detail"] == {
            "reason": "TAG_IMMUTABLE", "repository": "library/app", "tag": "v1", "rule": rule,
        }  # fmt: skip
    assert wire.ask("HEAD", TAG).headers["docker-content-digest"] == old
    assert wire.ask("GET", "/v2/library/app/tags/list").json()["tags"] == ["v1"]
    assert put(wire, TAG, image()).status_code == 201


def test_who_has_no_right_here_learns_nothing_of_the_rule(wire: Wire) -> None:
    """R5: the same answers as before there was one."""
    body = image(annotations={"n": "2"})
    key = Api.signed_in(wire.stack, Role.OWNER, account="other").post("/access-keys", {}).json()
    reader = Api.signed_in(wire.stack, Role.READER).post("/access-keys", {}).json()
    logins = [None, (key["id"], key["secret"]), (reader["id"], reader["secret"])]

    def asked() -> list[tuple[int, str]]:
        answers = [(put(wire, TAG, body, login=login), wire.ask("DELETE", TAG, login=login)) for login in logins]
        return [(one.status_code, one.text) for pair in answers for one in pair]

    before = asked()
    make_rule(wire)
    assert asked() == before
    assert {status for status, _ in before} == {401, 404, 403}


def test_the_audit_record_has_the_refusal(wire: Wire) -> None:
    """G1"""
    make_rule(wire)
    put(wire, TAG, image(annotations={"n": "2"}))
    wire.ask("DELETE", TAG)
    entries = Audit(wire.stack).search(wire.instance.id, Filter(object_type="tag"), None, 50).items
    assert sorted((one.user, one.action, one.repository, one.object, one.result) for one in entries) == [
        (LOGIN[0], "delete", "library/app", "v1", "TAG_IMMUTABLE"),
        (LOGIN[0], "push", "library/app", "v1", "TAG_IMMUTABLE"),
    ]


# Over sockets, against the service as its users start it


class Crowd:
    """Eight clients with an image each, whose layers are there, and somebody who may switch the rule over them."""

    def __init__(self, service: Service) -> None:
        login = base64.b64encode(":".join(service.login).encode()).decode()
        headers = {"Authorization": f"Basic {login}", "Content-Type": MANIFEST}
        self._clients = [httpx.Client(base_url=service.url, headers=headers, trust_env=False) for _ in range(CLIENTS)]
        self._bodies = [image(annotations={"client": str(number)}) for number in range(CLIENTS)]
        self._start = threading.Barrier(CLIENTS)
        for data in (b"{}", b"layer"):
            path = f"/v2/library/raced/blobs/uploads/?digest={sha256(data)}"
            assert self._clients[0].post(path, content=data).status_code == 201
        self._api = httpx.Client(base_url=service.url, trust_env=False)
        person = {"username": service.username, "password": service.password}
        token = self._api.post("/api/v1/session", json=person).json()["token"]
        self._api.headers["Authorization"] = f"Bearer {token}"
        rules = "/api/v1/instances/default/immutability-rules"
        made = self._api.post(rules, json={"namespace": "library", "repositories": "raced"})
        self._rule = f"{rules}/{made.json()['id']}"

    def push(self, client: int, tag: str, times: int) -> list[int]:
        """What it was answered, each time. It begins when all do."""
        self._start.wait(30)
        path = f"/v2/library/raced/manifests/{tag}"
        return [self._clients[client].put(path, content=self._bodies[client]).status_code for _ in range(times)]

    def digest(self, tag: str) -> str:
        return str(self._clients[0].head(f"/v2/library/raced/manifests/{tag}").headers["docker-content-digest"])

    def switch(self, *, enabled: bool) -> None:
        assert self._api.patch(self._rule, json={"enabled": enabled}).status_code == 200

    def close(self) -> None:
        for client in (self._api, *self._clients):
            client.close()


def test_eight_clients_at_once_over_http_get_one_digest_under_a_rule(tmp_path: Path) -> None:
    """P1: of eight first pushes one wins; while the rule is on, pushes that are under way already move nothing."""
    with serving(tmp_path / "data") as service, ThreadPoolExecutor(CLIENTS) as pool:
        crowd = Crowd(service)
        for tag in (f"t{number}" for number in range(6)):
            told = [pool.submit(crowd.push, client, tag, 1) for client in range(CLIENTS)]
            assert sorted(one.result(60)[0] for one in told) == [201] + [409] * (CLIENTS - 1)
            crowd.switch(enabled=False)
            pushing = [pool.submit(crowd.push, client, tag, 6) for client in range(CLIENTS)]
            crowd.switch(enabled=True)
            before = crowd.digest(tag)
            assert {status for one in pushing for status in one.result(60)} <= {201, 409}
            assert crowd.digest(tag) == before
        crowd.close()
        service.run_cli("fsck")
