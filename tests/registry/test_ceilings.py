"""I8: ceilings per instance are off unless they are configured."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.kernel.errors import Throttled
from chalicelib.registry.ceilings import Ceilings
from tests.stacks import FrozenClock

from .wire import Wire

UPLOADS = "/v2/library/app/blobs/uploads/"


def test_without_a_setting_nobody_is_held_back(wire: Wire) -> None:
    """I8: 250 a second are a floor, not a cap."""
    assert {wire.ask("GET", "/v2/").status_code for _ in range(300)} == {200}


def test_past_the_ceiling_clients_are_told_when_to_come_again(tmp_path: Path) -> None:
    """I8"""
    wire = Wire(tmp_path, instance_requests_per_s=5)
    assert [wire.ask("GET", "/v2/").status_code for _ in range(4)] == [200] * 4
    assert wire.ask("POST", UPLOADS).status_code == 202
    for answer in (wire.ask("GET", "/v2/"), wire.ask("POST", UPLOADS)):
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "1"
        assert answer.json()["errors"][0]["code"] == "TOOMANYREQUESTS"
    wire.clock.advance(1)
    assert wire.ask("POST", UPLOADS).status_code == 202
    wire.close()


def test_the_end_of_an_upload_counts_once(tmp_path: Path) -> None:
    wire = Wire(tmp_path, instance_requests_per_s=3)
    location = wire.ask("POST", UPLOADS).headers["location"]
    assert wire.ask("GET", location).status_code == 204
    assert wire.ask("DELETE", location).status_code == 204
    assert wire.ask("GET", "/v2/").status_code == 429
    wire.close()


def test_instances_have_ceilings_of_their_own_and_quiet_ones_save_up_no_more_than_a_second() -> None:
    """I8"""
    clock = FrozenClock()
    ceilings = Ceilings(2, clock)
    for instance in ("a", "a", "b", "b"):
        ceilings.take(instance)
    with pytest.raises(Throttled):
        ceilings.take("a")
    clock.advance(0.5)
    ceilings.take("a")
    with pytest.raises(Throttled):
        ceilings.take("a")
    clock.advance(3600)
    ceilings.take("a")
    ceilings.take("a")
    with pytest.raises(Throttled) as refused:
        ceilings.take("a")
    assert refused.value.retry_after_s == 1
    clock.advance(-60)
    with pytest.raises(Throttled):
        ceilings.take("a")
