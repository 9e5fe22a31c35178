"""By which address clients reach an instance, as pages tell it.

On one machine an instance is called `<label>.localhost:<port>`. Browsers know that such names are this very machine; of
clients, which ask the system, not all do, and elsewhere such a name leads to whoever asks. So where the way that this
browser came leads to the instance too, pages tell that: `127.0.0.1:5000`, which docker takes without TLS. For any other
instance they tell its name, and what makes it known.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from chalicelib.instances.service import Instances

if TYPE_CHECKING:
    from .visit import Visit

_HERE: Final = "localhost"
_NUMBER: Final = "127.0.0.1"
_NAMED: Final = re.compile(r"(?<![\w.-])[a-z0-9][a-z0-9-]*\.localhost(?::[0-9]{1,5})?(?![\w.-])", re.ASCII)
# It stands in commands to paste.
_PLAIN: Final = re.compile(r"[a-z0-9][a-z0-9.-]*(:[0-9]{1,5})?", re.ASCII)
_NUMERIC: Final = re.compile(r"[0-9]+(\.[0-9]+){3}", re.ASCII)


def told(visit: Visit, text: str) -> str:
    """An address or a command, its instances by the addresses by which this reader's clients reach them."""
    settings, came = visit.stack.settings, _came_by(visit)
    if not settings.one_machine or settings.domain != _HERE or not _PLAIN.fullmatch(came):
        return text
    instances = Instances(visit.stack)
    return _NAMED.sub(lambda found: instances.address_from(found[0], came, visit.port), text)


def hosts_line(visit: Visit, address: str) -> str:
    """What the hosts file of a client needs that cannot look the name up; "" where it can, as far as we know."""
    name, machine = address.partition("/")[0].partition(":")[0], _came_by(visit).partition(":")[0]
    if not visit.stack.settings.one_machine or not name.endswith(f".{_HERE}"):
        return ""
    return f"{machine} {name}" if _NUMERIC.fullmatch(machine) else f"{_NUMBER} {name}"


def _came_by(visit: Visit) -> str:
    """Host and port of the browser's address; names that only browsers know as what they mean."""
    here = urlsplit(visit.origin).netloc.lower()
    name, colon, port = here.partition(":")
    return f"{_NUMBER}{colon}{port}" if name.endswith(f".{_HERE}") else here
