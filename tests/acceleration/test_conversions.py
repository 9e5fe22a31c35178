"""Layers converted once for all: claims that run out, converters that fail, tasks that wait for the same layer."""

from __future__ import annotations

import errno
import gzip
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from chalicelib.acceleration.conversions import PATIENCE
from chalicelib.acceleration.converter import CLAIM, MOST_FAILURES, Converter
from chalicelib.collection.service import Fsck
from chalicelib.estargz.conversion import convert
from chalicelib.estargz.models import Converted, Recipe
from chalicelib.kernel.errors import Unavailable
from chalicelib.kernel.messages import ConvertLayer
from chalicelib.kernel.names import RepositoryName, TagName
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.surveys.service import Surveys
from tests.acceleration.shelf import APP, BASE, Shelf
from tests.background import run_background
from tests.layers import archives
from tests.registry.images import NAME
from tests.registry.library import gone_for_good
from tests.stacks import FrozenClock

OTHER = RepositoryName("library/other")


# Written in many pieces.
MANY = {f"file-{number}": b"x" * 9_000 for number in range(40)}


class Killed(BaseException):
    """Nobody is left to clean up."""


@pytest.fixture
def shelf(stack: Stack) -> Shelf:
    return Shelf.opened(stack, acceleration=True)


def asked(shelf: Shelf, *layers: Any) -> ConvertLayer:
    """An image of one layer whose conversion was asked for, and the message that says so."""
    shelf.push(*(layers or (BASE,)))
    shelf.library.handle_events()
    for _ in range(3):
        shelf.step(shelf.tasks()[0].id)
    (row,) = shelf.rows()
    return ConvertLayer(instance_id=shelf.instance.id, layer=row.layer, recipe=row.recipe, task_id=shelf.tasks()[0].id)


def converting(before: Callable[[], None]) -> Callable[..., Converted]:
    """A converter that does something of its own in the middle."""

    def wrapped(chunks: Iterable[bytes], recipe: Recipe, write: Callable[[bytes], None], **more: Any) -> Converted:
        def interrupted(data: bytes) -> None:
            write(data)
            before()
            more["beat"](len(data))

        return convert(chunks, recipe, interrupted, **more)

    return wrapped


def stopping(shelf: Shelf, before: Callable[[], None]) -> Converter:
    return Converter(shelf.stack, shelf.instance, converting(before))


