"""Accelerated images through the API: on request, shown, helped by a list."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.acceleration.models import FIRST_FILES_TYPE
from chalicelib.kernel import media
from chalicelib.kernel.names import Digest
from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from tests.acceleration.shelf import APP, BASE, FOREIGN, PLAIN, Shelf
from tests.packages.rebuild import tar
from tests.registry.images import descriptor, push_blob
from tests.stacks import FrozenClock, make_instance, make_namespace


@pytest.fixture
def shelf(stack: Stack) -> Shelf:
    """Switched off: what is made is asked for."""
    return Shelf.opened(stack)


def asked(shelf: Shelf, tag: str = "v1") -> Any:
    return shelf.api.post(shelf.library.path(f"/tags/{tag}/accelerate"))


def shown(shelf: Shelf, tag: str = "v1") -> dict[str, Any]:
    answer = shelf.api.get(shelf.library.path(f"/tags/{tag}/acceleration"))
    assert answer.status == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def told(shelf: Shelf, *files: str) -> Any:
    return shelf.api.send("PUT", shelf.library.path("/first-files"), {"files": list(files)})


def first_of(shelf: Shelf, tag: str = "v1") -> tuple[int, str]:
    (image,) = shown(shelf, tag)["images"]
    return image["first_files"], image["first_files_from"]


def test_image_is_accelerated_on_request_whatever_the_switch_says(shelf: Shelf) -> None:
    """A1: the answer is a task."""
    shelf.push(BASE, APP)
    answer = asked(shelf)
    assert answer.status == 202
    assert answer.headers["Location"].endswith(f"/tasks/{answer.json()['id']}")
    shelf.work()
    task = shelf.task()
    assert (task.state, task.trigger) == ("succeeded", "manual")
    assert shelf.tag("v1-accelerated") is not None


def test_what_became_of_it_is_shown_with_every_layer(shelf: Shelf) -> None:
    """A3: states, both sizes and how much larger that is, layers, and how nodes run it."""
    digest = shelf.push(BASE, APP)
    before = shown(shelf)
    assert (before["state"], before["digest"], before["images"]) == ("none", "", [])
    asked(shelf)
    queued = shown(shelf)
    assert (queued["state"], queued["task"]) == ("queued", shelf.task().id)
    shelf.work()
    after = shown(shelf)
    assert (after["state"], after["source_digest"], after["tag"]) == ("succeeded", digest, "v1-accelerated")
    (image,) = after["images"]
    assert (image["platform"], image["digest"], len(image["layers"])) == ("linux/amd64", digest, 2)
    assert after["size"] > after["source_size"] > 0
    assert after["larger_by_percent"] == round((after["size"] / after["source_size"] - 1) * 100, 1)
    assert [command["tool"] for command in after["commands"]] == ["nerdctl", "ctr-remote", "podman"]
    assert all("library/app:v1-accelerated" in command["command"] for command in after["commands"])


def test_index_is_shown_platform_by_platform(shelf: Shelf) -> None:
    amd = shelf.push(BASE, tag="", platform="linux/amd64")
    arm = shelf.push(APP, tag="", platform="linux/arm64")
    described = [{"platform": {"os": "linux", "architecture": one}} for one in ("amd64", "arm64")]
    shelf.push_index("v1", (amd, described[0]), (arm, described[1]))
    asked(shelf)
    shelf.work()
    assert [(one["platform"], one["digest"]) for one in shown(shelf)["images"]] == [
        ("linux/amd64", amd),
        ("linux/arm64", arm),
    ]


def test_failure_is_shown_with_its_reason_and_retried_by_its_task(shelf: Shelf) -> None:
    """A3."""
    document = shelf.document(shelf.push(BASE, tag=""))
    document["layers"].append({"mediaType": FOREIGN, "digest": f"sha256:{'1' * 64}", "size": 9, "urls": ["https://x"]})
    shelf.push_document(document, "v1")
    asked(shelf)
    shelf.work()
    found = shown(shelf)
    assert (found["state"], found["reason"]) == ("failed", "foreign_layer")
    assert "kept elsewhere" in found["message"]
    assert shelf.api.post(f"/instances/ci/tasks/{shelf.task().id}/retry").status == 200


@pytest.mark.parametrize("tag", ["v1-accelerated", "chart", "t" * 120, "taken"])
def test_what_can_have_none_beside_it_is_refused_at_once(shelf: Shelf, tag: str) -> None:
    """A1: an accelerated image, what is no image, a name that is too long, one whose companion's name is taken."""
    shelf.push(BASE)
    asked(shelf)
    shelf.work()
    chart = shelf.document(shelf.push(BASE, tag=""))
    chart["config"]["mediaType"] = media.HELM_CONFIG
    shelf.push_document(chart, "chart")
    shelf.push(BASE, tag="t" * 120)
    shelf.push(BASE, tag="taken")
    shelf.push(APP, tag="taken-accelerated")
    answer = asked(shelf, tag)
    assert (answer.status, answer.code) == (409, "CONFLICT"), answer.text


