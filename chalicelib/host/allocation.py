"""How the C library holds memory that was given back."""

from __future__ import annotations

import ctypes
from typing import Final

_M_MMAP_THRESHOLD: Final = -3  # malloc.h of glibc
# Well below the 19 MiB of one password hash, well above the buffers of uploads, which are reused.
_LARGE_BYTES: Final = 1024 * 1024


def give_large_blocks_back() -> None:
    """Large blocks leave the process as they are freed. Left alone, glibc raises its threshold with the first one it
    frees, and keeps one password's 19 MiB for each thread that ever hashed one. Nothing where malloc has no options."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
