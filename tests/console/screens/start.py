"""The first image, and the command palette."""

from __future__ import annotations

from tests.console.world import Screen, World


def furnish(world: World) -> None:
    """Nothing: what others furnish is found."""


SCREENS = (
    Screen("/instances/{instance}/start", "first-image", lambda _: "/instances/ci/start?client=podman"),
    Screen("/find", "find", lambda _: "/find?instance=ci&q=li"),
)
