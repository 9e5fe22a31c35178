"""What only files have: folders, names, leftovers, and the spool of events."""

from __future__ import annotations

import errno
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chalicelib.kernel.errors import Invalid, NotFound, Unavailable
from chalicelib.ports import paths
from chalicelib.ports.embedded import objects as file_objects
from chalicelib.ports.embedded import writing
from chalicelib.ports.embedded.objects import FileObjects
from chalicelib.ports.embedded.spool import Spool
from chalicelib.ports.embedded.stack import Buckets
from chalicelib.ports.objects import ObjectMissing


@pytest.fixture
def buckets(tmp_path: Path) -> Buckets:
    opened = Buckets(tmp_path)
    opened.create("one")
    return opened


@pytest.fixture
def objects(buckets: Buckets) -> FileObjects:
    return buckets("one")


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "a/../b",
        "../x",
        "a/.",
        "a b",
        "a+b",
        "ä",
        "a\n",
        "a\0b",
        "x" * 256,
        "x/" * 256 + "x",
    ],
)
def test_keys_out_of_contract_never_reach_the_disk(objects: FileObjects, key: str) -> None:
    for call in (
        lambda: objects.put(key, b""),
        lambda: objects.get(key),
        lambda: objects.begin(key),
        lambda: objects.delete(key),
        lambda: objects.copy("one", key, "k"),
        lambda: objects.copy("one", "k", key),
    ):
        with pytest.raises(ValueError):
            call()


@pytest.mark.parametrize("bucket", ["..", ".", "", "../one", "a/b"])
def test_a_copy_stays_among_the_buckets(objects: FileObjects, bucket: str) -> None:
    objects.put("key", b"x")

    with pytest.raises((ValueError, ObjectMissing)):
        objects.copy(bucket, "key", "copy")


def test_a_key_may_not_continue_an_object(objects: FileObjects) -> None:
    objects.put("a", b"x")

    with pytest.raises(ValueError):
        objects.put("a/b", b"x")
    with pytest.raises(ObjectMissing):
        objects.get("a/b")


def test_a_copy_is_as_young_as_its_name(objects: FileObjects, tmp_path: Path) -> None:
    """It shares its bytes with an older object; a sweeper that took it for as old would delete it."""
    objects.put("old", b"x")
    os.utime(tmp_path / "buckets/one/old", (0, 0))
    objects.copy("one", "old", "new")

    (copy,) = objects.list("new").items
    assert datetime.now(UTC) - copy.modified_at < timedelta(minutes=1)


def test_a_link_planted_under_a_key_is_not_followed(objects: FileObjects, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "buckets/one/link").symlink_to(tmp_path / "secret")

    with pytest.raises(ObjectMissing):
        objects.get("link")


def test_folders_go_with_their_last_object(objects: FileObjects, tmp_path: Path) -> None:
    objects.put("a/b/c", b"x")
    objects.put("a/d", b"x")

    objects.delete("a/b/c")
    assert os.listdir(tmp_path / "buckets/one/a") == ["d"]
    objects.delete("a/d")

    assert set(os.listdir(tmp_path / "buckets/one")) == {"+empty", "+parts"}


def test_a_folder_made_for_nothing_goes_again(objects: FileObjects, tmp_path: Path) -> None:
    """The source of a copy, or an upload, may be deleted while it is about to get its name."""
    with pytest.raises(FileNotFoundError):
        objects._name(str(tmp_path / "gone"), str(tmp_path / "buckets/one/a/b/c"))

    assert set(os.listdir(tmp_path / "buckets/one")) == {"+empty", "+parts"}


def test_nothing_is_left_of_what_was_completed_refused_or_aborted(objects: FileObjects, tmp_path: Path) -> None:
    objects.put("a", b"x")
    for step in (objects.abort, lambda key, multipart: objects.complete("b", multipart, [])):
        step("b", objects.begin("b"))

    assert os.listdir(tmp_path / "buckets/one/+parts") == []


def test_an_upload_outlives_the_process(objects: FileObjects, tmp_path: Path) -> None:
    multipart = objects.begin("key")
    first = objects.part("key", multipart, 1, 0, b"before ")

    again = Buckets(tmp_path)("one")
    again.complete("key", multipart, [first, again.part("key", multipart, 2, 7, b"after")])

    assert b"".join(again.get("key").chunks()) == b"before after"


def test_an_upload_that_lost_bytes_is_missing(objects: FileObjects, tmp_path: Path) -> None:
    """What a loss of power may do to parts, which are on the disk for certain only at the end."""
    multipart = objects.begin("key")
    part = objects.part("key", multipart, 1, 0, b"content")
    os.truncate(tmp_path / "buckets/one/+parts" / multipart, 3)

    with pytest.raises(ObjectMissing):
        objects.complete("key", multipart, [part])


