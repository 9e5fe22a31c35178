"""Which system an image has, by all of its files that say something about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from ..models import Found, OperatingSystem
from .releases import WEIGHTS

# Derived systems carry these ones' files along: Ubuntu has Debian's, Oracle has Red Hat's.
_ANCESTORS: Final = frozenset({"debian", "redhat"})


def choose_system(found: Iterable[Found]) -> OperatingSystem | None:
    """found: of the reader `system`, as they stand in the image. None where none of them names a family."""
    said = sorted(found, key=lambda each: WEIGHTS.get(each.path, len(WEIGHTS)))
    named = [each.facts for each in said if each.facts.get("family")]
    strong = [facts for facts in named if not facts.get("weak")]
    derived = [facts for facts in strong if facts["family"] not in _ANCESTORS]
    best: Mapping[str, str] | None = next(iter([*derived, *strong, *named]), None)
    if best is None:
        return None
    return OperatingSystem(
        family=best["family"],
        name=best.get("name", ""),
        stream=_fact(said, "stream") if best["family"] == "alpine" else "",
        extended=best["family"] == "ubuntu" and bool(_fact(said, "extended")),
    )


def _fact(said: Iterable[Found], name: str) -> str:
    return next((value for each in said if (value := each.facts.get(name))), "")
