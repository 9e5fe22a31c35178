"""Every kind of file that tells of packages: one line a reader."""

from __future__ import annotations

from typing import Final

from .reading import Reader

READERS: Final[tuple[Reader, ...]] = ()
