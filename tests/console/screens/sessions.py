"""Sign-in."""

from __future__ import annotations

from tests.console.world import Screen, World


def furnish(world: World) -> None:
    """Nothing: whoever signs in is there."""


SCREENS = (Screen("/sign-in", "sign-in", lambda _: "/sign-in", signed_in=False),)
