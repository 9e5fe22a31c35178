"""What lies beyond this registry: a slot that the gateway fills (`caching`), asked where a namespace has an upstream.

read     here ─► not here, or kept back ─► `find`     and nothing changes where its namespace has none
         here, by tag, and its namespace has one ─► `renew`: the tag may have moved there
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from chalicelib.edge.asgi import Answer, Headers, Receive, Send, Visit
from chalicelib.kernel.errors import Refused

from .callers import Admitted
from .routes import Route
from .wire_manifests import ManifestAnswer


@dataclass(frozen=True, slots=True)
class Flowing(Answer):
    """An answer whose head and body are sent by whoever made it. status, headers: as of a HEAD.

    flow   raises a refusal before its head is sent, `CutOff` later
    """

    flow: Callable[[Receive, Send, Headers], Awaitable[None]] | None = None


class Beyond(Protocol):
    async def find(self, visit: Visit, admitted: Admitted, found: Route, refused: Refused) -> Answer:
        """For a manifest or a blob. refused: why it is not answered from here; raised where nothing else is found."""
        ...

    async def renew(self, visit: Visit, admitted: Admitted, found: Route, here: ManifestAnswer) -> Answer:
        """For a manifest by tag. here: what the tag points to here."""
        ...
