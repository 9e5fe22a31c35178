"""Images are looked over when they are pushed, and tell what came of it."""

from __future__ import annotations

import gzip

import pytest

from chalicelib.advice import store
from chalicelib.advice.handlers import look_over_push
from chalicelib.advice.models import Report
from chalicelib.advice.service import Advice
from chalicelib.kernel import media
from chalicelib.kernel.messages import ImagePushed
from chalicelib.kernel.roles import Role
from chalicelib.ports import paths
from chalicelib.ports.stack import Stack
from chalicelib.registry.handlers import object_created
from chalicelib.tasks.service import Tasks
from tests.advice.building import DEBIAN, copy, run, step
from tests.advice.shelf import Shelf
from tests.registry.images import image, push_blob, push_manifest
from tests.registry.library import Library, gone_for_good
from tests.stacks import FrozenClock

MIB = 1024 * 1024
STEPS = (
    DEBIAN,
    step('CMD ["bash"]'),
    copy("big.tar /tmp/", {"tmp/big.tar": MIB}),
    run("tar xf && rm", {"tmp/.wh.big.tar": 0, "opt/app": 3 * MIB}),
)


@pytest.fixture
def shelf(stack: Stack) -> Shelf:
    return Shelf(Library.opened(stack))


def test_a_pushed_image_is_looked_over_and_says_layer_bytes_and_what_to_write(shelf: Shelf) -> None:
    """D1: from its own config and layers, without anybody asking."""
    digest = shelf.push(*STEPS)
    assert shelf.advice(digest)["state"] == "pending"
    shelf.work()
    found = shelf.advice(digest)
    assert (found["state"], found["reason"], found["platform"]) == ("ready", "", "linux/amd64")
    total = MIB + 3 * MIB + 104
    assert (found["wasted_bytes"], found["efficiency"]) == (MIB, round(1 - MIB / total, 4))
    (item,) = found["items"]
    layers = shelf.library.api().get(shelf.library.path(f"/manifests/{digest}")).json()["layers"]
    assert (item["rule"], item["layer"], item["bytes"]) == ("deleted_later", layers[1]["digest"], MIB)
    assert item["command"] == "COPY big.tar /tmp/ # buildkit"
    assert item["instead"]
    assert item["paths"] == ["tmp/big.tar"]
    assert item["inherited"] is False


def test_small_layers_are_read_in_one_step(shelf: Shelf) -> None:
    """Three here, and what they come to."""
    digest = shelf.push(*STEPS)
    assert shelf.work(1) == 1
    (task,) = shelf.tasks()
    assert (task.state, task.done, task.counts) == ("succeeded", 1, {"looked_over": 1})
    layers = shelf.library.api().get(shelf.library.path(f"/manifests/{digest}")).json()["layers"]
    assert task.bytes == sum(layer["size"] for layer in layers)


@pytest.mark.usefixtures("large_layers")
def test_a_large_layer_has_a_step_to_itself_and_the_task_tells_how_far_it_is(shelf: Shelf) -> None:
    digest = shelf.push(*STEPS)
    shelf.work(1)
    (task,) = shelf.tasks()
    assert (task.state, task.trigger, task.subject["digest"]) == ("running", "push", digest)
    assert (task.done, task.total) == (0, 1)
    assert task.bytes > 0
    assert shelf.advice(digest)["reason"] == "not_looked_over"
    assert shelf.work() == 3
    (task,) = shelf.tasks()
    assert (task.state, task.done, task.counts) == ("succeeded", 1, {"looked_over": 1})


def test_a_push_that_is_told_of_again_has_one_task(shelf: Shelf) -> None:
    digest = shelf.push(*STEPS)
    (stored,) = shelf.stack.objects(shelf.instance.bucket).list(f"{shelf.instance.id}/pushes/").items
    (message,) = object_created(shelf.stack, shelf.instance.bucket, stored.key)
    assert isinstance(message, ImagePushed)
    for _ in range(3):
        look_over_push(shelf.stack, message)
    shelf.work()
    (task,) = shelf.tasks()
    assert (task.id, task.state, task.subject["digest"]) == (message.incarnation, "succeeded", digest)


