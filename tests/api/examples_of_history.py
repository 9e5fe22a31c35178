"""Example calls of endpoints about where tags have pointed to, by the endpoint's name."""

from __future__ import annotations

from .world import Ask, Place, example


@example
def list_tag_history(at: Place) -> Ask:
    image = at.image()
    return Ask(at.here(**image.parts, tag=image.tag), query={"limit": 2})


@example
def roll_tag_back(at: Place) -> Ask:
    image = at.image()
    return Ask(at.here(**image.parts, tag=image.tag), body={"digest": image.digest})
