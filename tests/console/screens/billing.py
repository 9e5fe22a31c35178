"""The account's money."""

from __future__ import annotations

from datetime import timedelta

from tests.console.world import Screen, World
from tests.stacks import BUCKET, make_instance


def furnish(world: World) -> None:
    for amount in (20_000, 1_250.5):
        world.api.post("/account/top-ups", {"amount": amount})
    ends = world.stack.clock.now() + timedelta(days=60)
    make_instance(world.stack, "shop", bucket=BUCKET, expires_at=ends, namespace_packs=3, repository_packs=1)
    world.api.post("/instances/shop/renewals", {"months": 3})
    world.api.post("/instances/shop/quota-packs", {"namespace_packs": 2})


SCREENS = (
    Screen("/billing", "billing", lambda _: "/billing"),
    Screen("/billing/top-ups", "billing-top-ups", lambda _: "/billing/top-ups"),
)
