"""Shares: the owner's side and the guest's, through the management API and over the registry's wire."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.access.service import Access
from chalicelib.accounts.service import Accounts
from chalicelib.kernel.roles import Role
from chalicelib.ports import keys
from chalicelib.ports.table import Update, present
from chalicelib.repositories.service import Repositories
from chalicelib.sharing.models import ShareQuery
from chalicelib.sharing.service import Shares
from tests.management import Api
from tests.registry.wire import MANIFEST, Wire, sha256
from tests.stacks import embedded_stack

SHARES = "/instances/default/namespaces/library/repositories/app/shares"
GUEST = {"account": "guests", "username": "owner"}
HOME = "192.0.2.7"
MANIFEST_PATH = "/v2/library/app/manifests/v1"


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    served = Wire(tmp_path)
    served.push_image("library/app", "v1")
    served.push_image("library/other", "v1")
    yield served
    served.close()


@pytest.fixture
def owner(wire: Wire) -> Api:
    return Api.signed_in(wire.stack)


@pytest.fixture
def guest(wire: Wire) -> Api:
    return Api.signed_in(wire.stack, account="guests")


def key_of(wire: Wire, account: str = "guests", username: str = "owner") -> tuple[str, str]:
    """A login for the registry."""
    made = Accounts(wire.stack).create_access_key(account, username)
    return made.key.id, made.secret


def member_key(wire: Wire, role: Role) -> tuple[str, str]:
    Api.signed_in(wire.stack, role)
    return key_of(wire, "default", role)


def test_a_share_is_made_listed_shown_and_revoked(owner: Api, guest: Api) -> None:
    """G4"""
    made = owner.post(SHARES, GUEST)
    assert made.status == 201
    share = made.json()
    assert share == {
        "id": share["id"], **GUEST, "created_at": "2026-01-31T08:00:00.000000Z", "created_by": "owner",
    }  # fmt: skip
    assert owner.get(SHARES).json()["items"] == [share]
    assert owner.get(made.headers["Location"].removeprefix("/api/v1")).json() == share
    assert owner.post(SHARES, GUEST).code == "CONFLICT"
    assert owner.delete(f"{SHARES}/{share['id']}").status == 204
    assert owner.get(SHARES).json()["items"] == []
    assert owner.delete(f"{SHARES}/{share['id']}").code == "NOT_FOUND"
    assert owner.post(SHARES, GUEST).status == 201


def test_nobody_learns_whether_a_guest_exists(owner: Api, guest: Api) -> None:
    """G5"""
    there, not_there = owner.post(SHARES, GUEST), owner.post(SHARES, {"account": "nobody", "username": "owner"})
    assert (there.status, not_there.status) == (201, 201)
    assert set(there.json()) == set(not_there.json())


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"account", "username"}),
        ({"account": "Guests", "username": "a b"}, {"account", "username"}),
        ({"account": "guests\n", "username": "owner", "role": "owner"}, {"account", "role"}),
        ({"account": "default", "username": "reader"}, {"account"}),
    ],
)
def test_every_bad_field_is_named_and_nothing_is_shared(owner: Api, body: dict[str, str], fields: set[str]) -> None:
    """G4"""
    refused = owner.post(SHARES, body)
    assert (refused.status, refused.code) == (400, "INVALID")
    assert {error["field"] for error in refused.json()["errors"]} == fields
    assert owner.get(SHARES).json()["items"] == []


def test_only_owners_share_and_only_auditors_look_on(wire: Wire, owner: Api) -> None:
    """G4, G5"""
    share = owner.post(SHARES, GUEST).json()
    for role, sees in ((Role.DEVELOPER, 403), (Role.READER, 403), (Role.AUDITOR, 200)):
        member = Api.signed_in(wire.stack, role)
        assert member.get(SHARES).status == member.get(f"{SHARES}/{share['id']}").status == sees
        assert member.post(SHARES, GUEST).code == "DENIED"
        assert member.delete(f"{SHARES}/{share['id']}").code == "DENIED"


def test_a_share_of_another_repository_is_not_found_here(wire: Wire, owner: Api) -> None:
    """G5"""
    share = owner.post(SHARES, GUEST).json()
    elsewhere = SHARES.replace("/app/", "/other/")
    answers = {
        (reply.status, reply.json()["code"], reply.json()["detail"])
        for ref in (share["id"], "01J00000000000000000000000", "x", "%00" * 9)
        for reply in (owner.get(f"{elsewhere}/{ref}"), owner.delete(f"{elsewhere}/{ref}"))
    }
    assert answers == {(404, "NOT_FOUND", "there is no such share")}
    assert len(owner.get(SHARES).json()["items"]) == 1


def test_the_guest_sees_what_is_shared_and_how_to_pull_it(wire: Wire, owner: Api, guest: Api) -> None:
    """G4"""
    share = owner.post(SHARES, GUEST).json()
    (seen,) = guest.get("/shared-with-me").json()["items"]
    address = seen["address"]
    assert address.startswith("default-")
    assert seen == {
        "id": share["id"],
        "account": "default",
        "username": "owner",
        "instance": "default",
        "address": address,
        "namespace": "library",
        "repository": "app",
        "full_name": "library/app",
        "shared_at": share["created_at"],
        "login_command": f"docker login {address} -u <access key>",
        "pull_command": f"docker pull {address}/library/app:<tag>",
    }
    others = [Api.signed_in(wire.stack, Role.READER, account="guests"), owner, Api.signed_in(wire.stack, account="x1")]
    assert [other.get("/shared-with-me").json()["items"] for other in others] == [[], [], []]
    owner.delete(f"{SHARES}/{share['id']}")
    assert guest.get("/shared-with-me").json()["items"] == []


def test_the_guests_list_hides_what_is_gone(wire: Wire, owner: Api, guest: Api) -> None:
    """G4"""
    owner.post(SHARES, GUEST)
    owner.post(SHARES.replace("/app/", "/other/"), GUEST)
    wire.stack.table.delete(keys.repository(wire.instance.id, "library/app"))
    assert [item["repository"] for item in guest.get("/shared-with-me").json()["items"]] == ["other"]
    repository = Repositories(wire.stack).get(wire.instance.id, "library/other")
    (share,) = Shares(wire.stack).list(repository.id, ShareQuery()).items
    wire.stack.table.delete(keys.share(repository.id, share.id))
    assert guest.get("/shared-with-me").json()["items"] == []


def test_every_share_of_an_instance_is_in_one_list(wire: Wire, owner: Api) -> None:
    """G4, C1: by guest or by time; of repositories that are there."""
    other = SHARES.replace("/app/", "/other/")
    for path, account in ((SHARES, "guests"), (other, "acme"), (other, "guests")):
        assert owner.post(path, {"account": account, "username": "owner"}).status == 201
    listed = "/instances/default/shares"
    seen = owner.get(listed).json()["items"]
    assert (seen[0]["account"], seen[0]["namespace"], seen[0]["repository"]) == ("acme", "library", "other")
    assert sorted(one["repository"] for one in seen) == ["app", "other", "other"]
    found = owner.get(listed, search="guests/", sort="-created_at").json()["items"]
    assert {one["repository"] for one in found} == {"app", "other"}
    assert [one["account"] for one in owner.get(other, sort="-name").json()["items"]] == ["guests", "acme"]
    assert owner.get(listed, cursor="x").json()["errors"][0]["field"] == "cursor"
    owner.delete("/instances/default/namespaces/library/repositories/other", confirm="other")
    (left,) = owner.get(listed).json()["items"]
    owner.delete(f"{SHARES}/{left['id']}")
    assert owner.get(listed).json()["items"] == []


@pytest.mark.parametrize("looks", ["owner", "guest"])
def test_a_share_of_an_earlier_version_joins_the_list_once_somebody_looked_at_it(
    wire: Wire, owner: Api, guest: Api, looks: str
) -> None:
    """G4, R8"""
    share = owner.post(SHARES, GUEST).json()
    repository = Repositories(wire.stack).get(wire.instance.id, "library/app")
    wire.stack.table.update(Update(keys.share(repository.id, share["id"]), remove=("i1pk", "i1sk"), when=present()))
    assert owner.get("/instances/default/shares").json()["items"] == []
    assert (owner.get(SHARES) if looks == "owner" else guest.get("/shared-with-me")).status == 200
    assert len(owner.get("/instances/default/shares").json()["items"]) == 1


def test_the_guests_list_is_paged(wire: Wire, owner: Api, guest: Api) -> None:
    """G4"""
    for number in range(5):
        wire.push_blob(f"library/x{number}", b"{}")
        path = SHARES.replace("/app/", f"/x{number}/")
        assert owner.post(path, GUEST).status == 201
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = guest.get("/shared-with-me", limit=2, **cursor).json()
        found += [item["repository"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert sorted(found) == [f"x{number}" for number in range(5)]


def test_a_guest_pulls_what_is_shared_by_password_and_by_token(wire: Wire, owner: Api, guest: Api) -> None:
    """G4, R2"""
    login = key_of(wire)
    assert wire.ask("GET", "/v2/", login=login).status_code == 200
    assert wire.ask("GET", MANIFEST_PATH, login=login).status_code == 404
    owner.post(SHARES, GUEST)
    assert wire.ask("GET", MANIFEST_PATH, login=login).status_code == 200
    token = wire.token("repository:library/app:pull,push,delete", login=login)
    assert wire.ask("GET", MANIFEST_PATH, token=token).status_code == 200
    assert wire.ask("GET", f"/v2/library/app/blobs/{sha256(b'layer')}", token=token).status_code == 200
    assert wire.ask("GET", "/v2/library/app/tags/list", token=token).json()["tags"] == ["v1"]


def test_a_guest_changes_nothing_and_reaches_nothing_else(wire: Wire, owner: Api, guest: Api) -> None:
    """G4, R5: what is not shared answers exactly as what is missing."""
    owner.post(SHARES, GUEST)
    login = key_of(wire)
    token = wire.token("repository:library/app:pull,push,delete", login=login)
    for how in ({"login": login}, {"token": token}):
        for method, path in [
            ("PUT", MANIFEST_PATH),
            ("DELETE", MANIFEST_PATH),
            ("POST", "/v2/library/app/blobs/uploads/"),
            ("DELETE", f"/v2/library/app/blobs/{sha256(b'layer')}"),
            ("POST", "/v2/library/new/blobs/uploads/"),
        ]:
            refused = wire.ask(method, path, headers={"Content-Type": MANIFEST}, **how)
            assert refused.status_code in (401, 403, 404), (method, path)
    private = wire.ask("GET", "/v2/library/other/manifests/v1", login=login)
    missing = wire.ask("GET", "/v2/library/others/manifests/v1", login=login)
    assert private.status_code == missing.status_code == 404
    assert private.text.replace("library/other", "…") == missing.text.replace("library/others", "…")
    assert Repositories(wire.stack).get(wire.instance.id, "library/app")
    assert wire.ask("GET", MANIFEST_PATH).status_code == 200


def test_another_user_of_the_guests_account_gets_nothing(wire: Wire, owner: Api, guest: Api) -> None:
    """G4: a share is for one user, and a user of the same name elsewhere is another."""
    owner.post(SHARES, GUEST)
    Api.signed_in(wire.stack, Role.READER, account="guests")
    Api.signed_in(wire.stack, account="others")
    for account, username in (("guests", "reader"), ("others", "owner")):
        assert wire.ask("GET", MANIFEST_PATH, login=key_of(wire, account, username)).status_code == 404


def test_a_revoked_share_ends_pulls_at_once_also_by_token_and_in_other_processes(
    tmp_path: Path, wire: Wire, owner: Api, guest: Api
) -> None:
    """G4"""
    share = owner.post(SHARES, GUEST).json()
    login = key_of(wire)
    token = wire.token("repository:library/app:pull", login=login)
    with embedded_stack(tmp_path, wire.clock) as other_process:
        wire.use(other_process)
        for how in ({"login": login}, {"token": token}):
            assert wire.ask("GET", MANIFEST_PATH, **how).status_code == 200
        owner.delete(f"{SHARES}/{share['id']}")
        assert wire.ask("GET", MANIFEST_PATH, login=login).status_code == 404
        assert wire.ask("GET", MANIFEST_PATH, token=token).status_code == 401
        wire.use(wire.stack)


def test_a_key_that_is_over_ends_its_logins_and_tokens(wire: Wire, owner: Api, guest: Api) -> None:
    """G4, G5: revoked, expired, or its user gone."""
    owner.post(SHARES, GUEST)
    login = key_of(wire)
    token = wire.token("repository:library/app:pull", login=login)
    form = {"grant_type": "password", "service": "x", "client_id": "c", "access_type": "offline"}
    refresh = wire.ask("POST", "/token", login=None, data={**form, "username": login[0], "password": login[1]}).json()[
        "refresh_token"
    ]
    again = {"grant_type": "refresh_token", "service": "x", "client_id": "c", "refresh_token": refresh}
    assert wire.ask("POST", "/token", login=None, data=again).status_code == 200
    assert wire.ask("GET", MANIFEST_PATH, token=token).status_code == 200
    assert guest.delete(f"/access-keys/{login[0]}").status == 204
    assert wire.ask("GET", MANIFEST_PATH, token=token).status_code == 401
    assert wire.ask("GET", MANIFEST_PATH, login=login).status_code == 401
    assert wire.ask("POST", "/token", login=None, data=again).status_code == 401


def test_a_key_that_expires_ends_its_logins_and_tokens_by_the_second(wire: Wire, owner: Api, guest: Api) -> None:
    """G4, G5: also what is remembered of them."""
    owner.post(SHARES, GUEST)
    made = Accounts(wire.stack).create_access_key("guests", "owner", "", wire.clock.now() + timedelta(seconds=20))
    login = (made.key.id, made.secret)
    answer = wire.ask("GET", "/token", login=login, params={"service": "x", "scope": "repository:library/app:pull"})
    assert answer.json()["expires_in"] == 20
    ways: tuple[dict[str, Any], ...] = ({"login": login}, {"token": answer.json()["token"]})
    assert [wire.ask("GET", MANIFEST_PATH, **how).status_code for how in ways] == [200, 200]
    wire.clock.advance(19)
    assert [wire.ask("GET", MANIFEST_PATH, **how).status_code for how in ways] == [200, 200]
    wire.clock.advance(1)
    assert [wire.ask("GET", MANIFEST_PATH, **how).status_code for how in ways] == [401, 401]


def test_the_allowlist_applies_to_guests(wire: Wire, owner: Api, guest: Api, tmp_path: Path) -> None:
    """G2, G4"""
    with_list = Wire(tmp_path / "second", edition="enterprise")
    with_list.push_image("library/app", "v1")
    Api.signed_in(with_list.stack, account="guests")
    assert Api.signed_in(with_list.stack).post(SHARES, GUEST).status == 201
    login = key_of(with_list)
    Access(with_list.stack).add(with_list.instance, "127.0.0.1")
    assert with_list.ask("GET", MANIFEST_PATH, login=login).status_code == 200
    with_list.use(with_list.stack, (HOME, 50000))
    assert with_list.ask("GET", MANIFEST_PATH, login=login).status_code == 403
    assert with_list.ask("GET", "/token", login=login).status_code == 403
    with_list.close()


def test_members_log_in_with_access_keys_by_their_roles(wire: Wire) -> None:
    """G5"""
    upload = "/v2/library/new/blobs/uploads/"
    for role, writes in ((Role.OWNER, True), (Role.DEVELOPER, True), (Role.READER, False), (Role.AUDITOR, False)):
        login = member_key(wire, role)
        assert wire.ask("GET", MANIFEST_PATH, login=login).status_code == 200
        token = wire.token("repository:library/app:pull,push", login=login)
        assert wire.ask("GET", MANIFEST_PATH, token=token).status_code == 200
        assert (wire.ask("POST", upload, login=login).status_code == 202) is writes
        assert (wire.ask("POST", "/v2/library/app/blobs/uploads/", token=token).status_code == 202) is writes
        names = wire.ask("GET", "/v2/_catalog", login=login).json()["repositories"]
        assert {"library/app", "library/other"} <= set(names)


def test_a_role_taken_away_ends_the_members_tokens(wire: Wire) -> None:
    """G5"""
    owner = Api.signed_in(wire.stack)
    login = member_key(wire, Role.DEVELOPER)
    token = wire.token("repository:library/app:pull,push", login=login)
    assert wire.ask("POST", "/v2/library/app/blobs/uploads/", token=token).status_code == 202
    assert owner.patch("/users/developer", {"role": "reader"}).status == 200
    assert wire.ask("POST", "/v2/library/app/blobs/uploads/", token=token).status_code == 401
    assert wire.ask("POST", "/v2/library/app/blobs/uploads/", login=login).status_code == 403
    assert wire.ask("GET", MANIFEST_PATH, login=login).status_code == 200


def test_a_key_of_another_account_does_not_open_an_instance_of_the_same_name(wire: Wire, guest: Api) -> None:
    """G5"""
    login = key_of(wire)
    assert wire.ask("GET", "/v2/_catalog", login=login).json()["repositories"] == []
    assert wire.ask("GET", MANIFEST_PATH, login=login).status_code == 404
    wrong = wire.ask("GET", MANIFEST_PATH, login=(login[0], "x" * 43))
    unknown = wire.ask("GET", MANIFEST_PATH, login=("AK01J00000000000000000000000", "x" * 43))
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.text == unknown.text