def raising(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


def uploads_under_way(shelf: Shelf) -> int:
    shards = keys.due_partitions("upload")
    return sum(len(shelf.stack.table.query(shard, index="i1", limit=1000).items) for shard in shards)


def test_layer_whose_converter_died_is_converted_by_another(shelf: Shelf, clock: FrozenClock) -> None:
    """Its claim runs out, and what it had written is cleared away."""
    message = asked(shelf)
    with pytest.raises(Killed):
        stopping(shelf, raising(Killed())).carry_out(message)
    (row,) = shelf.rows()
    assert (row.state, row.failures) == ("running", 0)
    shelf.convert_layers()
    assert shelf.rows()[0].state == "running"
    clock.advance(CLAIM.total_seconds() + 1)
    shelf.work()
    run_background(shelf.stack)
    (row,) = shelf.rows()
    assert (row.state, row.failures) == ("succeeded", 1)
    assert shelf.tag("v1-accelerated") is not None
    clock.advance(3 * 86_400)
    run_background(shelf.stack)
    assert list(Fsck(shelf.stack, deep=True).run()) == []


def test_layer_that_its_converters_die_of_is_given_up(shelf: Shelf, clock: FrozenClock) -> None:
    message = asked(shelf)
    for _ in range(MOST_FAILURES):
        with pytest.raises(Killed):
            stopping(shelf, raising(Killed())).carry_out(message)
        clock.advance(CLAIM.total_seconds() + 1)
    stopping(shelf, raising(Killed())).carry_out(message)
    shelf.work()
    mark = shelf.mark()
    assert mark is not None
    assert (mark.state, mark.reason) == ("failed", "interrupted")
    assert shelf.tag("v1-accelerated") is None


def test_given_up_layer_is_tried_again_when_somebody_asks(shelf: Shelf, clock: FrozenClock) -> None:
    test_layer_that_its_converters_die_of_is_given_up(shelf, clock)
    assert shelf.api.post(f"/instances/ci/tasks/{shelf.task().id}/retry").status == 200
    shelf.work()
    assert shelf.tag("v1-accelerated") is not None


def test_converter_that_was_taken_over_leaves_nothing_behind(shelf: Shelf, clock: FrozenClock) -> None:
    message = asked(shelf, MANY)
    written: list[bool] = []

    def sleep() -> None:
        written.append(True)
        if len(written) == 1:
            clock.advance(CLAIM.total_seconds() + 1)
            Converter(shelf.stack, shelf.instance).carry_out(message)

    stopping(shelf, sleep).carry_out(message)
    assert len(written) == 1
    assert uploads_under_way(shelf) == 0
    (row,) = shelf.rows()
    assert row.state == "succeeded"
    shelf.work()
    assert len(shelf.layers("v1-accelerated")) == 1
    clock.advance(3 * 86_400)
    run_background(shelf.stack)
    assert list(Fsck(shelf.stack, deep=True).run()) == []


def test_claim_of_a_long_conversion_is_prolonged(shelf: Shelf, clock: FrozenClock) -> None:
    message = asked(shelf, MANY)
    others: list[bool] = []

    def busy() -> None:
        clock.advance(CLAIM.total_seconds() / 2)
        # Another message comes while it works.
        stopping(shelf, raising(AssertionError("two at once"))).carry_out(message)
        others.append(True)

    stopping(shelf, busy).carry_out(message)
    assert len(others) > 1
    assert shelf.rows()[0].state == "succeeded"


def test_converter_that_stumbles_has_its_upload_cleared_away_and_is_tried_again(shelf: Shelf) -> None:
    message = asked(shelf)
    with pytest.raises(Unavailable):
        stopping(shelf, raising(Unavailable())).carry_out(message)
    (row,) = shelf.rows()
    assert (row.state, row.failures, row.claim) == ("queued", 1, "")
    assert uploads_under_way(shelf) == 0
    shelf.work()
    run_background(shelf.stack)
    assert shelf.tag("v1-accelerated") is not None
    assert list(Fsck(shelf.stack, deep=True).run()) == []


def test_message_that_got_lost_is_sent_again(shelf: Shelf, clock: FrozenClock) -> None:
    asked(shelf)
    while lost := shelf.stack.queues.receive(ConvertLayer.queue):
        shelf.stack.queues.complete(lost)
    clock.advance(PATIENCE.total_seconds() + 1)
    run_background(shelf.stack)
    run_background(shelf.stack)
    assert shelf.tag("v1-accelerated") is not None


def test_two_images_wait_for_one_conversion_of_the_layer_they_share(shelf: Shelf) -> None:
    """A3: and both go on when it is done."""
    shelf.push(BASE, tag="one")
    shelf.push(BASE, tag="two", name=OTHER)
    shelf.library.handle_events()
    for task in shelf.tasks():
        for _ in range(4):
            shelf.step(task.id)
    (row,) = shelf.rows()
    assert len(row.waiters) == 2
    counted: list[bool] = []
    message = ConvertLayer(instance_id=shelf.instance.id, layer=row.layer, recipe=row.recipe, task_id="")
    stopping(shelf, lambda: counted.append(True)).carry_out(message)
    shelf.work()
    assert counted
    assert shelf.tag("one-accelerated") is not None
    assert shelf.tag("two-accelerated", OTHER) is not None
    assert shelf.rows()[0].version == row.version + 2


def test_layer_of_a_repository_that_went_is_converted_for_the_one_that_waits(shelf: Shelf) -> None:
    shelf.push(BASE, tag="one")
    shelf.push(BASE, tag="two", name=OTHER)
    shelf.library.handle_events()
    for task in reversed(shelf.tasks()):
        for _ in range(3):
            shelf.step(task.id)
    (row,) = shelf.rows()
    assert shelf.api.delete(shelf.library.path("", row.repository), confirm=row.repository.short).status == 204
    shelf.work()
    left = "two" if row.repository != OTHER else "one"
    name = OTHER if left == "two" else RepositoryName("library/app")
    assert shelf.tag(f"{left}-accelerated", name) is not None


def test_repository_deleted_while_a_layer_is_converted_does_not_appear_again(shelf: Shelf) -> None:
    """A1: pushes make repositories here, but what a converter uploads is nobody's push."""
    message, left = asked(shelf), [shelf.library.path()]

    def delete_once() -> None:
        while left:
            assert shelf.api.delete(left.pop(), confirm="app").status == 204

    stopping(shelf, delete_once).carry_out(message)
    assert shelf.api.get("/instances/ci/namespaces/library/repositories").json()["items"] == []
    assert shelf.rows()[0].reason == "interrupted"
    shelf.work()
    assert list(Fsck(shelf.stack, deep=True).run()) == []


def test_full_instance_says_so_and_goes_on_when_there_is_room(shelf: Shelf) -> None:
    message = asked(shelf)
    limited = shelf.instance.model_copy(update={"storage_limit_bytes": 1})
    Converter(shelf.stack, limited).carry_out(message)
    shelf.work()
    mark = shelf.mark()
    assert mark is not None
    assert (mark.state, mark.reason) == ("failed", "quota_exceeded")
    assert shelf.api.post(f"/instances/ci/tasks/{shelf.task().id}/retry").status == 200
    shelf.work()
    assert shelf.tag("v1-accelerated") is not None


def test_layer_whose_converted_form_is_long_gone_is_converted_again(shelf: Shelf, clock: FrozenClock) -> None:
    """Rows outlive what they tell of."""
    shelf.push(BASE)
    shelf.work()
    shelf.library.registry.delete(shelf.library.owner, NAME, TagName("v1"))
    gone_for_good(shelf.library, clock)
    assert shelf.rows()[0].state == "succeeded"
    shelf.push(BASE)
    shelf.work()
    assert len(shelf.layers("v1-accelerated")) == 1


def test_scan_of_an_accelerated_image_reads_no_layer_again(shelf: Shelf) -> None:
    """What was found in the original's layers stands for the converted ones."""
    shelf.push(BASE, APP)
    shelf.work()
    companion, surveys = shelf.tag("v1-accelerated"), Surveys(shelf.stack)
    assert companion is not None
    image = surveys.layers_of(shelf.instance, companion.repository_id, companion.digest)
    assert all(surveys.known(shelf.instance, layer.ref) is not None for layer in image.layers)


def test_layer_that_cannot_be_told_in_a_table_of_contents_fails_for_good(shelf: Shelf) -> None:
    """A3: its reason is shown, and nobody converts it again in vain."""
    shelf.push(gzip.compress(archives.entry(b"srv/\xff\xfe", b"x") + archives.END))
    shelf.work()
    mark = shelf.mark()
    assert mark is not None
    assert (mark.state, mark.reason) == ("failed", "unsupported_name")
    (row,) = shelf.rows()
    assert shelf.api.post(f"/instances/ci/tasks/{shelf.task().id}/retry").status == 200
    shelf.work()
    assert shelf.rows() == [row]


def test_converter_without_room_for_temporary_files_says_so(shelf: Shelf) -> None:
    message = asked(shelf)
    stopping(shelf, raising(OSError(errno.ENOSPC, "no space left"))).carry_out(message)
    shelf.work()
    mark = shelf.mark()
    assert mark is not None
    assert (mark.state, mark.reason) == ("failed", "too_large")


def test_of_two_tasks_for_one_tag_the_one_that_began_last_makes_the_image(shelf: Shelf) -> None:
    """The first knows nothing of a list that was told in between."""
    shelf.push(BASE, APP)
    shelf.library.handle_events()
    first = shelf.tasks()[0]
    for _ in range(3):
        shelf.step(first.id)
    files = {"files": ["/usr/lib/big"]}
    assert shelf.api.send("PUT", shelf.library.path("/first-files"), files).status == 200
    second = shelf.api.post(shelf.library.path("/tags/v1/accelerate")).json()["id"]
    shelf.step(second)
    shelf.work()
    assert shelf.items(shelf.task(first.id)) == {"v1": ("skipped", "another task converts it")}
    assert shelf.items(shelf.task(second)) == {"v1": ("accelerated", "")}
    assert shelf.document("v1-accelerated")["annotations"]["crs.accelerated.first-files.from"] == "repository"
