"""Lists of first files, as users tell them: a path a line, or what ctr-remote records of a container that ran.

Source: containerd/stargz-snapshotter, recorder/recorder.go: `{"path": …, "manifestDigest": …, "layerIndex": …}`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from chalicelib.kernel.errors import Invalid

MOST_PATHS: Final = 10_000
MOST_BYTES: Final = 1024 * 1024
# Linux's PATH_MAX.
_LONGEST_PATH: Final = 4096
_FIELD: Final = "files"


def parse_list(data: bytes) -> tuple[str, ...]:
    """Paths below the root without `/` in front, each once, in their order; `..` stays: before it may be a symlink.

    data  text; empty lines, and those that begin with `#`, tell nothing
    Raises Invalid (`files`) that names the line.
    """
    if len(data) > MOST_BYTES:
        raise Invalid(_FIELD, f"The list has {len(data)} bytes; up to {MOST_BYTES} are taken.")
    paths: dict[str, None] = {}
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        written = _text(number, line)
        if written and not written.startswith("#"):
            _add(paths, number, _recorded(number, written) if written.startswith("{") else written)
    return tuple(paths)


def checked(files: Iterable[str]) -> tuple[str, ...]:
    """The same of paths that are told one by one; the refusal counts them as lines."""
    paths: dict[str, None] = {}
    size = 0
    for number, path in enumerate(files, 1):
        size += len(path) + 1
        if size > MOST_BYTES:
            raise Invalid(_FIELD, f"The list has more than {MOST_BYTES} bytes.")
        _add(paths, number, path)
    return tuple(paths)


def _text(number: int, line: bytes) -> str:
    try:
        return line.decode().strip()
    except UnicodeDecodeError as wrong:
        raise Invalid(_FIELD, f"Line {number} is no UTF-8, which names of files have to be.") from wrong


def _recorded(number: int, line: str) -> str:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as wrong:
        raise Invalid(_FIELD, f"Line {number} begins like a recorder's entry and is no JSON.") from wrong
    path = entry.get("path") if isinstance(entry, dict) else None
    if not isinstance(path, str):
        raise Invalid(_FIELD, f"Line {number} is a recorder's entry without `path`.")
    return path


def _add(paths: dict[str, None], number: int, written: str) -> None:
    path = "/".join(part for part in written.split("/") if part not in ("", "."))
    if len(path) > _LONGEST_PATH:
        raise Invalid(_FIELD, f"Line {number} has {len(path)} characters; paths have up to {_LONGEST_PATH}.")
    if not path:
        # Programs open the root too.
        return
    if any(sign < " " or sign == "\x7f" for sign in path) or not _is_text(path):
        raise Invalid(_FIELD, f"Line {number} has signs that no line of text has.")
    paths[path] = None
    if len(paths) > MOST_PATHS:
        raise Invalid(_FIELD, f"Line {number} is one too many: up to {MOST_PATHS} files are taken.")


def _is_text(path: str) -> bool:
    """JSON can tell half a surrogate pair."""
    return path.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in path)
