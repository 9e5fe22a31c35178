"""How pydantic models behave, said once: they never change, and are compiled when first used.

Compiling them all would take a function's cold start longer than everything else in it.
"""

from __future__ import annotations

from typing import Final

from pydantic import ConfigDict

# What callers send: a field that nobody knows is a mistake of theirs.
GIVEN: Final = ConfigDict(frozen=True, extra="forbid", defer_build=True)
# What was stored or sent by another version of this code, which may have known more.
KEPT: Final = ConfigDict(frozen=True, extra="ignore", defer_build=True)
# What we make ourselves.
MADE: Final = ConfigDict(frozen=True, defer_build=True)
