"""Languages: which one a browser gets, and its words.

Words stand in the templates and pages in English, `_("Namespaces")`. What another language makes of them stands in
`locale/<language>/*.po`, a file for each part of the console; `rooms.po` has the sentences that rooms make (refusals,
reasons, advice), with `%(name)s` for what varies; English has one of its own, for what validation says in programmers'
words. A test fails on a word that is missing, or that nobody says.
"""

from __future__ import annotations

import gettext
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Final

from babel.core import Locale, negotiate_locale
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LOCALE: Final = Path(__file__).with_name("locale")
# Code as browsers say it → what it calls itself.
LANGUAGES: Final[Mapping[str, str]] = {"en": "English", "zh-CN": "简体中文"}
OTHERWISE: Final = "en"
_ROOMS: Final = "rooms.po"
_VARIES: Final = re.compile(r"%\(([a-z_0-9]+)\)s")
# Longer is no sentence of ours.
_LONGEST_SENTENCE: Final = 4000


@dataclass(frozen=True)
class Words:
    """One language. code: `zh-CN`; locale: for dates and numbers."""

    code: str
    locale: Locale
    translations: gettext.NullTranslations
    sentences: Sentences

    def __call__(self, message: str, **values: object) -> str:
        """`_("Delete %(name)s", name=…)`; a percent sign of its own is doubled."""
        return self.translations.gettext(message) % values

    def many(self, one: str, several: str, count: int, **values: object) -> str:
        """`_n("%(num)s tag", "%(num)s tags", 3)`."""
        return self.translations.ngettext(one, several, count) % {"num": count, **values}

    def said(self, sentence: str) -> str:
        """A sentence that a room made, in this language; as it is where it is not one of ours."""
        return self.sentences.translated(sentence)


class Sentences:
    """What rooms say, by the shape of each sentence. Literal ones are looked up, others matched; what varies in one
    may be a sentence itself."""

    def __init__(self, messages: Mapping[str, str]) -> None:
        self._messages = messages

    def translated(self, sentence: str, depth: int = 2) -> str:
        # What begins a sentence of another begins with a capital.
        known = self._messages.get(sentence) or self._messages.get(sentence[:1].lower() + sentence[1:])
        if known is not None or len(sentence) > _LONGEST_SENTENCE:
            return known or sentence
        for shape, text in self._shapes:
            if (found := shape.values(sentence)) is not None:
                told = {name: self.translated(value, depth - 1) if depth else value for name, value in found.items()}
                return _VARIES.sub(lambda place, told=told: told[place[1]], text)  # type: ignore[misc]
        return sentence

    @cached_property
    def _shapes(self) -> list[tuple[Shape, str]]:
        varying = [(Shape.of(told), text) for told, text in self._messages.items() if _VARIES.search(told)]
        # What has more words of its own goes first: the most particular shape wins.
        return sorted(varying, key=lambda pair: -sum(map(len, pair[0].own)))


@dataclass(frozen=True)
class Shape:
    """A sentence with places: own[0] place[0] own[1] place[1] … own[-1]; `n1` takes digits alone.

    Matched in one pass, without going back: what is matched here may hold what strangers wrote.
    """

    own: tuple[str, ...]
    places: tuple[str, ...]

    @classmethod
    def of(cls, told: str) -> Shape:
        pieces = _VARIES.split(told)
        return cls(tuple(pieces[0::2]), tuple(pieces[1::2]))

    def values(self, sentence: str) -> dict[str, str] | None:
        """What stands in its places, each as short as can be; None where the sentence has another shape."""
        first, *between, last = self.own
        end = len(sentence) - len(last)
        if not sentence.startswith(first) or not sentence.endswith(last) or end < len(first):
            return None
        found, at = {}, len(first)
        for name, piece in zip(self.places, between, strict=False):
            until = sentence.find(piece, at, end)
            if until < 0:
                return None
            found[name], at = sentence[at:until], until + len(piece)
        found[self.places[-1]] = sentence[at:end]
        counted = (value for name, value in found.items() if name.startswith("n"))
        return found if all(value.isdigit() for value in counted) else None


@cache
def words(code: str) -> Words:
    """Of a language of `LANGUAGES`."""
    locale = Locale.parse(code, sep="-")
    spoken = Catalog(locale=locale)
    for name, message in _messages(code):
        if name != _ROOMS:
            spoken[message.id] = message
    told = {str(message.id): str(message.string) for name, message in _messages(code) if name == _ROOMS}
    return Words(code, locale, _compiled(spoken), Sentences(told))


def negotiated(chosen: str, accepted: str) -> str:
    """chosen: what the reader picked, "" for nothing; accepted: the header Accept-Language."""
    if chosen in LANGUAGES:
        return chosen
    wanted = [part.partition(";")[0].strip() for part in accepted[:200].split(",")]
    # Whoever reads any Chinese reads ours.
    wanted = ["zh-CN" if one.lower().startswith("zh") else one for one in wanted]
    return negotiate_locale(wanted, list(LANGUAGES), sep="-") or OTHERWISE


def _messages(code: str) -> Iterator[tuple[str, Message]]:
    for path in sorted((LOCALE / code.replace("-", "_")).glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file):
                if message.id:
                    yield path.name, message


def _compiled(catalog: Catalog) -> gettext.NullTranslations:
    binary = io.BytesIO()
    write_mo(binary, catalog)
    binary.seek(0)
    return gettext.GNUTranslations(binary)
