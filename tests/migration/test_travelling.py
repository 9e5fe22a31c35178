"""What images of one run wait for each other for, and that they never do so for ever (K2)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest

from chalicelib.copying.ends import Source
from chalicelib.kernel.errors import Unavailable
from chalicelib.kernel.names import Digest
from chalicelib.migration.registries import Known
from chalicelib.migration.travelling import SMALL_BYTES, Arrival, Holdings

LAYER = Digest.of(b"a layer")
SECONDS = 10.0


def test_a_layer_that_another_image_sends_is_waited_for() -> None:
    """K2"""
    holdings = Holdings()
    assert holdings.claim("team/app", LAYER)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(holdings.claim, "team/app", LAYER)
        holdings.release("team/app", LAYER)
        waiting.result(SECONDS)
    assert not holdings.has("team/app", LAYER)


def test_once_all_stops_nobody_waits_for_what_another_image_holds() -> None:
    """K2"""
    holdings = Holdings()
    assert holdings.claim("team/app", LAYER)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(holdings.claim, "team/app", LAYER)
        holdings.give_up()
        waiting.result(SECONDS)
    assert holdings.claim("team/app", LAYER)


class Silent:
    """A registry that does not answer."""

    def mount(self, *_: Any) -> bool:
        raise Unavailable("registry.example.com does not answer")


def test_a_layer_that_could_not_be_mounted_is_left_to_the_next_image() -> None:
    """K2: though the image itself is not at its end."""
    holdings = Holdings()
    holdings.arrived("team/base", LAYER)
    arrival = Arrival(cast(Known, Silent()), "team/app", {}, holdings, lambda _: None)
    assert holdings.tags("team/app", frozenset) == frozenset()
    assert not arrival.has(LAYER)
    with pytest.raises(Unavailable):
        arrival.take(cast(Source, None), LAYER, SMALL_BYTES + 1)
    with ThreadPoolExecutor(1) as threads:
        claimed = threads.submit(holdings.claim, "team/app", LAYER)
        try:
            assert claimed.result(SECONDS)
        finally:
            holdings.give_up()