def test_pushed_tags_that_can_have_none_say_why(stack: Stack) -> None:
    """A3: the switch is on, and the list tells."""
    shelf = Shelf.opened(stack)
    shelf.push(APP, tag="taken-accelerated")
    shelf.work()
    assert shelf.api.patch(shelf.library.path(), {"acceleration": True}).status == 200
    document = shelf.document(shelf.push(BASE, tag=""))
    shelf.push_document(document, "taken", "t" * 120, "good")
    shelf.work()
    reasons = {name: mark.reason for name in ("taken", "t" * 120, "good") if (mark := shelf.mark(name)) is not None}
    assert reasons == {"taken": "name_taken", "t" * 120: "name_too_long", "good": ""}
    assert shelf.document("taken-accelerated")["layers"][0]["digest"] != shelf.document("good-accelerated")["layers"][0]
    assert shelf.task().state == "failed"


def test_instance_of_the_personal_edition_has_none(stack: Stack) -> None:
    instance = make_instance(stack, "mine", "personal")
    make_namespace(stack, instance)
    shelf = Shelf.opened(stack)
    api = shelf.library.api()
    path = f"/instances/{instance.id}/namespaces/library/repositories"
    made = api.post(path, {"name": "app"}).json()
    assert api.post(f"{path}/{made['id']}/tags/v1/accelerate").code == "EDITION_REQUIRED"


def test_reader_may_look_and_not_ask(shelf: Shelf) -> None:
    shelf.push(BASE)
    reader = shelf.library.api(Role.READER)
    assert reader.get(shelf.library.path("/tags/v1/acceleration")).status == 200
    assert reader.post(shelf.library.path("/tags/v1/accelerate")).status == 403


# First files


def test_list_of_a_repository_decides_what_comes_first(shelf: Shelf) -> None:
    """A1: by the entrypoint alone, until somebody tells more; then the image is made anew."""
    shelf.push(BASE, APP)
    asked(shelf)
    shelf.work()
    assert first_of(shelf)[1] == "static"
    before = shelf.tag("v1-accelerated")
    assert told(shelf, "/usr/lib/big", "/srv/data", "/not/there").status == 200
    asked(shelf)
    shelf.work()
    after = shelf.tag("v1-accelerated")
    assert first_of(shelf) == (2, "repository")
    assert before is not None
    assert after is not None
    assert before.digest != after.digest
    shelf.layers("v1-accelerated")


def test_list_is_shown_as_it_was_told_and_can_be_forgotten(shelf: Shelf) -> None:
    shelf.push(BASE)
    path = shelf.library.path("/first-files")
    assert shelf.api.get(path).json() == {"files": [], "set_at": None, "set_by": ""}
    assert told(shelf, "/usr/lib/big", "bin//sh", "/usr/lib/big").json()["files"] == ["/usr/lib/big", "/bin/sh"]
    assert shelf.api.get(path).json()["set_by"] != ""
    assert shelf.api.delete(path).status == 204
    assert shelf.api.get(path).json()["files"] == []


def test_list_that_is_none_is_refused(shelf: Shelf) -> None:
    shelf.push(BASE)
    assert told(shelf).status == 400
    assert told(shelf, "with\nnewline").status == 400
    assert told(shelf, *(f"/file-{number}" for number in range(10_001))).status == 400


