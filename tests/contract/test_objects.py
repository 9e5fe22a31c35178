"""What `ports.objects` promises, on every adapter."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.request import urlopen

import pytest

from chalicelib.ports.objects import ObjectExists, ObjectMissing, Objects

KEY = "instance/blobs/0G/01KG0000000000000000000G0G"


def content(objects: Objects, key: str, start: int = 0, end: int | None = None) -> bytes:
    reading = objects.get(key, start, end)
    try:
        return b"".join(reading.chunks())
    finally:
        reading.close()


def keys(objects: Objects, prefix: str = "", cursor: str | None = None, limit: int = 1000) -> list[str]:
    """The keys of all pages."""
    found: list[str] = []
    while True:
        page = objects.list(prefix, cursor=cursor, limit=limit)
        assert len(page.items) <= limit
        found += [item.key for item in page.items]
        cursor = page.next
        if cursor is None:
            return found


@pytest.mark.parametrize("relaxed", [False, True])
def test_an_object_comes_back_as_it_was_put(objects: Objects, relaxed: bool) -> None:
    objects.put(KEY, b"content", relaxed=relaxed)
    objects.put("empty", b"", relaxed=relaxed)

    assert content(objects, KEY) == b"content"
    assert content(objects, "empty") == b""
    assert objects.get("empty").size == 0


def test_an_object_is_never_written_twice(objects: Objects) -> None:
    objects.put(KEY, b"first")

    with pytest.raises(ObjectExists):
        objects.put(KEY, b"second")

    assert content(objects, KEY) == b"first"


@pytest.mark.parametrize(("start", "end"), [(0, None), (3, None), (2, 5), (0, 1), (9, 10), (4, 4), (5, 99), (10, None)])
def test_a_range_begins_and_ends_where_asked(objects: Objects, start: int, end: int | None) -> None:
    objects.put(KEY, b"0123456789")

    assert content(objects, KEY, start, end) == b"0123456789"[start:end]


def test_a_reading_knows_the_size_of_the_whole_object_and_closes_twice(objects: Objects) -> None:
    objects.put(KEY, b"0123456789")

    reading = objects.get(KEY, 2, 4)
    assert reading.size == 10
    reading.close()
    reading.close()
    assert reading.descriptor is None


def test_large_objects_come_in_pieces(objects: Objects) -> None:
    data = bytes(range(256)) * 12_000
    objects.put(KEY, data)

    reading = objects.get(KEY)
    pieces = list(reading.chunks())
    reading.close()

    assert b"".join(pieces) == data
    assert max(map(len, pieces)) <= 1024 * 1024


def test_a_missing_object_is_missing(objects: Objects) -> None:
    objects.put("folder/object", b"x")

    for key in (KEY, "folder", "folder/object2"):
        with pytest.raises(ObjectMissing):
            objects.get(key)


def test_deleting_removes_an_object_and_is_harmless_without_one(objects: Objects) -> None:
    objects.put(KEY, b"x")
    objects.put(KEY + "A", b"kept")

    objects.delete(KEY)
    objects.delete(KEY)
    objects.delete("never/was")
    objects.delete("instance/blobs")

    with pytest.raises(ObjectMissing):
        objects.get(KEY)
    assert keys(objects) == [KEY + "A"]


def test_an_open_reading_outlives_the_object(objects: Objects) -> None:
    objects.put(KEY, b"content")
    reading = objects.get(KEY)

    objects.delete(KEY)

    assert b"".join(reading.chunks()) == b"content"
    reading.close()


def test_a_presigned_link_reads_the_object_where_there_is_one(objects: Objects) -> None:
    objects.put(KEY, b"content")

    link = objects.presign(KEY, expires_s=60, media_type="application/x-test")

    if link is not None:
        with urlopen(link) as answer:
            assert answer.read() == b"content"
            assert answer.headers["Content-Type"] == "application/x-test"


def padded(objects: Objects, text: bytes) -> bytes:
    """The text, made as long as a part has to be."""
    return text.ljust(objects.part_min_bytes, b".")


def test_parts_in_any_order_make_one_object(objects: Objects) -> None:
    first, second, last = padded(objects, b"first"), padded(objects, b"second"), b"last"
    multipart = objects.begin(KEY)

    third = objects.part(KEY, multipart, 3, len(first) + len(second), last)
    parts = [
        third,
        objects.part(KEY, multipart, 1, 0, memoryview(first)),
        objects.part(KEY, multipart, 2, len(first), bytearray(second)),  # type: ignore[arg-type]
    ]
    assert keys(objects) == []
    with pytest.raises(ObjectMissing):
        objects.get(KEY)
    objects.complete(KEY, multipart, parts)

    assert (third.number, third.size) == (3, 4)
    assert content(objects, KEY) == first + second + last
    assert keys(objects) == [KEY]


def test_completing_twice_is_harmless(objects: Objects) -> None:
    multipart = objects.begin(KEY)
    parts = [objects.part(KEY, multipart, 1, 0, b"content")]

    objects.complete(KEY, multipart, parts)
    objects.complete(KEY, multipart, parts)
    objects.abort(KEY, multipart)

    assert content(objects, KEY) == b"content"


def test_an_upload_without_parts_makes_an_empty_object(objects: Objects) -> None:
    multipart = objects.begin(KEY)

    objects.complete(KEY, multipart, [])
    objects.complete(KEY, multipart, [])

    assert content(objects, KEY) == b""


@pytest.mark.parametrize("again", [b"longer than before", b"short", b""])
def test_a_repeated_part_replaces_the_earlier_one(objects: Objects, again: bytes) -> None:
    first = padded(objects, b"first")
    multipart = objects.begin(KEY)
    parts = [objects.part(KEY, multipart, 1, 0, first)]
    objects.part(KEY, multipart, 2, len(first), b"given up half way")

    parts.append(objects.part(KEY, multipart, 2, len(first), again))
    objects.complete(KEY, multipart, parts)

    assert content(objects, KEY) == first + again


def test_a_part_that_is_not_named_at_the_end_is_left_out(objects: Objects) -> None:
    first = padded(objects, b"first")
    multipart = objects.begin(KEY)
    parts = [objects.part(KEY, multipart, 1, 0, first)]
    objects.part(KEY, multipart, 2, len(first), b"never answered for")

    objects.complete(KEY, multipart, parts)

    assert content(objects, KEY) == first


def test_of_two_uploads_for_one_key_the_first_to_complete_wins(objects: Objects) -> None:
    winner, loser = objects.begin(KEY), objects.begin(KEY)
    won = [objects.part(KEY, winner, 1, 0, b"winner")]
    lost = [objects.part(KEY, loser, 1, 0, b"loser!")]
    objects.complete(KEY, winner, won)

    with pytest.raises(ObjectExists):
        objects.complete(KEY, loser, lost)
    with pytest.raises(ObjectExists):
        objects.put(KEY, b"put")
    objects.abort(KEY, loser)

    assert content(objects, KEY) == b"winner"


def test_an_aborted_upload_is_gone(objects: Objects) -> None:
    multipart = objects.begin(KEY)
    parts = [objects.part(KEY, multipart, 1, 0, b"x")]

    objects.abort(KEY, multipart)
    objects.abort(KEY, multipart)

    with pytest.raises(ObjectMissing):
        objects.part(KEY, multipart, 2, 1, b"y")
    with pytest.raises(ObjectMissing):
        objects.complete(KEY, multipart, parts)
    with pytest.raises(ObjectMissing):
        objects.get(KEY)


@pytest.mark.parametrize("multipart", ["", "..", "../../secrets/key", "01KG0000000000000000000000", "x" * 3000])
def test_an_upload_that_nobody_began_is_missing(objects: Objects, multipart: str) -> None:
    with pytest.raises(ObjectMissing):
        objects.part(KEY, multipart, 1, 0, b"x")
    with pytest.raises(ObjectMissing):
        objects.complete(KEY, multipart, [])
    objects.abort(KEY, multipart)


def test_a_copy_is_an_object_of_its_own(buckets: Callable[[str], Objects]) -> None:
    one, two = buckets("one"), buckets("two")
    one.put(KEY, b"content")

    two.copy("one", KEY, "copy/of")
    one.copy("one", KEY, "beside")
    one.delete(KEY)

    assert content(two, "copy/of") == b"content"
    assert content(one, "beside") == b"content"
    assert keys(two) == ["copy/of"]


def test_a_copy_needs_a_source_and_a_free_key(objects: Objects) -> None:
    objects.put("source", b"source")
    objects.put("taken", b"taken")

    with pytest.raises(ObjectExists):
        objects.copy("one", "source", "taken")
    with pytest.raises(ObjectMissing):
        objects.copy("one", "missing", "free")
    with pytest.raises(ObjectMissing):
        objects.copy("two", "source", "free")

    assert content(objects, "taken") == b"taken"
    assert keys(objects) == ["source", "taken"]


LISTED = sorted(["0", "A", "a-b", "a.b", "a/b", "a/b-c/d", "a/b.c", "a/bx", "a0", "b/c/d/e", "b/c/d/f", "z"])


@pytest.fixture
def filled(objects: Objects) -> Objects:
    for key in reversed(LISTED):
        objects.put(key, key.encode())
    return objects


@pytest.mark.parametrize("limit", [1, 2, 1000])
@pytest.mark.parametrize("prefix", ["", "a", "a/", "a/b", "a/b-c/", "b/c/d/e", "b/c/x", "y", "a-"])
def test_keys_are_listed_in_their_order(filled: Objects, prefix: str, limit: int) -> None:
    assert keys(filled, prefix, limit=limit) == [key for key in LISTED if key.startswith(prefix)]


@pytest.mark.parametrize("cursor", ["A", "a/", "a/b", "a/b-c/zzz", "a.", "b/c/d/e", "zz", "0", "B"])
def test_a_list_goes_on_behind_any_key(filled: Objects, cursor: str) -> None:
    assert keys(filled, "", cursor, limit=3) == [key for key in LISTED if key > cursor]


def test_a_full_last_page_has_no_next(filled: Objects) -> None:
    assert filled.list("b/", limit=2).next is None


def test_a_listed_object_tells_its_size_and_when_it_was_made(objects: Objects) -> None:
    objects.put(KEY, b"12345")
    objects.copy("one", KEY, "copy")

    now = datetime.now(UTC)
    for info in objects.list("").items:
        assert info.size == 5
        assert abs(info.modified_at - now) < timedelta(minutes=1)
