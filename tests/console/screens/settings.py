"""What of an instance may be changed."""

from __future__ import annotations

from tests.console.world import Screen, World


def furnish(world: World) -> None:
    """Nothing: instance `staging` is there, which has a period."""


SCREENS = (
    Screen(
        "/instances/{instance}/settings",
        "instance-settings",
        lambda _: "/instances/staging/settings?namespace_packs=2&repository_packs=1",
    ),
    Screen("/instances/{instance}/renew", "instance-renew", lambda _: "/instances/staging/renew?months=12"),
    Screen("/instances/{instance}/delete", "instance-delete", lambda _: "/instances/staging/delete"),
)