def attached(shelf: Shelf, subject: Digest, content: bytes, created: str) -> Digest:
    for data in (b"{}", content):
        push_blob(shelf.library.registry, shelf.library.owner, data)
    return shelf.push_document(
        {
            "schemaVersion": 2,
            "mediaType": media.OCI_MANIFEST,
            "artifactType": FIRST_FILES_TYPE,
            "config": descriptor(b"{}", "application/vnd.oci.empty.v1+json"),
            "layers": [descriptor(content, "text/plain")],
            "subject": {"mediaType": media.OCI_MANIFEST, "digest": subject, "size": len(shelf.body(subject))},
            "annotations": {"org.opencontainers.image.created": created},
        }
    )


def test_newest_list_beside_the_image_comes_before_that_of_the_repository(shelf: Shelf) -> None:
    """A1: one that cannot be read is passed over."""
    digest = shelf.push(BASE, APP)
    told(shelf, "/usr/lib/big", "/srv/data", "/bin/sh")
    attached(shelf, digest, b"/usr/lib/big\n/srv/data\n", "2026-01-01T00:00:00Z")
    attached(shelf, digest, b"# traced\n/usr/lib/big\n", "2026-01-02T00:00:00Z")
    attached(shelf, digest, b"\xff\xfe", "2026-01-03T00:00:00Z")
    asked(shelf)
    shelf.work()
    assert first_of(shelf) == (1, "artifact")


def test_lists_beside_an_image_are_not_all_read_however_many_there_are(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A1: a client that attaches ever more of them keeps no conversion busy."""
    monkeypatch.setattr("chalicelib.acceleration.recipes._MOST_TRIED", 2)
    digest = shelf.push(BASE, APP)
    attached(shelf, digest, b"/usr/lib/big\n", "2026-01-01T00:00:00Z")
    for number in (2, 3):
        attached(shelf, digest, b"\xff%d" % number, f"2026-01-0{number}T00:00:00Z")
    asked(shelf)
    shelf.work()
    assert first_of(shelf)[1] == "static"


def test_list_beside_an_index_is_for_all_its_images(shelf: Shelf) -> None:
    image = shelf.push(BASE, tag="")
    index = shelf.push_index("v1", (image, {"platform": {"os": "linux", "architecture": "amd64"}}))
    attached(shelf, index, b"/usr/lib/big\n", "")
    asked(shelf)
    shelf.work()
    assert first_of(shelf) == (1, "artifact")


def test_failed_second_conversion_leaves_the_first_one_standing(shelf: Shelf, clock: FrozenClock) -> None:
    """It is of this very push: nothing of it is wrong."""
    shelf.push(BASE)
    asked(shelf)
    shelf.work()
    told(shelf, "/usr/lib/big")
    task = asked(shelf).json()["id"]
    for _ in range(2):
        shelf.step(task)
    assert shelf.api.post(f"/instances/ci/tasks/{task}/cancel").status == 200
    shelf.work()
    mark = shelf.mark()
    assert mark is not None
    assert (mark.state, mark.reason) == ("succeeded", "")
    assert shown(shelf)["tag"] == "v1-accelerated"
    assert shelf.task(task).state == "cancelled"


@pytest.mark.parametrize("meanwhile", ["event", "deletion"])
def test_first_conversion_is_not_lost_while_the_second_is_under_way(shelf: Shelf, meanwhile: str) -> None:
    """A1: by the event of the push, which comes late and finds the switch off, or with a tag that comes back."""
    shelf.push(BASE)
    first = asked(shelf).json()["id"]
    while not shelf.task(first).finished:
        shelf.step(first)
        shelf.convert_layers()
    before = shelf.tag("v1-accelerated")
    told(shelf, "/usr/lib/big")
    shelf.step(asked(shelf).json()["id"])
    if meanwhile == "event":
        shelf.library.handle_events()
    else:
        assert shelf.api.delete(shelf.library.path("/tags/v1")).status == 200
        entry = next(one for one in shelf.api.get("/instances/ci/recycle-bin").json()["items"] if one["name"] == "v1")
        assert shelf.api.post(f"/instances/ci/recycle-bin/{entry['id']}/restore").status == 200
    after, mark = shelf.tag("v1-accelerated"), shelf.mark()
    assert (before and before.digest) == (after and after.digest) == (mark and mark.digest)
    assert before is not None


def test_plain_layers_are_larger_before_than_after(shelf: Shelf) -> None:
    shelf.push(tar(BASE), layer_type=PLAIN)
    asked(shelf)
    shelf.work()
    assert shown(shelf)["larger_by_percent"] < 0
    assert json.loads(shelf.body("v1-accelerated"))["layers"]
