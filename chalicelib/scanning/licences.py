"""What packages call their licences, as bills of materials may say it: an SPDX expression, or a text."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from .licence_ids import IDS

# Longer ones are whole licences, which nobody reads here.
LONGEST: Final = 1000
_BY_LOWER: Final = {known.lower(): known for known in IDS}
_WORDS: Final = re.compile(r"[()]|[^\s()]+")


def id_of(text: str) -> str:
    """The SPDX list's id, in its own letters; "" for what is none."""
    return _BY_LOWER.get(text.strip().lower(), "")


@lru_cache(4096)
def expression(text: str) -> str:
    """`MIT OR Apache-2.0` with ids in the list's letters; "" for what is no expression of them. What follows WITH is an
    exception, of which there is no list here, so such a text stays a text."""
    written: list[str] = []
    depth, operand_next = 0, True
    for word in _WORDS.findall(text[: LONGEST + 1]):
        if operand_next and word == "(":
            depth += 1
        elif operand_next and (known := id_of(word)):
            written.append(known)
            operand_next = False
            continue
        elif not operand_next and word == ")" and depth:
            depth -= 1
        elif not operand_next and word.upper() in ("AND", "OR"):
            word, operand_next = word.upper(), True
        else:
            return ""
        written.append(word)
    if depth or operand_next or len(text) > LONGEST:
        return ""
    return " ".join(written).replace("( ", "(").replace(" )", ")")
