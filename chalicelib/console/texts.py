"""Languages: which one a browser gets, and its words.

Words stand in the templates and pages in English, `_("Namespaces")`. What another language makes of them stands in
`locale/<language>/*.po`, a file for each part of the console; `rooms.po` has the sentences that rooms make (refusals,
reasons, advice), with `%(name)s` for what varies. A test fails on a word that is missing, or that nobody says.
"""

from __future__ import annotations

import gettext
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
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
_LONGEST_SENTENCE: Final = 2000


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
    """What rooms say, by the shape of each sentence. Literal ones are looked up, others matched word by word."""

    def __init__(self, messages: Mapping[str, str]) -> None:
        self._literal = {told: text for told, text in messages.items() if not _VARIES.search(told)}
        varying = [(told, text) for told, text in messages.items() if _VARIES.search(told)]
        # What has more words of its own goes first: the most particular shape wins.
        varying.sort(key=lambda pair: -len(_VARIES.sub("", pair[0])))
        self._shapes = [(_shape(told), text) for told, text in varying]

    def translated(self, sentence: str) -> str:
        if (known := self._literal.get(sentence)) is not None:
            return known
        if len(sentence) > _LONGEST_SENTENCE:
            return sentence
        for shape, text in self._shapes:
            if found := shape.fullmatch(sentence):
                values = {name: self._literal.get(value, value) for name, value in found.groupdict().items()}
                return text % values
        return sentence


def _shape(told: str) -> re.Pattern[str]:
    pieces = _VARIES.split(told)
    written = [re.escape(piece) if at % 2 == 0 else f"(?P<{piece}>.+?)" for at, piece in enumerate(pieces)]
    return re.compile("".join(written), re.DOTALL)


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
