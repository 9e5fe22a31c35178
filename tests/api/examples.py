"""An example call of every endpoint of the lower rooms, by its name: what it is about is made, then asked."""

from __future__ import annotations

from tests.management import PASSWORD

from .world import Ask, Place, example, fresh, fresh_network


@example
def openapi_document(_at: Place) -> Ask:
    return Ask()


@example
def documentation_page(_at: Place) -> Ask:
    return Ask()


@example
def documentation_asset(_at: Place) -> Ask:
    return Ask({"asset": "swagger-ui.css"})


@example
def sign_in(at: Place) -> Ask:
    return Ask(body={"account": at.account, "username": "owner", "password": PASSWORD})


@example
def sign_out(_at: Place) -> Ask:
    return Ask()


@example
def show_me(_at: Place) -> Ask:
    return Ask()


@example
def change_me(_at: Place) -> Ask:
    return Ask(body={"current_password": PASSWORD, "password": PASSWORD + "x"})


@example
def list_users(_at: Place) -> Ask:
    return Ask(query={"limit": 2, "search": "e"})


@example
def create_user(_at: Place) -> Ask:
    return Ask(body={"username": fresh("user"), "password": PASSWORD, "role": "reader"})


def _user(at: Place) -> dict[str, str]:
    body = {"username": fresh("user"), "password": PASSWORD, "role": "reader"}
    return {"user": at.create("/users", body)["username"]}


@example
def show_user(at: Place) -> Ask:
    return Ask(_user(at))


@example
def change_user(at: Place) -> Ask:
    return Ask(_user(at), body={"role": "developer"})


@example
def delete_user(at: Place) -> Ask:
    return Ask(_user(at))


@example
def list_access_keys(_at: Place) -> Ask:
    return Ask()


@example
def create_access_key(_at: Place) -> Ask:
    return Ask(body={"remark": "for tests"})


def _access_key(at: Place) -> dict[str, str]:
    return {"key": at.create("/access-keys", {"remark": "for tests"})["id"]}


@example
def show_access_key(at: Place) -> Ask:
    return Ask(_access_key(at))


@example
def change_access_key(at: Place) -> Ask:
    return Ask(_access_key(at), body={"remark": "for more tests"})


@example
def delete_access_key(at: Place) -> Ask:
    return Ask(_access_key(at))


@example
def list_accounts(_at: Place) -> Ask:
    return Ask(operator=True)


@example
def create_account(_at: Place) -> Ask:
    return Ask(body={"name": fresh("acme"), "username": "ada", "password": PASSWORD}, operator=True)


def _account(at: Place) -> dict[str, str]:
    body = {"name": fresh("acme"), "username": "ada", "password": PASSWORD}
    answer = at.operator.post("/accounts", body)
    assert answer.status == 201, answer.text
    return {"account": answer.json()["name"]}


@example
def show_account(at: Place) -> Ask:
    return Ask(_account(at), operator=True)


@example
def change_account(at: Place) -> Ask:
    return Ask(_account(at), body={"state": "suspended"}, operator=True)


@example
def list_instances(_at: Place) -> Ask:
    return Ask()


@example
def read_instance(at: Place) -> Ask:
    return Ask(at.here())


@example
def edit_instance(at: Place) -> Ask:
    return Ask(at.here(), body={"auto_renew": False})


@example
def list_namespaces(at: Place) -> Ask:
    return Ask(at.here(), query={"limit": 1})


@example
def create_namespace(at: Place) -> Ask:
    return Ask(at.here(), body={"name": fresh("space"), "default_visibility": "public"})


@example
def show_namespace(at: Place) -> Ask:
    return Ask(at.here(namespace=at.namespace()))


@example
def edit_namespace(at: Place) -> Ask:
    return Ask(at.here(namespace=at.namespace()), body={"auto_create_repository": True})


@example
def list_allowlist(at: Place) -> Ask:
    return Ask(at.here(), query={"check": "192.0.2.7"})


@example
def create_allowlist_entry(at: Place) -> Ask:
    return Ask(at.here(), body={"cidr": fresh_network(), "remark": "the office"})


def _allowlist_entry(at: Place) -> dict[str, str]:
    return {"entry": at.create(f"{at.path}/allowlist", {"cidr": fresh_network()})["id"]}


@example
def show_allowlist_entry(at: Place) -> Ask:
    return Ask(at.here(**_allowlist_entry(at)))


@example
def delete_allowlist_entry(at: Place) -> Ask:
    return Ask(at.here(**_allowlist_entry(at)))
