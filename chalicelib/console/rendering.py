"""Templates: one Jinja environment a language, strict about names, escaping everything.

`ui` is the module of macros (`templates/ui.html`), `work` the one for background work (`templates/tasks/pieces.html`),
`findings` the one for scans (`templates/images/findings.html`). What strangers wrote is shown through `|visible`. What
htmx asks for is the block of that name, alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from babel import dates, numbers
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from chalicelib.kernel.money import CURRENCY

from .beginning import CLIENTS, beginning
from .navigation import account_screens, here, sections
from .static import Static
from .texts import Words, words

if TYPE_CHECKING:
    from .visit import Visit

TEMPLATES: Final = Path(__file__).with_name("templates")
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
# Characters that cannot be seen, or that change how what is around them is seen: control characters but for tabs and
# line ends, marks of direction, joiners where they join no letters or pictures, blanks without width, tags, and halves
# of characters, which no page can hold.
_UNSEEN: Final = re.compile(
    "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\xad\\u034f\\u0600-\\u0605\\u061c\\u06dd\\u070f\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b"
    "\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u2800\\u3164\\ud800-\\udfff\\ufeff\\uffa0\\ufff0-\\ufffb\\U000e0000-\\U000e0fff]"
    "|(?<![^\\x00-\\x7f])[\\u200c\\u200d]|[\\u200c\\u200d](?![^\\x00-\\x7f])"
)


class Templates:
    """Of one language."""

    def __init__(self, told: Words, static: Static) -> None:
        self.words = told
        self.environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            undefined=StrictUndefined,
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self.environment.filters["visible"] = visible
        shown = Shown(told)
        self.environment.globals.update(
            _=told,
            _n=told.many,
            said=told.said,
            words=told,
            static=static.address,
            sections=sections,
            account_screens=account_screens,
            here=here,
            beginning=beginning,
            clients=CLIENTS,
            to=to,
            size=shown.size,
            number=shown.number,
            money=shown.money,
            moment=shown.moment,
            duration=shown.duration,
        )
        # `ui` first: the others are made of it.
        for name, macros in (("ui", "ui.html"), ("work", "tasks/pieces.html"), ("findings", "images/findings.html")):
            self.environment.globals[name] = self.environment.get_template(macros).module

    def render(self, visit: Visit, name: str, values: Mapping[str, Any]) -> str:
        template = self.environment.get_template(name)
        context = {"visit": visit, **values}
        block = template.blocks.get(visit.fragment)
        if block is None:
            return template.render(context)
        return "".join(block(template.new_context(context)))


def visible(text: str) -> str:
    """A stranger's text, with what cannot be seen written out: `\\u202e`. Line ends and tabs stay."""
    return _UNSEEN.sub(_written_out, text.replace("\r\n", "\n"))


def _written_out(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def to(*parts: object, **query: object) -> str:
    """A path below `/console`, each part escaped: `to("instances", name, "tasks", state="failed")`."""
    path = "/console/" + "/".join(quote(str(part), safe="") for part in parts)
    asked = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in query.items() if value not in (None, ""))
    return f"{path}?{asked}" if asked else path


class Shown:
    """Numbers and times as people of one language read them."""

    def __init__(self, told: Words) -> None:
        self._words = told
        self._locale = told.locale

    def number(self, value: float | Decimal) -> str:
        return numbers.format_decimal(value, locale=self._locale)

    def money(self, amount: Decimal) -> str:
        return numbers.format_currency(amount, CURRENCY, locale=self._locale)

    def size(self, size_bytes: int | None) -> str:
        """`12.3 MiB`; a dash where nobody knows."""
        if size_bytes is None:
            return "–"
        value, unit = float(size_bytes), 0
        while value >= 1024 and unit < len(_UNITS) - 1:
            value, unit = value / 1024, unit + 1
        digits = "#,##0" if unit == 0 or value >= 100 else "#,##0.0"
        return f"{numbers.format_decimal(value, digits, locale=self._locale)} {_UNITS[unit]}"

    def moment(self, moment: datetime | str | None) -> Markup | str:
        """A `<time>`: in UTC, which the browser's script turns into the reader's own zone; a dash without one."""
        if not moment:
            return "–"
        known = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
        # Builders that want the same bytes every time write the year 1, or 1970.
        if known.timestamp() <= 0:
            return "–"
        utc = known.astimezone(UTC)
        # The same in every language; Babel takes ten times as long, and long lists have hundreds.
        told = utc.strftime("%Y-%m-%d %H:%M")
        return Markup('<time datetime="{}" title="{} UTC">{}<span class="zone"> UTC</span></time>').format(
            utc.isoformat(timespec="seconds"), utc.strftime("%Y-%m-%d %H:%M:%S"), told
        )

    def duration(self, seconds: float | timedelta | None) -> str:
        """`3 minutes`; a dash where nobody knows."""
        if seconds is None:
            return "–"
        length = seconds if isinstance(seconds, timedelta) else timedelta(seconds=seconds)
        return dates.format_timedelta(length, threshold=1.2, locale=self._locale)


@cache
def templates(code: str) -> Templates:
    return Templates(words(code), Static.loaded())
