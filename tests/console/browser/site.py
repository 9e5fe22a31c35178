"""The furnished world behind a real socket: the gateway in a thread of this process, on a clock that stands still.

So every time on a page is the same in every run, and pictures change only with what they show.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.api.carriers import served
from tests.console.furnished import furnished
from tests.console.world import World
from tests.stacks import embedded_stack


@dataclass(frozen=True)
class Site:
    world: World
    base: str


@contextmanager
def opened(folder: Path) -> Iterator[Site]:
    with embedded_stack(folder, allow_private_addresses=True) as stack, served(stack) as socket:
        made: list[World] = []
        # In a thread: Playwright's event loop runs in this one, beside which no other can.
        furnishing = threading.Thread(target=lambda: made.append(furnished(stack)))
        furnishing.start()
        furnishing.join()
        assert made, "the world was not furnished: see the thread's own error"
        yield Site(made[0], str(socket.client.base_url).rstrip("/"))
