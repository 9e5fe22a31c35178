"""The library for zstd: Python has it from 3.14 on, and before as a package. Imported only where it is needed."""

import sys

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["zstd"]
