"""Registries elsewhere that an instance knows: made, changed, deleted, and what is refused."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.instances.service import Instances
from chalicelib.kernel.roles import Role
from chalicelib.namespaces.models import Namespace
from chalicelib.ports.stack import Stack
from chalicelib.remotes.models import MOST_REMOTES
from chalicelib.remotes.service import Remotes
from chalicelib.sync import service
from chalicelib.sync.targets import Place, Targets
from tests.management import Api, Reply
from tests.stacks import embedded_stack, make_namespace
from tests.sync.estate import Estate

LOGIN = {"username": "robot", "password": "correct-horse-there"}
FAR = {"name": "far", "address": "https://registry.example.com", **LOGIN, "remark": "the other site"}

REALM = b'HTTP/1.1 401 No\r\nwww-authenticate: Bearer realm="%s"\r\ncontent-length: 0\r\n\r\n'


@pytest.fixture
def estate(stack: Stack) -> Estate:
    return Estate.opened(stack)


def made(estate: Estate, **more: Any) -> Reply:
    return estate.api.post(f"{estate.path}/remotes", {**FAR, **more})


def test_remote_is_shown_by_id_and_name_without_its_password(estate: Estate) -> None:
    shown = made(estate).json()
    assert "password" not in shown
    wanted = {"name": "far", "address": FAR["address"], "username": "robot", "has_password": True, "used_by": []}
    assert {name: shown[name] for name in wanted} == wanted
    for ref in ("far", shown["id"]):
        assert estate.api.get(f"{estate.path}/remotes/{ref}").json() == shown
    assert estate.api.get(f"{estate.path}/remotes").json()["items"] == [shown]
    instance = estate.instance
    login = Remotes(estate.stack).login(Remotes(estate.stack).get(instance, "far"))
    assert login is not None
    assert (login.username, login.password) == (LOGIN["username"], LOGIN["password"])


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"address": "http://registry.example.com"}, "address"),
        ({"address": "https://registry.example.com/v2"}, "address"),
        ({"address": "https://user@registry.example.com"}, "address"),
        ({"address": "127.0.0.1:5000"}, "address"),
        ({"address": "https://169.254.169.254"}, "address"),
        ({"address": "ftp://registry.example.com"}, "address"),
        ({"address": "registry"}, "address"),
        ({"name": "a b"}, "name"),
        ({"name": "far\n"}, "name"),
        ({"username": "a:b"}, "username"),
        ({"username": "a\r\nb"}, "username"),
    ],
)
def test_what_may_not_be_called_is_no_remote(estate: Estate, said: dict[str, str], field: str) -> None:
    answer = made(estate, **said)
    assert answer.status == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_name_is_given_once_and_comes_free_again(estate: Estate) -> None:
    made(estate)
    assert (made(estate).status, made(estate, name="near").status) == (409, 201)
    near = f"{estate.path}/remotes/near"
    assert estate.api.patch(near, {"name": "far"}).status == 409
    assert estate.api.patch(near, {"name": "nearer"}).json()["name"] == "nearer"
    assert estate.api.delete(f"{estate.path}/remotes/far").status == 204
    assert (made(estate).status, made(estate, name="near").status) == (201, 201)


def test_password_does_not_go_along_to_another_address(estate: Estate) -> None:
    """A login is never sent where nobody said that it belongs."""
    made(estate)
    path = f"{estate.path}/remotes/far"
    assert estate.api.patch(path, {"remark": "moved soon"}).json()["has_password"]
    assert not estate.api.patch(path, {"address": "https://registry.example.net"}).json()["has_password"]
    again = estate.api.patch(path, {"address": "https://registry.example.org", "password": "another"}).json()
    assert again["has_password"]


def test_remote_that_a_rule_needs_stays_where_it_is(estate: Estate) -> None:
    """And the refusal names the rule."""
    made(estate)
    rule, path = estate.rule(target_instance="far"), f"{estate.path}/remotes/far"
    assert estate.api.get(path).json()["used_by"] == [rule["id"]]
    refused = estate.api.delete(path)
    assert (refused.status, refused.code) == (409, "IN_USE")
    assert f"rule to production ({rule['id']})" in refused.json()["detail"]
    assert estate.api.patch(path, {"address": "https://registry.example.net"}).status == 409
    assert estate.api.patch(path, {"password": "another"}).status == 200
    assert estate.api.patch(f"{estate.path}/sync-rules/{rule['id']}", {"target_instance": "ci"}).status == 200
    assert estate.api.delete(path).status == 204


def test_of_a_deletion_and_a_rule_at_once_one_wins(estate: Estate) -> None:
    made(estate)
    together, answers = threading.Barrier(2), dict[str, int]()
    api = estate.api

    def delete() -> None:
        together.wait()
        answers["delete"] = api.delete(f"{estate.path}/remotes/far").status

    def make() -> None:
        together.wait()
        answers["rule"] = estate.ask(target_instance="far").status

    threads = [threading.Thread(target=one) for one in (delete, make)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (answers["delete"], answers["rule"]) in ((204, 400), (409, 201))


def test_there_are_fifty_at_most(estate: Estate) -> None:
    for number in range(MOST_REMOTES):
        assert made(estate, name=f"far-{number}").status == 201
    assert made(estate, name="one-more").status == 409


def test_two_rules_meet_at_a_remotes_host(estate: Estate) -> None:
    """Y2: whatever the remotes are called."""
    made(estate)
    made(estate, name="alias")
    rule = estate.rule(target_instance="far")
    refused = estate.ask(source_namespace="prod", target_instance="alias", target_namespace="prod")
    assert refused.status == 409
    assert rule["id"] in refused.json()["detail"]


@pytest.mark.parametrize("alias", ["Registry.Example.com", "registry.example.com.", "https://registry.example.com:443"])
def test_host_has_one_name_however_it_is_written(estate: Estate, alias: str) -> None:
    """Y2"""
    made(estate)
    shown = made(estate, name="alias", address=alias).json()
    assert shown["address"] == FAR["address"]
    estate.rule(target_instance="far")
    make_namespace(estate.stack, estate.instance, "other")
    assert estate.ask(source_namespace="other", target_instance="alias").status == 409


def test_rule_does_not_follow_a_remote_that_moves_as_it_is_made(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Y2: what is claimed is where it brings."""
    made(estate)

    class Moving(Targets):
        def require(self, place: Place, namespace: str) -> Namespace | None:
            found = super().require(place, namespace)
            edit = {"address": "https://registry.example.net"}
            assert estate.api.patch(f"{estate.path}/remotes/far", edit).status == 200
            return found

    monkeypatch.setattr(service, "Targets", Moving)
    assert estate.ask(target_instance="far").status == 503
    assert estate.api.get(f"{estate.path}/remotes/far").json()["used_by"] == []