def test_another_push_of_known_layers_reads_none(shelf: Shelf) -> None:
    shelf.push(*STEPS)
    shelf.work()
    shelf.push(*STEPS, tag="v2")
    assert shelf.work() == 1
    assert sorted(task.bytes > 0 for task in shelf.tasks()) == [False, True]


def test_a_namespace_that_scans_its_pushes_needs_no_second_reader(stack: Stack) -> None:
    """The scan's surveys suffice, and advice is made of them when somebody asks."""
    shelf = Shelf(Library.opened(stack, scan_on_push=True))
    digest = shelf.push(*STEPS)
    shelf.work()
    assert shelf.tasks() == []
    assert shelf.advice(digest)["state"] == "ready"


def test_what_is_known_once_is_one_object_and_asks_for_no_layer(shelf: Shelf) -> None:
    digest = shelf.push(*STEPS)
    shelf.work()
    objects = shelf.stack.objects(shelf.instance.bucket)
    for prefix in paths.surveys(shelf.instance.id)[:2]:
        for stored in objects.list(prefix).items:
            objects.delete(stored.key)
    assert len(objects.list(f"{shelf.instance.id}/advice/").items) == 1
    assert shelf.advice(digest)["items"]


def test_advice_goes_with_its_image(shelf: Shelf, clock: FrozenClock) -> None:
    shelf.push(*STEPS)
    shelf.work()
    assert shelf.library.api().delete(shelf.library.path("/tags/v1")).status < 300
    gone_for_good(shelf.library, clock)
    objects = shelf.stack.objects(shelf.instance.bucket)
    for kept in ("advice", "surveys", "contents"):
        assert objects.list(f"{shelf.instance.id}/{kept}/").items == ()


def test_of_an_index_each_image_has_its_own_advice(shelf: Shelf) -> None:
    one = shelf.push(*STEPS, tag="")
    clean = shelf.push(DEBIAN, run("x", {"opt/app": 10}), tag="", platform="linux/arm64")
    index = shelf.library.push_index((one, "linux/amd64"), (clean, "linux/arm64"), tag="all")
    assert shelf.advice(index)["state"] == "pending"
    shelf.work()
    found = shelf.advice(index)
    assert (found["state"], found["wasted_bytes"], found["items"]) == ("ready", MIB, [])
    seen = [(each["digest"], each["platform"], len(each["items"])) for each in found["platforms"]]
    assert seen == [(one, "linux/amd64", 1), (clean, "linux/arm64", 0)]
    assert found["efficiency"] < 1


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (b"no archive", "truncated"),
        (b"x" * 2000, "corrupt"),
        (gzip.compress(b"x" * 2000, mtime=0)[:-30], "truncated"),
        (b"BZh91AY&SY" + bytes(50), "unsupported_compression"),
    ],
    ids=["short", "rubbish", "cut off", "bzip2"],
)
def test_an_image_that_cannot_be_read_says_why_and_has_no_numbers(shelf: Shelf, layer: bytes, reason: str) -> None:
    """Never "0 bytes wasted" for what nobody looked at."""
    digest = shelf.push(layers=[layer])
    shelf.work()
    found = shelf.advice(digest)
    assert (found["state"], found["reason"], found["wasted_bytes"], found["efficiency"]) == (
        "failed",
        reason,
        None,
        None,
    )
    assert found["message"]
    (task,) = shelf.tasks()
    assert (task.state, task.error) == ("failed", found["message"])
    (item,) = Tasks(shelf.stack).items(task, "", None, 10).items
    assert (item.verdict, item.reason) == ("failed", found["message"])


