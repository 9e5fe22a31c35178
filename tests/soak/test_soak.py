"""R6, X3: the soak keeps its own promises: it finds nothing where nothing is wrong, and something where something is.

The whole is `make campaign-soak`.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.wire import Answer, Request
from tests.serving import free_port

from .access import Access
from .campaign import Soak
from .deeds import Deeds
from .lanes import Lanes
from .pace import Broken, Deed, Pace, Step
from .watch import MIB, Look, trends
from .world import Image, Tag, World

SECONDS = 4.0


@pytest.fixture
def world() -> World:
    return World(random.Random(5))


@pytest.fixture
def deeds(world: World) -> Deeds:
    return Deeds(world, Access(1, "admin", "secret", service="S"), random.Random(5), standing=10)


@pytest.fixture
def tag(world: World) -> Tag:
    return world.changing[0].tags["t0"]


def carry_out(deed: Deed, answer_to: Callable[[Step], tuple[int, bytes]]) -> list[str]:
    """Kinds of the requests that the deed made, answered by hand."""
    kinds = []
    try:
        step = next(deed)
        while True:
            kinds.append(step.kind)
            status, body = answer_to(step)
            head = b"HTTP/1.1 %d x\r\nLocation: /v2/u/1\r\n\r\n" % status
            step = deed.send(Answer(step.request, status, head, body))
    except StopIteration:
        return kinds


def serving(image: Image) -> Callable[[Step], tuple[int, bytes]]:
    """A service that holds this image under every tag, and takes whatever it is sent."""
    parts = {part.digest: part.data for part in (image.manifest, image.top, *image.blobs)}

    def answer(step: Step) -> tuple[int, bytes]:
        path = step.request.head.split(b" ", 2)[1].decode()
        if step.kind == "token":
            return 200, b'{"token": "T"}'
        if step.kind.endswith("GET"):
            return 200, parts.get(path.rpartition("/")[2], image.top.data)
        return {"blob HEAD": 404, "upload POST": 202, "mount POST": 202}.get(step.kind, 201), b""

    return answer


def but(
    service: Callable[[Step], tuple[int, bytes]], kind: str, status: int, body: bytes
) -> Callable[[Step], tuple[int, bytes]]:
    """The same service, with this answer to one kind of request."""
    return lambda step: (status, body) if step.kind == kind else service(step)


def test_a_pushed_image_is_pulled_part_by_part(world: World, deeds: Deeds, tag: Tag) -> None:
    """R6"""
    image = world.image()
    pushed = carry_out(deeds.push(tag, image), serving(image))
    assert pushed.count("upload PUT") == len(image.blobs)
    assert tag.image is image
    assert carry_out(deeds.pull(tag), serving(image)).count("blob GET") == len(image.blobs)
    assert tag.idle


@pytest.mark.parametrize(
    ("kind", "status", "body"),
    [
        ("manifest PUT", 404, b'{"errors": [{"code": "MANIFEST_BLOB_UNKNOWN"}]}'),
        ("upload PUT", 500, b""),
        ("blob HEAD", 0, b""),
    ],
)
def test_a_push_that_fails_is_a_fault(
    world: World, deeds: Deeds, tag: Tag, kind: str, status: int, body: bytes
) -> None:
    """R6"""
    image = world.image()
    with pytest.raises(Broken, match=f"{status} instead of"):
        carry_out(deeds.push(tag, image), but(serving(image), kind, status, body))
    assert not tag.idle


@pytest.mark.parametrize(("kind", "status", "body"), [("manifest GET", 404, b""), ("blob GET", 200, b"other bytes")])
def test_a_tag_that_does_not_come_back_whole_is_a_fault(
    world: World, deeds: Deeds, tag: Tag, kind: str, status: int, body: bytes
) -> None:
    """R6"""
    image = world.image()
    carry_out(deeds.push(tag, image), serving(image))
    with pytest.raises(Broken):
        carry_out(deeds.pull(tag), but(serving(image), kind, status, body))


def test_a_pull_may_find_what_a_push_brings_and_not_what_it_replaced_before(
    world: World, deeds: Deeds, tag: Tag
) -> None:
    """R6"""
    old, new = world.image(), world.image()
    carry_out(deeds.push(tag, old), serving(old))
    early = deeds.pull(tag)
    begun = next(early)
    carry_out(deeds.push(tag, new), serving(new))
    status, body = serving(new)(begun)
    early.send(Answer(begun.request, status, b"", body))
    early.close()
    with pytest.raises(Broken, match="none of"):
        carry_out(deeds.pull(tag), serving(old))


def test_a_tag_that_is_missing_from_the_list_is_a_fault(world: World, deeds: Deeds, tag: Tag) -> None:
    """R6"""
    image = world.image()
    carry_out(deeds.push(tag, image), serving(image))
    listing = json.dumps({"tags": []}).encode()
    with pytest.raises(Broken, match="lacks"):
        carry_out(deeds.list_tags(tag.repository), but(serving(image), "tag list", 200, listing))


class Silent(Lanes):
    """Sends, and hears nothing until told to."""

    def __init__(self, most: int) -> None:
        super().__init__(1, most)
        self.all_sent = asyncio.Event()
        self.sent: list[tuple[Request, Callable[[Answer], None]]] = []

    def send(self, request: Request, answered: Callable[[Answer], None]) -> None:
        self.sent.append((request, answered))
        if len(self.sent) == self._most:
            self.all_sent.set()


def test_requests_leave_at_every_tick_though_nothing_is_answered() -> None:
    """X3"""
    lanes = Silent(100)

    def deed() -> Deed:
        yield Step("any", Request(b"GET / HTTP/1.1\r\n\r\n"))

    async def run() -> Pace:
        pace = Pace(lanes, lambda: ("ask", deed()), random.Random(1))
        running = asyncio.ensure_future(pace.run(rate=400.0, seconds=0.25))
        await lanes.all_sent.wait()
        for request, answered in lanes.sent:
            answered(Answer(request, 200, b"", b""))
        await running
        return pace

    figures = asyncio.run(asyncio.wait_for(run(), 20)).figures
    assert figures.most_under_way > 24
    assert figures.answered == 100


def look_at(seconds: float, memory: int) -> Look:
    return Look(seconds, (memory, 40 * MIB), {"table": 0, "queues": 0}, 0, 0, {}, {})


def test_memory_that_grows_is_told_from_memory_that_does_not() -> None:
    """X3"""
    growing = [look_at(n * 5.0, 100 * MIB + n * MIB) for n in range(60)]
    assert [trend.name for trend in trends(growing, 60.0) if not trend.flat] == ["memory of the gateway"]
    wavering = [look_at(n * 5.0, (100 + n % 5) * MIB) for n in range(60)]
    assert all(trend.flat for trend in trends(wavering, 60.0))
    assert trends(wavering[:8], 0.0) == []


@pytest.mark.campaign
def test_a_service_that_works_passes(tmp_path: Path) -> None:
    """R6, X3"""
    soak = Soak(tmp_path, free_port(), seed=3, settle_s=0.0)
    outcome = soak.run(minutes=SECONDS / 60, rate=80.0)
    # How many requests a busy machine manages in a few seconds is not what this test asks.
    assert [fault for fault in outcome.faults if "requests a second" not in fault] == []
    # The same holds of which deeds it came to: pulls may all have come to an end after the time was up.
    assert outcome.figures.latencies.keys() >= {"manifest PUT", "upload PUT"}
    assert outcome.pulled_at_end > 24
