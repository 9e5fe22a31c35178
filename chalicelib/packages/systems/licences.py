"""Licences by the names that SPDX gives them, as far as the names that packages use are plain.

Names that are not known stay as they are; nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from ..languages.licences import LONGEST_NAMES, split_licences

_GNU: Final = re.compile(r"(A?GPL|LGPL|GFDL)(-NIV)?[ -]?V?(\d)(?:\.(\d))?(\+|-OR-LATER|-ONLY)?")
_GNU_VERSIONS: Final = {
    "AGPL": {"1.0", "3.0"},
    "GFDL": {"1.1", "1.2", "1.3"},
    "GPL": {"1.0", "2.0", "3.0"},
    "LGPL": {"2.0", "2.1", "3.0"},
}
_GNU_WITHOUT_NUMBER: Final = {"GPL": "GPL-2.0-or-later", "LGPL": "LGPL-2.0-or-later", "GFDL": "GFDL-1.3-or-later"}
_NAMES: Final = {
    "APACHE": "Apache-2.0",
    "APACHE-2": "Apache-2.0",
    "APACHE-2.0": "Apache-2.0",
    "ARTISTIC": "Artistic-2.0",
    "BSD": "BSD-3-Clause",
    "BSD-2": "BSD-2-Clause",
    "BSD-2-CLAUSE": "BSD-2-Clause",
    "BSD-2-CLAUSE-NETBSD": "BSD-2-Clause-NetBSD",
    "BSD-3": "BSD-3-Clause",
    "BSD-3-CLAUSE": "BSD-3-Clause",
    "BSD-4-CLAUSE": "BSD-4-Clause",
    "BSD-4-CLAUSE-UC": "BSD-4-Clause-UC",
    "BSD-LIKE": "BSD-3-Clause",
    "BSD-STYLE": "BSD-3-Clause",
    "BSD-VARIANT": "BSD-3-Clause",
    "BSL-1.0": "BSL-1.0",
    "CC0": "CC0-1.0",
    "CC0-1.0": "CC0-1.0",
    "EXPAT": "MIT",
    "ISC": "ISC",
    "MIT": "MIT",
    "MIT-LIKE": "MIT",
    "MIT-STYLE": "MIT",
    "MPL": "MPL-2.0",
    "MPL-1.1": "MPL-1.1",
    "MPL-2": "MPL-2.0",
    "MPL-2.0": "MPL-2.0",
    "MS-PL": "MS-PL",
    "OPENSSL": "OpenSSL",
    "PYTHON": "Python-2.0",
    "ZLIB": "Zlib",
}
# A version written apart from its name: `GPL 2`, `MPL v2.0`. Between them is a dash, or at least one space, which is
# found out in one look at what is between.
_APART: Final = re.compile(r"([A-UW-Za-uw-z])(?:\s*+-\s*+|(?=[^\S ]*+ )\s++)[vV]?([1-9](?:\.\d)*)")
_WORDS: Final = frozenset({"AND", "OR", ""})


def normalised(name: str) -> str:
    name = name.strip()
    upper = name.upper()
    gnu = _GNU.fullmatch(upper)
    if gnu and (version := f"{gnu[3]}.{gnu[4] or '0'}") in _GNU_VERSIONS[gnu[1]]:
        invariant = "-no-invariants" if gnu[2] else ""
        later = "only" if gnu[5] in (None, "-ONLY") else "or-later"
        return f"{gnu[1]}-{version}{invariant}-{later}"
    return _GNU_WITHOUT_NUMBER.get(upper) or _NAMES.get(upper) or name


def split_loosely(text: str) -> tuple[str, ...]:
    """A line where spaces stand between licences: `MPL 2.0 GPL2+`. What follows WITH belongs to the one before."""
    found: list[str] = []
    exception = False
    for word in _APART.sub(r"\1-\2", text[:LONGEST_NAMES]).split():
        word = word.strip("()")
        if word == "WITH":
            exception = True
        elif word not in _WORDS:
            if exception and found:
                found[-1] += f" WITH {word}"
            else:
                found.append(normalised(word))
            exception = False
    return tuple(dict.fromkeys(found))


def split(text: str) -> Iterable[str]:
    """A line of Debian's copyright files: `GPL-1+ or Artistic, and BSD-3-clause`. A text in place of a name stays."""
    name = text.partition("(")[0].removeprefix(" The main library is licensed under ").removesuffix(" license").strip()
    return [normalised(each) for each in split_licences(name)]
