"""Keys of a folder tree in order, reading no more folders than a page needs."""

from __future__ import annotations

import os
from collections.abc import Iterator


def keys(root: str, prefix: str, after: str) -> Iterator[str]:
    """Keys below `root` that begin with `prefix` and are beyond `after`, in key order.

    Names that hold a `+` are our own, never an object's (it is not in the alphabet of keys).
    """
    return _walk(root, "", prefix, after)


def _walk(root: str, folder: str, prefix: str, after: str) -> Iterator[str]:
    """`folder` is empty or ends with a slash. A folder sorts as its name with a slash behind it, as its keys do."""
    try:
        with os.scandir(os.path.join(root, folder)) as entries:
            names = sorted(entry.name + "/" * entry.is_dir(follow_symlinks=False) for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        return  # removed while we read
    for name in names:
        path = folder + name
        if "+" in name or not (path.startswith(prefix) or prefix.startswith(path)):
            continue
        if not name.endswith("/"):
            if path > after and path.startswith(prefix):
                yield path
        elif path > after or after.startswith(path):
            yield from _walk(root, path, prefix, after)