def test_one_image_of_an_index_that_cannot_be_read_holds_up_no_other_and_is_counted_once(shelf: Shelf) -> None:
    bad = shelf.push(layers=[b"x" * 2000], tag="")
    good = shelf.push(*STEPS, tag="", platform="linux/arm64")
    index = shelf.library.push_index((bad, "linux/amd64"), (good, "linux/arm64"), tag="all")
    shelf.work()
    found = shelf.advice(index)
    assert [(each["state"], each["reason"]) for each in found["platforms"]] == [("failed", "corrupt"), ("ready", "")]
    assert (found["state"], found["reason"]) == ("failed", "corrupt")
    task = next(one for one in shelf.tasks() if one.subject["digest"] == index)
    assert (task.state, task.done, task.total) == ("failed", 2, 2)
    Tasks(shelf.stack).retry(task)
    shelf.work()
    task = Tasks(shelf.stack).get(shelf.instance.id, task.id)
    assert (task.state, task.done, dict(task.counts)) == ("failed", 2, {"failed": 1, "looked_over": 1})


def test_an_image_pushed_before_can_be_looked_over_when_somebody_asks(shelf: Shelf) -> None:
    digest = shelf.push(*STEPS)
    answer = shelf.ask(digest)
    assert (answer.status, answer.json()["kind"], answer.json()["trigger"]) == (202, "advice", "manual")
    shelf.work()
    assert shelf.advice(digest)["state"] == "ready"


def test_what_is_no_image_is_refused_and_not_looked_over(shelf: Shelf) -> None:
    """Signatures, charts and other artifacts have no file system."""
    registry, owner = shelf.library.registry, shelf.library.owner
    for data in (b"{}", b"chart"):
        push_blob(registry, owner, data)
    chart = push_manifest(registry, owner, image(b"chart", config_type=media.HELM_CONFIG), "v1").digest
    shelf.work()
    assert shelf.tasks() == []
    assert shelf.ask(chart).code == "CONFLICT"
    assert (shelf.advice(chart)["state"], shelf.advice(chart)["reason"]) == ("failed", "no_image")
    missing = f"/manifests/sha256:{'0' * 64}/advice"
    assert shelf.library.api().get(shelf.library.path(missing)).status == 404
    assert shelf.library.api().get(shelf.library.path("/manifests/latest/advice")).status == 404


@pytest.mark.usefixtures("large_layers")
def test_an_image_that_goes_while_it_is_looked_over_ends_the_task_quietly(shelf: Shelf, clock: FrozenClock) -> None:
    digest = shelf.push(*STEPS)
    shelf.work(1)
    assert shelf.library.api().delete(shelf.library.path("/tags/v1")).status < 300
    gone_for_good(shelf.library, clock)
    shelf.work()
    (task,) = shelf.tasks()
    assert task.state == "succeeded"
    assert shelf.library.api().get(shelf.library.path(f"/manifests/{digest}/advice")).status == 404


def test_readers_may_read_advice_and_developers_may_ask_for_it(shelf: Shelf) -> None:
    digest = shelf.push(*STEPS)
    path = shelf.library.path(f"/manifests/{digest}/advice")
    assert shelf.library.api(Role.READER).get(path).status == 200
    assert shelf.library.api(Role.READER).post(path).status == 403
    assert shelf.library.api(Role.DEVELOPER).post(path).status == 202


def test_two_images_that_name_one_config_have_advice_of_their_own(shelf: Shelf) -> None:
    """The kept object is named for the config; another image's is not told for this one's."""
    plain = [copy("a /a", {"a": 10})]
    first = shelf.push(*plain)
    shelf.work()
    second = shelf.push(*plain, layers=[gzip.compress(b"".join([bytes(1024)]))])
    shelf.work()
    repository = shelf.library.repository()
    told = [Advice(shelf.stack).of(shelf.instance, repository, digest).digest for digest in (first, second)]
    assert told == [first, second]


def test_advice_that_comes_after_its_images_end_is_not_kept(shelf: Shelf) -> None:
    """Whoever deleted the config has looked for it before: nobody would delete it any more."""
    gone = f"sha256:{'0' * 64}"
    store.keep(shelf.stack, shelf.instance.bucket, shelf.instance.id, gone, Report(digest=gone))
    assert shelf.stack.objects(shelf.instance.bucket).list(f"{shelf.instance.id}/advice/").items == ()
