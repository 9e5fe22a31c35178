"""Names of licences, as metadata writes them in one text."""

from __future__ import annotations

import re
from typing import Final

# A run of spaces is looked at once: from its beginning, and never a second time by a shorter one.
_BETWEEN: Final = re.compile(r",?(?<![_ ])[_ ]++(?:or|and)[_ ]+|,[ ]*")
# Of names, however many; what is longer is a text.
LONGEST_NAMES: Final = 10_000
# Words of a licence's own text, which some write where its name belongs.
_WORDS_OF_TEXTS: Final = (
    "http://",
    "https://",
    "(c)",
    "as-is",
    ";",
    "hereby",
    "permission to use",
    "permission is",
    "use in source",
    "use, copy, modify",
    "using",
)
# Names with an "or" or "and" of their own, by the word that follows it.
_WHOLE: Final = {
    "lesser": "GNU Library or Lesser General Public License (LGPL)",
    "distribution": "Common Development and Distribution License 1.0 (CDDL-1.0)",
    "disclaimer": "Historical Permission Notice and Disclaimer (HPND)",
}
# A whole licence in place of its name stays recognisable as one.
_TEXT_PREFIX: Final = "text://"


def split_licences(text: str) -> tuple[str, ...]:
    """`GPL-1+ or Artistic, and MIT` are three. A text that is a licence itself stays whole."""
    if not text:
        return ()
    lower = text.lower()
    if len(text) > LONGEST_NAMES or any(word in lower for word in _WORDS_OF_TEXTS):
        return (_TEXT_PREFIX + text,)
    names: list[str] = []
    for part in _BETWEEN.split(text):
        word = part.lower().partition(" ")[0]
        if names and word in {"ver", "version"}:
            names[-1] += f", {part}"
        elif names and word == "later":
            names[-1] += f" or {part}"
        elif names and word in _WHOLE:
            if _WHOLE[word] in {f"{names[-1]} or {part}", f"{names[-1]} and {part}"}:
                names[-1] = _WHOLE[word]
        else:
            names.append(part)
    return tuple(names)
