"""The world with every part in it, and every screen of it, found by looking into `screens/`."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from chalicelib.ports.stack import Stack
from tests.console import screens
from tests.console.world import Screen, World
from tests.scanning.shelf import Shelf

PARTS: tuple[ModuleType, ...] = tuple(
    importlib.import_module(f"{screens.__name__}.{found.name}") for found in pkgutil.iter_modules(screens.__path__)
)
SCREENS: tuple[Screen, ...] = tuple(screen for part in PARTS for screen in part.SCREENS)


def furnished(stack: Stack) -> World:
    shelf = Shelf.opened(stack)
    world = World(stack, shelf.library.api(), shelf)
    for part in PARTS:
        part.furnish(world)
    return world
