"""Licences of Debian's packages: each brings a file of its own that says them, more or less readable for machines."""

from __future__ import annotations

import re
from itertools import chain
from typing import BinaryIO, Final

from chalicelib.layers.entries import Entry

from ..reading import Places, Told, text_of
from .licences import split

_FOLDER: Final = "usr/share/doc/"
_SAID: Final = re.compile(
    rb"^License:([^\r\n]*)|/?usr/share/common-licenses/([0-9A-Za-z_.+-]+[0-9A-Za-z+])", re.MULTILINE
)
_MOST: Final = 200


class Copyrights:
    """Tells `licenses`, one a line; of which package, the path says."""

    name = "dpkg-licences"
    places = Places(names=frozenset({"copyright"}))

    def wants(self, entry: Entry) -> bool:
        return entry.kind == "file" and entry.path.startswith(_FOLDER) and entry.path.count("/") == 4

    def read(self, path: str, content: BinaryIO, entry: Entry) -> Told:
        said = (found[1] or found[2] or b"" for found in _SAID.finditer(text_of(content)))
        names = chain.from_iterable(split(each.decode("utf-8", "replace")) for each in said)
        unique = list(dict.fromkeys(names))[:_MOST]
        return Told(facts={"licenses": "\n".join(unique)}) if unique else Told()


def package_of_copyright(path: str) -> str:
    return path.removeprefix(_FOLDER).partition("/")[0]
