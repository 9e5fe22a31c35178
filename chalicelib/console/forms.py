"""What a browser's form sent, as the API's bodies want it.

A field that is no number stays the text it is: the endpoint then says what is wrong with it, under its own name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl

from chalicelib.kernel.errors import Invalid

# The list of tags has one field a row, two hundred rows a page.
_MOST_FIELDS: Final = 2000
_NUMBER: Final = re.compile(r"-?[0-9]{1,12}", re.ASCII)
# What `<input type="datetime-local">` sends: without seconds where they are zero.
_LOCAL_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?", re.ASCII)


class Form:
    def __init__(self, fields: Mapping[str, Sequence[str]]) -> None:
        self._fields = fields

    @classmethod
    def parse(cls, body: bytes) -> Form:
        """Of `application/x-www-form-urlencoded`. Raises Invalid naming `form`."""
        found: dict[str, list[str]] = {}
        try:
            pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
        except ValueError as malformed:
            raise Invalid("form", "is not a form this page could have sent") from malformed
        for name, value in pairs:
            found.setdefault(name, []).append(value)
        return cls(found)

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def text(self, name: str, otherwise: str = "") -> str:
        """Without spaces around it, line ends as `\\n`. The last, if it was sent several times."""
        values = self._fields.get(name)
        return values[-1].replace("\r\n", "\n").strip() if values else otherwise

    def secret(self, name: str) -> str:
        """As it was typed: spaces belong to a password."""
        values = self._fields.get(name)
        return values[-1] if values else ""

    def texts(self, name: str) -> list[str]:
        """Every one that was sent: ticked boxes of one name."""
        return [value.strip() for value in self._fields.get(name, ()) if value.strip()]

    def yes(self, name: str) -> bool:
        """Whether a box is ticked."""
        return self.text(name) not in ("", "no", "false")

    def number(self, name: str) -> int | str | None:
        """None for an empty field."""
        text = self.text(name)
        return int(text) if _NUMBER.fullmatch(text) else text or None

    def moment(self, name: str) -> str | None:
        """A time in UTC as the API reads it; None for an empty field."""
        text = self.text(name)
        return f"{text}Z" if _LOCAL_TIME.fullmatch(text) else text or None

    def lines(self, name: str) -> list[str]:
        """A field of which each line, or word between commas, is one."""
        return [part.strip() for part in re.split(r"[\n,]", self.text(name)) if part.strip()]

    def replacing(self, beginning: str, fields: Mapping[str, Sequence[str]]) -> Form:
        """With these fields in place of those whose names begin so."""
        others = {name: values for name, values in self._fields.items() if not name.startswith(beginning)}
        return Form({**others, **fields})

    def given(self, *names: str) -> dict[str, object]:
        """Texts by name, without those left empty."""
        return {name: text for name in names if (text := self.text(name))}
