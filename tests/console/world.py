"""What the console's screens are looked at with: one instance `ci` full of things, furnished part by part.

Each part of the console has a module under `screens/`: what it puts into the world, and which screens it has. The same
world serves the tests without a browser, the browser's, and the screenshots.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from chalicelib.ports.stack import Stack
from tests.management import Api
from tests.scanning.shelf import Shelf


@dataclass
class World:
    """
    api      the owner of account `default`, through the API
    shelf    instance `ci` with namespace `library`, into which it pushes; `shelf.library` has the rest
    known    what parts of the world tell their screens: ids by name
    """

    stack: Stack
    api: Api
    shelf: Shelf
    known: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Screen:
    """
    route    as the page declares it
    name     of its picture in docs/console
    path     where it is in the world, below /console
    """

    route: str
    name: str
    path: Callable[[World], str]
    signed_in: bool = True
