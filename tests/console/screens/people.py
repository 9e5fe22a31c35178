"""Profile, users, accounts."""

from __future__ import annotations

from chalicelib.ports import keys
from chalicelib.ports.table import Update
from tests.console.world import Screen, World
from tests.management import PASSWORD

PEOPLE = (
    ("ada", "owner"),
    ("ben.weber@example.com", "developer"),
    ("chen", "developer"),
    ("deploy-desk", "reader"),
    ("eve", "auditor"),
)


def furnish(world: World) -> None:
    for username, role in PEOPLE:
        world.api.post("/users", {"username": username, "password": PASSWORD, "role": role})
    for remark, expires_at in (("laptop", None), ("nightly build", "2026-12-31T00:00:00Z"), ("old CI", None)):
        key = world.api.post("/access-keys", {"remark": remark, "expires_at": expires_at}).json()["id"]
        world.known["access key"] = key
    world.api.patch(f"/access-keys/{key}", {"enabled": False})
    # Like `admin` of a first start, the owner operates the service too.
    world.stack.table.update(Update(keys.user("default", "owner"), set={"operator": True}))
    for name in ("acme", "globex"):
        world.api.post("/accounts", {"name": name, "username": "ada", "password": PASSWORD})
    oidc = {"issuer": "https://id.example.com", "client_id": "registry", "client_secret": "kept"}
    world.api.patch("/accounts/acme", {"oidc": oidc})
    world.api.patch("/accounts/globex", {"state": "suspended"})


def _key(world: World, rest: str = "") -> str:
    return f"/me/access-keys/{world.known['access key']}{rest}"


SCREENS = (
    Screen("/me", "profile", lambda _: "/me"),
    Screen("/me/access-keys", "access-keys", lambda _: "/me/access-keys"),
    Screen("/me/access-keys/{key}", "access-key", _key),
    Screen("/me/access-keys/{key}/delete", "access-key-delete", lambda world: _key(world, "/delete")),
    Screen("/users", "users", lambda _: "/users"),
    Screen("/users/{user}", "user", lambda _: "/users/chen"),
    Screen("/users/{user}/delete", "user-delete", lambda _: "/users/chen/delete"),
    Screen("/accounts", "accounts", lambda _: "/accounts"),
    Screen("/accounts/{account}", "account", lambda _: "/accounts/acme"),
    Screen(
        "/accounts/{account}/provider/delete",
        "account-provider-delete",
        lambda _: "/accounts/acme/provider/delete",
    ),
    Screen("/accounts/{account}/suspend", "account-suspend", lambda _: "/accounts/acme/suspend"),
)
