"""What a reader of one kind of file is, and what it tells.

entry ─► Places (cheap, for every entry) ─► wants (may peek) ─► read (the content) ─► Told
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Final, Protocol

from chalicelib.layers.entries import MIB, Entry

from .models import Package

# Of one file, and of a layer: ten times what the largest images have.
MOST_PACKAGES: Final = 100_000
# Of files that are read line by line. Debian's longest known one is 60 KB.
LONGEST_LINE: Final = MIB
# Of files that are read whole, because their format needs it: JSON and the like.
LARGEST_TEXT: Final = 32 * MIB


class Unreadable(ValueError):
    """A file that a reader cannot make sense of; becomes a problem of the layer. The message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where files of one kind lie. A file that fits none of these costs its reader nothing; one that fits is `wants`'s.

    paths        whole ones
    folders      that hold them directly, without a slash at the end; "" is the root
    names        last segments
    endings      what follows the last dot of the last segment, with it: `.jar`
    executables  every file that somebody may execute
    """

    paths: frozenset[str] = frozenset()
    folders: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    endings: frozenset[str] = frozenset()
    executables: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """What one file tells.

    owns   paths of other files that this one says the system installed, as layers name them (no leading `/`);
           taken while the content is open
    owner  package of dpkg that they belong to, `name` or `name:arch`: holds if a status in the same layer confirms it,
           and counts it as the system's own. "": they are the system's anyway
    problem  a part that could not be read; what else is told counts
    """

    packages: Sequence[Package] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    owns: Iterable[str] = ()
    owner: str = ""
    problem: str = ""


class Reader(Protocol):
    """Of one kind of file. Has no state.

    name    as it stands in `Found.reader`
    places  where such files lie
    """

    @property
    def name(self) -> str: ...

    @property
    def places(self) -> Places: ...

    def wants(self, entry: Entry) -> bool:
        """Whether this file, which lies in one of the places, is to be read. May peek."""
        ...

    def read(self, path: str, content: BinaryIO, entry: Entry) -> Told:
        """What the file tells; nothing at all makes it one that only writes over what lay there before.

        content  seekable, at its beginning
        Raises Unreadable. LayerRefused, which content raises, passes through.
        """
        ...


def lines(content: BinaryIO) -> Iterator[str]:
    """Without their ends; bytes that are no UTF-8 become question marks. Raises Unreadable for an endless one."""
    while line := content.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise Unreadable(f"a line of more than {LONGEST_LINE} bytes")
        yield line.rstrip(b"\r\n").decode("utf-8", "replace")


def text_of(content: BinaryIO) -> bytes:
    """All of it. Raises Unreadable where that is too much for a file of its kind."""
    text = content.read(LARGEST_TEXT + 1)
    if len(text) > LARGEST_TEXT:
        raise Unreadable(f"more than {LARGEST_TEXT} bytes")
    return text
