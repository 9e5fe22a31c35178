"""A name to offer where the one that was asked for is taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from chalicelib.kernel.ids import new_id, tail_of
from chalicelib.ports.table import Key, Table

# Names that are tried before one is offered that nobody can have.
MOST_TRIED: Final = 20
# `-restored-19`, or a dash and the end of an id.
_LONGEST_ENDING: Final = 20


def free_name(table: Table, taken: str, longest: int, key: Callable[[str], Key]) -> str:
    """Like the taken one, no longer than it may be, and free as things stand.

    key   where something of a name would stand
    """
    stem = taken
    if len(taken) > longest - _LONGEST_ENDING:
        # Cut off behind a dot, an underscore or a slash it would be no name: of tags that begin so they may stay.
        cut = taken[: longest - _LONGEST_ENDING]
        stem = cut.rstrip("._/") or cut
    names = [f"{stem}-restored", *(f"{stem}-restored-{number}" for number in range(2, MOST_TRIED))]
    standing = table.get_many([key(name) for name in names])
    free = (name for name in names if key(name) not in standing)
    return next(free, f"{stem}-{tail_of(new_id()).lower()}")
