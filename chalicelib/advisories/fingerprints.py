"""Which rows of a database an image depends on, as numbers small enough to keep beside it.

    inventory ─► (platform, name) of every lookup ─► 4 bytes each, sorted
    two databases ─► rows that differ ─► the same numbers ─► images that have one of them are examined again

Two rows may share a number: then an image is examined once too often, and never once too seldom.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Final

from chalicelib.packages.models import ImageInventory, OperatingSystem, Package

from .database import PRODUCTS, RED_HAT
from .families import FAMILIES, RED_HATS
from .language_matching import lookups
from .rebuilders import name_of, rebuilt_by
from .redhat import lookup_name
from .system_matching import of_system

SIZE: Final = 4
# A release may move from one platform to another as its regular support ends: images depend on both.
_MOMENTS: Final = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


def fingerprint(platform: str, package: str) -> int:
    """Of one row. Platforms of a language (`pip::…`) count as one: all of them are asked."""
    language, colons, _ = platform.partition("::")
    text = f"{language}{colons}\0{package}"
    return int.from_bytes(blake2b(text.encode(), digest_size=SIZE).digest())


def fingerprints(inventory: ImageInventory) -> bytes:
    """Of all rows that `examine` looks up, whether or not there are any now: sorted, each once, 4 bytes big-endian."""
    system = inventory.system
    of_makers = [one.package for one in inventory.packages if of_system(one.package, system)]
    pairs = {pair for one in inventory.packages for pair in _pairs(one.package, system)}
    pairs |= set(_rebuilt_pairs(of_makers, system))
    pairs |= {(platform, "") for platform in _platforms(system)}
    return b"".join(number.to_bytes(SIZE) for number in sorted({fingerprint(*pair) for pair in pairs}))


def _pairs(package: Package, system: OperatingSystem | None) -> Iterator[tuple[str, str]]:
    if not of_system(package, system):
        yield from lookups(package)
    elif system and system.family in RED_HATS:
        yield RED_HAT, lookup_name(package)
    elif system and system.family in FAMILIES:
        name = FAMILIES[system.family].name_of(package)
        yield from ((platform, name) for platform in _platforms(system))


def _rebuilt_pairs(packages: Sequence[Package], system: OperatingSystem | None) -> Iterator[tuple[str, str]]:
    rebuilt = rebuilt_by(system, packages) if system else None
    if rebuilt:
        for package in packages:
            for platform in rebuilt.platforms(package) if rebuilt.concerns(package) else ():
                yield from ((platform, ""), (platform, name_of(package)))


def _platforms(system: OperatingSystem | None) -> set[str]:
    if system is None:
        return set()
    if system.family in RED_HATS:
        return {RED_HAT, PRODUCTS}
    family = FAMILIES.get(system.family)
    return {family.platform_of(system, moment) for moment in _MOMENTS} if family else set()