def test_parts_that_leave_a_gap_are_refused(objects: FileObjects) -> None:
    multipart = objects.begin("key")
    parts = [objects.part("key", multipart, 1, 0, b"abc"), objects.part("key", multipart, 2, 4, b"def")]

    with pytest.raises(ValueError):
        objects.complete("key", multipart, parts)


def test_a_completion_cut_short_between_its_two_names_is_finished(objects: FileObjects, tmp_path: Path) -> None:
    multipart = objects.begin("key")
    part = objects.part("key", multipart, 1, 0, b"content")
    os.link(tmp_path / "buckets/one/+parts" / multipart, tmp_path / "buckets/one/key")

    objects.complete("key", multipart, [part])

    assert os.listdir(tmp_path / "buckets/one/+parts") == []


def test_leftovers_of_a_crash_are_cleared_after_a_day(
    objects: FileObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = tmp_path / "buckets/one/+parts"
    multipart = objects.begin("key")
    (parts / "01KG0000000000000000000000.new").touch()

    Buckets(tmp_path)("one")
    assert len(os.listdir(parts)) == 2
    monkeypatch.setattr(file_objects, "_LEFTOVER_S", -60)
    Buckets(tmp_path)("one")

    assert os.listdir(parts) == [multipart]


def test_a_file_with_all_the_names_it_can_have_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"content")
    link = os.link

    def full(one: str, other: str) -> None:
        if one == str(source):
            raise OSError(errno.EMLINK, "Too many links")
        link(one, other)

    monkeypatch.setattr(os, "link", full)
    writing.link_or_copy(str(source), str(tmp_path / "copy"), str(tmp_path))

    assert (tmp_path / "copy").read_bytes() == b"content"
    assert sorted(os.listdir(tmp_path)) == ["copy", "source"]


def test_an_object_cut_short_on_the_disk_is_unavailable(objects: FileObjects, tmp_path: Path) -> None:
    objects.put("key", b"content")
    reading = objects.get("key")
    os.truncate(tmp_path / "buckets/one/key", 3)

    with pytest.raises(Unavailable):
        list(reading.chunks())
    reading.close()


PUSH = paths.push("01KG0000000000000000000000", "01KG0000000000000000000001", "01KG0000000000000000000002")


def test_a_push_leaves_an_event_until_it_is_done(objects: FileObjects, buckets: Buckets) -> None:
    objects.put("other/key", b"")
    objects.put(PUSH, b"")

    (spooled,) = buckets.spool.take(10)
    assert (spooled.bucket, spooled.key) == ("one", PUSH)
    assert buckets.spool.take(10) == [spooled]
    buckets.spool.done(spooled.path)
    buckets.spool.done(spooled.path)

    assert buckets.spool.take(10) == []


def test_an_event_follows_its_object(tmp_path: Path) -> None:
    """Whoever sees the event finds the object."""
    seen: list[bool] = []
    files = FileObjects(tmp_path / "bucket", lambda key: seen.append((tmp_path / "bucket" / key).exists()))

    files.put(PUSH, b"123")

    assert seen == [True]


def test_pushes_by_upload_and_by_copy_are_events_as_well(objects: FileObjects, buckets: Buckets) -> None:
    objects.complete(PUSH, objects.begin(PUSH), [])
    objects.copy("one", PUSH, PUSH[:-1] + "A")

    assert sorted(spooled.key for spooled in buckets.spool.take(10)) == [PUSH, PUSH[:-1] + "A"]


def test_no_more_events_are_taken_than_asked_for(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "events")
    for number in range(5):
        spool.add("one", f"{PUSH}{number}")
        spool.add("one", f"{PUSH}{number}")

    assert len(spool.take(3)) == 3
    assert len(spool.take(9)) == 5


@pytest.mark.parametrize("name", ["ab", "A-b-c", "a..b", "-abc", "abc.", "../x", "a/b", "x" * 64, "a_b"])
def test_bad_names_of_buckets_are_refused(buckets: Buckets, name: str) -> None:
    with pytest.raises(Invalid):
        buckets.create(name)
    with pytest.raises(NotFound):
        buckets(name)


def test_a_bucket_has_to_be_made_first(buckets: Buckets) -> None:
    with pytest.raises(NotFound):
        buckets("two")
    buckets.create("two")
    buckets.create("two")

    assert buckets("two").list("").items == ()
