"""Allowlist."""

from __future__ import annotations

from tests.console.world import Screen, World


def furnish(world: World) -> None:
    for network, remark in (("127.0.0.1", "this machine"), ("203.0.113.0/24", "office"), ("2001:db8::/48", "CI")):
        made = world.api.post("/instances/ci/allowlist", {"cidr": network, "remark": remark})
        world.known["allowlist entry"] = made.json()["id"]


SCREENS = (
    Screen("/instances/{instance}/allowlist", "allowlist", lambda _: "/instances/ci/allowlist"),
    Screen(
        "/instances/{instance}/allowlist/{entry}/delete",
        "allowlist-delete",
        lambda world: f"/instances/ci/allowlist/{world.known['allowlist entry']}/delete",
    ),
)