def test_remote_that_is_an_instance_of_this_service_is_that_instance(estate: Estate) -> None:
    """Y2 is not got around by an address."""
    address = Instances(estate.stack).public_address(estate.instance)
    assert made(estate, address=f"https://{address}", name="self").status == 201
    assert estate.ask(target_instance="self", target_namespace="dev").status == 400
    rule = estate.rule(target_instance="self")
    assert (rule["target_kind"], rule["target_instance"]) == ("instance", estate.instance.id)
    assert estate.ask(source_namespace="prod", target_namespace="dev").status == 409


def test_only_owners_change_remotes_and_other_instances_know_nothing_of_them(estate: Estate) -> None:
    made(estate)
    path = f"{estate.path}/remotes"
    for role in (Role.DEVELOPER, Role.READER, Role.AUDITOR):
        assert Api.signed_in(estate.stack, role).post(path, {**FAR, "name": "other"}).status == 403
    other = Estate.opened(estate.stack, "other")
    assert other.api.get(f"{other.path}/remotes/far").status == 404
    assert other.ask(target_instance="far").status == 400


@pytest.fixture
def private(tmp_path: Path) -> Iterator[Estate]:
    with embedded_stack(tmp_path / "private", allow_private_addresses=True) as stack:
        yield Estate.opened(stack)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2"])
def test_own_service_by_a_name_of_loopback_is_the_instance_that_answers_there(private: Estate, host: str) -> None:
    """Y2"""
    estate, port = Estate.opened(private.stack, "default"), private.stack.settings.port
    assert made(estate, address=f"{host}:{port}").status == 201
    assert made(estate, name="other", address=f"{host}:{port + 1}").status == 201
    kinds = [estate.rule(target_instance="far"), estate.rule(target_instance="other")]
    assert [rule["target_kind"] for rule in kinds] == ["instance", "remote"]


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", "ok"),
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "no_registry"),
        (b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n", "unreachable"),
        (b"HTTP/1.1 401 No\r\nwww-authenticate: Basic realm=x\r\ncontent-length: 0\r\n\r\n", "denied"),
        (REALM % b"gopher://x", "unreachable"),
        (REALM % b"http://169.254.169.254/", "unreachable"),
        (b"SSH-2.0-OpenSSH\r\n", "unreachable"),
    ],
)
def test_trying_a_remote_tells_what_is_wrong(private: Estate, answer: bytes, result: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        where = f"127.0.0.1:{server.getsockname()[1]}"
        assert made(private, address=where).status == 201
        assert private.api.post(f"{private.path}/remotes/far/test").json()["result"] == result
        server.shutdown(socket.SHUT_RDWR)


def test_remotes_are_searched_and_listed_from_either_end(estate: Estate) -> None:
    """C1"""
    for name in ("one", "two", "three"):
        made(estate, name=name, remark="" if name == "two" else "Backup site")
    path = f"{estate.path}/remotes"
    found = estate.api.get(path, search="backup", sort="-created_at", limit=1).json()
    rest = estate.api.get(path, search="backup", sort="-created_at", cursor=found["next"]).json()
    assert [one["name"] for one in found["items"] + rest["items"]] == ["three", "one"]
    assert estate.api.get(path, cursor="x").json()["errors"][0]["field"] == "cursor"
